package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"interlock/internal/pause"
	"interlock/services/gateway"
	"interlock/services/messages/streams"
	"interlock/services/pay"
	"interlock/services/pay/payrpc"
	"interlock/services/pay/sqlpay"
	"interlock/services/rpc"
)

// payCommand takes payments in a process of its own.
type payCommand struct {
	Serve     payServeCommand     `cmd:"" name:"run" default:"1" help:"Take payments for servers that have --pay-url."`
	Reconcile payReconcileCommand `cmd:"" help:"Compare with the provider's own list, and heal or report differences."`
}

type payServeCommand struct{}

// Run takes payments until it is told to stop.
func (payServeCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger) error {
	tradeMemoryForSpeed(log)
	process, err := openPayProcess(ctx, settings, log)
	if err != nil {
		return err
	}
	log.Info("taking payments", "url", process.url(), "webhooks", process.webhooks.Addr().String(),
		"provider", settings.payments(), "database", process.payments.store.Flavor(), "version", version)
	return process.Run(ctx)
}

// payProcess is `interlock pay`.
type payProcess struct {
	settings *Settings
	log      *slog.Logger
	stores   *stores
	payments *payments
	// calls serves servers, and hooks providers.
	calls, hooks       *rpc.Server
	listener, webhooks net.Listener
}

// openPayProcess opens everything, and listens. Run serves then.
func openPayProcess(ctx context.Context, s *Settings, log *slog.Logger) (_ *payProcess, err error) {
	access, err := payAccess(s)
	if err == nil {
		err = errors.Join(s.checkPay(), s.checkPayExposure(ctx, access))
	}
	if err != nil {
		return nil, err
	}
	p := &payProcess{settings: s, log: log, stores: &stores{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stores.Close())
		}
	}()
	if err := p.openStores(); err != nil {
		return nil, err
	}
	if p.payments, err = openPayments(ctx, s, log, p.stores, "", returnPage("http://127.0.0.1:8080")); err != nil {
		return nil, err
	}
	p.stores.close = append(p.stores.close, p.payments.Close)
	handler := payrpc.NewHandler(payrpc.HandlerOptions{Service: p.payments.service, Access: access, Log: log})
	if p.calls, err = rpc.NewServer(p.routes(handler), access.Certificates, log); err != nil {
		return nil, err
	}
	if p.hooks, err = rpc.NewServer(p.payments.webhooks, rpc.Certificates{}, log); err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	if p.listener, err = listen.Listen(ctx, "tcp", s.Listen); err != nil {
		return nil, err
	}
	if p.webhooks, err = listen.Listen(ctx, "tcp", s.ListenWebhooks); err != nil {
		return nil, errors.Join(fmt.Errorf("--listen-webhooks: %w", err), p.listener.Close())
	}
	return p, nil
}

// checkPay refuses settings with which no payments can be taken.
func (s *Settings) checkPay() error {
	nodes := len(s.LockRedis)
	rules := append(s.paymentRules(), []settingRule{
		{s.paysInTime(), "interlock pay needs --payments bank or stripe"},
		{s.PayURL == "", "--pay-url is for servers: interlock pay serves at --listen"},
		{s.payments() != bankPayments || s.BankURL != "", "--payments bank needs --bank-url: where interlock " +
			"sandbox-bank serves"},
		{s.embedded() || len(s.Redis) > 0 || len(s.Messages) > 0, "--mysql needs --messages or --redis: where events " +
			"are published"},
		{s.embedded() || nodes == 3 || nodes == 5, fmt.Sprintf("--mysql needs --lock-redis with 3 or 5 independent "+
			"Redis masters, not %d", nodes)},
	}...)
	for _, rule := range rules {
		if !rule.kept {
			return errors.New(rule.wrong)
		}
	}
	return nil
}

// checkPayExposure refuses to take calls without a secret or certificates where other machines can call.
func (s *Settings) checkPayExposure(ctx context.Context, access rpc.Access) error {
	if access.Closed() {
		return nil
	}
	at := Settings{Listen: s.Listen} // Names and proxies are those of servers.
	why, err := at.exposed(ctx)
	if err != nil || why == "" {
		return err
	}
	return fmt.Errorf("%s, and every machine that reaches it could move money: give --pay-secret-file, or --pay-ca "+
		"with --pay-cert and --pay-key", why)
}

