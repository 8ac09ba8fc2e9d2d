package resolvers_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"interlock/resolvers"
)

// Every list has a bound, and its usual length is within it; what is in the table is a list.
func TestLengths_EveryListHasABound(t *testing.T) {
	lists := map[string]bool{}
	for name, definition := range (&resolvers.Resolver{}).Schema().Schema().Types {
		if definition.Kind != ast.Object && definition.Kind != ast.Interface {
			continue
		}
		for _, field := range definition.Fields {
			if field.Type.Elem == nil {
				continue
			}
			list := name + "." + field.Name
			lists[list] = true
			require.Nil(t, field.Type.Elem.Elem, "%s: a list of lists is charged as one list", list)
			length, ok := resolvers.Lengths[list]
			require.True(t, ok, "%s has no bound: say in lengths what bounds it", list)
			require.NotEmpty(t, length.Why(), list)
			require.GreaterOrEqual(t, length.Usual(), 1, list)
			require.GreaterOrEqual(t, length.Most(), length.Usual(), list)
		}
	}
	for list := range resolvers.Lengths {
		require.True(t, lists[list], "%s is no list of the schema", list)
	}
}

// What a client can write in place of a length makes nothing cheap.
func TestCost_OfArguments(t *testing.T) {
	cost := func(typeName, field string, args map[string]any) int {
		c, ok := resolvers.Cost(typeName, field, 10, args)
		require.True(t, ok)
		return c
	}
	whole := cost("Query", "stations", map[string]any{"first": int64(100)})
	require.Less(t, cost("Query", "stations", map[string]any{"first": int64(1)}), whole)
	for _, first := range []any{nil, int64(0), int64(-5), int64(1) << 40, "x", 1.5, []any{int64(1)}, true} {
		require.Equal(t, whole, cost("Query", "stations", map[string]any{"first": first}), "%v", first)
	}
	ids := make([]any, 1_000)
	require.Equal(t, cost("Query", "nodes", map[string]any{"ids": "one"}),
		cost("Query", "nodes", map[string]any{"ids": ids[:1]}))
	require.Greater(t, cost("Query", "nodes", map[string]any{"ids": ids}), 10_000)
	publish := func(from, through any) int {
		return cost("Mutation", "publishTrain",
			map[string]any{"input": map[string]any{"from": from, "through": through}})
	}
	year := publish("2026-01-01", "2027-02-04")
	require.Less(t, publish("2026-01-01", "2026-01-01"), year)
	for _, dates := range [][2]any{
		{nil, nil}, {"2026-01-02", "2026-01-01"}, {"2026-01-01", "9999-12-31"}, {"x", "2026-01-01"}, {5, 6},
	} {
		require.Equal(t, year, publish(dates[0], dates[1]), "%v", dates)
	}
}

// What is not at hand costs more than what is, and a page or a list as much as is asked for.
func TestCost_OfRootFields(t *testing.T) {
	schema := (&resolvers.Resolver{}).Schema()
	const below = 10
	two := map[string]any{"first": int64(2)}
	three := map[string]any{"ids": []any{"a", "b", "c"}, "runIds": []any{"a", "b", "c"}}
	dates := map[string]any{"input": map[string]any{"from": "2019-10-12", "through": "2019-10-14"}}
	for field, c := range map[string]struct {
		args map[string]any
		cost int
	}{
		"Query.node": {cost: 2_010}, "Query.order": {cost: 2_010}, "Query.nodes": {three, 2_033},
		"Query.orders": {two, 2_022}, "Viewer.orders": {two, 2_022}, "Query.stations": {two, 1_022},
		"Query.runs":          {two, 1_022},
		"Query.searchTickets": {two, 1_040}, "Run.availability": {cost: 30},
		"Subscription.orderChanged": {cost: 2_010}, "Subscription.seatAvailability": {three, 90},
		"Mutation.placeOrder": {cost: 5_010}, "Mutation.payOrder": {cost: 5_010}, "Mutation.cancelOrder": {cost: 5_010},
		"Mutation.cancelHold": {cost: 5_010}, "Mutation.correctPassengerName": {cost: 5_010},
		"Mutation.suspendRun": {cost: 5_010}, "Mutation.resumeRun": {cost: 5_010},
		"Mutation.withdrawRun": {cost: 5_010}, "Mutation.createStreamTicket": {cost: 30},
		"Mutation.publishStation": {cost: 5_010}, "Mutation.publishTrain": {dates, 20_030},
	} {
		object, name, _ := strings.Cut(field, ".")
		cost, ok := schema.Complexity(t.Context(), object, name, below, c.args)
		require.True(t, ok, field)
		require.Equal(t, c.cost, cost, field)
	}
	_, ok := schema.Complexity(t.Context(), "Query", "viewer", below, nil)
	require.False(t, ok, "a value and what is below it")
}
