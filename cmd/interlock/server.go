package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/vektah/gqlparser/v2/ast"

	"interlock/internal/pause"
	"interlock/resolvers"
	"interlock/services/audit"
	"interlock/services/availability"
	"interlock/services/erasure"
	"interlock/services/gateway"
	"interlock/services/gateway/playground"
	"interlock/services/identity"
	"interlock/services/ledger/sqlledger"
	"interlock/services/messages"
	"interlock/services/messages/streams"
	"interlock/services/notify/notifyrpc"
	"interlock/services/notify/orderbook"
	"interlock/services/pay/payrpc"
	"interlock/services/publish"
	"interlock/services/quota"
	"interlock/services/rail"
	"interlock/services/rpc"
	"interlock/services/sale"
	"interlock/services/search"
	"interlock/services/ticketcode"
	"interlock/services/watch"
)

// Server is a whole Interlock server: every room, wired by hand. Tests of the public API use it, too.
type Server struct {
	settings *Settings
	log      *slog.Logger
	stores   *stores
	now      func() time.Time

	timetable *search.Timetable
	finder    *search.Finder
	publisher *publish.Publisher
	service   *sale.Service
	hub       *watch.Hub
	auditor   *audit.Auditor
	eraser    *erasure.Eraser
	relay     *messages.Relay
	monitor   *messages.Monitor
	tickets   *gateway.StreamTickets
	limiter   *quota.Limiter // nil: there are no quotas
	gateway   *gateway.Gateway
	tokens    *identity.Development // nil where tokens are an issuer's

	// payments take money in this process, payClient calls interlock pay, and taken handles the events of either. They
	// are nil where payments take no time, and one of the first two always is. bank is the embedded default's, if it
	// has one.
	payments  *payments
	payClient *payrpc.Client
	taken     *messages.Consumer
	// following handles the events of orders, for what follows refunds and changes.
	following *messages.Consumer
	bank      *ownBank

	// signer signs tickets; nil where there are no keys for it.
	signer *ticketcode.Signer
	// codes checks tickets. Without keys every code is of an unknown one.
	codes *ticketcode.Keys

	// book reads orders for the notifications. notifications tell in this process, notifyClient asks interlock notify,
	// which asks ordersServer. All but book may be nil.
	book           *orderbook.Book
	notifications  *notifications
	notifyClient   *notifyrpc.ServiceClient
	ordersServer   *rpc.Server
	ordersListener net.Listener

	listener net.Listener
	// preparing is what readiness waits for besides its checks; nil is nothing.
	preparing atomic.Pointer[string]
}

// Open opens the stores, wires the rooms and listens. Run serves then.
func Open(ctx context.Context, settings *Settings, log *slog.Logger) (server *Server, err error) {
	if err := settings.checkExposure(ctx); err != nil {
		return nil, err
	}
	opened, err := openStores(ctx, settings, log, true)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	// With keys that do not fit, nothing can be sold. Any other trouble of the ledger is for readiness to tell.
	if err := opened.ledger.CheckKeys(ctx); errors.Is(err, sqlledger.ErrKeys) {
		return nil, err
	}
	key, err := documentKey(settings)
	if err != nil {
		return nil, err
	}
	s := &Server{settings: settings, log: log, stores: opened, now: opened.faults.clock()}
	if err := s.wireTicketCodes(); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", settings.Listen); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.listener.Close())
		}
	}()
	if err := s.wirePayments(ctx); err != nil {
		return nil, err
	}
	s.wireSearch()
	s.wirePublish()
	if err := s.wireSale(key); err != nil {
		return nil, err
	}
	s.wireWatch()
	s.wireUpkeep()
	s.wireMessages()
	if err := s.wireNotify(ctx); err != nil {
		return nil, err
	}
	s.tickets, err = gateway.NewStreamTickets(deriveKey(key, "stream tickets"),
		availability.NewStreamTickets(opened.client), s.now)
	if err != nil {
		return nil, err
	}
	if s.gateway, err = s.openGateway(key, s.newResolver(key)); err != nil {
		return nil, err
	}
	return s, nil
}

