package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/rail"
)

// wantError reads the message that ends an operation which the client should try again, and its first error.
func (p *phone) wantError(t *testing.T, id string) graphqlError {
	t.Helper()
	m, err := p.read(t)
	require.NoError(t, err)
	require.Equal(t, "error", m.Type, string(m.Payload))
	require.Equal(t, id, m.ID)
	var all []graphqlError
	require.NoError(t, json.Unmarshal(m.Payload, &all))
	require.NotEmpty(t, all)
	require.LessOrEqual(t, len(all), 20)
	return all[0]
}

// wantIdle makes sure that the server has sent nothing since: the next message answers its ping.
func (p *phone) wantIdle(t *testing.T) {
	t.Helper()
	p.send(t, "ping", "", nil)
	p.want(t, "pong", "", "")
}

// An operation on an open WebSocket waits in the same queue as all others.
func TestWebSocket_PassesTheLimiter(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		p := w.call(t, nil)
		limiter := w.gate.Limiter()
		var all sync.WaitGroup
		occupy := func(n int, takes time.Duration) {
			for range n {
				all.Go(func() {
					// The last may wait for too long, which does not matter here.
					_ = limiter.Do(t.Context(), func() { <-time.After(takes) })
				})
			}
			synctest.Wait()
		}
		occupy(gateway.DefaultMaxReading, time.Second)
		start := time.Now()
		p.send(t, "subscribe", "1", query(`{hello}`))
		p.want(t, "next", "1", "")
		require.Equal(t, time.Second, time.Since(start), "it was its turn then")
		p.want(t, "complete", "1", "")

		occupy(gateway.DefaultMaxReading, gateway.MaxLimiterWait+time.Second)
		start = time.Now()
		p.send(t, "subscribe", "2", query(`mutation{sell(count:1)}`))
		e := p.wantError(t, "2")
		require.Equal(t, "OVERLOADED", e.Extensions["code"])
		require.NotZero(t, e.Extensions["retryAfterMs"])
		require.Equal(t, gateway.MaxLimiterWait, time.Since(start))
		all.Wait()

		occupy(3*gateway.DefaultMaxReading, 2*gateway.OverloadedAfter)
		<-time.After(3 * gateway.OverloadedAfter)
		start = time.Now()
		p.send(t, "subscribe", "3", query(`mutation{sell(count:1)}`))
		require.Equal(t, "OVERLOADED", p.wantError(t, "3").Extensions["code"])
		require.Zero(t, time.Since(start), "while the line is long, at once")
		all.Wait()
		require.Zero(t, w.stub.sold)
		p.wantIdle(t)
	})
}

// Operations in flight count together over all transports.
func TestStreams_OperationsAreInFlight(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.MaxInFlight = 1 })
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`mutation{waits}`))
	<-w.stub.entered
	require.Equal(t, 503, w.post(t, `{hello}`).status)
	response, _ := w.events(t, "POST", "/graphql", `{"query":"{hello}"}`)
	require.Equal(t, 503, response.StatusCode)
	require.Equal(t, "1", response.Header.Get("Retry-After"))
	p.send(t, "subscribe", "2", query(`{hello}`))
	require.Equal(t, "OVERLOADED", p.wantError(t, "2").Extensions["code"])
	p.send(t, "subscribe", "3", query(`subscription{whoever}`))
	p.want(t, "next", "3", "")
	p.want(t, "complete", "3", "")
	w.stub.release <- struct{}{}
	p.want(t, "next", "1", `{"data":{"waits":"done"}}`)
	p.want(t, "complete", "1", "")
	require.Eventually(t, func() bool { return w.post(t, `{hello}`).status == 200 }, patience, time.Millisecond)

	_, body := w.events(t, "POST", "/graphql", `{"query":"mutation{waits}"}`)
	<-w.stub.entered
	require.Equal(t, 503, w.post(t, `{hello}`).status)
	w.stub.release <- struct{}{}
	event(t, body)
	require.Contains(t, event(t, body), `{"waits":"done"}`)
	require.Contains(t, event(t, body), "complete")
}

