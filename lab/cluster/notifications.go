package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/inbox"
	"interlock/lab/load"
	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/notify/sqlnotify"
)

// NotifyDatabase is the name of the notifications' database, on the ledger's members.
const NotifyDatabase = Database + "_notify"

// ToldPartners are the events that partners are told.
var ToldPartners = []ledger.EventType{
	ledger.EventOrderPaid, ledger.EventRunSuspended, ledger.EventRunResumed,
}

// Notifications are what tells buyers and partners, and those who are told.
type Notifications struct {
	// Service is `interlock notify`.
	Service *servers.Program
	Mails   *inbox.Mails
	// Partners are two.
	Partners []*inbox.Webhooks

	// folder has the file with the secret.
	folder string
	// ordersAddr is where the first server answers what orders say.
	ordersAddr string
}

const (
	notifySecretFile = "notify-secret"
	partners         = 2
)

// Notifications are the service of notifications and those it tells; nil in a cluster without.
func (c *Cluster) Notifications() *Notifications { return c.told }

// startNotifications makes the notifications' database, if notifications are on, and starts their service, if they have
// one of their own. It is ready once the servers are.
func (c *Cluster) startNotifications(ctx context.Context) (err error) {
	if c.options.MailFolder == "" && !c.options.Notify {
		return nil
	}
	err = sqlnotify.Migrate(ctx, sqlledger.Options{DSN: c.DSN(NotifyDatabase), ClusterDatabase: Database})
	if err != nil || !c.options.Notify {
		return err
	}
	n := &Notifications{}
	c.told = n
	if n.folder, err = os.MkdirTemp("", "interlock-lab-notify-"); err != nil {
		return err
	}
	const private = 0o600
	if err := os.WriteFile(n.secretFile(), []byte(newSecrets().token), private); err != nil {
		return err
	}
	if n.Mails, err = inbox.OpenMails(); err != nil {
		return err
	}
	for range partners {
		partner, err := inbox.OpenWebhooks()
		if err != nil {
			return err
		}
		n.Partners = append(n.Partners, partner)
	}
	if n.ordersAddr, err = freeAddr(ctx); err != nil {
		return err
	}
	n.Service, err = servers.StartProgram(ctx, servers.ProgramOptions{
		Path: c.options.Binary, Ready: listens, Env: c.notifyEnv(),
		Args: func(addr string) []string {
			return []string{
				"notify", "--listen", addr, "--durability", "replicated", "--orders-url", "http://" + n.ordersAddr,
				"--notify-secret-file", n.secretFile(), "--mail-server", n.Mails.Addr(), "--mail-tls", "none",
				"--mail-from", "tickets@lab.example", "--webhooks", "--insecure-webhook-targets",
				"--redis", c.Cache.Addr(), "--messages", c.Messages.Addr(), "--lock-redis", strings.Join(c.lockAddrs(), ","),
				"--log-level", "WARN",
			}
		},
	})
	if err != nil {
		return fmt.Errorf("interlock notify: %w", err)
	}
	return nil
}

func (c *Cluster) notifyEnv() []string {
	env := append(c.besideEnv(), "INTERLOCK_PERSONAL_DATA_KEYS="+c.secrets.personal)
	if c.options.Breakable {
		env = append(env, failpoints.ControlVariable+"="+controlFile)
	}
	return env
}

func (n *Notifications) secretFile() string { return filepath.Join(n.folder, notifySecretFile) }

// freeAddr is an address of this machine that is free just now.
func freeAddr(ctx context.Context) (string, error) {
	free, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return free.Addr().String(), free.Close()
}

// notifyArgs are what a server is told of notifications. The service knows the first one alone.
func (c *Cluster) notifyArgs(first bool) []string {
	switch {
	case c.told != nil:
		orders := "127.0.0.1:0"
		if first {
			orders = c.told.ordersAddr
		}
		return []string{
			"--notify-url", "http://" + c.told.Service.Addr(), "--notify-secret-file", c.told.secretFile(),
			"--listen-orders", orders,
		}
	case c.options.MailFolder != "":
		return []string{"--mail-folder", c.options.MailFolder}
	}
	return nil
}

const addWebhook = `mutation($i:AddWebhookInput!){addWebhook(input:$i){webhook{id} userErrors{message}}}`

// begin waits until the service tells, and has the partners be told.
func (n *Notifications) begin(ctx context.Context, c *Cluster) error {
	if n == nil {
		return nil
	}
	for err := Ready(ctx, n.Service.Addr()); err != nil; err = Ready(ctx, n.Service.Addr()) {
		const poll = 50 * time.Millisecond
		if !pause.For(ctx, poll) {
			return fmt.Errorf("interlock notify: %w", err)
		}
	}
	admin, err := load.AdminToken(c.tokens)
	if err != nil {
		return err
	}
	for _, partner := range n.Partners {
		var answer struct {
			AddWebhook struct{ UserErrors []struct{ Message string } }
		}
		err := load.API{Server: c.Servers()[0].Addr(), Token: admin}.Ask(ctx, addWebhook, map[string]any{
			"i": map[string]any{"url": partner.URL(), "events": ToldPartners},
		}, &answer)
		if err != nil {
			return err
		}
		for _, wrong := range answer.AddWebhook.UserErrors {
			return fmt.Errorf("adding a webhook: %s", wrong.Message)
		}
	}
	return nil
}

// close ends the service, and those who are told.
func (n *Notifications) close() error {
	if n == nil {
		return nil
	}
	var errs []error
	if n.Service != nil {
		errs = append(errs, stop(n.Service))
	}
	if n.Mails != nil {
		errs = append(errs, n.Mails.Close())
	}
	for _, partner := range n.Partners {
		errs = append(errs, partner.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(n.folder))...)
}
