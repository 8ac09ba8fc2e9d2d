package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/pay/webhooks"

	"interlock/services/gateway"
)

// large is a response too large for the buffers on its way: a client must read to get it.
var large = strings.Repeat("large ", 1<<20/6)

// withPages has every route, with large files behind those that serve files.
func withPages(o *gateway.Options) {
	o.SchemaText = large
	o.Playground = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, large) })
	o.Webhooks = webhooks.New(webhooks.Options{Service: heeded{}, Log: o.Log})
}

// heeded heeds every webhook.
type heeded struct{}

func (heeded) Webhook(context.Context, string, http.Header, []byte) error { return nil }

// requests are the first lines of requests for all routes, with each of the methods, or with the route's own where none
// is given.
func requests(t *testing.T, w *world, methods ...string) []string {
	t.Helper()
	var lines []string
	for _, pattern := range w.gate.Patterns() {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = "GET", pattern
		}
		switch path {
		case "/":
			path = "/no/such/path"
		case "/{$}":
			path = "/"
		case "/webhooks/":
			path = "/webhooks/bank"
		case "/playground/":
			path = "/playground/assets/x.js"
		case "/graphql":
			path = "/graphql?query={blob(bytes:1000000)}"
		}
		if len(methods) == 0 {
			lines = append(lines, method+" "+path)
		}
		for _, method := range methods {
			lines = append(lines, method+" "+path)
		}
	}
	require.GreaterOrEqual(t, len(lines), 10)
	return lines
}

// On every route, a body that never comes, or drips, holds a connection no longer than a body may take.
func TestServer_BodiesThatNeverCome(t *testing.T) {
	bodies := map[string]string{
		"announced": "Content-Length: 50\r\n\r\n", "begun": "Content-Length: 50\r\n\r\n{",
		"in chunks":         "Transfer-Encoding: chunked\r\n\r\n",
		"asked about first": "Content-Length: 50\r\nExpect: 100-continue\r\n\r\n",
		"large":             "Content-Length: 200000\r\n\r\n{",
		"dripping":          "Transfer-Encoding: chunked\r\n\r\n",
	}
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
	inBubble(t, func(t *testing.T, w *world, network *pipes) {
		for _, line := range requests(t, w, "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS") {
			for name, body := range bodies {
				for _, headers := range []string{"", "Accept: text/event-stream\r\n", upgrade} {
					about := fmt.Sprint(line, " ", name, " ", headers)
					conn, err := network.dial(t.Context())
					require.NoError(t, err)
					start := time.Now()
					var writing sync.WaitGroup
					writing.Go(func() {
						_, err := io.WriteString(conn,
							line+" HTTP/1.1\r\nHost: interlock.test\r\nContent-Type: application/json\r\n"+headers+body)
						for err == nil && name == "dripping" {
							_, err = io.WriteString(conn, "1\r\n \r\n")
							<-time.After(time.Second)
						}
					})
					answer, err := io.ReadAll(conn)
					require.NoError(t, err, about)
					require.LessOrEqual(t, time.Since(start), gateway.BodyTimeout+time.Second, about)
					require.Contains(t, string(answer), "HTTP/1.1 ", about)
					_ = conn.Close()
					writing.Wait()
				}
			}
		}
	}, withPages)
}

// On every route, the server cuts off a client that does not read, and then holds no copy of the response.
func TestServer_ReadersThatDoNotRead(t *testing.T) {
	for _, headers := range []string{"", "Accept-Encoding: gzip, zstd\r\n"} {
		readNothing(t, headers)
	}
}

