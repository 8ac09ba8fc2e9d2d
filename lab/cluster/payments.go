package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"interlock/internal/servers"
	"interlock/services/bank"
	"interlock/services/ledger/sqlledger"
	"interlock/services/pay/sqlpay"
)

// PaymentsDatabase is the name of the payments' database, on the ledger's members.
const PaymentsDatabase = Database + "_pay"

// Payments are what buyers pay through: a bank, and a service that deals with it.
type Payments struct {
	// Bank is `interlock sandbox-bank`, Service `interlock pay`. Webhooks is the bank's way to the service.
	Bank, Service *servers.Program
	Webhooks      *Webhooks

	// folder has the files with the secrets.
	folder, bankKey string
	// hooksAddr is where the service takes webhooks.
	hooksAddr string
}

// The files with secrets.
const (
	bankKeyFile   = "bank-key"
	bankSignFile  = "bank-webhook-secret"
	paySecretFile = "pay-secret"
)

// Payments are the bank and the service of payments; nil in a cluster whose payments are instant.
func (c *Cluster) Payments() *Payments { return c.payments }

// startPayments starts the bank and the service of payments, if there are to be any.
func (c *Cluster) startPayments(ctx context.Context) (err error) {
	if !c.options.Bank {
		return nil
	}
	err = sqlpay.Migrate(ctx, sqlledger.Options{DSN: c.DSN(PaymentsDatabase), ClusterDatabase: Database})
	if err != nil {
		return err
	}
	if c.payments, err = StartBank(ctx, c.options.Binary); err != nil {
		return err
	}
	c.payments.Service, err = servers.StartProgram(ctx, servers.ProgramOptions{
		Path: c.options.Binary, Ready: Ready, Env: c.paymentsEnv(),
		Args: func(addr string) []string { return c.paymentsArgs(addr) },
	})
	if err != nil {
		return fmt.Errorf("interlock pay: %w", err)
	}
	return nil
}

