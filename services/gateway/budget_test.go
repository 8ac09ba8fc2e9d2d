package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
)

// grove is a server of trees.
func grove(t *testing.T, change ...func(*gateway.Options)) (*world, *tree) {
	t.Helper()
	trees := newTree()
	w := start(t, append([]func(*gateway.Options){func(o *gateway.Options) { o.Schema = trees }}, change...)...)
	return w, trees
}

// limited bounds responses to so many values.
func limited(values int) func(*gateway.Options) {
	return func(o *gateway.Options) { o.ResponseLimit = values }
}

// A response counts as it is: the value of every field, and every element of a list.
func TestBudget_CountsValues(t *testing.T) {
	for query, values := range map[string]int{
		`{tree{name}}`:                        2,
		`{tree{name name n:name}}`:            3,
		`{trees(of:5){name}}`:                 1 + 5*2,
		`{trees(of:0){children(of:9){name}}}`: 1,
		`{trees(of:5){name words}}`:           1 + 5*(3+2),
		`{trees(of:5){children(of:3){name}}}`: 1 + 5*(2+3*2),
		`{trees(of:5){...{...F}}} fragment F on Tree{name children(of:3){...G}}
			fragment G on Tree{name}`: 1 + 5*(3+3*2),
		`{trees(of:5){name @skip(if:true) children(of:3) @include(if:true){name}}}`: 1 + 5*(2+3*2),
		`{trees(of:5){` + strings.Repeat("k", 64) + `:name}}`:                       1 + 5*4,
		`query($n:Int!){trees(of:$n){name}}`:                                        1 + 7*2,
	} {
		ask := func(limit int) *reply {
			w, _ := grove(t, limited(limit))
			return w.ask(t, map[string]any{"query": query, "variables": map[string]any{"n": 7}})
		}
		enough := ask(values)
		require.Empty(t, enough.Errors, query)
		short := ask(values - 1)
		if values > 1 {
			require.Equal(t, "ANSWER_TOO_LARGE", short.code(), query)
			require.Len(t, short.Errors, 1, query)
			require.Empty(t, short.Data, "there is no half of it: %s", short.raw)
			require.Contains(t, short.Errors[0].Message, fmt.Sprint(values-1))
		}
	}
}

// nested is a document of lists in lists.
func nested(root string, levels, of int) string {
	inner := fmt.Sprintf("children(of:%d){", of)
	return "{" + root + "{" + strings.Repeat(inner, levels) + "name" + strings.Repeat("}", levels) + "}}"
}

// An empty budget ends the operation: a document has ten million lists, and only those in the budget are resolved.
func TestBudget_EndsTheOperation(t *testing.T) {
	w, trees := grove(t, limited(5_000))
	r := w.post(t, nested("tree", 7, 10))
	require.Equal(t, "ANSWER_TOO_LARGE", r.code(), r.raw)
	require.Len(t, r.Errors, 1)
	require.Less(t, trees.lists.Load(), int64(5_000/2), "each list was charged before its elements were resolved")
	require.Contains(t, w.do(t, "GET", "/metrics", "").raw, `interlock_graphql_errors_total{code="ANSWER_TOO_LARGE"} 1`)
}

// A response that is too large does not undo what a mutation has done. The next mutation of the document is not begun.
func TestBudget_OfAMutation(t *testing.T) {
	w, trees := grove(t, limited(100))
	r := w.post(t, `mutation{a:plant{children(of:99){name}} b:plant{name}}`)
	require.Equal(t, "ANSWER_TOO_LARGE", r.code(), r.raw)
	require.Contains(t, r.Errors[0].Message, "may have been done")
	require.GreaterOrEqual(t, trees.planted.Load(), int64(1))
}

// Every event of a stream has a budget of its own. An event that is too large ends the stream.
func TestBudget_OfAStream(t *testing.T) {
	stream := func(t *testing.T, of, events int) []*reply {
		w, trees := grove(t, limited(100))
		p := w.call(t, nil)
		p.send(t, "subscribe", "1", query(fmt.Sprintf(`subscription{grows{children(of:%d){name}}}`, of)))
		var got []*reply
		for range events {
			trees.events <- 1
			m, err := p.read(t)
			require.NoError(t, err)
			require.Equal(t, "next", m.Type)
			var r reply
			require.NoError(t, json.Unmarshal(m.Payload, &r))
			got = append(got, &r)
			if len(r.Errors) > 0 {
				p.want(t, "complete", "1", "")
				return got
			}
		}
		return got
	}
	for _, event := range stream(t, 40, 5) {
		require.Empty(t, event.Errors)
	}
	large := stream(t, 60, 5)
	require.Len(t, large, 1)
	require.Equal(t, "ANSWER_TOO_LARGE", large[0].code())
}