func TestStreams_OperationsEndInTime(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.OperationTimeout = time.Millisecond })
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`{slow}`))
	m, err := p.read(t)
	require.NoError(t, err)
	require.Contains(t, string(m.Payload), "UNAVAILABLE")
	_, body := w.events(t, "POST", "/graphql", `{"query":"{slow}"}`)
	event(t, body)
	require.Contains(t, event(t, body), "UNAVAILABLE")
}

func TestWebSocket_ErrorsAreBounded(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	var fields strings.Builder
	for i := range 100 {
		fields.WriteString(" no" + strings.Repeat("x", i))
	}
	p.send(t, "subscribe", "1", query("{"+fields.String()+"}"))
	require.Equal(t, "GRAPHQL_VALIDATION_FAILED", p.wantError(t, "1").Extensions["code"])
	p.wantIdle(t)
}

// A subscription that the client should try again never ends like one that is over.
func TestStreams_WhatIsToBeAskedForAgainHasNoComplete(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	for _, code := range []string{"UNAVAILABLE", "OVERLOADED", "ORDER_PENDING", "INTERNAL"} {
		text := `subscription{refused(code:"` + code + `")}`
		p.send(t, "subscribe", code, query(text))
		e := p.wantError(t, code)
		require.Equal(t, code, e.Extensions["code"])
		require.EqualValues(t, 1500, e.Extensions["retryAfterMs"])
		p.wantIdle(t)

		body, err := json.Marshal(query(text))
		require.NoError(t, err)
		_, events := w.events(t, "POST", "/graphql", string(body))
		rest, err := events.ReadString(0)
		require.Error(t, err)
		require.Contains(t, rest, "\nretry: 1500\n")
		require.Contains(t, rest, "event: next\ndata: {\"errors\":[")
		require.Contains(t, rest, `"code":"`+code+`"`)
		require.NotContains(t, rest, "complete")
	}
	// An error that a repetition would meet again ends the subscription.
	p.send(t, "subscribe", "1", query(`subscription{broken}`))
	p.want(t, "next", "1", "")
	p.want(t, "complete", "1", "")

	_, events := w.events(t, "GET", "/graphql?query=subscription{explodes}", "")
	rest, err := events.ReadString(0)
	require.Error(t, err)
	require.Contains(t, rest, gateway.InternalText)
	require.NotContains(t, rest, "hunter2")
	require.NotContains(t, rest, "complete")
}

// A viewer's streams of both kinds count together, and leave other viewers theirs.
func TestStreams_OfAViewer(t *testing.T) {
	require.Equal(t, 20, gateway.DefaultMaxStreamsPerViewer)
	w := start(t, func(o *gateway.Options) { o.MaxStreamsPerViewer = 2 })
	anna, ben := "Bearer "+w.token(t, "anna"), "Bearer "+w.token(t, "ben")
	w.call(t, map[string]any{"authorization": anna})
	_, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`, "Authorization", anna)
	event(t, body)

	response, rest := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`, "Authorization", anna)
	require.Equal(t, 429, response.StatusCode)
	require.Equal(t, "30", response.Header.Get("Retry-After"))
	text, err := rest.ReadString(0)
	require.Error(t, err)
	require.Contains(t, text, `"code":"OVERLOADED"`)
	require.Contains(t, text, "you have 2 streams open")
	_, response, err = w.dial(t, "Authorization", anna)
	require.Error(t, err)
	require.Equal(t, 429, response.StatusCode)
	p, _, err := w.dial(t)
	require.NoError(t, err, "who it is comes with the first message")
	p.send(t, "connection_init", "", map[string]any{"authorization": anna})
	require.Contains(t, p.wantClose(t, int(websocket.StatusTryAgainLater)), "OVERLOADED: you have 2 streams open")

	w.call(t, map[string]any{"authorization": ben})
	w.call(t, nil)
	require.Equal(t, 200, w.post(t, `{hello}`, "Authorization", anna).status, "a request is no stream")
}

