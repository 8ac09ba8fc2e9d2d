package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/graph"
	"interlock/services/gateway"
	"interlock/services/rail"
)

// generated is the schema's generated code in front of one resolver, that of Query.run, which fails.
type generated struct {
	graph.ResolverRoot
	err error
}

type generatedQuery struct {
	graph.QueryResolver
	err error
}

func (g generated) Query() graph.QueryResolver { return generatedQuery{err: g.err} }

func (q generatedQuery) Run(context.Context, string, rail.Date) (*graph.Run, error) {
	return nil, q.err
}

// TestErrors_OfEachClass asks the generated code, so that an upgrade of gqlgen that changes what the error presenter
// knows of it fails here. A case names the class of its error, where the error comes from, and what the client is told.
func TestErrors_OfEachClass(t *testing.T) {
	const (
		parseFailed      = "GRAPHQL_PARSE_FAILED"
		validationFailed = "GRAPHQL_VALIDATION_FAILED"
		badUserInput     = "BAD_USER_INPUT"

		askRun  = `query($train:String! $date:Date!){run(train:$train date:$date){id}}`
		noDate  = `"soon" is not a date like 2019-10-12`
		tooLate = "the answer took too long; what a mutation asked for may have been done: " +
			"ask again with the same idempotency key"
	)
	run := map[string]any{"train": "T12", "date": "2030-01-01"}
	secret := errors.New(causeText)
	refused := &rail.Error{Code: rail.Overloaded, Message: "the queue is full", Cause: secret}
	list := rail.Errors{refused, rail.Refuse(rail.NotFound, "no such run")}
	path := []any{"run"}
	type request struct {
		query     string
		variables map[string]any
	}
	type told struct {
		code, message string
		path          []any
	}
	for _, c := range []struct {
		class, from string
		request     request
		// resolver is what the resolver returns, told the last error of the response.
		resolver error
		told     told
	}{
		{
			"refusal", "a resolver",
			request{askRun, run},
			refused,
			told{"OVERLOADED", "the queue is full", path},
		},
		{
			"refusal", "a resolver that wraps it",
			request{askRun, run},
			fmt.Errorf("sale: %w", refused),
			told{"OVERLOADED", "the queue is full", path},
		},
		{
			"refusal", "a resolver whose call ended with it",
			request{askRun, run},
			errors.Join(refused, context.Canceled),
			told{"OVERLOADED", "the queue is full", path},
		},
		{
			"refusal", "a resolver that has several",
			request{askRun, run},
			list,
			told{"NOT_FOUND", "no such run", path},
		},

		{
			"document", "the parser",
			request{`{`, nil},
			nil,
			told{parseFailed, "Expected Name, found <EOF>", nil},
		},
		{
			"document", "a rule of GraphQL",
			request{`{run(train:"T12" date:"2030-01-01"){ids}}`, nil},
			nil,
			told{validationFailed, `Cannot query field "ids" on type "Run". Did you mean "id"?`, nil},
		},
		{
			"document", "the executor",
			request{`query A{__typename} query B{__typename}`, nil},
			nil,
			told{validationFailed, "operation  not found", nil},
		},
		{
			"document", "a limit of the gateway",
			request{`{a:__schema{queryType{name}} b:__schema{queryType{name}}}`, nil},
			nil,
			told{"COMPLEXITY_LIMIT_EXCEEDED", "a document asks for __schema once", nil},
		},

		{
			"value", "a variable of another type",
			request{askRun, map[string]any{"train": 5, "date": "2030-01-01"}},
			nil,
			told{badUserInput, "$train must be a string (String), not such a number", []any{"variable", "train"}},
		},
		{
			"value", "a variable that is missing",
			request{askRun, map[string]any{"train": "T12"}},
			nil,
			told{badUserInput, "must be defined", []any{"variable", "date"}},
		},
		{
			"value", "a literal, by a rule of GraphQL",
			request{`{run(train:5 date:"2030-01-01"){id}}`, nil},
			nil,
			told{badUserInput, "String cannot represent a non string value: 5", nil},
		},
		{
			"value", "a literal, by the rule of the gateway",
			request{`{run(train:"T12" date:5){id}}`, nil},
			nil,
			told{badUserInput, "Date cannot represent the value 5.", nil},
		},

		{
			"argument", "a scalar that reads a variable",
			request{askRun, map[string]any{"train": "T12", "date": "soon"}},
			nil,
			told{badUserInput, noDate, []any{"run", "date"}},
		},
		{
			"argument", "a scalar that reads a literal",
			request{`{run(train:"T12" date:"soon"){id}}`, nil},
			nil,
			told{badUserInput, noDate, []any{"run", "date"}},
		},

		{
			"deadline", "a resolver",
			request{askRun, run},
			fmt.Errorf("%w: %w", secret, context.DeadlineExceeded),
			told{"UNAVAILABLE", tooLate, path},
		},
		{
			"cancel", "a resolver",
			request{askRun, run},
			fmt.Errorf("%w: %w", secret, context.Canceled),
			told{"UNAVAILABLE", "the request was given up", path},
		},

		{
			"internal", "a resolver whose arguments were read",
			request{askRun, run},
			secret,
			told{"INTERNAL", gateway.InternalText, path},
		},
		{
			"internal", "a resolver that wraps it",
			request{askRun, run},
			fmt.Errorf("sale: %w", secret),
			told{"INTERNAL", gateway.InternalText, path},
		},
	} {
		t.Run(c.class+" of "+c.from, func(t *testing.T) {
			w := start(t, func(o *gateway.Options) {
				o.Schema = graph.NewExecutableSchema(graph.Config{Resolvers: generated{err: c.resolver}})
			})
			r := w.ask(t, map[string]any{"query": c.request.query, "variables": c.request.variables})
			require.NotEmpty(t, r.Errors, "%s", r.raw)
			last := r.Errors[len(r.Errors)-1]
			require.Equal(t, c.told, told{last.Extensions["code"].(string), last.Message, last.Path})
			require.NotContains(t, r.raw, "hunter2")
		})
	}
}
