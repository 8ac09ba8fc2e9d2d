package gateway

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// costs refuses operations that are too dear before anything is executed. It is a gqlgen extension. A field costs 1 and
// what is selected below it, or what the schema says: a list at its usual length, and what has to be read for the
// field. The length of its arguments is added: a variable is sent once, and read again for each field that has it. The
// true lengths of lists are charged while they are resolved, see budget.
type costs struct {
	schema graphql.ExecutableSchema
	limit  int
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationContextMutator
} = (*costs)(nil)

// ExtensionName implements graphql.HandlerExtension.
func (c *costs) ExtensionName() string { return "InterlockCosts" }

// Validate implements graphql.HandlerExtension.
func (c *costs) Validate(graphql.ExecutableSchema) error { return nil }

// costStat is the name under which an operation's cost is noted for its response.
const costStat = "InterlockCost"

// MutateOperationContext implements graphql.OperationContextMutator; it notes the cost. An operation of a batch costs
// what those before it do, and what it does itself.
func (c *costs) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	cost, shared, what := c.of(ctx, operation, operation.Operation.SelectionSet), batchOf(ctx), "the operation costs"
	if shared != nil {
		cost, what = add(cost, shared.cost), "the batch up to this operation costs"
	}
	if cost > c.limit {
		return refusal(codeTooDear, nil, "%s %d, more than %d: ask for less at once", what, cost, c.limit)
	}
	if shared != nil {
		shared.cost = cost
	}
	operation.Stats.SetExtension(costStat, cost)
	return nil
}

// costOf is the cost that was noted for an operation; 0 where none was.
func costOf(operation *graphql.OperationContext) int {
	cost, _ := operation.Stats.GetExtension(costStat).(int)
	return cost
}

// of is what a selection costs, with its fragments in place. Equal fields count once, and fields that @skip or @include
// leave out do not count.
func (c *costs) of(ctx context.Context, operation *graphql.OperationContext, selections ast.SelectionSet) int {
	total := 0
	eachField(operation, selections, func(field *ast.Field, below ast.SelectionSet) {
		if total <= c.limit { // Otherwise it is too dear already.
			total = add(total, c.field(ctx, operation, field, below))
		}
	})
	return total
}

func (c *costs) field(
	ctx context.Context, operation *graphql.OperationContext, field *ast.Field, selections ast.SelectionSet,
) int {
	below := c.of(ctx, operation, selections)
	cost := add(1, below)
	if field.ObjectDefinition == nil || field.Definition == nil {
		return cost // __typename
	}
	types := []*ast.Definition{field.ObjectDefinition}
	if field.ObjectDefinition.IsAbstractType() {
		// The object will be of one of these types. The dearest counts.
		types = c.schema.Schema().GetPossibleTypes(field.ObjectDefinition)
	}
	arguments := field.ArgumentMap(operation.Variables)
	for _, one := range types {
		if own, ok := c.schema.Complexity(ctx, one.Name, field.Name, below, arguments); ok {
			cost = max(cost, own)
		}
	}
	return add(cost, argumentsCost(arguments))
}

// argumentBytes is how many bytes of a text cost 1: so much is read in the time that a value takes.
const argumentBytes = 32

// argumentsCost is 1 for each member and element inside an argument, and 1 for each argumentBytes of a text.
func argumentsCost(argument any) int {
	cost := 0
	switch value := argument.(type) {
	case map[string]any:
		for _, member := range value {
			cost += 1 + argumentsCost(member)
		}
	case []any:
		for _, element := range value {
			cost += 1 + argumentsCost(element)
		}
	case string:
		cost = len(value) / argumentBytes
	}
	return cost
}

// mostCost is far above every limit, and twice as much is no overflow.
const mostCost = 1 << 40

func add(a, b int) int { return min(a+b, mostCost) }