// wireSearch makes the timetable, which most other rooms read, and what finds runs in it.
func (s *Server) wireSearch() {
	s.timetable = search.NewTimetable(s.stores.ledger)
	s.timetable.Log, s.timetable.Now = s.log, s.now
	s.finder = search.NewFinder(s.timetable, s.stores.cache, s.log)
}

func (s *Server) wirePublish() {
	s.publisher = &publish.Publisher{
		Ledger: s.stores.ledger, Availability: s.stores.cache, Timetable: s.timetable, Stations: s.timetable,
		Runs: s.timetable, Now: s.now, ClosesBefore: s.settings.SaleClosesBefore, Log: s.log,
	}
}

// wireSale makes the service that sells, and what has it handle the events of payments. key is that of the digests of
// document numbers.
func (s *Server) wireSale(key []byte) (err error) {
	rules, err := s.settings.refundRules()
	if err != nil {
		return err
	}
	options := sale.Options{
		Ledger: s.stores.ledger, Lock: s.stores.lock, Availability: s.stores.cache, Runs: s.timetable,
		Payments: instantPayments(s.settings), DocumentKey: key, Log: s.log,
		NewID: newOrderID, NewNumber: func() string { return newOrderNumber(s.now()) },
		Settings: sale.Settings{
			Hold: s.settings.Hold, MaxRunHolds: limit(s.settings.MaxRunHolds),
			MaxOpenHolds: limit(s.settings.MaxOpenHolds), MaxLapsedHolds: limit(s.settings.MaxLapsedHolds),
			MaxDocuments: limit(s.settings.MaxDocuments), Rules: rules,
		},
	}
	payments := s.paymentService()
	if payments != nil {
		port := payrpc.Port{Service: payments}
		options.Payments, options.PaymentService = port, port
	}
	s.service = sale.Open(s.stores.faults.around(options))
	if payments != nil {
		if s.taken, err = s.newTaken(s.service.PaymentEvent); err != nil {
			return err
		}
	}
	s.following, err = s.newFollowing()
	return err
}

// wireWatch makes the hub, and has the timetable wake it.
func (s *Server) wireWatch() {
	s.hub = watch.New(s.stores.cache, s.timetable, s.stores.ledger)
	s.hub.Log, s.hub.Now = s.log, s.now
	s.hub.MaxWatchedPerViewer = s.settings.MaxWatchedPerViewer
	s.hub.MaxWatchedPerAddress = s.settings.MaxWatchedPerAddress
	s.hub.PaymentGrace = commitTimeout + failoverTime
	s.timetable.Changed = s.hub.Wake
}

// wireUpkeep makes what repairs Redis, and what forgets passengers.
func (s *Server) wireUpkeep() {
	s.auditor = &audit.Auditor{
		Ledger: s.stores.ledger, Cache: s.stores.cache, Lock: s.stores.lock, Runs: s.runs, Log: s.log,
	}
	s.eraser = &erasure.Eraser{
		Ledger: s.stores.ledger, Lock: s.stores.lock, Log: s.log,
		After: time.Duration(s.settings.ForgetPassengersAfterDays) * 24 * time.Hour,
	}
}

// wireMessages makes what publishes events, and what looks how they stand.
func (s *Server) wireMessages() {
	s.relay = &messages.Relay{
		Outbox: s.stores.ledger, Stream: s.stores.messages, Lock: s.stores.lock, Log: s.log,
	}
	s.stores.faults.relay(s.relay)
	s.monitor = &messages.Monitor{Outbox: s.stores.ledger, Stream: s.stores.messages, Log: s.log}
}

// newResolver puts GraphQL in front of the rooms. The keys of cursors, of viewers' ids and of stream tickets are
// derived from that of document numbers, which all servers share.
func (s *Server) newResolver(key []byte) *resolvers.Resolver {
	r := &resolvers.Resolver{
		Timetable: s.timetable, Finder: s.finder, Sale: s.service, OrderBook: s.stores.ledger, Publisher: s.publisher,
		Hub: s.hub, Tickets: s.tickets, Cursors: resolvers.Cursors{Key: deriveKey(key, "cursors")},
		ViewerKey: deriveKey(key, "viewers"), Codes: ticketCodes{s.codes, s.book}, Now: s.now,
	}
	if notifier := s.notifyService(); notifier != nil {
		r.Notifier = notifier
	}
	return r
}

