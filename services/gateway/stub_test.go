package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"go.uber.org/goleak"

	"interlock/services/gateway"
	"interlock/services/identity"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const schemaText = `
type Query {
	hello(name: String): String!
	who: String
	panics: String
	fails(how: String!): String
	typed(date: String!): String
	slow: String
	waits: String
	blob(bytes: Int!): String
	deep: Deep
	list(of: Int first: Int = 50): [Deep!]
	echo(
		int: Int float: Float text: String id: ID truth: Boolean day: Day color: Color
		ints: [Int!] days: [Day] one: One whole: Whole sure: Int! = 7 often: Int = 9
	): String
}
scalar Day
enum Color { RED GREEN }
input One @oneOf { a: Int b: String }
input Whole { name: String! size: Int! = 1 times: Int = 3 one: One colors: [Color!] days: [Day!] whole: Whole }
type Deep { deep: Deep name: String }
type Mutation { sell(count: Int!): Int waits: String }
type Subscription {
	ticks(from: Int): Int broken: Int refused(code: String!): Int whoever: String explodes: String flood: String
}
`

// stub is a schema written by hand, with what gqlgen's generated code does around resolvers.
type stub struct {
	schema *ast.Schema
	sold   int
	// ticks feeds the subscription; closing it ends it.
	ticks chan int
	// ended tells that a subscription's source was left.
	ended chan struct{}
	// entered tells that "slow" is being resolved.
	entered chan struct{}
	// clients are where the subscriptions came from.
	clients chan rail.Client
	// release lets one "waits" be answered.
	release chan struct{}
}

var _ graphql.ExecutableSchema = (*stub)(nil)

func newStub() *stub {
	return &stub{
		schema: gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphql", Input: schemaText}),
		ticks:  make(chan int), ended: make(chan struct{}, 16), entered: make(chan struct{}, 16),
		release: make(chan struct{}), clients: make(chan rail.Client, 16),
	}
}

func (s *stub) Schema() *ast.Schema { return s.schema }

func (s *stub) Complexity(_ context.Context, typeName, field string, child int, args map[string]any) (int, bool) {
	if typeName == "Query" && field == "list" {
		first, err := graphql.UnmarshalInt(args["first"])
		return 1 + first*child, err == nil
	}
	return 0, false
}

var causeText = "dial tcp 10.1.2.3:3306: the password is hunter2"

func (s *stub) resolve(ctx context.Context, field graphql.CollectedField) (any, error) {
	args := field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
	switch field.Name {
	case "hello":
		if name, ok := args["name"].(string); ok {
			return "hello " + name, nil
		}
		return "hello", nil
	case "echo":
		if id, given := args["id"]; given && id != nil {
			text, err := graphql.UnmarshalID(id)
			args["id"] = text
			return args, err
		}
		return args, nil
	case "who":
		if v := rail.ViewerFrom(ctx); v != nil {
			return v.Subject, nil
		}
		return nil, nil
	case "panics":
		panic(causeText)
	case "slow":
		s.entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	case "waits":
		s.entered <- struct{}{}
		select {
		case <-s.release:
			return "done", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "blob":
		n, err := graphql.UnmarshalInt(args["bytes"])
		return strings.Repeat("x", n), err
	case "sell":
		s.sold++
		return s.sold, nil
	case "fails":
		cause := errors.New(causeText)
		switch args["how"] {
		case "plain":
			return nil, cause
		case "wrapped":
			return nil, fmt.Errorf("while selling: %w", cause)
		case "overloaded":
			return nil, &rail.Error{
				Code: rail.Overloaded, Message: "the queue is full", RetryAfter: 250 * time.Millisecond, Cause: cause,
			}
		case "path":
			return nil, fmt.Errorf("search: %w", rail.Refuse(rail.BadUserInput, "no such station").At("from", "0"))
		case "several":
			var all rail.Errors
			all.Add(rail.BadUserInput, []string{"from"}, "first")
			all.Add(rail.BadUserInput, []string{"to"}, "second")
			return nil, all
		case "internal":
			return nil, &rail.Error{Code: rail.Internal, Message: causeText, Cause: cause}
		}
	case "deep":
		return json.RawMessage(`{}`), nil
	case "list":
		return json.RawMessage(`[]`), nil
	}
	return nil, fmt.Errorf("no field %s", field.Name)
}

func (s *stub) Exec(ctx context.Context) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx)
	fields := graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{
		"Query", "Mutation", "Subscription",
	})
	if operation.Operation.Operation == ast.Subscription {
		return s.stream(ctx, fields[0])
	}
	ran := false
	return func(ctx context.Context) *graphql.Response {
		if ran {
			return nil
		}
		ran = true
		data := map[string]json.RawMessage{}
		for _, field := range fields {
			if field.Name == "__schema" || field.Name == "__typename" {
				data[field.Alias] = json.RawMessage(`"introspected"`)
				continue
			}
			data[field.Alias] = s.run(ctx, field)
		}
		body, err := json.Marshal(data)
		if err != nil {
			panic(err)
		}
		return &graphql.Response{Data: body}
	}
}

// run resolves one field as generated code does: errors and panics go to the presenter.
func (s *stub) run(ctx context.Context, field graphql.CollectedField) (out json.RawMessage) {
	out = json.RawMessage("null")
	if field.Name == "typed" {
		// A scalar cannot read an argument. The field's context has no arguments then.
		ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Query", Field: field})
		graphql.AddError(ctx, graphql.ErrorOnPath(ctx, errors.New("not a date")))
		return out
	}
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Query", Field: field, Args: map[string]any{}})
	defer func() {
		if cause := recover(); cause != nil {
			graphql.AddError(ctx, graphql.Recover(ctx, cause))
		}
	}()
	value, err := s.resolve(ctx, field)
	if err != nil {
		graphql.AddError(ctx, err)
		return out
	}
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return body
}

