package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

type phone struct {
	conn *websocket.Conn
}

// dial opens a WebSocket; headers come in pairs.
func (w *world) dial(t *testing.T, headers ...string) (*phone, *http.Response, error) {
	t.Helper()
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, w.url+"/graphql", &websocket.DialOptions{
		HTTPClient: w.client, HTTPHeader: header, Subprotocols: []string{"graphql-transport-ws"},
	})
	if err != nil {
		return nil, response, err
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &phone{conn}, response, nil
}

func (p *phone) send(t *testing.T, kind, id string, payload any) {
	t.Helper()
	m := map[string]any{"type": kind}
	if id != "" {
		m["id"] = id
	}
	if payload != nil {
		m["payload"] = payload
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, wsjson.Write(ctx, p.conn, m))
}

func (p *phone) read(t *testing.T) (message, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var m message
	err := wsjson.Read(ctx, p.conn, &m)
	return m, err
}

func (p *phone) want(t *testing.T, kind, id, payload string) {
	t.Helper()
	m, err := p.read(t)
	require.NoError(t, err)
	require.Equal(t, kind, m.Type, string(m.Payload))
	require.Equal(t, id, m.ID)
	if payload != "" {
		require.JSONEq(t, payload, string(m.Payload))
	}
}

func (p *phone) wantClose(t *testing.T, code int) string {
	t.Helper()
	_, err := p.read(t)
	var closed websocket.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, code, int(closed.Code), closed.Reason)
	return closed.Reason
}

// call opens a WebSocket and gets it acknowledged.
func (w *world) call(t *testing.T, init any) *phone {
	t.Helper()
	p, _, err := w.dial(t)
	require.NoError(t, err)
	p.send(t, "connection_init", "", init)
	p.want(t, "connection_ack", "", "")
	return p
}

func query(text string) map[string]any { return map[string]any{"query": text} }

func TestWebSocket_Subscribes(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	p.send(t, "ping", "", nil)
	p.want(t, "pong", "", "")
	p.send(t, "subscribe", "a", query(`subscription{ticks}`))
	w.stub.ticks <- 1
	p.want(t, "next", "a", `{"data":{"ticks":1}}`)
	p.send(t, "subscribe", "q", query(`{hello}`))
	p.want(t, "next", "q", `{"data":{"hello":"hello"}}`)
	p.want(t, "complete", "q", "")
	w.stub.ticks <- 2
	p.want(t, "next", "a", `{"data":{"ticks":2}}`)
	require.Contains(t, w.do(t, "GET", "/metrics", "").raw, `interlock_subscriptions{field="ticks"} 1`)
	require.Contains(t, w.do(t, "GET", "/metrics", "").raw, `interlock_streams{transport="websocket"} 1`)
	p.send(t, "complete", "a", nil)
	<-w.stub.ended
	// The same id again, at once, is another operation.
	p.send(t, "subscribe", "a", query(`subscription{ticks}`))
	w.stub.ticks <- 3
	p.want(t, "next", "a", `{"data":{"ticks":3}}`)
	close(w.stub.ticks)
	p.want(t, "complete", "a", "")
	require.NoError(t, p.conn.Close(websocket.StatusNormalClosure, ""))
	require.Eventually(t, func() bool {
		text := w.do(t, "GET", "/metrics", "").raw
		return strings.Contains(text, `interlock_subscriptions{field="ticks"} 0`) &&
			strings.Contains(text, `interlock_streams{transport="websocket"} 0`)
	}, patience, time.Millisecond)
}

func TestWebSocket_Errors(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`subscription{broken}`))
	m, err := p.read(t)
	require.NoError(t, err)
	require.Contains(t, string(m.Payload), `"code":"NOT_FOUND"`)
	p.want(t, "complete", "1", "")
	p.send(t, "subscribe", "2", query(`{nothing}`))
	m, err = p.read(t)
	require.NoError(t, err)
	require.Equal(t, "error", m.Type)
	require.Contains(t, string(m.Payload), "GRAPHQL_VALIDATION_FAILED")
	// An error is the end of an operation: no "complete" follows it.
	p.send(t, "subscribe", "3", query(`{panics}`))
	m, err = p.read(t)
	require.NoError(t, err)
	require.Equal(t, "next", m.Type)
	require.Contains(t, string(m.Payload), `"code":"INTERNAL"`)
	require.NotContains(t, string(m.Payload), "hunter2")
	p.want(t, "complete", "3", "")
	p.send(t, "subscribe", "4", query("{"+strings.Repeat("deep{", 20)+"name"+strings.Repeat("}", 21)))
	m, err = p.read(t)
	require.NoError(t, err)
	require.Contains(t, string(m.Payload), "DEPTH_LIMIT_EXCEEDED")
	require.Equal(t, "error", m.Type, "it was not executed")
}

func TestWebSocket_PanicInAStream(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`subscription{explodes}`))
	m, err := p.read(t)
	require.NoError(t, err)
	require.Equal(t, "error", m.Type)
	require.Contains(t, string(m.Payload), gateway.InternalText)
	require.NotContains(t, string(m.Payload), "hunter2")
	require.Eventually(t, func() bool {
		return strings.Contains(w.do(t, "GET", "/metrics", "").raw, `interlock_subscriptions{field="explodes"} 0`)
	}, patience, time.Millisecond, "it is counted out")
	p.send(t, "subscribe", "2", query(`{hello}`))
	p.want(t, "next", "2", "")
}