// openStores opens the Redis of messages, and the lock. In a data folder, they are those of the server that runs there.
func (p *payProcess) openStores() error {
	at, err := p.stores.findRedis(p.settings, false)
	if err != nil {
		return err
	}
	if len(at.locks) == 0 {
		return fmt.Errorf("%s: %w, and so no Redis to publish events in: start interlock serve first, or give --mysql",
			p.settings.Data, errNoServer)
	}
	if p.stores.faults, err = openFaults(p.log); err != nil {
		return err
	}
	p.stores.close = append(p.stores.close, p.stores.faults.Close)
	return p.stores.openMessages(at)
}

// routes are the paths of --listen. Health and metrics need no secret.
func (p *payProcess) routes(handler *payrpc.Handler) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		paymentMetrics(p.payments), handlerMetrics(handler), groupMetrics{streams.Payments: p.payments.monitor})
	mux := http.NewServeMux()
	mux.Handle(payrpc.Path, handler)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })
	mux.Handle("GET /readyz", gateway.Readiness(p.checks(), p.durability(), gateway.Version{Version: version},
		p.log))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		Registry: registry, MaxRequestsInFlight: 8, Timeout: probeTimeout,
	}))
	return answeredWithin(probeTimeout, mux)
}

// probeTimeout is how long health and metrics may take. Calls have times of their own.
const probeTimeout = 10 * time.Second

// answeredWithin gives every response a deadline. A handler may set another.
func answeredWithin(d time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		controller, end := http.NewResponseController(w), time.Now().Add(d)
		// Only a test's writer has no deadlines.
		_ = controller.SetReadDeadline(end)
		_ = controller.SetWriteDeadline(end)
		next.ServeHTTP(w, r)
	})
}

// checks decide whether payments can be taken.
func (p *payProcess) checks() []gateway.Check {
	return []gateway.Check{
		{Name: "payments", Ready: func(ctx context.Context) (string, error) {
			return string(p.payments.store.Flavor()), p.payments.store.Ready(ctx)
		}},
		// They decide nothing: what waits is done later.
		{Name: "provider", Ready: func(context.Context) (string, error) { return p.payments.provider, nil }},
		{Name: "messages", Ready: func(context.Context) (string, error) { return stand(p.payments.monitor), nil }},
	}
}

// durability is what an acknowledged change of a payment is worth.
func (p *payProcess) durability() string {
	if p.settings.embedded() {
		return "local"
	}
	return string(p.settings.Durability)
}

// url is where servers call.
func (p *payProcess) url() string {
	at := *p.settings
	at.Listen = p.listener.Addr().String()
	url, err := at.payURL()
	if err != nil {
		panic(err) // A listener's address always has a host and a port.
	}
	return url
}

// payURL is where interlock pay is reached with these settings: at --pay-url, or at --listen on this machine.
func (s *Settings) payURL() (string, error) {
	if s.PayURL != "" {
		return s.PayURL, nil
	}
	url, err := s.localURL()
	if s.PayCert != "" {
		url = "https" + strings.TrimPrefix(url, "http")
	}
	return url, err
}

// Run takes payments until ctx ends, finishes what is under way, and closes everything.
func (p *payProcess) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	life, end := context.WithCancel(context.Background())
	defer end()
	var loops sync.WaitGroup
	loops.Go(func() { p.payments.run(life) })
	loops.Go(func() { p.watchFolder(life, stop) })
	served := make(chan error, 2)
	go func() { served <- p.calls.Serve(p.listener) }()
	go func() { served <- p.hooks.Serve(p.webhooks) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			err = cause
		}
	}
	limited, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err = errors.Join(err, p.calls.Shutdown(limited), p.hooks.Shutdown(limited))
	end()
	loops.Wait()
	return errors.Join(err, p.stores.Close())
}

// folderInterval is the pause between two looks for the server that runs on the data folder.
const folderInterval = time.Second

// watchFolder ends the process when the server has ended whose Redis it publishes in. Another one is elsewhere.
func (p *payProcess) watchFolder(ctx context.Context, stop context.CancelCauseFunc) {
	if !p.settings.embedded() {
		return
	}
	first, err := runningRedis(p.settings)
	for err == nil {
		if !pause.For(ctx, folderInterval) {
			return
		}
		var now redisAddresses
		if now, err = runningRedis(p.settings); err == nil && !slices.Equal(now.Locks, first.Locks) {
			err = errors.New("another one is running now")
		}
	}
	stop(fmt.Errorf("%s: the server that events were published through has ended: %w; start interlock pay again",
		p.settings.Data, err))
}

