package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// hole stands in an operation where an argument or a field of an input is to be given in several ways.
const hole = "HOLE"

// publishing is a mutation that publishes X1, with a text, which has the hole, in place of one of the names in
// capitals.
func publishing(at, with string) string {
	text := `mutation{publishTrain(input:{number:"X1" from:"DAY" through:"DAY" IN_TRAIN
		calls:[{station:"BJP" departure:"23:00" distanceKm:0 IN_CALL}
			{station:"SHH" arrival:"28:30" distanceKm:1318 IN_CALL}]
		coaches:[{number:"1" seatClass:HARD_SEAT layout:{rows:{letters:"A B" last:3 IN_ROWS}}}
			{number:"2" seatClass:HARD_SLEEPER layout:{berths:{tiers:[LOWER_BERTH] last:3 IN_BERTHS}}}]
		fares:{currencyCode:"CNY" perKm:[IN_RATES {seatClass:HARD_SLEEPER amount:"0.60"}] IN_FARES}
	}){created changed unchanged runs{saleOpensAt calls{saleClosesAt} coaches{number seats{label}}}
		userErrors{code message}}}`
	text = strings.ReplaceAll(text, at, with)
	return strings.NewReplacer("DAY", day(), "IN_TRAIN", "", "IN_CALL", "", "IN_ROWS", "", "IN_BERTHS", "",
		"IN_RATES", `{seatClass:HARD_SEAT amount:"0.40"}`, "IN_FARES", "").Replace(text)
}

// withDefault has an operation for each argument and each field of an input that has a default.
func withDefault(run string) map[string]string {
	return map[string]string{
		"Query.stations(first:)": `{stations(matching:"",HOLE){nodes{code}}}`,
		"Query.searchTickets(first:)": `{searchTickets(from:["BJP"],to:["SHH"],date:"` + day() +
			`",HOLE){nodes{run{id}} pageInfo{hasNextPage}}}`,
		"Query.runs(first:)":             `{runs(filter:{},HOLE){nodes{id}}}`,
		"Query.deliveries(first:)":       `{deliveries(filter:{},HOLE){nodes{id}}}`,
		"ChangeWebhookInput.newSecret":   `mutation{changeWebhook(input:{webhookId:"x",HOLE}){secret userErrors{code}}}`,
		"CheckTicketInput.use":           `mutation{checkTicket(input:{code:"ABC",HOLE}){result userErrors{code}}}`,
		"Query.orders(first:)":           `{orders(filter:{},HOLE){nodes{id}}}`,
		"Viewer.orders(first:)":          `{viewer{orders(states:null,HOLE){nodes{id}}}}`,
		"PublishTrainInput.validateOnly": publishing("IN_TRAIN", hole),
		"CallInput.boarding":             publishing("IN_CALL", hole),
		"CallInput.alighting":            publishing("IN_CALL", hole),
		"RowLayoutInput.first":           publishing("IN_ROWS", hole),
		"BerthLayoutInput.first":         publishing("IN_BERTHS", hole),
		// A fare of 0.00 is refused, unless it is meant.
		"KmRateInput.free":   publishing("IN_RATES", `{seatClass:HARD_SEAT amount:"0.00" HOLE}`),
		"FlatFareInput.free": publishing("IN_FARES", `flat:[{seatClass:HARD_SEAT amount:"0.00" HOLE}]`),
		"PairFareInput.free": publishing("IN_FARES",
			`pairs:[{seatClass:HARD_SEAT from:"BJP" to:"SHH" amount:"0.00" HOLE}]`),
		"DaysBeforeInput.at": publishing("IN_TRAIN", `saleOpens:{daysBefore:{days:100 HOLE}}`),
		"WithdrawRunInput.cancelOrders": `mutation{withdrawRun(input:{runId:"` + run +
			`",reason:"x",HOLE}){userErrors{code}}}`,
	}
}

