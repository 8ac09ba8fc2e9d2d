package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
)

const (
	jsonType    = "application/json"
	graphqlType = "application/graphql-response+json"
	eventsType  = "text/event-stream"
	// urqlAccept is what urql sends with every operation.
	urqlAccept = "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, " +
		"multipart/mixed"
)

// What clients send, and what RFC 9110 (12.5.1) and GraphQL over HTTP make of it.
func TestAcceptance(t *testing.T) {
	for accept, c := range map[string]struct {
		json   string
		events bool
	}{
		"":                                  {jsonType, false},
		" , ":                               {jsonType, false},
		"*/*":                               {jsonType, false},
		"application/*":                     {jsonType, false},
		"application/json":                  {jsonType, false},
		"application/json, */*;q=0.5":       {jsonType, false},
		"APPLICATION/JSON":                  {jsonType, false},
		"application/json;charset=utf8":     {jsonType, false},
		"application/graphql-response+json": {graphqlType, false},
		urqlAccept:                          {graphqlType, true},
		// Apollo Client, Apollo iOS, Apollo Kotlin, Relay's example, a browser's address line, graphql-sse, EventSource
		"application/graphql-response+json,application/json;q=0.9":                                {graphqlType, false},
		`multipart/mixed;boundary="graph,ql";subscriptionSpec=1.0,application/json`:               {jsonType, false},
		"multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json": {graphqlType, false},
		"application/graphql-response+json; charset=utf-8, application/json; charset=UTF-8":       {graphqlType, false},
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8":                         {jsonType, false},
		"text/event-stream": {"", true},

		// Quality decides between the two kinds of JSON, and order does not.
		"application/json, application/graphql-response+json":                  {graphqlType, false},
		"application/json, application/graphql-response+json;q=0.9":            {jsonType, false},
		"application/json;q=0.1, application/graphql-response+json;q=0.2":      {graphqlType, false},
		"application/json;q=0.5, */*;q=0.8":                                    {graphqlType, false},
		"application/graphql-response+json;q=0.001, application/json;q=0":      {graphqlType, false},
		"application/json; q=0.5, application/graphql-response+json ; q = 0.4": {jsonType, false},
		// A 0 is a no, and the most specific range decides.
		"application/json;q=0":                                 {"", false},
		"application/json;q=0, */*":                            {graphqlType, false},
		"application/json;q=0.0, application/*;q=0.000, */*":   {"", false},
		"application/json;charset=utf-8;q=0, application/json": {"", false},
		"application/json, */*;q=0":                            {jsonType, false},
		"*/*, text/event-stream;q=0":                           {jsonType, false},
		"text/event-stream;q=0, application/json":              {jsonType, false},
		"text/event-stream;q=0.1, application/json":            {jsonType, true},
		"text/*, text/event-stream;q=0":                        {"", false},
		"application/json;q=0.3, application/json;q=0":         {jsonType, false},
		// A stream has to be asked for by its name or kind.
		"text/*":                     {"", true},
		"*/*, text/event-stream":     {jsonType, true},
		"text/event-stream, */*;q=0": {"", true},
		// What there is not.
		"text/html":                                    {"", false},
		"application/xml, image/*":                     {"", false},
		"application/graphql+json":                     {"", false},
		"application/json;charset=gbk":                 {"", false},
		"application/json;profile=x":                   {"", false},
		"application/json;profile=x, application/json": {jsonType, false},
		"multipart/mixed":                              {"", false},
		// What is malformed counts as not sent, and spoils nothing.
		"json":                 {"", false},
		"application/json;q=x": {"", false},
		"application/json;q=2, application/*;q=0.1": {jsonType, false},
		"application/json;q=-1":                     {"", false},
		"application/json;q=NaN":                    {"", false},
		`"unfinished, application/json`:             {"", false},
		"/;;=, application/json":                    {jsonType, false},
		",,application/json,,":                      {jsonType, false},
		strings.Repeat("a/b,", 63) + jsonType:       {jsonType, false},
		strings.Repeat("a/b,", 64) + jsonType:       {"", false},
	} {
		json, events := gateway.AcceptanceOf(http.Header{"Accept": {accept}})
		require.Equal(t, c.json, json, accept)
		require.Equal(t, c.events, events, accept)
	}
	json, events := gateway.AcceptanceOf(http.Header{"Accept": {"application/json;q=0.5", eventsType, graphqlType}})
	require.Equal(t, graphqlType, json, "several fields are one list")
	require.True(t, events)
	json, _ = gateway.AcceptanceOf(http.Header{})
	require.Equal(t, jsonType, json)
}

// Accept is read once for a request. urql's has five members, and reading them takes eight pieces of memory.
func TestAcceptance_IsReadOnce(t *testing.T) {
	w := start(t)
	allocations := func(accept string) float64 {
		return testing.AllocsPerRun(100, func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql",
				strings.NewReader(operation(`{hello}`)))
			r.Header.Set("Content-Type", jsonType)
			r.Host = "localhost"
			r.Header.Set("Accept", accept)
			answer := httptest.NewRecorder()
			w.gate.ServeHTTP(answer, r)
			require.Equal(t, http.StatusOK, answer.Code)
		})
	}
	once := testing.AllocsPerRun(100, func() { gateway.AcceptanceOf(http.Header{"Accept": {urqlAccept}}) })
	require.Less(t, allocations(urqlAccept)-allocations(" "), 2*once)
}

