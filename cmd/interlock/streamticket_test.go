package main

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/rail"
)

const createStreamTicket = `mutation{createStreamTicket{streamTicket validUntil}}`

// eventSource asks for a subscription as a browser's EventSource does: it sends no header of a page's choice.
func eventSource(t *testing.T, server, subscription, ticket string) *http.Response {
	t.Helper()
	values := url.Values{"query": {subscription}}
	if ticket != "" {
		values.Set("streamTicket", ticket)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/graphql?"+values.Encode(), nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// nextEvent is the data of the next event "next".
func nextEvent(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	for {
		line, err := from.ReadString('\n')
		require.NoError(t, err)
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return data
		}
	}
}

// eventSourceWays: with a ticket from one server a page watches its order on another, once.
func eventSourceWays(t *testing.T, makes, serves *running) (run string) {
	t.Helper()
	run = makes.publishT12(t)
	placed := makes.ask(t, makes.passenger, placeOrderMutation,
		map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	order := placed.at(t, "placeOrder.order.id").(string)
	watch := `subscription{orderChanged(orderId:"` + order + `"){state}}`
	// The other server may not have read its timetable yet.
	require.Eventually(t, func() bool { return serves.timetable.Loaded() }, 20*time.Second, time.Millisecond)

	refused := eventSource(t, serves.url, watch, "")
	require.Contains(t, nextEvent(t, bufio.NewReader(refused.Body)), `"UNAUTHENTICATED"`, "without a ticket")

	made := makes.ask(t, makes.passenger, createStreamTicket, nil)
	require.Empty(t, made.Errors)
	ticket := made.at(t, "createStreamTicket.streamTicket").(string)
	until, err := time.Parse(time.RFC3339, made.at(t, "createStreamTicket.validUntil").(string))
	require.NoError(t, err)
	require.InDelta(t, 30*time.Second, time.Until(until), float64(5*time.Second))

	stream := eventSource(t, serves.url, watch, ticket)
	require.Equal(t, http.StatusOK, stream.StatusCode)
	events := bufio.NewReader(stream.Body)
	require.Contains(t, nextEvent(t, events), `"state":"ON_HOLD"`)
	for _, server := range []*running{makes, serves} {
		again := eventSource(t, server.url, watch, ticket)
		require.Equal(t, http.StatusUnauthorized, again.StatusCode)
		body, err := io.ReadAll(again.Body)
		require.NoError(t, err)
		require.Contains(t, string(body), "the stream ticket was used before")
	}
	cancelled := makes.ask(t, makes.passenger, `mutation($o:ID!){cancelOrder(input:{orderId:$o}){userErrors{code}}}`,
		map[string]any{"o": order})
	require.Empty(t, cancelled.at(t, "cancelOrder.userErrors"))
	require.Contains(t, nextEvent(t, events), `"state":"CANCELLED"`)

	anonymous := makes.ask(t, "", createStreamTicket, nil)
	require.Equal(t, "UNAUTHENTICATED", anonymous.Errors[0].Extensions.Code)
	other := makes.token(t, "somebody", rail.RolePassenger)
	foreign := makes.ask(t, other, createStreamTicket, nil).at(t, "createStreamTicket.streamTicket").(string)
	hidden := eventSource(t, serves.url, watch, foreign)
	require.Contains(t, nextEvent(t, bufio.NewReader(hidden.Body)), `"NOT_FOUND"`, "it is the ticket's viewer who asks")
	return run
}

func TestServer_EventSourceEmbedded(t *testing.T) {
	r := start(t, embeddedSettings(t))
	eventSourceWays(t, r, r)
	ann := r.token(t, "ann")
	for range 20 {
		require.Empty(t, r.ask(t, ann, createStreamTicket, nil).Errors)
	}
	full := r.ask(t, ann, createStreamTicket, nil)
	require.Equal(t, "OVERLOADED", full.Errors[0].Extensions.Code)
	require.GreaterOrEqual(t, full.Errors[0].Extensions.RetryAfterMs, 30_000)
}

// Two servers share MySQL, Redis and the document key.
func TestServer_EventSourceOnTwoServers(t *testing.T) {
	settings := realSettings(t, withDatabase(serverstest.MySQL(t)))
	cache := serverstest.NewRedis(t)
	settings.Redis = []string{cache.Addr()}
	one, two := start(t, settings), start(t, settings)
	run := eventSourceWays(t, one, two)

	watch := `subscription{seatAvailability(runIds:["` + run + `"]){version}}`
	ticket := one.ask(t, one.passenger, createStreamTicket, nil).at(t, "createStreamTicket.streamTicket").(string)
	require.NoError(t, cache.Kill())
	away := eventSource(t, two.url, watch, ticket)
	require.Equal(t, http.StatusServiceUnavailable, away.StatusCode, "whether it was used is unknown")
	require.Equal(t, "1", away.Header.Get("Retry-After"))
	none := two.ask(t, two.passenger, createStreamTicket, nil)
	require.Equal(t, "UNAVAILABLE", none.Errors[0].Extensions.Code)
	require.NoError(t, cache.Start(t.Context()))
	require.Eventually(t, func() bool {
		return len(two.ask(t, two.passenger, createStreamTicket, nil).Errors) == 0
	}, 20*time.Second, 10*time.Millisecond)
	lost := eventSource(t, two.url, watch, ticket)
	require.Equal(t, http.StatusUnauthorized, lost.StatusCode, "Redis has forgotten it, and so it is not good")
}