type payReconcileCommand struct {
	Within time.Duration `help:"How far back; up to 744h." default:"48h"`
	JSON   bool          `name:"json" help:"Print one JSON document."`
}

// Run compares, in the process at --pay-url, or else in this one. It exits with 1 where a difference needs a person.
func (c payReconcileCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) (err error) {
	service, done, err := settings.reconciler(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	report, err := service.Reconcile(ctx, c.Within)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(out).Encode(newReconcileReport(report))
	} else {
		err = printReconcile(out, report)
	}
	if err == nil && report.Left > 0 {
		return errFound
	}
	return err
}

// reconciler is who compares with the provider's list. Where payments are taken inside servers, that is this process:
// any number may work on one database.
func (s *Settings) reconciler(ctx context.Context, log *slog.Logger) (payrpc.Service, func() error, error) {
	if s.PayURL != "" {
		access, err := payAccess(s)
		if err != nil {
			return nil, nil, err
		}
		client, err := payrpc.NewClient(payrpc.ClientOptions{URL: s.PayURL, Access: access, Log: log})
		if err != nil {
			return nil, nil, fmt.Errorf("--pay-url: %w", err)
		}
		return client, client.Close, nil
	}
	if err := s.validate(); err != nil {
		return nil, nil, err
	}
	if !s.paysInTime() {
		return nil, nil, errors.New("there is nothing to compare: --payments is neither bank nor stripe")
	}
	bankURL := ""
	if s.hasOwnBank() {
		var err error
		if bankURL, err = notedBank(s); err != nil {
			return nil, nil, fmt.Errorf("no bank has served in this folder: %w", err)
		}
	}
	provider, err := openProvider(s, bankURL, returnPage("http://127.0.0.1:8080"))
	if err != nil {
		return nil, nil, err
	}
	options, err := paymentsOptions(s)
	if err != nil {
		return nil, nil, err
	}
	if s.embedded() {
		if _, err := os.Stat(options.Path); err != nil {
			return nil, nil, fmt.Errorf("there are no payments: %w", err)
		}
	}
	options.Log = log
	store, err := sqlpay.Open(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	return pay.New(pay.Options{Store: store, Providers: []pay.Provider{provider}, Log: log}), store.Close, nil
}

// reconcileReport is a report as JSON.
type reconcileReport struct {
	OK          bool               `json:"ok"`
	Charges     int64              `json:"charges"`
	Payments    int64              `json:"payments"`
	Healed      int64              `json:"healed"`
	Left        int64              `json:"left"`
	Differences []differenceReport `json:"differences"`
}

type differenceReport struct {
	PaymentID string `json:"paymentId,omitempty"`
	OrderID   string `json:"orderId,omitempty"`
	Reference string `json:"reference,omitempty"`
	What      string `json:"what"`
	Healed    bool   `json:"healed"`
}

func newReconcileReport(r pay.Report) reconcileReport {
	report := reconcileReport{
		OK: r.Left == 0, Charges: r.Charges, Payments: r.Payments, Healed: r.Healed, Left: r.Left,
		Differences: []differenceReport{},
	}
	for _, d := range r.Differences {
		report.Differences = append(report.Differences, differenceReport(d))
	}
	return report
}

func printReconcile(out io.Writer, r pay.Report) error {
	_, err := fmt.Fprintf(out, "%s of the provider and %s compared: %s healed, %s left\n",
		count(int(r.Charges), "charge"), count(int(r.Payments), "payment"), count(int(r.Healed), "difference"),
		count(int(r.Left), "difference"))
	for i := range r.Differences {
		d := &r.Differences[i]
		state := "left"
		if d.Healed {
			state = "healed"
		}
		_, printErr := fmt.Fprintf(out, "%s: %s (payment %s, order %s, the provider's %s)\n", state, d.What,
			orNone(d.PaymentID), orNone(d.OrderID), orNone(d.Reference))
		err = errors.Join(err, printErr)
	}
	if named := int64(len(r.Differences)); named < r.Healed+r.Left {
		_, printErr := fmt.Fprintf(out, "and %d more\n", r.Healed+r.Left-named)
		err = errors.Join(err, printErr)
	}
	return err
}
