package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/resolvers"
	"interlock/services/identity"
	"interlock/services/ledger/sqlledger"
	"interlock/services/messages"
	"interlock/services/mysqlcluster"
	"interlock/services/pay"
	"interlock/services/pay/sqlpay"
	"interlock/services/pay/stripepay"
	"interlock/services/pay/webhooks"
	"interlock/services/rail"
	"interlock/services/rpc"
)

const (
	// paymentsFile is the payments' database in the data folder, paymentsSuffix what follows the ledger's name in
	// MySQL.
	paymentsFile   = "pay.db"
	paymentsSuffix = "_pay"
	// paymentsConnections are few, since changes that wait share commits.
	paymentsConnections = 12
	// saleGroup are the consumers of payments' events in every server.
	saleGroup = "sale"
	// orderIDPlace is where --pay-return-url has the order's id, as clients know it.
	orderIDPlace = "{ORDER_ID}"
)

// payments take money in this process: their service, their database, what publishes their events, and what takes
// webhooks.
type payments struct {
	store    *sqlpay.Store
	service  *pay.Service
	relay    *messages.Relay
	monitor  *messages.Monitor
	webhooks *webhooks.Handler
	log      *slog.Logger
	provider string
}

// paymentsOptions say where the payments' database is.
func paymentsOptions(s *Settings) (sqlledger.Options, error) {
	return besideLedger(s, paymentsFile, s.PayMySQL, paymentsSuffix, paymentsConnections)
}

// besideLedger says where a service's own database is: a file in the data folder, or the members that the settings name,
// or else the ledger's, with a suffix to the ledger's name.
func besideLedger(
	s *Settings, file string, members []string, suffix string, connections int,
) (sqlledger.Options, error) {
	if s.embedded() {
		return sqlledger.Options{Path: filepath.Join(s.Data, file), Durability: sqlledger.Local}, nil
	}
	o := sqlledger.Options{Durability: s.Durability, CommitTimeout: commitTimeout, MaxConnections: connections}
	if len(members) == 0 {
		// Beside the ledger's, which has the epoch of the members.
		for _, dsn := range s.MySQL {
			beside, database, err := mysqlcluster.Beside(dsn, suffix)
			if err != nil {
				return o, fmt.Errorf("--mysql: %w", err)
			}
			members, o.ClusterDatabase = append(members, beside), database
		}
	}
	if len(members) == 1 {
		o.DSN = members[0]
	} else {
		o.Members = members
	}
	return o, nil
}

// openPayments opens what takes money. bankURL is where the bank of this process is, "" where there is none.
// returnURL is where buyers come back to.
func openPayments(
	ctx context.Context, s *Settings, log *slog.Logger, o *stores, bankURL, returnURL string,
) (_ *payments, err error) {
	provider, err := openProvider(s, bankURL, returnURL)
	if err != nil {
		return nil, err
	}
	options, err := paymentsOptions(s)
	if err != nil {
		return nil, err
	}
	if s.embedded() {
		if err := sqlpay.Migrate(ctx, options); err != nil {
			return nil, err
		}
	}
	options.Log = log
	store, err := sqlpay.Open(ctx, o.faults.ledger(options))
	if err != nil {
		return nil, fmt.Errorf("the payments' database: %w", err)
	}
	p := &payments{store: store, log: log, provider: provider.Name()}
	p.relay = &messages.Relay{Outbox: store, Stream: o.payments, Lock: o.lock, Log: log, Name: "payments"}
	o.faults.relay(p.relay)
	p.monitor = &messages.Monitor{Outbox: store, Stream: o.payments, Log: log}
	p.service = pay.New(o.faults.pay(pay.Options{
		Store: store, Providers: []pay.Provider{provider}, Log: log, Woken: p.relay.Wake,
	}))
	p.webhooks = webhooks.New(webhooks.Options{Service: p.service, Log: log})
	return p, nil
}

