package gateway

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// costs refuses operations that are too dear before anything is executed; a gqlgen extension. A field costs one and
// what is selected below it, or what the schema says: lists at a usual length, and what a field has to be read from. To
// that comes what its arguments are long: a variable is sent once, and read anew for each field that it is given to.
// How long lists really are is charged while they are resolved, see budget.
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

// costStat is where an operation's cost is noted for answers.
const costStat = "InterlockCost"

// MutateOperationContext implements graphql.OperationContextMutator; it notes the cost.
func (c *costs) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	cost := c.of(ctx, operation, operation.Operation.SelectionSet)
	if cost > c.limit {
		return refusal(codeTooDear, nil, "the operation costs %d, more than %d: ask for less at once", cost, c.limit)
	}
	operation.Stats.SetExtension(costStat, cost)
	return nil
}

// costOf is what an operation was found to cost; 0 where that was not looked for.
func costOf(operation *graphql.OperationContext) int {
	cost, _ := operation.Stats.GetExtension(costStat).(int)
	return cost
}

// of is what a selection costs: fragments in place, equal fields once, and without what @skip and @include leave out.
func (c *costs) of(ctx context.Context, operation *graphql.OperationContext, selections ast.SelectionSet) int {
	total := 0
	eachField(operation, selections, func(field *ast.Field, below ast.SelectionSet) {
		if total <= c.limit { // Otherwise it is too dear, whatever else there is.
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
		// What is behind it will be one of these; the dearest counts.
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

// argumentBytes is how long a text is for one value: so much of it is read in the time that a value takes.
const argumentBytes = 32

// argumentsCost is a value for each thing that an argument has in it, and for each piece of a text.
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

// mostCost is as good as endless, and two of it can be added.
const mostCost = 1 << 40

func add(a, b int) int { return min(a+b, mostCost) }
