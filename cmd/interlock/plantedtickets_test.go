package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/audit"
	"interlock/services/rail"
	"interlock/services/sale"
)

// plantedInTickets is what can be said wrongly of tickets that were given back or changed. Pia gave one of two back.
// Quy changed a ticket to the order {new}, which is cheaper. Rae's was used.
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

	{"a use that is gone", audit.CheckTicket, "{rae}", `UPDATE tickets SET own_state = '' WHERE order_id = {rae}`},
	{
		"a use that never was", audit.CheckVersion, "{rae}", `UPDATE tickets SET own_state = '', used_at = NULL,
			used_by = NULL, use_id = NULL WHERE order_id = {rae}`,
	},
	{"used by nobody", audit.CheckTicket, "{rae}", `UPDATE tickets SET used_by = NULL WHERE order_id = {rae}`},
	{"an id of a use", audit.CheckTicket, "{rae}", `UPDATE tickets SET use_id = 'u' WHERE order_id = {rae}`},
	{"used at no time", audit.CheckTicket, "{rae}", `UPDATE tickets SET used_at = NULL WHERE order_id = {rae}`},
	{
		"used tomorrow", audit.CheckTicket, "{rae}",
		`UPDATE tickets SET used_at = {now} + 86400000 WHERE order_id = {rae}`,
	},
	{"used, and given back", audit.CheckTicket, "{pia}", `UPDATE tickets SET used_at = {now} WHERE order_id = {pia}`},

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

// used has rae's ticket marked by an inspector, on a run that leaves in some hours.
func (h *history) used(t *testing.T, buy func(who, run, to string, documents ...string) string,
	do func(who, mutation string, input map[string]any), ids map[string]string,
) {
	t.Helper()
	ids["J"] = h.publish(leavesSoon("T26"))
	require.Empty(t, buy("rae", "J", "SHH", "D0000041"))
	do("rae", payOrderMutation, map[string]any{"idempotencyKey": "pay-of-rae"})
	is, err := h.r.service.Use(t.Context(), sale.UseRequest{
		Inspector: "ines", Key: "use-of-rae",
		Ticket: rail.TicketRef{OrderID: h.value("SELECT id FROM orders WHERE buyer = 'rae'")},
	})
	require.NoError(t, err)
	require.Equal(t, rail.CheckValid, is.Check)
}

// leavesSoon is what of a train's input has it leave in three hours, at most a day before which a ticket is valid.
func leavesSoon(number string) map[string]any {
	at := time.Now().In(time.FixedZone("China", 8*3600)).Add(3 * time.Hour)
	after := func(minutes int) string {
		minutes += at.Hour()*60 + at.Minute()
		return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60)
	}
	return map[string]any{
		"number": number, "from": at.Format(time.DateOnly), "through": at.Format(time.DateOnly), "calls": []any{
			map[string]any{"station": "BJP", "departure": after(0), "distanceKm": 0},
			map[string]any{"station": "TJP", "arrival": after(40), "departure": after(45), "distanceKm": 120.5},
			map[string]any{"station": "SHH", "arrival": after(900), "distanceKm": 1325.0},
		},
	}
}
