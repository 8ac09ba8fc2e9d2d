package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// TestAsk tells refusals with a reason from silence.
func TestAsk(t *testing.T) {
	gone := make(chan struct{})
	long := strings.Repeat("x", 1<<20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/data":
			_, _ = io.WriteString(w, `{"data":"`+long+`"}`)
		case "/refused":
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"errors":[{"message":"no","extensions":{"code":"COMPLEXITY_LIMIT_EXCEEDED"}}]}`)
		case "/event":
			_, _ = io.WriteString(w, "event: next\ndata: {\"errors\":[{\"message\":\"no\","+
				"\"extensions\":{\"code\":\"UNAVAILABLE\"}}]}\n\n")
		case "/codeless":
			_, _ = io.WriteString(w, `{"errors":[{"message":"no"}]}`)
		case "/plain":
			http.Error(w, "no", http.StatusServiceUnavailable)
		case "/half":
			_, _ = io.WriteString(w, `{"data":`)
			panic(http.ErrAbortHandler)
		case "/hangs":
			<-r.Context().Done()
			close(gone)
		}
	}))
	t.Cleanup(server.Close)
	through := newTransport(1)
	t.Cleanup(through.CloseIdleConnections)
	address := strings.TrimPrefix(server.URL, "http://")
	for path, want := range map[string]reply{
		"/data":     {text: answered},
		"/refused":  {text: "COMPLEXITY_LIMIT_EXCEEDED"},
		"/event":    {text: "UNAVAILABLE"},
		"/codeless": silence("errors without a code"),
		"/plain":    silence("status 503 without a GraphQL error"),
		"/half":     silence("cut off without an answer"),
	} {
		require.Equal(t, want, ask(t.Context(), through, address, question{method: http.MethodGet, path: path}), path)
	}
	require.Equal(t, reply{text: hungUp},
		ask(t.Context(), through, address, question{method: http.MethodGet, path: "/hangs", hangUp: time.Millisecond}))
	<-gone // and it has really gone away
}

func TestLost(t *testing.T) {
	require.Equal(t, "no answer within 15s", lost(context.DeadlineExceeded))
	require.Equal(t, "nobody listens", lost(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}))
	require.Equal(t, "cut off without an answer", lost(fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)))
}

func TestFailure(t *testing.T) {
	require.Equal(t, reply{text: "OVERLOADED"}, failure(errors.New("OVERLOADED: too much")))
	require.True(t, failure(errors.New("503 Service Unavailable: no JSON")).silent)
	require.True(t, failure(io.EOF).silent)
}

// TestSender_End judges how a connection ended on which nothing more was sent.
func TestSender_End(t *testing.T) {
	owed, idle := sender{owed: true}, sender{}
	for name, c := range map[string]struct {
		sender sender
		said   string
		err    error
		want   reply
	}{
		"told": {
			owed, `{"errors":[{"extensions":{"code":"BAD_USER_INPUT"}}]}`, nil,
			reply{text: "BAD_USER_INPUT"},
		},
		"another route": {owed, "HTTP/1.1 405 Method Not Allowed\r\n\r\n", nil, reply{text: answered}},
		"cut":           {owed, "", syscall.ECONNRESET, silence("cut off without an answer")},
		"kept": {
			owed, "HTTP/1.1 200 OK\r\n\r\n", os.ErrDeadlineExceeded,
			silence("still open after 30s"),
		},
		"kept without a header": {idle, "", os.ErrDeadlineExceeded, silence("still open after 30s")},
		"no header":             {idle, "", nil, reply{text: leftAlone}},
	} {
		require.Equal(t, c.want, c.sender.end([]byte(c.said), c.err), name)
	}
}

// TestSocket_Ask hears an answer, an error, and why a socket was closed.
func TestSocket_Ask(t *testing.T) {
	says := make(chan []string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"graphql-transport-ws"}})
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		send := func(text string) { _ = conn.Write(r.Context(), websocket.MessageText, []byte(text)) }
		_, _, _ = conn.Read(r.Context())
		send(`{"type":"connection_ack"}`)
		for lines := range says {
			if _, _, err := conn.Read(r.Context()); err != nil {
				return
			}
			for _, line := range lines {
				if line == "close" {
					_ = conn.Close(4429, "too much")
					return
				}
				send(line)
			}
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(says) })
	one, r := openSocket(t.Context(), strings.TrimPrefix(server.URL, "http://"), "a token")
	require.Equal(t, reply{text: answered}, r)
	t.Cleanup(one.close)
	for _, c := range []struct {
		says []string
		want reply
	}{
		{
			[]string{`{"type":"next","id":"1","payload":{"data":{}}}`, `{"type":"complete","id":"1"}`},
			reply{text: answered},
		},
		{
			[]string{`{"type":"error","id":"2","payload":[{"extensions":{"code":"OVERLOADED"}}]}`},
			reply{text: "OVERLOADED"},
		},
		{[]string{
			`{"type":"next","id":"3","payload":{"errors":[{"extensions":{"code":"FORBIDDEN"}}],"data":null}}`,
			`{"type":"complete","id":"3"}`,
		}, reply{text: "FORBIDDEN"}},
		{[]string{`{"type":"error","id":"4","payload":[{}]}`}, silence("an error without a code")},
		{[]string{"close"}, reply{text: "closed 4429"}},
	} {
		says <- c.says
		require.Equal(t, c.want, one.ask(t.Context(), variant{document: "{__typename}"}), c.says)
	}
}

// TestPace_LeavesOut tells that an attacker whose context is over does not ask, and that what was left out is not asked
// later.
func TestPace_LeavesOut(t *testing.T) {
	p := newPace(1_000)
	p.next = time.Now().Add(-time.Hour)
	require.True(t, p.turn(t.Context()))
	require.WithinDuration(t, time.Now(), p.next, time.Minute, "an hour that was missed is not made up for")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, p.turn(ctx))
}
