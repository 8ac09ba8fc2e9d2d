package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/audit"
	"interlock/services/rail"
)

// plantedInTickets is what can be said wrongly of tickets that were given back or changed. Pia gave one of two back.
// Quy changed a ticket to the order {new}, which is cheaper.
var plantedInTickets = []planted{
	{"it replaces none", audit.CheckChange, "{new}", `UPDATE orders SET replaces_order = 'x' WHERE id = {new}`},
	{"it replaces another", audit.CheckChange, "{new}", `UPDATE orders SET replaces_ticket = 1 WHERE id = {new}`},
	{
		"less was carried over", audit.CheckChange, "{new}",
		`UPDATE orders SET carried_minor = carried_minor - 100 WHERE id = {new}`,
	},
	{"a refund that is not read", audit.CheckRefund, "{pia}", `UPDATE orders SET extras = 0 WHERE id = {pia}`},
	{
		"a state of a ticket that is none", audit.CheckTicket, "{pia}",
		`UPDATE tickets SET own_state = 'GONE' WHERE order_id = {pia} AND n = 0`,
	},
	{
		"given back, and the seat kept", audit.CheckTicket, "{pia}",
		`UPDATE tickets SET own_state = '' WHERE order_id = {pia} AND n = 0`,
	},
	{
		"given back before it was taken", audit.CheckTicket, "{pia}",
		`UPDATE tickets SET ended_run_version = 1 WHERE order_id = {pia} AND n = 0`,
	},
	{"all given back, and paid", audit.CheckState, "{quy}", `UPDATE orders SET state = 'PAID' WHERE id = {quy}`},
	{"one given back, and all", audit.CheckState, "{pia}", `UPDATE orders SET state = 'RETURNED' WHERE id = {pia}`},

	// refunds.
	{"a refund of no run", audit.CheckOrphan, "refunds", `UPDATE refunds SET run_id = 'x' WHERE order_id = {pia}`},
	{"a refund of no order", audit.CheckRefund, "{pia}", `UPDATE refunds SET order_id = 'x' WHERE order_id = {pia}`},
	{"a refund that is gone", audit.CheckRefund, "{hal}", `DELETE FROM refunds WHERE order_id = {hal}`},
	{"an id of a refund", audit.CheckRefund, "{pia}", `UPDATE refunds SET id = 'r' WHERE order_id = {pia}`},
	{"a kind that is none", audit.CheckRefund, "{pia}", `UPDATE refunds SET kind = 'GIFT' WHERE order_id = {pia}`},
	{"of another ticket", audit.CheckRefund, "{pia}", `UPDATE refunds SET tickets = 2 WHERE order_id = {pia}`},
	{
		"more than it had cost", audit.CheckRefund, "{pia}",
		`UPDATE refunds SET gross_minor = gross_minor + 1 WHERE order_id = {pia}`,
	},
	{
		"more kept than it had cost", audit.CheckRefund, "{pia}",
		`UPDATE refunds SET fee_minor = gross_minor + 1 WHERE order_id = {pia}`,
	},
	{"a fee of a withdrawal", audit.CheckRefund, "{hal}", `UPDATE refunds SET fee_minor = 1 WHERE order_id = {hal}`},
	{"another currency", audit.CheckRefund, "{pia}", `UPDATE refunds SET currency = 'EUR' WHERE order_id = {pia}`},
	{
		"decided tomorrow", audit.CheckRefund, "{pia}",
		`UPDATE refunds SET at = {now} + 86400000 WHERE order_id = {pia}`,
	},
	{
		"back before it was decided", audit.CheckRefund, "{pia}",
		`UPDATE refunds SET paid_back_at = at - 86400000 WHERE order_id = {pia}`,
	},

	// changes.
	{"a change of no run", audit.CheckOrphan, "changes", `UPDATE changes SET run_id = 'x' WHERE order_id = {quy}`},
	{"a change of no order", audit.CheckChange, "{quy}", `UPDATE changes SET order_id = 'x' WHERE order_id = {quy}`},
	{"an id of a change", audit.CheckChange, "{quy}", `UPDATE changes SET id = 'c' WHERE order_id = {quy}`},
	{"a change of another ticket", audit.CheckChange, "{quy}", `UPDATE changes SET ticket = 1 WHERE order_id = {quy}`},
	{"to no run", audit.CheckChange, "{quy}", `UPDATE changes SET to_run = '' WHERE order_id = {quy}`},
	{"to another run", audit.CheckChange, "{new}", `UPDATE changes SET to_run = {A} WHERE order_id = {quy}`},
	{
		"a state of a change that is none", audit.CheckChange, "{quy}",
		`UPDATE changes SET state = 'MAYBE' WHERE order_id = {quy}`,
	},
	{"done, and open", audit.CheckChange, "{quy}", `UPDATE changes SET state = 'OPEN' WHERE order_id = {quy}`},
	{
		"done, and ended without", audit.CheckChange, "{quy}",
		`UPDATE changes SET state = 'ENDED' WHERE order_id = {quy}`,
	},
	{
		"a new ticket of another price", audit.CheckChange, "{quy}",
		`UPDATE changes SET price_minor = price_minor + 1 WHERE order_id = {quy}`,
	},
	{
		"more carried over", audit.CheckChange, "{quy}",
		`UPDATE changes SET carried_minor = carried_minor + 1 WHERE order_id = {quy}`,
	},
	{
		"more left", audit.CheckChange, "{quy}",
		`UPDATE changes SET rest_minor = rest_minor + 1 WHERE order_id = {quy}`,
	},
	{
		"more kept than is left", audit.CheckChange, "{quy}",
		`UPDATE changes SET fee_minor = rest_minor + 1 WHERE order_id = {quy}`,
	},
	{
		"another currency of a change", audit.CheckChange, "{quy}",
		`UPDATE changes SET currency = 'EUR' WHERE order_id = {quy}`,
	},
	{
		"begun tomorrow", audit.CheckChange, "{quy}",
		`UPDATE changes SET begun_at = {now} + 86400000 WHERE order_id = {quy}`,
	},
	{
		"due before it was begun", audit.CheckChange, "{quy}",
		`UPDATE changes SET due_at = begun_at - 1 WHERE order_id = {quy}`,
	},
	{"ended at no time", audit.CheckChange, "{quy}", `UPDATE changes SET ended_at = NULL WHERE order_id = {quy}`},
}