// Streams without a token are counted by address, and do not keep out streams with a token.
func TestStreams_OfAnAddress(t *testing.T) {
	require.Equal(t, 200, gateway.DefaultMaxStreamsPerAddress)
	w := start(t, func(o *gateway.Options) {
		o.MaxStreamsPerAddress = 5
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	from := func(address string) []string { return []string{"X-Forwarded-For", address} }
	call := func(address string, init any) (*phone, message, error) {
		p, _, err := w.dial(t, from(address)...)
		if err != nil {
			return nil, message{}, err
		}
		p.send(t, "connection_init", "", init)
		m, err := p.read(t)
		return p, m, err
	}
	first, _, err := call("2001:db8:1:2::1", nil)
	require.NoError(t, err)
	for range 3 {
		_, _, err := call("2001:db8:1:2::3", nil)
		require.NoError(t, err)
	}
	_, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`, from("2001:db8:1:2::2")...)
	event(t, body)
	for _, address := range []string{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"} {
		_, _, err = call(address, nil)
		var closed websocket.CloseError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, websocket.StatusTryAgainLater, closed.Code)
		require.Contains(t, closed.Reason, "OVERLOADED: 5 streams without a token")
		require.NotContains(t, closed.Reason, "2001")
		response, _ := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`, from(address)...)
		require.Equal(t, 429, response.StatusCode)
	}
	_, _, err = call("2001:db8:1:3::1", nil)
	require.NoError(t, err, "another household")
	_, m, err := call("2001:db8:1:2::1", map[string]any{"authorization": "Bearer " + w.token(t, "anna")})
	require.NoError(t, err, "a token is counted by itself")
	require.Equal(t, "connection_ack", m.Type)

	require.NoError(t, first.conn.Close(websocket.StatusNormalClosure, ""))
	require.Eventually(t, func() bool {
		_, _, err := call("2001:db8:1:2::1", nil)
		return err == nil
	}, patience, time.Millisecond, "what ends makes room")
}

// Sockets without a first message count, too, for as long as that message may take.
func TestStreams_OfAnAddressThatSaysNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		var silent []*phone
		for range 2 {
			p, _, err := w.dial(t)
			require.NoError(t, err)
			silent = append(silent, p)
		}
		_, response, err := w.dial(t)
		require.Error(t, err)
		require.Equal(t, 429, response.StatusCode)
		for _, p := range silent {
			p.wantClose(t, 4408)
		}
		synctest.Wait()
		w.call(t, nil)
	}, func(o *gateway.Options) { o.MaxStreamsPerAddress = 2 })
}

