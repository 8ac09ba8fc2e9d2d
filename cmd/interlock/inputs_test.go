package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// raw sends a body as it is, and returns the first error's code; "" where there is none.
func (r *running) raw(t *testing.T, token, body string) (code string, data json.RawMessage) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/graphql", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var a answer
	require.NoError(t, json.Unmarshal(b, &a), "%s", b)
	if len(a.Errors) > 0 {
		return a.Errors[0].Extensions.Code, a.Data
	}
	return "", a.Data
}

// Input that the schema does not admit sells nothing and publishes nothing.
func TestServer_InputsAsTheSchemaHasThem(t *testing.T) {
	r := start(t, embeddedSettings(t))
	run := r.publishT12(t)
	body := func(mutation string, input any, change ...string) string {
		b, err := json.Marshal(map[string]any{"query": mutation, "variables": map[string]any{"i": input}})
		require.NoError(t, err)
		return strings.NewReplacer(change...).Replace(string(b))
	}
	buy := func(change ...string) string {
		return body(placeOrderMutation, orderInput(run, "key-00000001", "D0000001"), change...)
	}
	publish := func(changes map[string]any) string {
		return body(publishTrainMutation, change(trainInput(), changes))
	}
	withRows := func(layout map[string]any) map[string]any {
		return map[string]any{
			"number":  "T18",
			"coaches": []any{map[string]any{"number": "1", "seatClass": "HARD_SEAT", "layout": layout}},
		}
	}
	rows := map[string]any{"letters": "A B", "last": 23}
	for name, c := range map[string]struct{ token, body string }{
		"half a surrogate pair as a name": {r.passenger, buy(`"A Passenger"`, `"Li\ud800"`)},
		"broken UTF-8 as a name":          {r.passenger, buy(`"A Passenger"`, "\"Li\xff\"")},
		"a name that is a number":         {r.passenger, buy(`"A Passenger"`, `5`)},
		"two names":                       {r.passenger, buy(`"name":`, `"name":"B","name":`)},
		"a class in another case":         {r.passenger, buy(`"HARD_SEAT"`, `"hard_seat"`)},
		"an id with a fraction":           {r.passenger, buy(`"`+run+`"`, `5.5`)},
		"a station that is a number":      {r.passenger, buy(`"BJP"`, `5`)},
		"a field that is none":            {r.passenger, buy(`"name":`, `"seat":"1A","name":`)},
		"the variables in another case":   {r.passenger, buy(`"variables":`, `"Variables":`)},
		"two layouts": {r.admin, publish(withRows(map[string]any{
			"rows": rows, "seats": []any{map[string]any{"label": "1A"}},
		}))},
		"a layout and a null": {r.admin, publish(withRows(map[string]any{"rows": rows, "seats": nil}))},
		"no layout":           {r.admin, publish(withRows(map[string]any{}))},
		"a null layout":       {r.admin, publish(withRows(map[string]any{"rows": nil}))},
		"a row that is a string": {r.admin, publish(withRows(map[string]any{"rows": map[string]any{
			"letters": "A B", "last": "23",
		}}))},
		"a row beyond Int": {r.admin, publish(withRows(map[string]any{"rows": map[string]any{
			"letters": "A B", "last": 2147483648,
		}}))},
		"a null where none may be": {r.admin, publish(withRows(map[string]any{"rows": map[string]any{
			"letters": nil, "last": 23,
		}}))},
		"two openings": {r.admin, publish(map[string]any{
			"number": "T18", "saleOpens": map[string]any{
				"at": "2026-01-01T00:00:00Z", "daysBefore": map[string]any{"days": 5},
			},
		})},
		"an opening without an offset": {r.admin, publish(map[string]any{
			"number": "T18", "saleOpens": map[string]any{"at": "2026-01-01 00:00:00"},
		})},
		"an opening that says nothing": {r.admin, publish(map[string]any{
			"number": "T18", "saleOpens": map[string]any{"at": ""},
		})},
		"a flag that is a string": {r.admin, publish(map[string]any{"number": "T18", "validateOnly": "false"})},
		"a date that is a number": {r.admin, publish(map[string]any{"number": "T18", "from": 20260101})},
		"a distance that is a string": {
			r.admin, body(publishTrainMutation, change(trainInput(), map[string]any{"number": "T18"}), `120.5`,
				`"120.5"`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, _ := r.raw(t, c.token, c.body)
			require.Equal(t, "BAD_USER_INPUT", code)
		})
	}
	none := r.ask(t, r.admin, `{orders(filter:{}){nodes{id}} runs(filter:{train:"T18"}){nodes{id}}}`, nil)
	require.Empty(t, none.at(t, "orders.nodes"))
	require.Empty(t, none.at(t, "runs.nodes"))
	code, data := r.raw(t, r.passenger, buy())
	require.Empty(t, code, "%s", data)
	a := &answer{Data: data}
	require.Equal(t, "23B", a.at(t, "placeOrder.order.tickets.0.seat"), "%s", data)
}

// The code of a station that is none is shown as it was sent: escaped, and not all of a long one.
func TestServer_ShowsCodesAsTheyWereSent(t *testing.T) {
	r := start(t, embeddedSettings(t))
	run := r.publishT12(t)
	for name, operation := range map[string]string{
		"searchTickets from": `query($c:StationCode!){searchTickets(from:[$c],to:["SHH"],date:"` + day() + `"){asOf}}`,
		"searchTickets to":   `query($c:StationCode!){searchTickets(from:["BJP"],to:[$c],date:"` + day() + `"){asOf}}`,
		"placeOrder from": `mutation($c:StationCode!){placeOrder(input:{idempotencyKey:"key-00000001",runId:"` + run +
			`",from:$c,to:"SHH",passengers:[{name:"A",documentNumber:"D0000001",seatClass:HARD_SEAT}]}){
			userErrors{message}}}`,
		"placeOrder to": `mutation($c:StationCode!){placeOrder(input:{idempotencyKey:"key-00000001",runId:"` + run +
			`",from:"BJP",to:$c,passengers:[{name:"A",documentNumber:"D0000001",seatClass:HARD_SEAT}]}){
			userErrors{message}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			for code, shown := range map[string]string{
				"XXX": `"XXX"`, "": `""`, "B\u202eJP\n": `"B\u202eJP\n"`, strings.Repeat("X", 60_000): `XXX" …`,
			} {
				a := r.ask(t, r.token(t, "ann", "PASSENGER", "ADMIN"), operation, map[string]any{"c": code})
				var told []string
				for _, e := range a.Errors {
					told = append(told, e.Message)
				}
				if message, ok := a.at(t, "placeOrder.userErrors.0.message").(string); ok {
					told = append(told, message)
				}
				require.Len(t, told, 1, "%s", a.Data)
				require.Contains(t, told[0], shown)
				require.Less(t, len(told[0]), 300)
			}
		})
	}
}