// readNothing sends requests with these headers to every route, and reads no response.
func readNothing(t *testing.T, headers string) {
	t.Helper()
	const readers = 40
	inBubble(t, func(t *testing.T, w *world, network *pipes) {
		for _, line := range requests(t, w) {
			before := heap()
			var held []io.ReadCloser
			for range readers {
				conn, err := network.dial(t.Context())
				require.NoError(t, err)
				held = append(held, conn)
				var writing sync.WaitGroup
				writing.Go(func() {
					// More requests than one: they wait behind it.
					_, _ = io.WriteString(conn, strings.Repeat(
						line+" HTTP/1.1\r\nHost: interlock.test\r\n"+headers+"\r\n", 2))
				})
				writing.Wait()
			}
			synctest.Wait()
			switch {
			case strings.Contains(line, "blob"): // Each response of GraphQL is made for one request.
			case headers != "" && strings.Contains(line, "/metrics"): // The library has 8 encoders at most.
			default:
				require.Less(t, heap()-before, int64(readers*100<<10), line)
			}
			<-time.After(max(gateway.FileTimeout, gateway.WriteTimeout) + time.Second)
			for _, conn := range held {
				n, err := conn.Read(make([]byte, 1))
				require.ErrorIs(t, err, io.EOF, line)
				require.Zero(t, n)
				_ = conn.Close()
			}
		}
	}, withPages)
}

// A body takes memory for what has come of it, and not for the length that was announced.
func TestServer_AnnouncedLengthsTakeNothing(t *testing.T) {
	const clients = 100
	inBubble(t, func(t *testing.T, w *world, network *pipes) {
		before := heap()
		var held []io.Closer
		for range clients {
			conn, err := network.dial(t.Context())
			require.NoError(t, err)
			held = append(held, conn)
			_, err = fmt.Fprintf(conn,
				"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{",
				gateway.DefaultMaxBodyBytes)
			require.NoError(t, err)
		}
		synctest.Wait()
		require.Less(t, heap()-before, int64(clients*64<<10))
		for _, conn := range held {
			_ = conn.Close()
		}
	})
}

// heap is how many bytes are in use, without garbage.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// Pipelined requests are answered one after the other, and the deadline of one does not hold for the next.
func TestServer_Pipelined(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, network *pipes) {
		conn, err := network.dial(t.Context())
		require.NoError(t, err)
		reader := bufio.NewReader(conn)
		body := `{"query":"{hello}"}`
		post := fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+
			"%d\r\n\r\n%s", len(body), body)
		var writing sync.WaitGroup
		for range 3 {
			writing.Go(func() {
				_, _ = io.WriteString(conn,
					"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"+post+
						"GET /schema.graphql HTTP/1.1\r\nHost: x\r\n\r\n"+post)
			})
			for range 4 {
				response, err := http.ReadResponse(reader, nil)
				require.NoError(t, err)
				require.Equal(t, 200, response.StatusCode)
				_, err = io.Copy(io.Discard, response.Body)
				require.NoError(t, err)
			}
			writing.Wait()
			<-time.After(gateway.BodyTimeout + gateway.WriteTimeout + time.Second)
		}
		_ = conn.Close()
	})
}

