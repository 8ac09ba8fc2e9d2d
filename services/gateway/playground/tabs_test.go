package playground_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// The ready tabs are the first thing a newcomer runs, so a change of the schema that breaks one of them fails here,
// also where there is neither Node nor a browser.
func TestTabs_FitTheSchema(t *testing.T) {
	const schemaPath = "../../../schema.graphql"
	schemaText, err := os.ReadFile(schemaPath)
	require.NoError(t, err)
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: schemaPath, Input: string(schemaText)})
	require.NoError(t, err)

	// What the page puts in place of the words in braces does not matter to the schema, but for the date's shape.
	fillIn := strings.NewReplacer("{tomorrow}", "2019-10-12", "{new key}", "0123456789abcdef")

	operations := map[string][]string{
		"publish": {"Publish"},
		"search":  {"Search", "SearchT12"},
		"buy":     {"Buy", "BuyPay", "BuyCancel"},
		"watch":   {"Watch"},
		"refund":  {"Refund", "RefundTickets", "Change", "ChangeTicket"},
	}
	for tab, names := range operations {
		t.Run(tab, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("app", "tabs", tab+".graphql"))
			require.NoError(t, err)
			document, refusals := gqlparser.LoadQueryWithRules(schema, string(text), nil)
			require.Empty(t, refusals)

			text, err = os.ReadFile(filepath.Join("app", "tabs", tab+".json"))
			require.NoError(t, err)
			var variables map[string]any
			require.NoError(t, json.Unmarshal([]byte(fillIn.Replace(string(text))), &variables))

			var found []string
			used := map[string]bool{}
			for _, operation := range document.Operations {
				found = append(found, operation.Name)
				values, err := validator.VariableValues(schema, operation, variables)
				require.NoError(t, err, operation.Name)
				for name := range values {
					used[name] = true
				}
			}
			require.Equal(t, names, found, "the first names the tab; the e2e test runs them by name")
			for name := range variables {
				require.True(t, used[name], "no operation takes the variable %q", name)
			}
		})
	}
}
