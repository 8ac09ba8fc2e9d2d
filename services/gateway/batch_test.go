package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/rail"
)

// batch sends operations in one body, each as it is written.
func (w *world) batch(t *testing.T, operations []string, headers ...string) (*http.Response, []*reply) {
	t.Helper()
	r := w.raw(t, "["+strings.Join(operations, ",")+"]", headers...)
	var all []*reply
	require.NoError(t, json.Unmarshal([]byte(r.body), &all), r.body)
	require.Len(t, all, len(operations))
	return r.response, all
}

type rawReply struct {
	response *http.Response
	body     string
}

// raw posts a body of JSON, and does not read the answer.
func (w *world) raw(t *testing.T, body string, headers ...string) rawReply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/graphql", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := w.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return rawReply{response, string(text)}
}

func operation(query string) string {
	text, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func operations(queries ...string) []string {
	all := make([]string, len(queries))
	for i, query := range queries {
		all[i] = operation(query)
	}
	return all
}

func TestBatch_AnswersInOrder(t *testing.T) {
	w := start(t)
	for name, accept := range map[string]string{
		"any":    "*/*",
		"Apollo": "application/graphql-response+json,application/json;q=0.9",
		"urql": "application/graphql-response+json, application/graphql+json, application/json, " +
			"text/event-stream, multipart/mixed",
		"JSON":    "application/json",
		"GraphQL": "application/graphql-response+json",
	} {
		t.Run(name, func(t *testing.T) {
			w.stub.sold = 0
			response, all := w.batch(t, []string{
				// As Apollo's link writes it, and as urql does.
				`{"operationName":"A","variables":{"n":"北京"},"extensions":{"clientLibrary":{"name":"x"}},
					"query":"query A($n:String){hello(name:$n)}"}`,
				operation(`mutation{sell(count:1)}`),
				`{"query":"{who}","variables":{}}`,
				operation(`mutation{again:sell(count:1)}`),
			}, "Accept", accept, "Authorization", "Bearer "+w.token(t, "alice"))
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, "application/json; charset=utf-8", response.Header.Get("Content-Type"))
			require.JSONEq(t, `"hello 北京"`, string(all[0].Data["hello"]))
			require.JSONEq(t, `1`, string(all[1].Data["sell"]))
			require.JSONEq(t, `"alice"`, string(all[2].Data["who"]))
			require.JSONEq(t, `2`, string(all[3].Data["again"]), "mutations are executed in order")
		})
	}
	packed := w.raw(t, "["+operation(`{blob(bytes:5000)}`)+","+operation(`{hello}`)+"]", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", packed.response.Header.Get("Content-Encoding"))
	require.Contains(t, decoded(t, "gzip", packed.body), `{"data":{"hello":"hello"}}]`)
	_, one := w.batch(t, operations(`{hello}`))
	require.JSONEq(t, `"hello"`, string(one[0].Data["hello"]))
}

// What is wrong with one operation is told in its place.
func TestBatch_ErrorsOfOneDoNotSpoilTheOthers(t *testing.T) {
	w := start(t)
	for name, c := range map[string]struct{ operation, code, says string }{
		"a document":          {operation(`{`), "GRAPHQL_PARSE_FAILED", ""},
		"a field":             {operation(`{nothing}`), "GRAPHQL_VALIDATION_FAILED", ""},
		"a variable":          {operation(`mutation($n:Int!){sell(count:$n)}`), "BAD_USER_INPUT", ""},
		"a resolver":          {operation(`{fails(how:"plain")}`), "INTERNAL", ""},
		"a panic":             {operation(`{panics}`), "INTERNAL", ""},
		"a subscription":      {operation(`subscription{ticks}`), "BAD_USER_INPUT", "cannot be in a batch"},
		"a number":            {`5`, "BAD_USER_INPUT", "the operation is not a JSON object"},
		"a list":              {`[` + operation(`{hello}`) + `]`, "BAD_USER_INPUT", "the operation is a list"},
		"null":                {`null`, "BAD_USER_INPUT", "there is no query"},
		"no query":            {`{}`, "BAD_USER_INPUT", "there is no query"},
		"a query as a number": {`{"query":5}`, "BAD_USER_INPUT", "at /query"},
		"two queries":         {`{"query":"{hello}","query":"{who}"}`, "BAD_USER_INPUT", "a name occurs twice at /query"},
		"another case": {
			`{"query":"{hello}","Variables":{}}`, "BAD_USER_INPUT", `"Variables" is spelled "variables"`,
		},
		"half a character": {`{"query":"{hello}","variables":{"x":"\ud83d"}}`, "BAD_USER_INPUT", "at /variables/x"},
		"broken UTF-8":     {"{\"query\":\"{hello}\",\"variables\":{\"x\":\"\xff\"}}", "BAD_USER_INPUT", "invalid UTF-8"},
		"too deep": {
			operation("{" + strings.Repeat("deep{", 20) + "name" + strings.Repeat("}", 21)), "DEPTH_LIMIT_EXCEEDED", "",
		},
		"a hash in its place": {
			`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`, "PERSISTED_QUERY_NOT_SUPPORTED", "",
		},
		"an unknown operation": {`{"query":"query A{hello}","operationName":"B"}`, "GRAPHQL_VALIDATION_FAILED", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.stub.sold = 0
			response, all := w.batch(t, []string{
				operation(`mutation{sell(count:1)}`), c.operation, operation(`mutation{sell(count:1)}`),
			})
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.JSONEq(t, `1`, string(all[0].Data["sell"]))
			require.Equal(t, c.code, all[1].code())
			require.Contains(t, all[1].Errors[0].Message, c.says)
			require.NotContains(t, all[1].Errors[0].Message, "hunter2")
			require.JSONEq(t, `2`, string(all[2].Data["sell"]))
		})
	}
}