// A query or a mutation is JSON wherever JSON is accepted, a subscription a stream wherever one is.
func TestNegotiation_ByKindOfOperation(t *testing.T) {
	w := start(t)
	for accept, c := range map[string]struct {
		once, stream string // "" is a refusal
	}{
		"":                                    {jsonType, ""},
		"*/*":                                 {jsonType, ""},
		jsonType:                              {jsonType, ""},
		graphqlType:                           {graphqlType, ""},
		urqlAccept:                            {graphqlType, eventsType},
		"text/event-stream, application/json": {jsonType, eventsType},
		"text/event-stream, */*;q=0.1":        {jsonType, eventsType},
		"text/event-stream;q=0.1, */*":        {jsonType, eventsType},
		eventsType:                            {eventsType, eventsType},
		"text/event-stream, application/json;q=0": {eventsType, eventsType},
		"application/json, text/event-stream;q=0": {jsonType, ""},
		"text/html": {"", ""},
	} {
		for _, query := range []string{"{who}", "mutation{sell(count:1)}", "{__typename}"} {
			r := w.post(t, query, "Accept", accept)
			if c.once == "" {
				require.Equal(t, 406, r.status, accept)
				require.Equal(t, "BAD_USER_INPUT", r.code())
				require.Contains(t, r.Errors[0].Message, eventsType)
				continue
			}
			require.Equal(t, 200, r.status, accept)
			require.Equal(t, c.once+"; charset=utf-8", r.header.Get("Content-Type"), accept)
			require.Contains(t, strings.Join(r.header.Values("Vary"), ", "), "Accept")
			require.Equal(t, c.once == eventsType, strings.HasSuffix(r.raw, "event: complete\ndata:\n\n"))
			require.Equal(t, 1, strings.Count(r.raw, `"data"`), "a result comes once")
		}
		for _, r := range []*reply{
			w.post(t, `subscription{whoever}`, "Accept", accept),
			w.do(t, "GET", "/graphql?query=subscription{whoever}", "", "Accept", accept),
		} {
			switch {
			case c.stream != "":
				require.Equal(t, 200, r.status, accept)
				require.Equal(t, eventsType+"; charset=utf-8", r.header.Get("Content-Type"), accept)
			case c.once == "":
				require.Equal(t, 406, r.status, accept)
			default:
				require.Equal(t, 400, r.status, accept)
				require.Equal(t, "a subscription needs a WebSocket, or Accept: text/event-stream", r.Errors[0].Message)
			}
		}
	}
	require.Equal(t, 11, w.stub.sold, "what is not acceptable is not executed")
}

// Only a subscription takes a stream's place, whatever else its client accepts. All other operations are in flight, and
// count there.
func TestNegotiation_OnlySubscriptionsAreStreams(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.MaxStreams = 1; o.MaxInFlight = 1 })
	_, body := w.events(t, "POST", "/graphql", `{"query":"subscription{ticks}"}`, "Accept", urqlAccept)
	event(t, body)
	w.stub.ticks <- 1
	require.Contains(t, event(t, body), `{"ticks":1}`)
	// A place is given back when the client has its answer, and a moment later at most.
	ask := func(query, accept string) (r *reply) {
		for start := time.Now(); time.Since(start) < patience; {
			if r = w.post(t, query, "Accept", accept); r.code() != "OVERLOADED" {
				break
			}
		}
		return r
	}
	for _, accept := range []string{jsonType, urqlAccept, eventsType} {
		require.Equal(t, 200, ask(`{hello}`, accept).status, accept)
		require.Eventually(t, func() bool {
			r := w.post(t, `subscription{whoever}`, "Accept", "text/event-stream, application/json")
			require.Equal(t, 503, r.status)
			return r.Errors[0].Message == "this server has too many streams open"
		}, patience, time.Millisecond)

		answered := make(chan *reply, 1)
		go func() { answered <- ask(`mutation{waits}`, accept) }()
		<-w.stub.entered
		for _, other := range []string{jsonType, urqlAccept, eventsType} {
			r := w.post(t, `{hello}`, "Accept", other)
			require.Equal(t, 503, r.status, other)
			require.Equal(t, "1", r.header.Get("Retry-After"))
		}
		w.stub.release <- struct{}{}
		require.Contains(t, (<-answered).raw, `"done"`)
	}
}

// A server that goes away begins no subscription, and answers everything else until its listener is closed.
func TestNegotiation_OnlySubscriptionsGoAway(t *testing.T) {
	w := start(t)
	w.gate.Drain()
	for accept, contentType := range map[string]string{
		jsonType: jsonType, urqlAccept: graphqlType, eventsType: eventsType,
	} {
		r := w.post(t, `mutation{sell(count:1)}`, "Accept", accept)
		require.Equal(t, 200, r.status, accept)
		require.Equal(t, contentType+"; charset=utf-8", r.header.Get("Content-Type"))
		require.Contains(t, r.raw, `{"data":{"sell":`)
	}
	for _, accept := range []string{urqlAccept, eventsType} {
		r := w.post(t, `subscription{ticks}`, "Accept", accept)
		require.Equal(t, 503, r.status, accept)
		require.Equal(t, "the server is going away", r.Errors[0].Message)
		require.Equal(t, "1", r.header.Get("Retry-After"))
	}
}
