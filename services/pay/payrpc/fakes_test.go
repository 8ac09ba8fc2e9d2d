package payrpc_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/pay"
	"interlock/services/pay/payrpc"
	"interlock/services/rpc"
)

// service is a Service that does what a test says.
type service struct {
	start     func(ctx context.Context, p *pay.Payment, payFor time.Duration) (*pay.Payment, error)
	settle    func(ctx context.Context, settlements []pay.Settlement) ([]error, error)
	refund    func(ctx context.Context, o pay.RefundOrder) (bool, error)
	payments  func(ids []string) ([]*pay.Payment, error)
	ofOrders  func(ids []string) ([]*pay.Payment, error)
	changed   func(states []pay.State, within time.Duration, after pay.Place, limit int) ([]*pay.Payment, error)
	reconcile func(ctx context.Context, within time.Duration) (pay.Report, error)
}

func (s *service) Start(ctx context.Context, p *pay.Payment, payFor time.Duration) (*pay.Payment, error) {
	return s.start(ctx, p, payFor)
}

func (s *service) Settle(ctx context.Context, settlements []pay.Settlement) ([]error, error) {
	return s.settle(ctx, settlements)
}

func (s *service) Refund(ctx context.Context, o pay.RefundOrder) (bool, error) {
	return s.refund(ctx, o)
}

func (s *service) Payments(_ context.Context, ids []string) ([]*pay.Payment, error) {
	return s.payments(ids)
}

func (s *service) OfOrders(_ context.Context, ids []string) ([]*pay.Payment, error) {
	return s.ofOrders(ids)
}

func (s *service) Changed(
	_ context.Context, states []pay.State, within time.Duration, after pay.Place, limit int,
) ([]*pay.Payment, error) {
	return s.changed(states, within, after, limit)
}

func (s *service) Reconcile(ctx context.Context, within time.Duration) (pay.Report, error) {
	return s.reconcile(ctx, within)
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// served is a Handler on a port of this machine.
type served struct {
	handler *payrpc.Handler
	url     string
	log     *lines
}

// serve serves until the test ends.
func serve(t *testing.T, o payrpc.HandlerOptions) *served {
	t.Helper()
	s := &served{log: &lines{}}
	o.Log = s.log.logger()
	s.handler = payrpc.NewHandler(o)
	server, err := rpc.NewServer(s.handler, o.Access.Certificates, o.Log)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel() // Clients keep connections open.
		_ = server.Shutdown(over)
		require.NoError(t, <-ended)
	})
	scheme := "http://"
	if server.TLS {
		scheme = "https://"
	}
	s.url = scheme + listener.Addr().String()
	return s
}

// client calls what is served.
func (s *served) client(t *testing.T, o payrpc.ClientOptions) *payrpc.Client {
	t.Helper()
	if o.URL == "" {
		o.URL = s.url
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c, err := payrpc.NewClient(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}