// Execution notices that its context has ended: no list is resolved after that, though a million are selected.
func TestExecution_EndsWithItsClient(t *testing.T) {
	w, trees := grove(t, func(o *gateway.Options) { o.ResponseLimit = 1 << 40 })
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan struct{})
	var once sync.Once
	trees.resolving = func(ctx context.Context) {
		if trees.lists.Load() == 50 {
			hangUp()
		}
		if trees.lists.Load() >= 50 {
			<-ctx.Done()
			once.Do(func() { close(ended) })
		}
	}
	body, err := json.Marshal(map[string]any{"query": nested("tree", 7, 10)})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/graphql", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	_, err = w.client.Do(request)
	require.ErrorIs(t, err, context.Canceled)
	<-ended
	// The server waits for the operations that it has begun.
	require.NoError(t, w.server.Shutdown(t.Context()))
	// Four elements of each list are resolved at a time. Of the million, only those under way are.
	require.Less(t, trees.lists.Load(), int64(6_000))
}

// However much fails, few errors are told, over every transport.
func TestErrors_OfAnAnswerAreFew(t *testing.T) {
	const most = 20
	var failing, unknown strings.Builder
	for i := range 400 {
		fmt.Fprintf(&failing, "f%d:fails ", i)
		fmt.Fprintf(&unknown, "u%d:unknown ", i)
	}
	w, _ := grove(t)
	for _, document := range []string{
		"{" + failing.String() + "}", "{" + unknown.String() + "}", `{trees(of:9){children(of:99){fails}}}`,
	} {
		require.Len(t, w.post(t, document).Errors, most)
		events := w.do(t, "POST", "/graphql", fmt.Sprintf(`{"query":%q}`, document), "Content-Type", "application/json",
			"Accept", "text/event-stream")
		require.Equal(t, most, strings.Count(events.raw, `"message"`))
		p := w.call(t, nil)
		p.send(t, "subscribe", "1", query(document))
		m, err := p.read(t)
		require.NoError(t, err)
		require.Equal(t, most, strings.Count(string(m.Payload), `"message"`))
	}
}

func TestErrors_AreShort(t *testing.T) {
	w, _ := grove(t)
	r := w.post(t, `{`+strings.Repeat("é", 50_000)+`}`)
	require.NotEmpty(t, r.Errors)
	r = w.post(t, `{trees(of:"`+strings.Repeat("é", 50_000)+`"){name}}`)
	require.NotEmpty(t, r.Errors)
	require.Less(t, len(r.raw), 4_000)
}

// An unknown type's name is not compared with all types. It may be as long as a body, and there may be hundreds.
func TestErrors_SuggestNoTypes(t *testing.T) {
	w, _ := grove(t)
	r := w.post(t, `{tree{...F}} fragment F on Trees{name}`)
	require.Equal(t, "GRAPHQL_VALIDATION_FAILED", r.code())
	require.Equal(t, `Unknown type "Trees".`, r.Errors[0].Message)
	require.Contains(t, w.post(t, `{tree{names}}`).Errors[0].Message, `Did you mean "name"`)
}

func TestDocuments_AskForTheSchemaOnce(t *testing.T) {
	w, _ := grove(t)
	require.NotEqual(t, "COMPLEXITY_LIMIT_EXCEEDED", w.post(t, `{__schema{types{name}}}`).code())
	for _, document := range []string{
		`{a:__schema{types{name}} b:__schema{types{name}}}`,
		`{__schema{types{name}} ...F} fragment F on Query{__schema{queryType{name}}}`,
		`{...F x:tree{name} ...G} fragment F on Query{...H} fragment G on Query{...H} fragment H on
			Query{__schema{types{name}}}`,
		`query A{__schema{types{name}}} query B{__schema{types{name}}}`,
	} {
		r := w.ask(t, map[string]any{"query": document, "operationName": "A"})
		require.Equal(t, "COMPLEXITY_LIMIT_EXCEEDED", r.code(), document)
		require.Contains(t, r.Errors[0].Message, "__schema")
	}
}

// The schema's cost of a field counts, with what is selected below it. What @skip leaves out does not.
func TestCosts(t *testing.T) {
	w, trees := grove(t, func(o *gateway.Options) { o.ComplexityLimit = 25 })
	for query, admitted := range map[string]bool{
		`{trees(of:1){a:name b:name}}`:                                       true,  // 1 + 10 × 2
		`{trees(of:1){a:name b:name c:name}}`:                                false, // 31
		`{trees(of:1){a:name b:name c:name @skip(if:true)}}`:                 true,
		`query($x:Boolean!){trees(of:1){a:name b:name c:name @skip(if:$x)}}`: false,
		`{trees(of:1){a:name b:name} trees(of:1){a:name b:name}}`:            true, // one field, asked for twice
		`{x:trees(of:1){a:name b:name} y:trees(of:1){a:name b:name}}`:        false,
		`{...F ...F} fragment F on Query{trees(of:1){a:name b:name}}`:        true,
	} {
		before := trees.lists.Load()
		r := w.ask(t, map[string]any{"query": query, "variables": map[string]any{"x": false}})
		if admitted {
			require.Empty(t, r.Errors, query)
			continue
		}
		require.Equal(t, "COMPLEXITY_LIMIT_EXCEEDED", r.code(), query)
		require.Nil(t, r.Data, query)
		require.Equal(t, before, trees.lists.Load(), "nothing is resolved")
	}
}