// openGateway puts the resolvers behind HTTP.
func (s *Server) openGateway(key []byte, resolver *resolvers.Resolver) (*gateway.Gateway, error) {
	verifier, err := s.openIdentity()
	if err != nil {
		return nil, err
	}
	remembered, err := identity.Remember(verifier, s.now)
	if err != nil {
		return nil, err
	}
	proxies, err := s.settings.trustedProxies()
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	groups := groupMetrics{streams.Events: s.monitor}
	registry.MustRegister(newMetrics(s), groups)
	var hooks http.Handler
	switch {
	case s.payments != nil:
		groups[streams.Payments] = s.payments.monitor
		registry.MustRegister(paymentMetrics(s.payments))
		hooks = s.payments.webhooks
	case s.payClient != nil:
		registry.MustRegister(clientMetrics(s.payClient))
	}
	if s.notifications != nil {
		registry.MustRegister(notifyMetrics{s.notifications.service})
	}
	schema := resolver.Schema()
	admission, err := s.openAdmission(key, s.log, rootFields(schema.Schema().Query))
	if err != nil {
		return nil, fmt.Errorf("--quotas: %w", err)
	}
	if s.limiter != nil {
		registry.MustRegister(quotaMetrics{s.limiter})
	}
	return gateway.New(gateway.Options{
		Admission: admission,
		Schema:    schema, SchemaText: contract(schema.Schema()), Identity: remembered, Playground: playground.Handler(),
		Hosts: s.settings.hosts(), AllowedOrigins: s.settings.AllowedOrigins, Checks: s.checks(verifier),
		Durability: string(s.durability()), StreamTickets: s.tickets,
		MaxReading: readers(), Registry: registry, Log: s.log, Webhooks: hooks,
		MaxStreamsPerViewer: s.settings.MaxStreamsPerViewer, MaxStreamsPerAddress: s.settings.MaxStreamsPerAddress,
		TrustedProxies: proxies, Starting: func() bool { return !s.timetable.Loaded() },
		Version: gateway.Version{Version: version, Commit: commit(), Go: runtime.Version()},
	})
}

// rootFields are the names of a root type's fields, and those of introspection.
func rootFields(root *ast.Definition) map[string]bool {
	names := map[string]bool{"__schema": true, "__type": true, "__typename": true}
	for _, field := range root.Fields {
		names[field.Name] = true
	}
	return names
}

// contract is the schema as it was written. A formatter would leave out the comments at its head.
func contract(schema *ast.Schema) string { return schema.Query.Position.Src.Input }

// openIdentity makes the verifier of tokens: an issuer's, or development tokens where no issuer is configured.
func (s *Server) openIdentity() (identity.Verifier, error) {
	if s.settings.OIDCIssuer != "" {
		return identity.NewIssuer(identity.IssuerOptions{
			Issuer: s.settings.OIDCIssuer, Audience: s.settings.OIDCAudience, KeysURL: s.settings.OIDCKeys,
			Clients: s.settings.OIDCClients, RolesClaim: s.settings.RolesClaim, Now: s.now,
			Failed: func(err error) {
				s.log.Warn("the issuer's keys could not be read; those known are used for a day", "error", err)
			},
		})
	}
	tokens, err := developmentTokens(s.settings)
	if err != nil {
		return nil, err
	}
	tokens.Now, s.tokens = s.now, tokens
	return tokens, nil
}

