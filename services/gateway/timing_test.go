package gateway_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/rail"
)

// pipes is a network inside a test. What waits on it waits by the test's own clock.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble runs a test against a server on a clock of its own.
func inBubble(t *testing.T, test func(*testing.T, *world, *pipes), change ...func(*gateway.Options)) {
	synctest.Test(t, func(t *testing.T) {
		w := prepare(t, change...)
		w.tokens.Now = time.Now
		network := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		w.host, w.url = "interlock.test", "http://interlock.test"
		w.client = &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return network.dial(ctx) },
		}}
		w.serve(t, network)
		test(t, w, network)
	})
}

func TestServer_Limits(t *testing.T) {
	server := prepare(t).server.HTTP()
	require.Equal(t, gateway.ReadHeaderTimeout, server.ReadHeaderTimeout)
	require.Positive(t, server.IdleTimeout)
	require.Positive(t, server.MaxHeaderBytes)
	require.Zero(t, server.WriteTimeout, "it would end streams")
	require.Zero(t, server.ReadTimeout, "it would end streams")
}

func TestServer_SlowHeaders(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *world, network *pipes) {
		conn, err := network.dial(t.Context())
		require.NoError(t, err)
		start := time.Now()
		_, err = conn.Write([]byte("GET /livez HTTP/1.1\r\nHost: x\r\n"))
		require.NoError(t, err)
		_, err = io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, gateway.ReadHeaderTimeout, time.Since(start))
	})
}

func TestServer_SlowBody(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *world, network *pipes) {
		conn, err := network.dial(t.Context())
		require.NoError(t, err)
		start := time.Now()
		_, err = conn.Write([]byte("POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: " +
			"application/json\r\nContent-Length: 50\r\n\r\n{"))
		require.NoError(t, err)
		text, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, gateway.BodyTimeout, time.Since(start))
		require.Contains(t, string(text), "408 Request Timeout")
		require.Contains(t, string(text), "BAD_USER_INPUT")
	})
}

// A request that is refused before its body is read has no more time for the body than others.
func TestServer_SlowBodyOfARefusedRequest(t *testing.T) {
	for name, head := range map[string]string{
		"by its token": "Host: x\r\nContent-Type: application/json\r\nAuthorization: Bearer rubbish\r\n",
		"by its name":  "Host: evil.example.com\r\nContent-Type: application/json\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *world, network *pipes) {
				conn, err := network.dial(t.Context())
				require.NoError(t, err)
				start := time.Now()
				_, err = conn.Write([]byte("POST /graphql HTTP/1.1\r\n" + head + "Content-Length: 50\r\n\r\n{"))
				require.NoError(t, err)
				_, err = io.ReadAll(conn)
				require.NoError(t, err)
				require.Equal(t, gateway.BodyTimeout, time.Since(start), "and then the connection is closed")
			})
		})
	}
}

func TestServer_SlowReader(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, network *pipes) {
		conn, err := network.dial(t.Context())
		require.NoError(t, err)
		start := time.Now()
		_, err = conn.Write([]byte("GET /graphql?query={blob(bytes:100000)} HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.NoError(t, err)
		synctest.Wait() // until the server has begun to answer
		// The client reads nothing. The server cuts it off, and is idle again.
		require.Eventually(t, func() bool {
			return strings.Contains(w.do(t, "GET", "/metrics", "").raw, "interlock_http_requests_in_flight 1\n")
		}, time.Hour, time.Second)
		require.InDelta(t, gateway.WriteTimeout, time.Since(start), float64(2*time.Second))
		_ = conn.Close()
	})
}

func TestWebSocket_InitTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		p, _, err := w.dial(t)
		require.NoError(t, err)
		start := time.Now()
		p.wantClose(t, 4408)
		require.Equal(t, gateway.InitTimeout, time.Since(start))
	})
}

