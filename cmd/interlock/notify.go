package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"interlock/services/gateway"
	"interlock/services/notify/notifyrpc"
	"interlock/services/rpc"
)

// notifyCommand tells buyers and partners in a process of its own.
type notifyCommand struct{}

// Run tells until it is told to stop.
func (notifyCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger) error {
	process, err := openNotifyProcess(ctx, settings, log)
	if err != nil {
		return err
	}
	log.Info("telling buyers and partners", "url", process.listener.Addr().String(), "mail", process.notifications.mail,
		"database", process.notifications.store.Flavor(), "version", version)
	return process.Run(ctx)
}

// notifyProcess is `interlock notify`.
type notifyProcess struct {
	settings      *Settings
	log           *slog.Logger
	stores        *stores
	orders        *notifyrpc.OrdersClient
	notifications *notifications
	calls         *rpc.Server
	listener      net.Listener
}

// checkNotify refuses settings with which nothing can be told.
func (s *Settings) checkNotify() error {
	nodes := len(s.LockRedis)
	for _, rule := range append(s.notifyRules(), []settingRule{
		{!s.embedded(), "interlock notify needs --mysql: without it, the server tells by itself"},
		{s.notifies(), "interlock notify needs --mail-server, --mail-folder or --webhooks: what it is to tell"},
		{s.OrdersURL != "", "interlock notify needs --orders-url: where servers answer what orders say"},
		{s.NotifyURL == "", "--notify-url is for servers: interlock notify serves at --listen"},
		{len(s.Redis) > 0 || len(s.Messages) > 0, "--mysql needs --messages or --redis: where events are published"},
		{nodes == 3 || nodes == 5, fmt.Sprintf("--mysql needs --lock-redis with 3 or 5 independent Redis masters, not %d",
			nodes)},
		{len(s.PersonalDataKeys) > 0, "interlock notify needs --personal-data-keys: the secrets of webhooks are sealed " +
			"with them"},
	}...) {
		if !rule.kept {
			return errors.New(rule.wrong)
		}
	}
	return nil
}

// openNotifyProcess opens everything, and listens. Run serves then.
func openNotifyProcess(ctx context.Context, s *Settings, log *slog.Logger) (_ *notifyProcess, err error) {
	if err := s.checkNotify(); err != nil {
		return nil, err
	}
	access, err := notifyAccess(s)
	if err != nil {
		return nil, err
	}
	if err := s.checkCallsExposure(ctx, s.Listen, access, "--notify"); err != nil {
		return nil, err
	}
	p := &notifyProcess{settings: s, log: log, stores: &stores{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stores.Close())
		}
	}()
	at, err := p.stores.findRedis(s, false)
	if err != nil {
		return nil, err
	}
	if p.stores.faults, err = openFaults(log); err != nil {
		return nil, err
	}
	p.stores.close = append(p.stores.close, p.stores.faults.Close)
	if err := p.stores.openMessages(at); err != nil {
		return nil, err
	}
	p.orders, err = notifyrpc.NewOrdersClient(notifyrpc.ClientOptions{URL: s.OrdersURL, Access: access, Log: log})
	if err != nil {
		return nil, fmt.Errorf("--orders-url: %w", err)
	}
	p.stores.close = append(p.stores.close, p.orders.Close)
	var listen net.ListenConfig
	if p.listener, err = listen.Listen(ctx, "tcp", s.Listen); err != nil {
		return nil, err
	}
	p.notifications, err = openNotifications(ctx, s, log, p.stores, p.orders, p.listener.Addr().String(), "")
	if err != nil {
		return nil, errors.Join(err, p.listener.Close())
	}
	p.stores.close = append(p.stores.close, p.notifications.Close)
	handler := notifyrpc.NewServiceHandler(p.notifications.service, access, log)
	if p.calls, err = rpc.NewServer(p.routes(handler), access.Certificates, log); err != nil {
		return nil, errors.Join(err, p.listener.Close())
	}
	return p, nil
}

// routes are the paths of --listen. Health and metrics need no secret.
func (p *notifyProcess) routes(handler *notifyrpc.ServiceHandler) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), notifyMetrics{p.notifications.service})
	mux := http.NewServeMux()
	mux.Handle(notifyrpc.ServicePath, handler)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })
	mux.Handle("GET /readyz", gateway.Readiness(p.checks(), string(p.settings.Durability),
		gateway.Version{Version: version}, p.log))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		Registry: registry, MaxRequestsInFlight: 8, Timeout: probeTimeout,
	}))
	return answeredWithin(probeTimeout, mux)
}

// checks decide whether buyers and partners can be told.
func (p *notifyProcess) checks() []gateway.Check {
	return []gateway.Check{
		{Name: "notifications", Ready: func(ctx context.Context) (string, error) {
			return p.notifications.stands(ctx), p.notifications.store.Ready(ctx)
		}},
		{Name: "orders", Ready: func(ctx context.Context) (string, error) {
			return "a server answers what orders say", p.orders.Ready(ctx)
		}},
	}
}

// Run tells until ctx ends, lets what is under way end, and closes everything.
func (p *notifyProcess) Run(ctx context.Context) error {
	life, end := context.WithCancel(context.Background())
	defer end()
	var loops sync.WaitGroup
	loops.Go(func() { p.notifications.run(life) })
	served := make(chan error, 1)
	go func() { served <- p.calls.Serve(p.listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err = errors.Join(err, p.calls.Shutdown(limited))
	end()
	loops.Wait()
	return errors.Join(err, p.stores.Close())
}
