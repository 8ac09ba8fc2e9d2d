package attack

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"interlock/lab/load"
	"interlock/services/rail"
)

// TestVariants_AreGraphQL holds every document against the schema: one that is refused for a slip of the pen attacks
// nothing.
func TestVariants_AreGraphQL(t *testing.T) {
	text, err := os.ReadFile("../../schema.graphql")
	require.NoError(t, err)
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: string(text)})
	require.NoError(t, err)
	run := &load.Run{ID: "cnVu", RunID: rail.NewRunID(watchedTrain, rail.NewDate(2030, 1, 2))}
	s := &scene{lab: &lab{attackedRun: run, ownOrder: "b3JkZXI", buyersOrders: []string{"b3RoZXI"}}}
	for _, v := range slices.Concat(s.everyQuery(), admitted(s.ownOrder, s.buyersOrders, []*load.Run{run}),
		[]variant{seats([]*load.Run{run}, 0, 1)}) {
		t.Run(v.name, func(t *testing.T) {
			document, errs := gqlparser.LoadQueryWithRules(schema, v.document, rules.NewDefaultRules())
			require.Empty(t, errs)
			_, err := validator.VariableValues(schema, document.Operations[0], v.variables)
			require.NoError(t, err)
		})
	}
}
