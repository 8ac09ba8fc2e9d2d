package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/resolvers"
	"interlock/services/ledger/sqlledger"
	"interlock/services/messages"
	"interlock/services/messages/streams"
	"interlock/services/notify"
	"interlock/services/notify/letters"
	"interlock/services/notify/outgoing"
	"interlock/services/notify/partnerhook"
	"interlock/services/notify/smtpmail"
	"interlock/services/notify/sqlnotify"
	"interlock/services/rail"
	"interlock/services/rpc"
	"interlock/services/ticketpdf"
)

const (
	// notifyFile is the notifications' database in the data folder, notifySuffix what follows the ledger's name in
	// MySQL, and mailsFolder where the embedded default writes mails.
	notifyFile   = "notify.db"
	notifySuffix = "_notify"
	mailsFolder  = "mails"
	// notifyConnections are few, since what waits shares commits.
	notifyConnections = 8
	// notifyGroup are the consumers of orders' events that tell buyers and partners.
	notifyGroup = "notify"
	// notifyAtOnce is how many events are handled at once: each reads an order.
	notifyAtOnce = 32
)

// notifies tells whether a process with these settings tells buyers or partners anything.
func (s *Settings) notifies() bool { return s.embedded() || s.mails() || s.Webhooks }

// mails tells whether mails are sent, or written into a folder.
func (s *Settings) mails() bool { return s.embedded() || s.MailServer != "" || s.MailFolder != "" }

// notifyRules are those for what tells buyers and partners.
func (s *Settings) notifyRules() []settingRule {
	return []settingRule{
		{s.MailServer == "" || s.MailFolder == "", "--mail-server sends mails, and --mail-folder keeps them: give one"},
		{s.MailServer == "" || s.MailFrom != "", "--mail-server needs --mail-from: the address that mails come from"},
		{
			s.MailCA == "" || s.MailServer != "" && s.MailTLS != string(smtpmail.None),
			"--mail-ca goes with --mail-server, and not with --mail-tls none",
		},
		{(s.MailUser == "") == (s.MailPasswordFile == ""), "--mail-user and --mail-password-file go together"},
		{s.NotifyURL == "" || s.ListenOrders != "", "--notify-url needs --listen-orders: where interlock notify reads orders"},
		{(s.NotifyCert == "") == (s.NotifyKey == ""), "--notify-cert and --notify-key go together"},
		{len(s.NotifyMySQL) == 0 || !s.embedded(), "--notify-mysql goes with --mysql: without it everything is embedded"},
	}
}

// notifyAccess is what serve and notify show each other.
func notifyAccess(s *Settings) (rpc.Access, error) {
	access := rpc.Access{Certificates: rpc.Certificates{Own: s.NotifyCert, Key: s.NotifyKey, CA: s.NotifyCA}}
	if s.NotifySecretFile == "" {
		return access, nil
	}
	var err error
	if access.Secrets, err = rpc.LoadSecrets(s.NotifySecretFile); err != nil {
		return access, fmt.Errorf("--notify-secret-file: %w", err)
	}
	return access, nil
}

// notifyOptions say where the notifications' database is.
func notifyOptions(s *Settings) (sqlledger.Options, error) {
	return besideLedger(s, notifyFile, s.NotifyMySQL, notifySuffix, notifyConnections)
}

// notifications tell buyers and partners in this process: their service, their database, and what hears of orders.
type notifications struct {
	store    *sqlnotify.Store
	service  *notify.Service
	consumer *messages.Consumer
	stream   *streams.Stream
	hooks    *partnerhook.Sender
	log      *slog.Logger
	// mail says how mails go out.
	mail string
}

// openNotifications opens what tells buyers and partners. orders is where orders are read, name what tells this
// process from others in the group. orderPage is where a buyer finds an order.
func openNotifications(
	ctx context.Context, s *Settings, log *slog.Logger, o *stores, orders notify.Orders, name, orderPage string,
) (*notifications, error) {
	options, err := notifyOptions(s)
	if err != nil {
		return nil, err
	}
	if options.Keyring, err = personalDataKeys(s); err != nil {
		return nil, err
	}
	if s.embedded() {
		if err := sqlnotify.Migrate(ctx, options); err != nil {
			return nil, err
		}
	}
	n := &notifications{stream: o.messages, log: log}
	mailer, how, err := openMailer(s, log, orderPage)
	if err != nil {
		return nil, err
	}
	n.mail = how
	n.hooks = partnerhook.New(partnerhook.Options{AllowPrivate: s.InsecureWebhookTargets})
	options.Log = log
	if n.store, err = sqlnotify.Open(ctx, o.faults.ledger(options)); err != nil {
		return nil, fmt.Errorf("the notifications' database: %w", err)
	}
	to := notify.Options{Store: n.store, Orders: orders, Mailer: mailer, Log: log}
	if s.embedded() || s.Webhooks {
		to.Poster = &outgoing.Poster{
			Sender: n.hooks, Log: log, AllowPrivate: s.InsecureWebhookTargets, PageID: resolvers.OrderID,
			RunID: resolvers.RunID,
		}
	}
	n.service = notify.New(o.faults.notify(to))
	host, err := os.Hostname()
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.consumer = &messages.Consumer{
		Queue: o.messages, Log: log, Group: notifyGroup, Name: host + "/" + name, Handler: n.service.Handle,
		Parallel: notifyAtOnce,
	}
	return n, nil
}

