package gateway

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/services/rail"
)

// responseLimits bounds the size of responses. It is a gqlgen extension. Each response, and each event of a stream, has
// a budget of values. A list is charged before its elements are resolved: its true length, times what is selected of
// one element. An object is charged before its fields are resolved. To count bytes would be too late: gqlgen builds the
// whole tree before it writes any of it.
type responseLimits struct {
	limit     int64
	places    *places
	presenter *errorPresenter
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationInterceptor
	graphql.ResponseInterceptor
	graphql.FieldInterceptor
} = (*responseLimits)(nil)

// ExtensionName implements graphql.HandlerExtension.
func (l *responseLimits) ExtensionName() string { return "InterlockAnswers" }

// Validate implements graphql.HandlerExtension.
func (l *responseLimits) Validate(graphql.ExecutableSchema) error { return nil }

// execution is one operation, from its beginning to its last answer.
type execution struct {
	operation *graphql.OperationContext
	// over says that its last answer was a refusal; there is none after that.
	over atomic.Bool
}

type executionKey struct{}

// InterceptOperation implements graphql.OperationInterceptor.
func (l *responseLimits) InterceptOperation(
	ctx context.Context, next graphql.OperationHandler,
) graphql.ResponseHandler {
	e := &execution{operation: graphql.GetOperationContext(ctx)}
	responses := next(context.WithValue(ctx, executionKey{}, e))
	sent := func() {}
	return func(responseCtx context.Context) *graphql.Response {
		// A transport that asks for the next response has sent the one before. A response over HTTP is the last: its
		// context ends.
		sent()
		sent = func() {}
		if e.over.Load() {
			return nil
		}
		response := responses(responseCtx)
		// The responses of a batch are sent together, and are counted together, see httpTransport.batch.
		if response != nil && len(response.Data) >= countedBytes && batchOf(ctx) == nil {
			release := sync.OnceFunc(l.places.made(len(response.Data)))
			stop := context.AfterFunc(ctx, release)
			sent = func() { stop(); release() }
		}
		return response
	}
}

// InterceptResponse implements graphql.ResponseInterceptor.
func (l *responseLimits) InterceptResponse(
	ctx context.Context, next graphql.ResponseHandler,
) (response *graphql.Response) {
	e, executed := ctx.Value(executionKey{}).(*execution)
	if !executed {
		// GraphQL has something against the operation, at one place or at hundreds.
		response = next(ctx)
		response.Errors = response.Errors[:min(len(response.Errors), maxErrors)]
		return response
	}
	b := &budget{responseLimits: l, operation: e.operation, shared: batchOf(ctx)}
	b.ctx, b.cancel = context.WithCancel(ctx)
	defer b.end()
	if b.shared != nil {
		b.used.Store(b.shared.values)
	}
	ctx = context.WithValue(b.ctx, budgetKey{}, b)
	if b.begin() == nil {
		response = next(ctx)
	}
	if refused := b.refused.Load(); refused != nil {
		e.over.Store(true)
		response = &graphql.Response{Errors: gqlerror.List{l.presenter.show(ctx, refused)}}
	} else if b.shared != nil {
		// A response that is not sent leaves its values to the others.
		b.shared.values = b.used.Load()
	}
	return response
}

// InterceptField implements graphql.FieldInterceptor. It is called for every field. It charges for lists, for objects
// and for what has to be resolved.
func (l *responseLimits) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	if len(field.Field.Selections) == 0 && !field.IsResolver && !hasList(field.Field.Field) {
		return next(ctx)
	}
	b := budgetOf(ctx)
	if b == nil {
		return next(ctx) // a subscription begins; its events are charged
	}
	if err := b.ctx.Err(); err != nil {
		return nil, err
	}
	result, err := next(ctx)
	if err != nil || result == nil {
		return result, err
	}
	switch value := reflect.ValueOf(result); value.Kind() {
	case reflect.Slice:
		err = b.charge(int64(value.Len()) * (1 + b.weight(field.Field.Selections)))
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			err = b.charge(b.weight(field.Field.Selections))
		}
	default:
		err = b.charge(b.weight(field.Field.Selections))
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

func hasList(field *ast.Field) bool {
	return field.Definition != nil && field.Definition.Type.Elem != nil
}

// budget is how many values one response may have, and how many it has. It is safe for concurrent use.
type budget struct {
	*responseLimits
	operation *graphql.OperationContext
	// shared is the batch of the operation; nil where it was sent alone.
	shared *batch
	ctx    context.Context
	cancel context.CancelFunc

	used   atomic.Int64
	errors atomic.Int64
	// refused is why the response is not sent after all.
	refused atomic.Pointer[rail.Error]

	// entered is how many tiers the response has come into. Where holds is true, it has a place of the last of them.
	// entering guards the way from one tier to the next.
	entering sync.Mutex
	entered  atomic.Int64
	holds    bool

	// weights are those of selections that have to be collected first.
	weighing sync.Mutex
	weights  map[*ast.Selection]int64
}