// defaulted are the arguments and the fields of inputs that have a default, by their coordinates.
func defaulted(t *testing.T) map[string]*ast.ArgumentDefinition {
	t.Helper()
	text, err := os.ReadFile("../../schema.graphql")
	require.NoError(t, err)
	found := map[string]*ast.ArgumentDefinition{}
	for name, definition := range gqlparser.MustLoadSchema(&ast.Source{Input: string(text)}).Types {
		for _, field := range definition.Fields {
			if field.DefaultValue != nil {
				found[name+"."+field.Name] = &ast.ArgumentDefinition{
					Name: field.Name, Type: field.Type, DefaultValue: field.DefaultValue,
				}
			}
			for _, argument := range field.Arguments {
				if argument.DefaultValue != nil && !strings.HasPrefix(name, "__") {
					found[name+"."+field.Name+"("+argument.Name+":)"] = argument
				}
			}
		}
	}
	return found
}

// asVariable sends the input of a mutation as a variable: the document, and the variable's value.
func asVariable(t *testing.T, mutation string) (document string, input any) {
	t.Helper()
	parsed, err := parser.ParseQuery(&ast.Source{Input: mutation})
	require.NoError(t, err)
	field := parsed.Operations[0].SelectionSet[0].(*ast.Field)
	input, err = field.Arguments.ForName("input").Value.Value(nil)
	require.NoError(t, err)
	from, to := strings.Index(mutation, "{"), strings.Index(mutation, "}){")
	kind := strings.ToUpper(field.Name[:1]) + field.Name[1:] + "Input!"
	return "mutation($i:" + kind + ")" + mutation[from:from+1] + field.Name + "(input:$i" + mutation[to+1:], input
}

// What has a default may be null, and a null is answered as if nothing had been given. A new argument with a default
// needs its operation here.
func TestServer_NullMeansTheDefault(t *testing.T) {
	r := start(t, embeddedSettings(t))
	run := r.publishT12(t)
	both := r.token(t, "ann", "PASSENGER", "ADMIN", "INSPECTOR")
	placed := r.ask(t, both, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	require.NotNil(t, placed.at(t, "placeOrder.order.id"), "%s", placed.Data)
	operations := withDefault(run)
	for coordinate := range operations {
		require.Contains(t, defaulted(t), coordinate, "it has no default any more")
	}
	for coordinate, one := range defaulted(t) {
		t.Run(coordinate, func(t *testing.T) {
			require.False(t, one.Type.NonNull, "a client that sends null for what it does not give must be understood")
			operation := operations[coordinate]
			require.NotEmpty(t, operation, "it has a default: say in withDefault how it is asked")
			answer := func(query string, variables map[string]any) string {
				a := r.ask(t, both, query, variables)
				require.Empty(t, a.Errors, "%s", query)
				return string(a.Data)
			}
			with := func(text string) string { return strings.ReplaceAll(operation, hole, text) }
			answer(with(""), nil) // It may change something the first time.
			want := answer(with(""), nil)
			require.JSONEq(t, want, answer(with(one.Name+":"+one.DefaultValue.String()), nil), "the default")
			require.JSONEq(t, want, answer(with(one.Name+":null"), nil), "null in the document")
			variable := with(one.Name + ":$v")
			kind := "query"
			selection, isMutation := strings.CutPrefix(variable, "mutation")
			if isMutation {
				kind = "mutation"
			}
			variable = kind + "($v:" + one.Type.String() + ")" + selection
			require.JSONEq(t, want, answer(variable, map[string]any{"v": nil}), "null as a variable")
			require.JSONEq(t, want, answer(variable, map[string]any{}), "a variable that is not sent")
			if isMutation {
				document, input := asVariable(t, with(one.Name+":null"))
				text, err := json.Marshal(input)
				require.NoError(t, err)
				require.Contains(t, string(text), `"`+one.Name+`":null`)
				require.JSONEq(t, want, answer(document, map[string]any{"i": input}), "null in a variable")
			}
		})
	}
}