// A stream lives on when the deadline of its request's body is over.
func TestSSE_OutliveTheirBodysTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		_, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`)
		event(t, body)
		<-time.After(gateway.BodyTimeout + gateway.KeepAlive/2)
		go func() { w.stub.ticks <- 1 }()
		for {
			if text := event(t, body); text != ":\n" {
				require.Contains(t, text, `{"ticks":1}`)
				return
			}
		}
	})
}

// Over every transport, a response counts as unsent until the client has taken it or is gone.
func TestServer_CountsWhatIsNotTaken(t *testing.T) {
	// The response has few values with long names. Many values would be paced, and wait for a clock that stands still.
	large := fmt.Sprintf(`{trees(of:800){%s:name %s:name}}`, strings.Repeat("a", 31), strings.Repeat("b", 31))
	inBubble(t, func(t *testing.T, w *world, network *pipes) {
		for _, accept := range []string{"application/json", "text/event-stream"} {
			for _, takes := range []bool{true, false} {
				conn, err := network.dial(t.Context())
				require.NoError(t, err)
				body := `{"query":"` + large + `"}`
				_, err = fmt.Fprintf(conn,
					"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: "+
						"%s\r\nContent-Length: %d\r\n\r\n%s",
					accept, len(body), body)
				require.NoError(t, err)
				if accept == "text/event-stream" {
					response, err := http.ReadResponse(bufio.NewReader(conn), nil)
					require.NoError(t, err)
					_, err = io.ReadFull(response.Body, make([]byte, len(":\n\n")))
					require.NoError(t, err, "it has begun")
				}
				synctest.Wait()
				require.Greater(t, w.gate.Places().Unsent(), int64(50_000), accept)
				if takes {
					go func() { _, _ = io.Copy(io.Discard, conn) }()
				} else {
					require.NoError(t, conn.Close())
				}
				synctest.Wait()
				require.Zero(t, w.gate.Places().Unsent(), "%s, taken: %t", accept, takes)
				_ = conn.Close()
			}
		}
		p := w.call(t, nil)
		p.send(t, "subscribe", "1", query(large))
		synctest.Wait()
		require.Greater(t, w.gate.Places().Unsent(), int64(50_000))
		p.want(t, "next", "1", "")
		p.want(t, "complete", "1", "")
		synctest.Wait()
		require.Zero(t, w.gate.Places().Unsent())
	}, func(o *gateway.Options) { o.Schema = newTree() })
}

// The responses of a batch count as unsent together, also where each is short, until the client has taken them or is
// gone. A client that reads slowly has longer for that than the batch had.
func TestBatch_CountsWhatIsNotTaken(t *testing.T) {
	one := operation(fmt.Sprintf(`{trees(of:200){%s:name %s:name}}`, strings.Repeat("a", 31), strings.Repeat("b", 31)))
	body := "[" + strings.Repeat(one+",", 3) + one + "]"
	inBubble(t, func(t *testing.T, w *world, network *pipes) {
		for _, takes := range []bool{true, false} {
			conn, err := network.dial(t.Context())
			require.NoError(t, err)
			_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
				"Content-Length: %d\r\n\r\n%s", len(body), body)
			require.NoError(t, err)
			synctest.Wait()
			unsent := w.gate.Places().Unsent()
			require.Greater(t, unsent, int64(50_000))
			<-time.After(gateway.DefaultOperationTimeout + time.Second)
			require.Equal(t, unsent, w.gate.Places().Unsent(), "the time of the batch is over, and nothing is taken")
			if takes {
				go func() { _, _ = io.Copy(io.Discard, conn) }()
			} else {
				require.NoError(t, conn.Close())
			}
			synctest.Wait()
			require.Zero(t, w.gate.Places().Unsent(), "taken: %t", takes)
			_ = conn.Close()
		}
	}, func(o *gateway.Options) { o.Schema = newTree() })
}

// Requests that the mux answers itself have the same deadlines.
func TestServer_BodiesThatNeverComeToNoRoute(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *world, network *pipes) {
		for _, line := range []string{
			"POST //graphql", "POST /x/../graphql", "GET //", "POST /playground/../graphql", "OPTIONS *",
			"CONNECT interlock.test:80", "CONNECT /graphql/..",
		} {
			conn, err := network.dial(t.Context())
			require.NoError(t, err)
			start := time.Now()
			_, err = io.WriteString(conn, line+" HTTP/1.1\r\nHost: interlock.test\r\nContent-Length: 50\r\n\r\n{")
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(start.Add(time.Hour)))
			answer, err := io.ReadAll(conn)
			require.NoError(t, err, line)
			require.LessOrEqual(t, time.Since(start), gateway.BodyTimeout+time.Second, line)
			require.Contains(t, string(answer), "HTTP/1.1 ", line)
			_ = conn.Close()
		}
	}, withPages)
}

// The system's buffer for a client that does not read is bounded, too. Without a bound it is megabytes for each
// connection, which no limit of the gateway counts.
func TestServer_KeepsLittleForReadersThatDoNotRead(t *testing.T) {
	const enough = 300 * time.Millisecond // in which megabytes are written where nothing stops it
	kept := make(chan int, 1)
	w := start(t, func(o *gateway.Options) {
		o.Playground = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(enough))
			total := 0
			for {
				n, err := io.WriteString(w, large[:32<<10])
				total += n
				if err != nil {
					kept <- total
					return
				}
			}
		})
	})
	address := w.host
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	tcp, ok := conn.(*net.TCPConn)
	require.True(t, ok)
	require.NoError(t, tcp.SetReadBuffer(4<<10))
	_, err = fmt.Fprintf(conn, "GET /playground HTTP/1.1\r\nHost: %s\r\n\r\n", address)
	require.NoError(t, err)
	require.Less(t, <-kept, 1<<20)
}