// givenBack has pia give one of two tickets back, and quy change one to a cheaper train, on runs of their own.
func (h *history) givenBack(t *testing.T, buy func(who, run, to string, documents ...string) string,
	do func(who, mutation string, input map[string]any), orders, tickets, ids map[string]string,
) {
	t.Helper()
	ids["H"] = h.publish(map[string]any{"number": "T22"})
	fares := change(trainInput()["fares"].(map[string]any), map[string]any{"roundTo": "5.00"})
	ids["I"] = h.publish(map[string]any{"number": "T24", "fares": fares})
	for who, documents := range map[string][]string{"pia": {"D0000031", "D0000032"}, "quy": {"D0000033"}} {
		require.Empty(t, buy(who, "H", "SHH", documents...))
		do(who, payOrderMutation, map[string]any{"idempotencyKey": "pay-of-" + who})
	}
	pia, quy := h.r.token(t, "pia", rail.RolePassenger), h.r.token(t, "quy", rail.RolePassenger)
	given := []any{tickets["pia"]}
	a := h.r.ask(t, pia, refundQuoteQuery, map[string]any{"o": orders["pia"], "t": given})
	do("pia", refundMutation, map[string]any{
		"ticketIds": given, "quoteId": a.at(t, "refundQuote.quote.id"), "idempotencyKey": "refund-of-pia",
	})
	to := map[string]any{
		"orderId": orders["quy"], "ticketId": tickets["quy"], "runId": ids["I"], "from": "BJP", "to": "SHH",
		"seatClass": "HARD_SLEEPER",
	}
	a = h.r.ask(t, quy, changeQuoteQuery, map[string]any{"c": to})
	require.Equal(t, "0.00", a.at(t, "changeQuote.quote.toPay.amount"), "%s", a.Data)
	require.NotEqual(t, "0.00", a.at(t, "changeQuote.quote.rest.amount"), "%s", a.Data)
	a = h.r.ask(t, quy, changeMutation, map[string]any{"i": map[string]any{
		"change": to, "quoteId": a.at(t, "changeQuote.quote.id"), "idempotencyKey": "change-of-quy",
	}})
	require.Equal(t, "PAID", a.at(t, "changeTicket.order.state"), "%s", a.Data)
	require.Eventually(t, func() bool {
		return h.value("SELECT COUNT(*) FROM refunds WHERE paid_back_at IS NULL") == "0"
	}, healsIn, healsIn/500, "the money is back")
}