func TestWebSocket_Handshake(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.AllowedOrigins = []string{"https://tickets.example.com"} })
	for origin, status := range map[string]int{
		"https://evil.example.com": 403, "null": 403, "http://" + w.host: 101, "https://tickets.example.com": 101,
	} {
		_, response, err := w.dial(t, "Origin", origin)
		require.Equal(t, status == 101, err == nil)
		require.Equal(t, status, response.StatusCode, origin)
	}
	r := w.do(t, "GET", "/graphql", "", "Upgrade", "websocket", "Connection", "upgrade")
	require.Equal(t, 400, r.status)
	require.Equal(t, "BAD_USER_INPUT", r.code())
	require.Empty(t, w.log.String())
}

func TestWebSocket_TooMany(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.MaxStreams = 1 })
	p := w.call(t, nil)
	_, response, err := w.dial(t)
	require.Error(t, err)
	require.Equal(t, 503, response.StatusCode)
	require.Equal(t, "1", response.Header.Get("Retry-After"))
	require.NoError(t, p.conn.Close(websocket.StatusNormalClosure, ""))
	require.Eventually(t, func() bool {
		_, _, err := w.dial(t)
		return err == nil
	}, patience, time.Millisecond)
}

func TestWebSocket_ClientVanishes(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`subscription{ticks}`))
	w.stub.ticks <- 1
	require.NoError(t, p.conn.CloseNow())
	<-w.stub.ended
}

// events opens a stream of server-sent events.
func (w *world) events(t *testing.T, method, path, body string, headers ...string) (*http.Response, *bufio.Reader) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Accept", "text/event-stream")
	if method == "POST" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := w.client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return response, bufio.NewReader(response.Body)
}

// event reads up to the next empty line.
func event(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	var text strings.Builder
	for {
		line, err := from.ReadString('\n')
		require.NoError(t, err)
		if line == "\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}

func TestSSE_FlushEach(t *testing.T) {
	w := start(t)
	response, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`)
	require.Equal(t, 200, response.StatusCode)
	require.Equal(t, "text/event-stream; charset=utf-8", response.Header.Get("Content-Type"))
	require.Equal(t, ":\n", event(t, body), "the connection shows before anything happens")
	for n := range 3 {
		w.stub.ticks <- n
		require.Equal(t, fmt.Sprintf("event: next\ndata: {\"data\":{\"ticks\":%d}}\n", n), event(t, body))
	}
	require.Contains(t, w.do(t, "GET", "/metrics", "").raw, `interlock_streams{transport="sse"} 1`)
	close(w.stub.ticks)
	require.Equal(t, "event: complete\ndata:\n", event(t, body))
	_, err := body.ReadByte()
	require.Error(t, err)
}

func TestSSE_TokenAndErrors(t *testing.T) {
	w := start(t)
	_, body := w.events(t, "POST", "/graphql", `{"query":"subscription{whoever}"}`, "Authorization",
		"Bearer "+w.token(t, "alice"))
	event(t, body)
	require.Contains(t, event(t, body), `{"whoever":"alice"}`)

	response, _ := w.events(t, "POST", "/graphql", `{"query":"subscription{whoever}"}`, "Authorization", "Bearer x")
	require.Equal(t, 401, response.StatusCode)
	response, _ = w.events(t, "POST", "/graphql", `{`)
	require.Equal(t, 400, response.StatusCode)
	require.Contains(t, response.Header.Get("Content-Type"), "json")

	_, body = w.events(t, "GET", "/graphql?query=subscription{broken}", "")
	event(t, body)
	require.Contains(t, event(t, body), `"code":"NOT_FOUND"`)
	require.Contains(t, event(t, body), "event: complete")
	_, body = w.events(t, "POST", "/graphql", `{"query":"{nothing}"}`)
	event(t, body)
	require.Contains(t, event(t, body), "GRAPHQL_VALIDATION_FAILED")
}

func TestSSE_ClientVanishes(t *testing.T) {
	w := start(t)
	response, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`)
	event(t, body)
	require.NoError(t, response.Body.Close())
	<-w.stub.ended
}

func TestShutdown_TellsStreams(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`subscription{ticks}`))
	w.stub.ticks <- 1
	p.want(t, "next", "1", "")
	_, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`)
	event(t, body)

	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		done <- w.server.Shutdown(ctx)
	}()
	p.wantClose(t, int(websocket.StatusGoingAway))
	rest, err := body.ReadString(0)
	require.Error(t, err)
	require.NotContains(t, rest, "complete", "the stream is broken off, not at its end")
	require.NoError(t, <-done)
	<-w.stub.ended
	<-w.stub.ended
}

func TestShutdown_IsBounded(t *testing.T) {
	w := start(t)
	ctx, cancel := contextWithCancel(t)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", w.url+"/graphql?query={slow}", nil)
	require.NoError(t, err)
	cut := make(chan error, 1)
	go func() {
		_, err := w.client.Do(request)
		cut <- err
	}()
	<-w.stub.entered
	over, stop := contextWithCancel(t)
	stop()
	require.ErrorIs(t, w.server.Shutdown(over), context.Canceled)
	require.Error(t, <-cut, "what did not end in time is cut off")
}