// StartBank starts a sandbox bank alone, for a server that is told InsideArgs. Call Close.
func StartBank(ctx context.Context, binary string) (_ *Payments, err error) {
	p := &Payments{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	if p.Webhooks, err = openWebhooks(p.hooksAddr); err != nil {
		return nil, err
	}
	p.Bank, err = servers.StartProgram(ctx, servers.ProgramOptions{
		Path: binary, Ready: listens,
		Args: func(addr string) []string {
			return []string{
				"sandbox-bank", "--address", addr, "--webhook-url", p.Webhooks.URL(), "--key-file", p.file(bankKeyFile),
				"--sign-file", p.file(bankSignFile), "--log-level", "WARN",
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("interlock sandbox-bank: %w", err)
	}
	return p, nil
}

// InsideArgs are the arguments of a server that deals with the bank itself. It takes webhooks where it serves all else:
// tell Webhooks.
func (p *Payments) InsideArgs() []string {
	return []string{
		"--payments", "bank", "--bank-url", "http://" + p.Bank.Addr(), "--stripe-key-file", p.file(bankKeyFile),
		"--webhook-secret-file", p.file(bankSignFile),
	}
}

// prepare writes the secrets, and chooses where the service takes webhooks.
func (p *Payments) prepare(ctx context.Context) (err error) {
	if p.folder, err = os.MkdirTemp("", "interlock-lab-pay-"); err != nil {
		return err
	}
	secrets := newSecrets()
	p.bankKey = secrets.token
	for file, secret := range map[string]string{
		bankKeyFile: p.bankKey, bankSignFile: secrets.document, paySecretFile: secrets.database,
	} {
		const private = 0o600
		if err := os.WriteFile(p.file(file), []byte(secret), private); err != nil {
			return err
		}
	}
	// The bank has to know it before the service listens.
	p.hooksAddr, err = freeAddr(ctx)
	return err
}

func (p *Payments) file(name string) string { return filepath.Join(p.folder, name) }

// paymentsArgs are the arguments of the service of payments.
func (c *Cluster) paymentsArgs(addr string) []string {
	return append([]string{
		"pay", "--listen", addr, "--listen-webhooks", c.payments.hooksAddr, "--durability", "replicated",
		"--pay-secret-file", c.payments.file(paySecretFile),
		"--redis", c.Cache.Addr(), "--messages", c.Messages.Addr(), "--lock-redis", strings.Join(c.lockAddrs(), ","),
		"--log-level", "WARN",
	}, c.payments.InsideArgs()...)
}

// paymentsEnv are its variables.
func (c *Cluster) paymentsEnv() []string { return slices.Concat(c.besideEnv(), c.faultEnv(0)) }

// besideEnv are the variables of a service whose database is beside the ledger's: it is told of the ledger's members.
func (c *Cluster) besideEnv() []string {
	dsns := make([]string, len(c.known()))
	for i, m := range c.known() {
		dsns[i] = c.members.DSN(m, Database)
	}
	return []string{"INTERLOCK_MYSQL=" + strings.Join(dsns, ",")}
}

// payArgs are what servers are told of payments.
func (c *Cluster) payArgs() []string {
	p := c.payments
	if p == nil {
		return []string{"--payments", "sandbox"}
	}
	return []string{
		"--payments", "bank", "--pay-url", "http://" + p.Service.Addr(), "--pay-secret-file", p.file(paySecretFile),
	}
}

// Close ends them, the bank last.
func (p *Payments) Close() error {
	if p == nil {
		return nil
	}
	var errs []error
	if p.Service != nil {
		errs = append(errs, stop(p.Service))
	}
	if p.Webhooks != nil {
		errs = append(errs, p.Webhooks.close())
	}
	if p.Bank != nil {
		errs = append(errs, p.Bank.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(p.folder))...)
}

// Reconcile runs `interlock pay reconcile`: it compares the payments with the bank's own list. It answers how many
// differences were healed. What could not be healed is an error.
func (c *Cluster) Reconcile(ctx context.Context) (healed int, err error) {
	run := exec.CommandContext(ctx, c.options.Binary, "pay", "reconcile", "--json", "--pay-url",
		"http://"+c.payments.Service.Addr(), "--pay-secret-file", c.payments.file(paySecretFile), "--log-level", "WARN")
	var said, wrong bytes.Buffer
	run.Stdout, run.Stderr = &said, &wrong
	if err := run.Run(); err != nil {
		return 0, fmt.Errorf("interlock pay reconcile: %w: %.2000s %.2000s", err, wrong.Bytes(), said.Bytes())
	}
	var report struct{ Healed int }
	if err := json.Unmarshal(said.Bytes(), &report); err != nil {
		return 0, fmt.Errorf("interlock pay reconcile: %w", err)
	}
	return report.Healed, nil
}

// bankTimeout bounds a question to the bank's controls.
const bankTimeout = 10 * time.Second

// Behave has the bank behave with all payments from now on.
func (p *Payments) Behave(ctx context.Context, behaviour bank.Behaviour) error {
	body, err := json.Marshal(behaviour)
	if err != nil {
		return err
	}
	return p.ask(ctx, http.MethodPost, "/sandbox/behaviour", body, &bank.Behaviour{})
}

// Charges are all that the bank has, the oldest first.
func (p *Payments) Charges(ctx context.Context) (all []bank.Charge, err error) {
	for from := 0; from >= 0; {
		var page struct {
			Charges []bank.Charge
			Next    int
		}
		if err := p.ask(ctx, http.MethodGet, "/sandbox/ledger?from="+strconv.Itoa(from), nil, &page); err != nil {
			return nil, err
		}
		all, from = append(all, page.Charges...), page.Next
	}
	return all, nil
}

// ask asks the bank's controls.
func (p *Payments) ask(ctx context.Context, method, path string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, bankTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+p.Bank.Addr()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Close = true
	request.Header.Set("Authorization", "Bearer "+p.bankKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the bank: %s: %.200s", response.Status, said)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(said, answer)
}