func TestWebSocket_IdleStaysOpen(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		p := w.call(t, nil)
		p.send(t, "subscribe", "1", query(`subscription{ticks}`))
		// The reader answers pings as it waits.
		got := make(chan error, 1)
		go func() {
			m, err := p.read(t)
			if err == nil && m.Type != "next" {
				err = io.ErrUnexpectedEOF
			}
			got <- err
		}()
		select {
		case err := <-got:
			require.NoError(t, err, "nothing was said")
		case <-time.After(10 * gateway.KeepAlive):
		}
		w.stub.ticks <- 1
		require.NoError(t, <-got)
	})
}

func TestWebSocket_DeafClientIsLetGo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		p := w.call(t, nil)
		start := time.Now()
		p.send(t, "subscribe", "1", query(`subscription{flood}`))
		// The client never reads. The first event blocks, and must not do so without end.
		<-w.stub.ended
		require.LessOrEqual(t, time.Since(start), gateway.WriteTimeout)
	})
}

func TestWebSocket_SilentClientIsLetGo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		p := w.call(t, nil)
		start := time.Now()
		p.send(t, "subscribe", "1", query(`subscription{ticks}`))
		// The client answers no ping. It may be gone.
		<-w.stub.ended
		require.LessOrEqual(t, time.Since(start), gateway.KeepAlive+gateway.WriteTimeout)
	})
}

func TestWebSocket_EndsWithItsToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		token, err := w.tokens.Issue("alice", []rail.Role{rail.RolePassenger}, time.Minute)
		require.NoError(t, err)
		p := w.call(t, map[string]any{"authorization": "Bearer " + token})
		p.send(t, "subscribe", "1", query(`subscription{ticks}`))
		start := time.Now()
		require.Equal(t, "UNAUTHENTICATED: the token has expired", p.wantClose(t, 4403))
		require.LessOrEqual(t, time.Since(start), time.Minute)
		<-w.stub.ended
	})
}

func TestSSE_EndWithTheirToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		token, err := w.tokens.Issue("alice", []rail.Role{rail.RolePassenger}, time.Minute)
		require.NoError(t, err)
		_, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`, "Authorization", "Bearer "+token)
		start := time.Now()
		rest, err := io.ReadAll(body)
		require.NoError(t, err)
		require.LessOrEqual(t, time.Since(start), time.Minute)
		require.Greater(t, strings.Count(string(rest), ":\n\n"), 1, "an idle stream shows that it lives")
		require.Contains(t, string(rest), `"code":"UNAUTHENTICATED"`)
		require.True(t, strings.HasSuffix(string(rest), "event: complete\ndata:\n\n"),
			"with this token there is nothing to come back for")
		<-w.stub.ended
	})
}

func TestSSE_DeafClientIsLetGo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, network *pipes) {
		conn, err := network.dial(t.Context())
		require.NoError(t, err)
		start := time.Now()
		_, err = conn.Write([]byte("GET /graphql?query=subscription{flood} HTTP/1.1\r\nHost: x\r\nAccept: " +
			"text/event-stream\r\n\r\n"))
		require.NoError(t, err)
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "200 OK")
		<-w.stub.ended
		require.LessOrEqual(t, time.Since(start), gateway.WriteTimeout)
		_ = conn.Close()
	})
}

func TestShutdown_DeafWebSocketDoesNotHold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		p := w.call(t, nil)
		p.send(t, "subscribe", "1", query(`subscription{ticks}`))
		synctest.Wait() // until it is running
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		require.NoError(t, w.server.Shutdown(ctx))
		require.LessOrEqual(t, time.Since(start), 15*time.Second)
		// Shutdown returns when the streams have ended. The stub tells that from a goroutine of its own.
		synctest.Wait()
		select {
		case <-w.stub.ended:
		default:
			t.Error("a stream outlived Shutdown")
		}
	})
}

func TestWarnings_AreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		for range 50 {
			w.post(t, `{fails(how:"overloaded")}`)
		}
		require.Equal(t, 1, strings.Count(w.log.String(), "hunter2"), "a rush does not fill the log")
	})
}
