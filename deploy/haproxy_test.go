package deploy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/deploy"
	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within is far longer than anything here takes.
const within = 15 * time.Second

// stub is a server behind the balancer.
type stub struct {
	name     string
	listener net.Listener
	http     *http.Server
	draining atomic.Bool
	// probes is how often its health was asked for, requests how often anything else.
	probes, requests, streams atomic.Int64
	// leave ends the streams.
	leave func()
	left  context.Context

	mu        sync.Mutex
	forwarded []string
}

func newStub(t *testing.T, name string) *stub {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &stub{name: name, listener: listener}
	s.left, s.leave = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: within}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.http.Serve(listener) }()
	t.Cleanup(func() { s.leave(); _ = s.http.Close(); <-served })
	return s
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", s.name)
	switch {
	case r.URL.Path == "/readyz":
		s.probes.Add(1)
		if s.draining.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	case r.Header.Get("Upgrade") != "":
		s.webSocket(w, r)
	case r.Header.Get("Accept") == "text/event-stream":
		s.streams.Add(1)
		defer s.streams.Add(-1)
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-s.left.Done():
		case <-r.Context().Done():
		}
	default:
		s.requests.Add(1)
		s.mu.Lock()
		s.forwarded = r.Header.Values("X-Forwarded-For")
		s.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		if string(body) == "die" {
			panic(http.ErrAbortHandler) // It has read the request, and answers nothing.
		}
	}
}

func (s *stub) webSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	s.streams.Add(1)
	defer s.streams.Add(-1)
	<-s.left.Done()
	_ = conn.Close(websocket.StatusGoingAway, "the server is going away")
}

// balancer is a HAProxy in front of two servers, which it has found to be well.
type balancer struct {
	*servers.HAProxy
	one, two *stub
	client   http.Client
}

func start(t *testing.T) *balancer {
	t.Helper()
	_, err := servers.FindHAProxy()
	serverstest.Require(t, err)
	b := &balancer{one: newStub(t, "one"), two: newStub(t, "two")}
	b.HAProxy, err = servers.StartHAProxy(t.Context(), servers.HAProxyOptions{
		Config: deploy.HAProxy, Env: func(addr, folder string) []string {
			return []string{
				"INTERLOCK_BALANCER=" + addr, "INTERLOCK_BALANCER_SOCKET=" + filepath.Join(folder, "socket"),
				"INTERLOCK_SERVER_1=" + b.one.listener.Addr().String(), "INTERLOCK_SERVER_2=" + b.two.listener.Addr().String(),
			}
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	t.Cleanup(b.client.CloseIdleConnections)
	b.awaits(t, func() bool { return b.one.probes.Load() > 1 && b.two.probes.Load() > 1 })
	return b
}

func (b *balancer) awaits(t *testing.T, so func() bool) {
	t.Helper()
	require.Eventually(t, so, within, 5*time.Millisecond)
}

// post sends a request, and tells who answered with what.
func (b *balancer) post(ctx context.Context, body string, header ...string) (who string, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.Addr()+"/graphql",
		strings.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := b.client.Do(request)
	if err != nil {
		return "", 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.Header.Get("Server"), response.StatusCode, errors.Join(err, response.Body.Close())
}

func (b *balancer) answers(t *testing.T) (who string) {
	t.Helper()
	who, status, err := b.post(t.Context(), "hello")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	return who
}

// follow opens a stream, and tells who serves it.
func (b *balancer) follow(t *testing.T) (who string, leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.Addr()+"/graphql", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Accept", "text/event-stream")
	response, err := b.client.Do(request)
	require.NoError(t, err)
	return response.Header.Get("Server"), func() { cancel(); _ = response.Body.Close() }
}

func TestHAProxy_RequestsInTurns(t *testing.T) {
	b := start(t)
	for range 10 {
		b.answers(t)
	}
	require.EqualValues(t, 5, b.one.requests.Load())
	require.EqualValues(t, 5, b.two.requests.Load())
}

// TestHAProxy_StreamsWhereTheFewestAre ends those of one server. The next ones go there.
func TestHAProxy_StreamsWhereTheFewestAre(t *testing.T) {
	b := start(t)
	leave := map[string][]func(){}
	for range 6 {
		who, end := b.follow(t)
		leave[who] = append(leave[who], end)
	}
	require.Len(t, leave["one"], 3)
	require.Len(t, leave["two"], 3)
	for _, end := range leave["one"] {
		end()
	}
	b.awaits(t, func() bool { return b.one.streams.Load() == 0 })
	for range 2 {
		who, _ := b.follow(t)
		require.Equal(t, "one", who)
	}
}

// TestHAProxy_Drain has a server go away: it gets nothing new, its streams stay, and a WebSocket ends with 1001. Once
// it is back it is asked again.
func TestHAProxy_Drain(t *testing.T) {
	b := start(t)
	sockets := map[string]*websocket.Conn{}
	for range 2 {
		conn, response, err := websocket.Dial(t.Context(), "ws://"+b.Addr()+"/graphql", nil)
		require.NoError(t, err)
		defer conn.CloseNow()
		sockets[response.Header.Get("Server")] = conn
	}
	require.Len(t, sockets, 2)
	b.one.draining.Store(true)
	b.awaits(t, func() bool { return b.answers(t)+b.answers(t) == "twotwo" })
	had := b.one.requests.Load()
	for range 10 {
		b.answers(t)
	}
	require.Equal(t, had, b.one.requests.Load())
	require.EqualValues(t, 1, b.one.streams.Load(), "what is open stays open")
	b.one.leave()
	_, _, err := sockets["one"].Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), "%v", err)
	b.one.draining.Store(false)
	b.awaits(t, func() bool { return b.answers(t) == "one" })
}

// TestHAProxy_RefusedIsTriedElsewhere has a server die. No client's first request fails, also before the death was
// noticed. A later one may go over a connection that is kept and just ends. HAProxy then ends the client's connection,
// and the client repeats.
func TestHAProxy_RefusedIsTriedElsewhere(t *testing.T) {
	b := start(t)
	b.client.Transport = &http.Transport{DisableKeepAlives: true}
	b.answers(t)
	b.answers(t)
	require.NoError(t, b.one.http.Close())
	for range 10 {
		require.Equal(t, "two", b.answers(t))
	}
}

// TestHAProxy_SentIsNotSentAgain has a server die of a request. No other gets the request.
func TestHAProxy_SentIsNotSentAgain(t *testing.T) {
	b := start(t)
	_, status, err := b.post(t.Context(), "die")
	require.NoError(t, err)
	require.Equal(t, http.StatusBadGateway, status)
	require.EqualValues(t, 1, b.one.requests.Load()+b.two.requests.Load())
}

// TestHAProxy_ClientAddress: what a client writes comes before what the balancer adds.
func TestHAProxy_ClientAddress(t *testing.T) {
	b := start(t)
	_, _, err := b.post(t.Context(), "hello", "X-Forwarded-For", "9.9.9.9")
	require.NoError(t, err)
	forwarded := append(b.one.forwarded, b.two.forwarded...)
	require.Equal(t, "127.0.0.1", forwarded[len(forwarded)-1])
	info, err := os.Stat(b.Path("socket"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}