// Resolvers are told where a stream comes from, and which stream it is.
func TestStreams_SayWhereTheyComeFrom(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`subscription{ticks}`))
	w.stub.ticks <- 1
	p.want(t, "next", "1", "")
	first := w.stub.client(t)
	require.Equal(t, "127.0.0.1/32", first.Address.String())
	_, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`)
	event(t, body)
	second := w.stub.client(t)
	require.Equal(t, first.Address, second.Address)
	require.NotEqual(t, first.Stream, second.Stream)
}

// Until the server can serve streams, it refuses them in such a way that clients come back. It answers all other
// requests.
func TestStreams_WhileTheServerStarts(t *testing.T) {
	started := make(chan struct{})
	w := start(t, func(o *gateway.Options) {
		o.Starting = func() bool {
			select {
			case <-started:
				return false
			default:
				return true
			}
		}
	})
	_, response, err := w.dial(t)
	require.Error(t, err)
	require.Equal(t, 503, response.StatusCode)
	require.Equal(t, "2", response.Header.Get("Retry-After"))
	response, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`)
	require.Equal(t, 503, response.StatusCode)
	require.Equal(t, "2", response.Header.Get("Retry-After"))
	text, err := body.ReadString(0)
	require.Error(t, err)
	require.Contains(t, text, `"code":"UNAVAILABLE"`)
	require.Contains(t, text, `"retryAfterMs":2000`)
	for _, accept := range []string{"", urqlAccept, "text/event-stream"} {
		require.Equal(t, 200, w.post(t, `{hello}`, "Accept", accept).status, accept)
	}
	close(started)
	w.call(t, nil)
	response, _ = w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`)
	require.Equal(t, 200, response.StatusCode)
}

// A server that goes away answers queries and mutations over every transport. Subscriptions end in such a way that
// clients come back.
func TestShutdown_AnswersWhatItWasAsked(t *testing.T) {
	w := start(t)
	p, idle := w.call(t, nil), w.call(t, nil)
	p.send(t, "subscribe", "m", query(`mutation{waits}`))
	<-w.stub.entered
	p.send(t, "subscribe", "s", query(`subscription{ticks}`))
	w.stub.ticks <- 1
	p.want(t, "next", "s", "")
	_, events := w.events(t, "POST", "/graphql", `{"query":"mutation{waits}"}`)
	<-w.stub.entered
	plain := make(chan *reply, 2)
	for _, accept := range []string{"application/json", urqlAccept} {
		go func() { plain <- w.post(t, `mutation{waits}`, "Accept", accept) }()
		<-w.stub.entered
	}

	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		done <- w.server.Shutdown(ctx)
	}()
	idle.wantClose(t, int(websocket.StatusGoingAway))
	<-w.stub.ended // the subscription
	p.send(t, "subscribe", "late", query(`{hello}`))
	require.Equal(t, "UNAVAILABLE", p.wantError(t, "late").Extensions["code"])
	for range 4 {
		w.stub.release <- struct{}{}
	}
	p.want(t, "next", "m", `{"data":{"waits":"done"}}`)
	p.want(t, "complete", "m", "")
	p.wantClose(t, int(websocket.StatusGoingAway))
	event(t, events)
	require.Contains(t, event(t, events), `{"waits":"done"}`)
	require.Contains(t, event(t, events), "event: complete")
	for range 2 {
		r := <-plain
		require.Equal(t, 200, r.status)
		require.JSONEq(t, `{"data":{"waits":"done"}}`, r.raw)
	}
	require.NoError(t, <-done)
}

// What does not end in time is cut off, also WebSockets.
func TestShutdown_CutsWebSockets(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`{waits}`))
	<-w.stub.entered
	over, stop := contextWithCancel(t)
	stop()
	require.ErrorIs(t, w.server.Shutdown(over), context.Canceled)
	_, err := p.read(t)
	require.Error(t, err)
	require.False(t, errors.As(err, &websocket.CloseError{}), "without a word: %v", err)
}

// A socket ends with its token, once its queries and mutations are answered.
func TestWebSocket_AnswersBeforeItsTokenEndsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		token, err := w.tokens.Issue("alice", []rail.Role{rail.RolePassenger}, 5*time.Second)
		require.NoError(t, err)
		p := w.call(t, map[string]any{"authorization": "Bearer " + token})
		<-time.After(4 * time.Second)
		p.send(t, "subscribe", "1", query(`mutation{waits}`))
		<-w.stub.entered
		<-time.After(2 * time.Second)
		p.send(t, "subscribe", "2", query(`{hello}`))
		p.wantError(t, "2")
		w.stub.release <- struct{}{}
		p.want(t, "next", "1", `{"data":{"waits":"done"}}`)
		p.want(t, "complete", "1", "")
		require.Equal(t, "UNAUTHENTICATED: the token has expired", p.wantClose(t, 4403))
	})
}

// A message that has begun must come as fast as a body.
func TestWebSocket_SlowMessage(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		p := w.call(t, nil)
		start := time.Now()
		writer, err := p.conn.Writer(t.Context(), websocket.MessageText)
		require.NoError(t, err)
		var dripping sync.WaitGroup
		dripping.Go(func() {
			for {
				// A frame each: what is buffered does not drip.
				if _, err := writer.Write([]byte(strings.Repeat(" ", 4096))); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		})
		_, err = p.read(t)
		assert.Error(t, err)
		require.LessOrEqual(t, time.Since(start), gateway.BodyTimeout+gateway.WriteTimeout)
		_ = p.conn.CloseNow()
		dripping.Wait()
	})
}