// mailsFolder is where mails are written; "" where they are sent, or by another process.
func (s *Settings) mailsFolder() string {
	switch {
	case s.MailServer != "" || s.NotifyURL != "" || !s.mails():
		return ""
	case s.MailFolder != "":
		return s.MailFolder
	}
	return filepath.Join(s.Data, mailsFolder)
}

// openMailer makes what writes and sends mails; nil where none are sent. how says it in words.
func openMailer(s *Settings, log *slog.Logger, orderPage string) (_ notify.Mailer, how string, err error) {
	if !s.mails() {
		return nil, "no mails", nil
	}
	m := &outgoing.Mailer{Log: log, OrderPage: orderPage, Domain: "interlock.invalid"}
	if s.MailOrderPage != "" {
		m.OrderPage = s.MailOrderPage
	}
	if m.Templates, err = letters.Open(s.MailTemplates); err != nil {
		return nil, "", fmt.Errorf("--mail-templates: %w", err)
	}
	if s.MailFrom != "" {
		if m.Domain, err = smtpmail.Domain(s.MailFrom); err != nil {
			return nil, "", fmt.Errorf("--%w", err)
		}
	}
	if m.Printer, err = openPrinter(s, log); err != nil {
		return nil, "", err
	}
	if folder := s.mailsFolder(); folder != "" {
		to, err := smtpmail.NewFolder(folder)
		if err != nil {
			return nil, "", fmt.Errorf("--mail-folder: %w", err)
		}
		m.Sender = to
		return m, "mails are written to " + to.Dir(), nil
	}
	o := smtpmail.Options{Server: s.MailServer, From: s.MailFrom, User: s.MailUser, TLS: smtpmail.Mode(s.MailTLS)}
	if s.MailPasswordFile != "" {
		password, err := os.ReadFile(s.MailPasswordFile)
		if err != nil {
			return nil, "", fmt.Errorf("--mail-password-file: %w", err)
		}
		o.Password = strings.TrimSpace(string(password))
	}
	if s.MailCA != "" {
		text, err := os.ReadFile(s.MailCA)
		if err != nil {
			return nil, "", fmt.Errorf("--mail-ca: %w", err)
		}
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM(text) {
			return nil, "", fmt.Errorf("--mail-ca: %s has no certificate in PEM form", s.MailCA)
		}
	}
	if m.Sender, err = smtpmail.New(o); err != nil {
		return nil, "", fmt.Errorf("--%w", err)
	}
	return m, "mails by " + s.MailServer, nil
}

// openPrinter makes what prints tickets, and says where it has no font for Chinese.
func openPrinter(s *Settings, log *slog.Logger) (*ticketpdf.Printer, error) {
	printer, err := ticketpdf.New(s.TicketFont)
	if err != nil {
		return nil, fmt.Errorf("--ticket-font: %w", err)
	}
	if !printer.HasFont() {
		log.Warn("there is no font with Chinese: tickets as PDF have boxes for it; install one such as Debian's " +
			"fonts-droid-fallback, or give --ticket-font")
	}
	return printer, nil
}

// Close closes the database.
func (n *notifications) Close() error {
	n.hooks.Close()
	return n.store.Close()
}

// readyRetry is the pause between two looks whether the database can be written.
const readyRetry = time.Second

// run hears of orders and delivers until ctx ends. Events wait until the database is there: without its tables each
// would become a dead letter.
func (n *notifications) run(ctx context.Context) {
	var loops sync.WaitGroup
	defer loops.Wait()
	for n.store.Ready(ctx) != nil {
		if !pause.For(ctx, readyRetry) {
			return
		}
	}
	loops.Go(func() { n.service.Run(ctx) })
	// Where it fails, the consumer makes the group later, and the log says so.
	_ = n.stream.MakeGroup(ctx, notifyGroup)
	_ = n.consumer.Run(ctx) // The group's name is a right one.
}

// lateAfter is for how long a delivery may be due without a place until readiness says so.
const lateAfter = time.Minute

// stands is what readiness says of notifications. It decides nothing: seats are sold without them.
func (n *notifications) stands(ctx context.Context) string {
	what := n.mail
	if err := n.store.Ready(ctx); err != nil {
		n.log.DebugContext(ctx, "the notifications' database is not ready", "error", err)
		what += "; the database is not ready"
		var known *rail.Error
		if errors.As(err, &known) {
			what += ": " + known.Message
		}
	}
	if oldest := n.service.Stats().OldestDue; !oldest.IsZero() && time.Since(oldest) > lateAfter {
		what += fmt.Sprintf("; deliveries wait since %s", oldest.UTC().Format(time.RFC3339))
	}
	return what
}