// checks decide whether the server is ready: whether runs can be searched and bought.
func (s *Server) checks(verifier identity.Verifier) []gateway.Check {
	all := []gateway.Check{
		{Name: "ledger", Ready: func(ctx context.Context) (string, error) {
			return string(s.stores.ledger.Flavor()), s.stores.ledger.Ready(ctx)
		}},
		{Name: "commits", Ready: (&commitsCheck{stats: s.stores.ledger.Stats, now: time.Now}).Ready},
		{Name: "timetable", Ready: func(context.Context) (string, error) {
			if what := s.preparing.Load(); what != nil {
				return "", rail.Refuse(rail.Unavailable, "%s", *what)
			}
			if !s.timetable.Loaded() {
				return "", rail.Refuse(rail.Unavailable, "not read yet")
			}
			stations, runs := s.timetable.Size()
			return fmt.Sprintf("%d stations, %d runs", stations, runs), nil
		}},
		{Name: "availability", Ready: func(ctx context.Context) (string, error) {
			loaded, err := s.stores.cache.Loaded(ctx)
			if err == nil && !loaded {
				err = rail.Refuse(rail.Unavailable, "being loaded from the ledger")
			}
			return "loaded", err
		}},
		// It decides nothing: events wait in the ledger.
		{Name: "messages", Ready: func(context.Context) (string, error) { return stand(s.monitor), nil }},
	}
	for _, check := range []*gateway.Check{s.paymentsCheck(), s.notifyCheck()} {
		if check != nil {
			all = append(all, *check)
		}
	}
	if issuer, ok := verifier.(*identity.Issuer); ok {
		all = append(all, gateway.Check{Name: "issuer", Ready: func(ctx context.Context) (string, error) {
			return s.settings.OIDCIssuer, issuer.Ready(ctx)
		}})
	}
	return all
}

// shutdownTimeout is how long requests under way may take when the server is told to stop: the time of an operation,
// and a moment to send the response.
const shutdownTimeout = gateway.DefaultOperationTimeout + 2*time.Second

// maxDrain bounds Settings.Drain.
const maxDrain = 5 * time.Minute

// Run serves until ctx ends, finishes what is under way, and closes everything.
func (s *Server) Run(ctx context.Context) error {
	life, end := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	told, closePublications := s.stores.cache.ListenPublications()
	for _, loop := range []func(context.Context){
		func(ctx context.Context) { s.timetable.Watch(ctx, search.DefaultInterval, told) },
		s.hub.Run, s.service.Sweep, s.service.ReconcilePayments, s.auditor.Run, s.eraser.Run, s.relay.Run,
		s.monitor.Run, s.runFollowing, s.runNotify,
	} {
		loops.Go(func() { loop(life) })
	}
	for _, loop := range s.paymentLoops() {
		loops.Go(func() { loop(life) })
	}
	server := gateway.NewServer(s.gateway)
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		server.Leave()
		pause.For(context.Background(), s.settings.Drain)
	}
	limited, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err = errors.Join(err, server.Shutdown(limited), s.service.Close(limited))
	end()
	loops.Wait()
	return errors.Join(err, closePublications(), s.stores.Close())
}

// URL is where the server listens.
func (s *Server) URL() string {
	local := *s.settings
	local.Listen = s.listener.Addr().String()
	url, err := local.localURL()
	if err != nil {
		panic(err) // A listener's address always has a host and a port.
	}
	return url
}

// runs is how many runs are published.
func (s *Server) runs() int {
	_, runs := s.timetable.Size()
	return runs
}

// durability is what an acknowledged order is worth here.
func (s *Server) durability() sqlledger.Durability { return ledgerOptions(s.settings).Durability }

// instantPayments are those that take no time.
func instantPayments(s *Settings) sale.Payments {
	if s.payments() == "sandbox" {
		return sale.NewSandbox()
	}
	return sale.NoPayments{}
}

// limit makes the sale's limit of a setting: there, -1 is no limit, and 0 is the default.
func limit(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// newOrderID makes an id that is unique among the orders of one batch: 64 random bits in 13 characters. It is short
// because every index of orders and tickets has it.
func newOrderID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // It never fails: crypto/rand ends the process instead.
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:]))
}

// newOrderNumber makes the number of an order, for people.
func newOrderNumber(now time.Time) string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // It never fails: crypto/rand ends the process instead.
	return rail.NewOrderNumber(now, binary.NativeEndian.Uint64(random[:]))
}

// deriveKey derives a key for another use, with HMAC-SHA-256. The derived key tells nothing of the key.
func deriveKey(key []byte, use string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(use))
	return mac.Sum(nil)
}
