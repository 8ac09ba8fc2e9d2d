package partnerhook

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// For TestPost_NoProxyOfTheEnvironment: net/http reads these once in a process.
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		if err := os.Setenv(name, "http://127.0.0.1:1"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const (
	// exampleSecret, exampleID, exampleSeconds and exampleBody are the values that the specification's libraries
	// publish with exampleSignature.
	exampleSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	exampleID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	exampleSeconds   = 1614265330
	exampleBody      = `{"test": 2432232314}`
	exampleSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

	// partnerURL is of the name that the certificate of httptest has.
	partnerURL = "https://example.com/hooks?token=sesame"
	publicIP   = "93.184.216.34"
)

// addresses is a Resolver that answers each look-up with the next list, and the last again and again.
type addresses struct {
	mu    sync.Mutex
	lists [][]string
	names []string
}

func at(lists ...[]string) *addresses { return &addresses{lists: lists} }

func (a *addresses) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = append(a.names, host)
	list := a.lists[min(len(a.names), len(a.lists))-1]
	found := make([]netip.Addr, len(list))
	for i, text := range list {
		found[i] = netip.MustParseAddr(text)
	}
	return found, nil
}

// resolverFunc is a Resolver that does what a test says.
type resolverFunc func(ctx context.Context, host string) ([]netip.Addr, error)

func (f resolverFunc) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return f(ctx, host)
}

// internet leads every public address to one listener, and notes which were called.
type internet struct {
	mu     sync.Mutex
	called []string
	to     string
}

func (i *internet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	i.mu.Lock()
	i.called = append(i.called, address)
	i.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, i.to)
}

func (i *internet) calls() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.called...)
}

// partner serves a handler at example.com, and makes a Sender that trusts it.
func partner(t *testing.T, o Options, handler http.HandlerFunc) (*Sender, *internet) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	o.Roots = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return reach(t, o, server.Listener.Addr().String())
}

// reach makes a Sender for which example.com is at a listener.
func reach(t *testing.T, o Options, listener string) (*Sender, *internet) {
	t.Helper()
	if o.Resolver == nil {
		o.Resolver = at([]string{publicIP})
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	net := &internet{to: listener}
	sender := newSender(o, net.dial)
	t.Cleanup(sender.Close)
	return sender, net
}

// listen serves connections one by one, until the test ends.
func listen(t *testing.T, serve func(conn net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		served.Wait()
	})
	return listener.Addr().String()
}

func target(secrets ...string) *Target {
	if len(secrets) == 0 {
		secrets = []string{exampleSecret}
	}
	return &Target{URL: partnerURL, Secrets: secrets}
}

func post(t *testing.T, s *Sender) (Answer, error) {
	t.Helper()
	return s.Post(t.Context(), target(), exampleID, time.Now(), []byte(exampleBody))
}