// openProvider makes the provider that the settings name.
func openProvider(s *Settings, bankURL, returnURL string) (pay.Provider, error) {
	key, secrets, err := providerSecrets(s)
	if err != nil {
		return nil, err
	}
	o := stripepay.Options{
		Name: s.payments(), URL: s.BankURL, Key: key, WebhookSecrets: secrets, ReturnURL: s.PayReturnURL,
		PageID: resolvers.OrderID, Source: s.PaySource,
	}
	if bankURL != "" {
		o.URL = bankURL
	}
	if o.ReturnURL == "" {
		o.ReturnURL = returnURL
	}
	if o.Name == stripePayments {
		o.PageSlack = stripepay.StripeSlack
	}
	return stripepay.New(&o)
}

// providerSecrets are the key of the provider's API, and what its webhooks are signed with. The bank's may be those of
// the data folder.
func providerSecrets(s *Settings) (key string, secrets []string, err error) {
	keys, err := secretsIn("--stripe-key-file", s.StripeKeyFile, s, bankKeyFile)
	if err != nil {
		return "", nil, err
	}
	if len(keys) > 1 {
		return "", nil, errors.New("--stripe-key-file has one key")
	}
	secrets, err = secretsIn("--webhook-secret-file", s.WebhookSecretFile, s, bankWebhookSecretFile)
	return keys[0], secrets, err
}

// secretsIn reads the secrets in a file of the settings, or the one in a file of the data folder.
func secretsIn(setting, file string, s *Settings, usual string) ([]string, error) {
	if file != "" {
		secrets, err := rpc.LoadSecrets(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", setting, err)
		}
		return secrets, nil
	}
	if err := s.dataFolder(); err != nil {
		return nil, err
	}
	secret, err := identity.DevelopmentSecret(filepath.Join(s.Data, usual))
	return []string{string(secret)}, err
}

// payAccess is what serve and pay show each other.
func payAccess(s *Settings) (rpc.Access, error) {
	access := rpc.Access{Certificates: rpc.Certificates{Own: s.PayCert, Key: s.PayKey, CA: s.PayCA}}
	if s.PaySecretFile == "" {
		return access, nil
	}
	var err error
	if access.Secrets, err = rpc.LoadSecrets(s.PaySecretFile); err != nil {
		return access, fmt.Errorf("--pay-secret-file: %w", err)
	}
	return access, nil
}

// returnPage is the page of a server that buyers come back to.
func returnPage(url string) string { return url + "/playground?order=" + orderIDPlace }

// Close closes the database.
func (p *payments) Close() error { return p.store.Close() }

// run calls the provider and publishes until ctx ends.
func (p *payments) run(ctx context.Context) {
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){p.service.Run, p.relay.Run, p.monitor.Run, p.keepForSale} {
		loops.Go(func() { loop(ctx) })
	}
	loops.Wait()
}

// keepRetry is the pause after a failure to note the group.
const keepRetry = time.Second

// keepForSale notes that events are kept until the servers have acknowledged them, also while none has come up yet.
func (p *payments) keepForSale(ctx context.Context) {
	_, _ = pause.Until(ctx, keepRetry, func() (bool, error) {
		return p.store.KeepEventsFor(ctx, saleGroup) == nil, nil
	})
}

// stands is what readiness says of payments. It decides nothing for a server: seats are sold without them.
func (p *payments) stands(ctx context.Context) string {
	what := p.provider
	if err := p.store.Ready(ctx); err != nil {
		p.log.DebugContext(ctx, "the payments' database is not ready", "error", err)
		what += "; the database is not ready"
		var known *rail.Error
		if errors.As(err, &known) {
			what += ": " + known.Message
		}
	}
	if n := p.service.Stats().Overdue; n > 0 {
		what += "; " + count(n, "payment") + " cannot be given back"
	}
	return what + "; " + strings.TrimPrefix(stand(p.monitor), "; ")
}