// client is where the next subscription came from.
func (s *stub) client(t *testing.T) rail.Client {
	t.Helper()
	select {
	case client := <-s.clients:
		return client
	case <-time.After(patience):
		t.Fatal("nobody subscribed")
		return rail.Client{}
	}
}

func (s *stub) stream(ctx context.Context, field graphql.CollectedField) graphql.ResponseHandler {
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{
		Object: "Subscription", Field: field, Args: map[string]any{},
	})
	if client, ok := rail.ClientFrom(ctx); ok {
		select {
		case s.clients <- client:
		default: // nobody looks
		}
	}
	context.AfterFunc(ctx, func() { s.ended <- struct{}{} })
	switch field.Name {
	case "broken":
		graphql.AddError(ctx, rail.Refuse(rail.NotFound, "no such order"))
		return nil
	case "refused":
		code, _ := field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)["code"].(string)
		graphql.AddError(ctx, &rail.Error{
			Code: rail.Code(code), Message: "not now", RetryAfter: 1500 * time.Millisecond,
		})
		return nil
	case "whoever":
		name := "nobody"
		if v := rail.ViewerFrom(ctx); v != nil {
			name = v.Subject
		}
		return graphql.OneShot(&graphql.Response{Data: json.RawMessage(`{"whoever":"` + name + `"}`)})
	case "explodes":
		return func(context.Context) *graphql.Response { panic(causeText) }
	case "flood":
		data := json.RawMessage(`{"flood":"` + strings.Repeat("x", 64<<10) + `"}`)
		return func(ctx context.Context) *graphql.Response {
			if ctx.Err() != nil {
				return nil
			}
			return &graphql.Response{Data: data}
		}
	}
	return func(ctx context.Context) *graphql.Response {
		select {
		case n, ok := <-s.ticks:
			if !ok {
				return nil
			}
			return &graphql.Response{Data: json.RawMessage(fmt.Sprintf(`{"ticks":%d}`, n))}
		case <-ctx.Done():
			return nil
		}
	}
}

// logged is a log that tests can read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var secret = []byte("0123456789abcdef0123456789abcdef")

type world struct {
	stub   *stub
	log    *logged
	server *gateway.Server
	gate   *gateway.Gateway
	tokens *identity.Development
	client *http.Client
	url    string
	host   string
}

// start is a server on loopback, stopped when the test ends.
func start(t *testing.T, change ...func(*gateway.Options)) *world {
	t.Helper()
	w := prepare(t, change...)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w.host = listener.Addr().String()
	w.url = "http://" + w.host
	w.client = &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	w.serve(t, listener)
	return w
}

func prepare(t *testing.T, change ...func(*gateway.Options)) *world {
	t.Helper()
	tokens, err := identity.NewDevelopment(secret)
	require.NoError(t, err)
	w := &world{stub: newStub(), log: &logged{}, tokens: tokens}
	options := gateway.Options{
		Schema: w.stub, SchemaText: schemaText, Identity: tokens, Hosts: []string{"interlock.test", "x"},
		Log: slog.New(slog.NewTextHandler(w.log, nil)), Durability: "local",
		Version: gateway.Version{Version: "1.2.3", Commit: "abc", Go: "go1"},
		Spread:  func(wait time.Duration) time.Duration { return wait }, // so that tests know it
	}
	for _, c := range change {
		c(&options)
	}
	w.gate, err = gateway.New(options)
	require.NoError(t, err)
	w.server = gateway.NewServer(w.gate)
	return w
}

func (w *world) serve(t *testing.T, listener net.Listener) {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(listener) }()
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, w.server.Shutdown(ctx))
		require.NoError(t, <-served)
	})
}

func (w *world) token(t *testing.T, subject string, roles ...rail.Role) string {
	t.Helper()
	token, err := w.tokens.Issue(subject, roles, time.Hour)
	require.NoError(t, err)
	return token
}

type graphqlError struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path"`
	Extensions map[string]any `json:"extensions"`
}

type reply struct {
	status int
	header http.Header
	raw    string
	Errors []graphqlError             `json:"errors"`
	Data   map[string]json.RawMessage `json:"data"`
}

func (r *reply) code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	code, _ := r.Errors[0].Extensions["code"].(string)
	return code
}

// do sends a request and reads the whole response; headers come in pairs.
func (w *world) do(t *testing.T, method, path, body string, headers ...string) *reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	response, err := w.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	r := &reply{status: response.StatusCode, header: response.Header, raw: string(raw)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") && response.Header.Get("Content-Encoding") == "" {
		require.NoError(t, json.Unmarshal(raw, r), "%s", raw)
	}
	return r
}

// post asks a query over POST.
func (w *world) post(t *testing.T, query string, headers ...string) *reply {
	t.Helper()
	return w.ask(t, map[string]any{"query": query}, headers...)
}

func (w *world) ask(t *testing.T, request map[string]any, headers ...string) *reply {
	t.Helper()
	body, err := json.Marshal(request)
	require.NoError(t, err)
	return w.do(t, http.MethodPost, "/graphql", string(body),
		append([]string{"Content-Type", "application/json"}, headers...)...)
}