func TestBatch_RefusedAsAWhole(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.MaxBodyBytes = 4096 })
	many := func(n int) string {
		return "[" + strings.Join(operations(strings.Split(strings.Repeat("mutation{sell(count:1)};", n), ";")[:n]...), ",") +
			"]"
	}
	for name, c := range map[string]struct {
		body   string
		accept string
		status int
		says   string
	}{
		"empty":            {`[]`, "*/*", 400, "the batch has no operation"},
		"empty with space": {" [ ] ", "application/graphql-response+json", 400, "the batch has no operation"},
		"too many":         {many(11), "*/*", 400, "a batch has at most 10 operations, not 11"},
		"cut":              {`[{"query":"mutation{sell(count:1)}"}`, "*/*", 400, "the body is not a JSON list of operations"},
		"one behind it":    {`[{"query":"mutation{sell(count:1)}"}] x`, "*/*", 400, "the body is not a JSON list"},
		"too long":         {"[" + strings.Repeat(" ", 5000) + "]", "*/*", 413, "longer than 4096 bytes"},
		"events only":      {many(1), "text/event-stream", 406, "a batch is answered as application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.do(t, http.MethodPost, "/graphql", c.body, "Content-Type", "application/json", "Accept", c.accept)
			require.Equal(t, c.status, r.status, r.raw)
			require.Equal(t, "BAD_USER_INPUT", r.code())
			require.Contains(t, r.Errors[0].Message, c.says)
		})
	}
	r := w.do(t, http.MethodPost, "/graphql", many(1), "Content-Type", "application/json", "Authorization", "Bearer x")
	require.Equal(t, http.StatusUnauthorized, r.status)
	require.Zero(t, w.stub.sold, "nothing was done")
	_, all := w.batch(t, operations(strings.Split(strings.Repeat("mutation{sell(count:1)};", 10), ";")[:10]...))
	require.JSONEq(t, `10`, string(all[9].Data["sell"]))
}

// All operations of a batch have the cost of one together.
func TestBatch_CostsAsOne(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.ComplexityLimit = 200 })
	half := `{list(first:90){name}}`
	require.Empty(t, w.post(t, `{a:list(first:90){name} b:list(first:90){name}}`).Errors, "two are allowed in one")
	_, all := w.batch(t, operations(half, half, half, `{hello}`))
	require.Empty(t, all[0].Errors)
	require.Empty(t, all[1].Errors)
	require.Equal(t, "COMPLEXITY_LIMIT_EXCEEDED", all[2].code())
	require.Equal(t, "the batch up to this operation costs 276, more than 200: ask for less at once",
		all[2].Errors[0].Message)
	require.Empty(t, all[3].Errors, "there is room for a cheap one")
	require.Empty(t, w.post(t, half).Errors, "the next request has its own")
}