type budgetKey struct{}

// budgetOf is the budget of the response under way; nil where there is none.
func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	return b
}

// end gives back the place.
func (b *budget) end() {
	b.cancel()
	b.entering.Lock()
	defer b.entering.Unlock()
	b.leave()
}

// leave gives back the place, where there is one. entering is held.
func (b *budget) leave() {
	if b.holds {
		b.places.leave(int(b.entered.Load()) - 1)
		b.holds = false
	}
}

// charge takes values from the budget. It waits for a place where the response grows beyond a size, and for its values
// where the tier has a pace. An error ends the operation: what is being resolved is cancelled, and no further list is
// resolved.
func (b *budget) charge(values int64) error {
	used := b.used.Add(values)
	if used > b.limit || used < 0 {
		what := "the answer"
		if b.shared != nil {
			what = "the answers of the batch up to this one"
		}
		return b.refuse(&rail.Error{
			Code:    codeTooLarge,
			Message: fmt.Sprintf("%s would have more than %d values: ask for less at once", what, b.limit),
		})
	}
	for {
		entered := b.entered.Load()
		if entered == int64(len(b.places.tiers)) || used <= b.places.tiers[entered].beyond {
			return b.pace(entered, values)
		}
		if err := b.enter(entered); err != nil {
			return err
		}
	}
}

// largeQuery is the cost from which on the response to a query counts as large from the start. The root fields of a
// query are resolved all at once, before the first of them is charged. A page of the dearest search costs half as much.
const largeQuery = 20_000

// begin charges what is selected at the root. A dear query first takes a place of every tier, as if its response were
// large already. Mutations and events do not: their cost is what they do, and the size of their responses shows while
// these are made.
func (b *budget) begin() error {
	if b.operation.Operation.Operation == ast.Query && costOf(b.operation) > largeQuery {
		for tier := range int64(len(b.places.tiers)) {
			if err := b.enter(tier); err != nil {
				return err
			}
		}
	}
	return b.charge(b.weight(b.operation.Operation.SelectionSet))
}

// enter takes a place of the next tier, unless another list of the same response has just done so.
func (b *budget) enter(next int64) error {
	b.entering.Lock()
	defer b.entering.Unlock()
	if err := b.ctx.Err(); err != nil {
		return err
	}
	if b.entered.Load() != next {
		return nil
	}
	// It waits for the larger place without the smaller one, so that others can have that.
	b.leave()
	err := b.places.enter(b.ctx, int(next))
	if errors.Is(err, tooManyLarge) {
		return b.refuse(tooManyLarge)
	}
	if err == nil {
		b.entered.Add(1)
		b.holds = true
	}
	return err
}

// pace waits until the tier of the response gives it these values.
func (b *budget) pace(entered, values int64) error {
	if entered == 0 {
		return nil
	}
	err := b.places.pace(b.ctx, int(entered-1), values)
	if errors.Is(err, tooManyLarge) {
		return b.refuse(tooManyLarge)
	}
	return err
}

// refuse ends the operation, for the first reason there is. What a mutation has done by then, it has done.
func (b *budget) refuse(why *rail.Error) error {
	if b.operation.Operation.Operation == ast.Mutation {
		told := *why
		told.Message += "; what the mutation asked for may have been done"
		if why.Code == rail.Overloaded {
			// OVERLOADED says that nothing was.
			told.Code = rail.Unavailable
			told.Message += ": ask again with the same idempotency key"
		}
		why = &told
	}
	b.refused.CompareAndSwap(nil, why)
	b.cancel()
	return context.Canceled
}

// tells counts one more error. It returns whether the response has room for it.
func (b *budget) tells() bool {
	return b.refused.Load() == nil && b.errors.Add(1) <= maxErrors
}

// keyBytes is how many bytes a key of a response may have for one value. A longer key counts as more values: it is
// written just as often.
const keyBytes = 32

// weight is how many values one object has of those that are selected. The content of an object or a list among them is
// charged later, when it is known to be there.
func (b *budget) weight(selections ast.SelectionSet) int64 {
	if areFields(selections) {
		return b.weigh(selections)
	}
	b.weighing.Lock()
	defer b.weighing.Unlock()
	weight, known := b.weights[&selections[0]]
	if !known {
		weight = b.weigh(selections)
		if b.weights == nil {
			b.weights = map[*ast.Selection]int64{}
		}
		b.weights[&selections[0]] = weight
	}
	return weight
}

func (b *budget) weigh(selections ast.SelectionSet) (weight int64) {
	eachField(b.operation, selections, func(field *ast.Field, _ ast.SelectionSet) {
		weight += 1 + int64(len(field.Alias)/keyBytes)
	})
	return weight
}
