package resolvers_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/sale"
)

// lookAt looks a code up, with all that an inspector is shown.
const lookAt = `mutation($c: String!, $u: Boolean, $k: String) { checkTicket(
	input: {code: $c, use: $u, idempotencyKey: $k}
) { result ticket {
	orderNumber train { number } date from { station { code } departure } to { station { code } arrival }
	seatClass coach seat passengerName documentTail usedAt
}` + errorsAsked

// shown is what an inspector is shown of the ticket of anOrder.
func shown(name, usedAt string) string {
	return fmt.Sprintf(`{
		"orderNumber": "NUMBER1", "train": {"number": "T12"}, "date": "2019-10-12",
		"from": {"station": {"code": "SHH"}, "departure": "2019-10-12T08:00:00+08:00"},
		"to": {"station": {"code": "BJP"}, "arrival": "2019-10-13T02:00:00+08:00"},
		"seatClass": "SECOND", "coach": "2", "seat": "1A", "passengerName": %s, "documentTail": "3456", "usedAt": %s
	}`, name, usedAt)
}

func TestCheckTicket(t *testing.T) {
	looked := called("Sale.Inspect", rail.TicketRef{OrderID: "first"})
	used := called("Sale.Use", sale.UseRequest{
		Inspector: "ines", Ticket: rail.TicketRef{OrderID: "first"}, Key: "use-00001",
	})
	is := func(check rail.TicketCheck) func(*world) {
		return func(w *world) { w.inspected = &sale.Inspected{Order: w.listed[1], Check: check} }
	}
	told := func(result, ticket string) string {
		return fmt.Sprintf(`{"checkTicket": {"result": %q, "ticket": %s, "userErrors": []}}`, result, ticket)
	}
	code := func(code string) map[string]any { return map[string]any{"c": code} }
	use := map[string]any{"c": goodCode, "u": true, "k": "use-00001"}
	cases := []fieldCase{
		{
			name: "use", variables: use, prepare: func(w *world) {
				is(rail.CheckNotValidYet)(w) // by this server's clock
				order := *w.listed[1]
				order.Tickets = []rail.Ticket{w.listed[1].Tickets[0]}
				order.Tickets[0].Use.At = now
				w.used = &sale.Inspected{Order: &order, Check: rail.CheckValid}
			},
			data:  told("VALID", shown(`"Ann"`, fmt.Sprintf("%q", now.Format("2006-01-02T15:04:05Z07:00")))),
			calls: []call{looked, used},
		},
		{
			name: "the ledger does not know yet", variables: use, prepare: func(w *world) {
				is(rail.CheckValid)(w)
				w.fail["Sale.Use"] = &rail.Error{Code: rail.OrderPending, Message: "not known yet"}
			},
			data: `{"checkTicket": null}`, errs: []string{"checkTicket: ORDER_PENDING"}, calls: []call{looked, used},
		},
		{
			name: "use without a key", variables: map[string]any{"c": goodCode, "u": true}, prepare: is(rail.CheckValid),
			data: `{"checkTicket": {"result": null, "ticket": null, "userErrors": [{"code": "INVALID", "message":
				"an idempotency key has 8 to 128 printable ASCII characters without spaces",
				"path": ["input", "idempotencyKey"]}]}}`,
			calls: none,
		},
		{
			name: "not a code", variables: code("!"),
			data: `{"checkTicket": {"result": "MALFORMED", "ticket": null, "userErrors": [{"code": "INVALID",
				"message": "this is not a ticket code: no letters", "path": ["input", "code"]}]}}`,
			calls: none,
		},
		{name: "changed", variables: code("FORGED"), data: told("FORGED", "null"), calls: none},
		{name: "of another railway", variables: code("UNKNOWN"), data: told("UNKNOWN_KEY", "null"), calls: none},
		{name: "no such ticket", variables: code(goodCode), data: told("NOT_FOUND", "null"), calls: []call{looked}},
		{
			name: "the passenger was forgotten", variables: code("ANOTHER DOCUMENT"), prepare: func(w *world) {
				is(rail.CheckOver)(w)
				w.inspected.Order.Tickets[0].Passenger = rail.Passenger{}
			},
			data: told("OVER", `{
				"orderNumber": "NUMBER1", "train": {"number": "T12"}, "date": "2019-10-12",
				"from": {"station": {"code": "SHH"}, "departure": "2019-10-12T08:00:00+08:00"},
				"to": {"station": {"code": "BJP"}, "arrival": "2019-10-13T02:00:00+08:00"},
				"seatClass": "SECOND", "coach": "2", "seat": "1A", "passengerName": null, "documentTail": "9999",
				"usedAt": null
			}`),
			calls: []call{looked},
		},
	}
	for _, check := range []rail.TicketCheck{
		rail.CheckValid, rail.CheckChanging, rail.CheckUsed, rail.CheckRefunded, rail.CheckChanged, rail.CheckCancelled,
		rail.CheckNotPaid, rail.CheckNotValidYet, rail.CheckOver,
	} {
		cases = append(cases, fieldCase{
			name: string(check), variables: code(goodCode), prepare: is(check),
			data: told(string(check), shown(`"Ann"`, "null")), calls: []call{looked},
		})
	}
	for _, other := range []string{
		"ANOTHER SEAT", "ANOTHER COACH", "ANOTHER RUN", "ANOTHER CALL", "NO CALL", "ANOTHER STATION", "ANOTHER DOCUMENT",
	} {
		cases = append(cases, fieldCase{
			name: other, variables: map[string]any{"c": other, "u": true, "k": "use-00001"}, prepare: is(rail.CheckValid),
			data: told("FORGED", "null"), calls: []call{looked},
		})
	}
	for i := range cases {
		cases[i].viewer, cases[i].query = ines, lookAt
	}
	run(t, cases)
}

// An inspector sees no order, neither by its id nor by its number, nor one of its tickets.
func TestCheckTicket_ShowsNothingElse(t *testing.T) {
	w := newWorld()
	data, errs := w.ask(t, ines, fmt.Sprintf(`{ node(id: %q) { id } nodes(ids: [%q, %q]) { id } order(id: %q) { id }
		byNumber: order(number: "NUMBER1") { id } }`, orderID, orderID, ticketID, orderID), nil)
	require.Empty(t, errs)
	require.JSONEq(t, `{"node": null, "nodes": [null, null], "order": null, "byNumber": null}`, data)
}