// All responses of a batch have the values of one together, and come into the tiers of large responses together.
func TestBatch_ValuesAsOne(t *testing.T) {
	w, trees := grove(t, limited(100))
	half := `{trees(of:22){name}}` // 45 values
	_, all := w.batch(t, operations(half, half, half, `mutation{plant{children(of:90){name}}}`, `{tree{name}}`))
	require.Empty(t, all[0].Errors)
	require.Empty(t, all[1].Errors)
	require.Equal(t, "ANSWER_TOO_LARGE", all[2].code())
	require.Equal(t, "the answers of the batch up to this one would have more than 100 values: ask for less at once",
		all[2].Errors[0].Message)
	require.Equal(t, "ANSWER_TOO_LARGE", all[3].code())
	require.Contains(t, all[3].Errors[0].Message, "what the mutation asked for may have been done")
	require.EqualValues(t, 1, trees.planted.Load())
	require.Empty(t, all[4].Errors, "what is not sent leaves its values to the others")
	require.Empty(t, w.post(t, half).Errors)

	w, _ = grove(t)
	beyond := gateway.Tiers[0].Beyond()
	for range gateway.Tiers[0].Many() {
		require.NoError(t, w.gate.Places().Enter(t.Context()))
		defer w.gate.Places().Leave()
	}
	small := fmt.Sprintf(`{trees(of:%d){name}}`, beyond/3)
	_, all = w.batch(t, operations(small, small))
	require.Empty(t, all[0].Errors)
	require.Equal(t, "OVERLOADED", all[1].code(), "two small ones are a large one, and need a place")
}

// A batch is one operation in flight, and has the time of one.
func TestBatch_InFlightAndTime(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.MaxInFlight = 1 })
	_, all := w.batch(t, operations(`{hello}`, `{who}`, `{hello}`))
	for _, one := range all {
		require.Empty(t, one.Errors)
	}
	done := make(chan []*reply, 1)
	go func() {
		_, all := w.batch(t, operations(`{waits}`, `{hello}`))
		done <- all
	}()
	<-w.stub.entered
	require.Equal(t, http.StatusServiceUnavailable, w.post(t, `{hello}`).status)
	w.stub.release <- struct{}{}
	require.Empty(t, (<-done)[1].Errors)

	w = start(t, func(o *gateway.Options) { o.OperationTimeout = 50 * time.Millisecond })
	response, all := w.batch(t, operations(`mutation{sell(count:1)}`, `mutation{waits}`, `mutation{sell(count:1)}`))
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.JSONEq(t, `1`, string(all[0].Data["sell"]), "what was done is told")
	require.Equal(t, "UNAVAILABLE", all[1].code())
	require.Contains(t, all[1].Errors[0].Message, "may have been done")
	require.Equal(t, "UNAVAILABLE", all[2].code())
	require.Contains(t, all[2].Errors[0].Message, "nothing was done with it")
	require.EqualValues(t, 1000, all[2].Errors[0].Extensions["retryAfterMs"])
	require.Equal(t, 1, w.stub.sold)
	<-w.stub.entered
}

// A client that is gone buys no more.
func TestBatch_ClientVanishes(t *testing.T) {
	w := start(t)
	ctx, cancel := contextWithCancel(t)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/graphql",
		strings.NewReader("["+operation(`{waits}`)+","+operation(`mutation{sell(count:1)}`)+"]"))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	gone := make(chan error, 1)
	go func() {
		_, err := w.client.Do(request)
		gone <- err
	}()
	<-w.stub.entered
	cancel()
	require.Error(t, <-gone)
	require.Eventually(t, func() bool {
		return strings.Contains(w.do(t, http.MethodGet, "/metrics", "").raw, "interlock_http_requests_in_flight 1\n")
	}, patience, time.Millisecond)
	require.Zero(t, w.stub.sold)
}

// A batch is not asked over a stream.
func TestBatch_OverAWebSocket(t *testing.T) {
	w := start(t)
	p := w.call(t, map[string]any{"token": w.token(t, "alice", rail.RolePassenger)})
	p.write(t, `{"type":"subscribe","id":"1","payload":[{"query":"mutation{sell(count:1)}"}]}`)
	require.Contains(t, p.wantClose(t, 4400), "the payload is a list")
	require.Zero(t, w.stub.sold)
}
