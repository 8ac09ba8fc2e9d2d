package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
)

// publishLike puts a train on sale that is as T12, with another number and another fare for HARD_SEAT.
func (b *buyer) publishLike(number, fare string) (run string) {
	b.t.Helper()
	train := trainInput()
	train["number"] = number
	train["fares"].(map[string]any)["pairs"].([]any)[0].(map[string]any)["amount"] = fare
	a := b.ask(b.t, b.admin, publishTrainMutation, map[string]any{"i": train})
	require.Empty(b.t, a.at(b.t, "publishTrain.userErrors"), "%s", a.Data)
	return a.at(b.t, "publishTrain.runs.0.id").(string)
}

// left is how many seats of HARD_SEAT a run has, as passengers are told.
func (b *buyer) left(run string) (n int) {
	b.t.Helper()
	a := b.ask(b.t, "", `query($r:ID!){node(id:$r){... on Run{availability{classes{seatClass remaining}}}}}`,
		map[string]any{"r": run})
	for i := range 2 {
		if class := fmt.Sprintf("node.availability.classes.%d.", i); a.at(b.t, class+"seatClass") == "HARD_SEAT" {
			return int(a.at(b.t, class+"remaining").(float64))
		}
	}
	require.Fail(b.t, "no such class", "%s", a.Data)
	return 0
}

// seatsLeft waits until the old run and another have so many seats left: what passengers are told follows the commit.
func (b *buyer) seatsLeft(here, there int, other string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), becomesSo)
	defer cancel()
	held, err := pause.Until(ctx, 20*time.Millisecond, func() (bool, error) {
		return b.left(b.run) == here && b.left(other) == there, nil
	})
	require.NoError(b.t, err)
	require.True(b.t, held, "%d and %d seats are left, not %d and %d", b.left(b.run), b.left(other), here, there)
}

// TestTickets_ChangedToAnotherRun changes tickets to a dearer run, to a cheaper one, and to one that has no seat; and
// gives a change up. The seats of both runs are as they should be each time, and so is the money.
func TestTickets_ChangedToAnotherRun(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *buyer{"at once": buysAtOnce, "at a bank": buysAtABank} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			dear, cheap := b.publishLike("T14", "250.00"), b.publishLike("T16", "100.00")
			b.changesToADearerRun(dear)
			b.changesToACheaperRun(cheap)
			b.givesAChangeUp(dear)
			b.finds(cheap)
			code, out := b.interlock(t, "verify")
			require.Zero(t, code, "%s", out)
		})
	}
}

// changesToADearerRun pays the difference, and gives the new ticket back: its money goes back to both payments.
func (b *buyer) changesToADearerRun(dear string) {
	t := b.t
	order, tickets := b.buy("HARD_SEAT", 1)
	a := b.changeTo(order, tickets[0], dear, "HARD_SEAT")
	require.Empty(t, a.at(t, "changeTicket.userErrors"), "%s", a.Data)
	require.Equal(t, "ON_HOLD", a.at(t, "changeTicket.order.state"))
	require.Equal(t, "250.00", a.at(t, "changeTicket.order.total.amount"))
	require.Equal(t, "177.50", a.at(t, "changeTicket.order.carried.amount"))
	require.Equal(t, "CHANGING", a.at(t, "changeTicket.oldOrder.tickets.0.state"))
	b.seatsLeft(1, 1, dear)

	next := a.at(t, "changeTicket.order.id").(string)
	b.pays(next)
	a = b.until(order, func(a *answer) bool { return a.at(t, "order.changes.0.state") == "DONE" })
	require.Equal(t, "RETURNED", a.at(t, "order.state"))
	require.Equal(t, "CHANGED", a.at(t, "order.tickets.0.state"))
	require.Empty(t, a.at(t, "order.refunds"), "all of the old price pays for the new ticket")
	b.seatsLeft(2, 1, dear)
	a = b.until(next, func(*answer) bool { return true })
	require.Equal(t, tickets[0], a.at(t, "order.replaces.id"))

	amount, state := b.refund(next, nil)
	require.Equal(t, "RETURNED", state)
	require.Equal(t, "237.50", amount, "five percent of 250.00 are kept")
	b.until(next, allBack(t, 1))
	b.seatsLeft(2, 2, dear)
	if b.bankPays {
		var captured, refunded []int64
		for _, charge := range b.charges(t) {
			captured, refunded = append(captured, charge.Captured), append(refunded, charge.Refunded)
		}
		require.ElementsMatch(t, []int64{17_750, 7_250}, captured)
		require.EqualValues(t, 23_750, refunded[0]+refunded[1])
		require.LessOrEqual(t, refunded[0], captured[0])
		require.LessOrEqual(t, refunded[1], captured[1])
	}
}

// changesToACheaperRun has the new ticket at once, and the rest of the price back but for the fee.
func (b *buyer) changesToACheaperRun(cheap string) {
	t := b.t
	order, tickets := b.buy("HARD_SEAT", 1)
	a := b.changeTo(order, tickets[0], cheap, "HARD_SEAT")
	require.Empty(t, a.at(t, "changeTicket.userErrors"), "%s", a.Data)
	require.Equal(t, "PAID", a.at(t, "changeTicket.order.state"))
	require.Equal(t, "RETURNED", a.at(t, "changeTicket.oldOrder.state"))
	b.seatsLeft(2, 1, cheap)
	a = b.until(order, allBack(t, 1))
	require.Equal(t, "CHANGED", a.at(t, "order.refunds.0.kind"))
	require.Equal(t, "73.50", a.at(t, "order.refunds.0.amount.amount"), "of 77.50, five percent are 4.00 in halves")
}

// givesAChangeUp cancels the new order: the ticket is as it was, and may be changed later.
func (b *buyer) givesAChangeUp(dear string) {
	t := b.t
	order, tickets := b.buy("HARD_SEAT", 1)
	for range 2 {
		a := b.changeTo(order, tickets[0], dear, "HARD_SEAT")
		require.Empty(t, a.at(t, "changeTicket.userErrors"), "%s", a.Data)
		cancelled := b.ask(t, b.passenger, cancelOrderMutation,
			map[string]any{"i": map[string]any{"orderId": a.at(t, "changeTicket.order.id")}})
		require.Equal(t, "CANCELLED", cancelled.at(t, "cancelOrder.order.state"), "%s", cancelled.Data)
		a = b.until(order, func(a *answer) bool { return a.at(t, "order.tickets.0.state") == "ISSUED" })
		require.Equal(t, "PAID", a.at(t, "order.state"))
		require.Equal(t, "ENDED", a.at(t, "order.changes.0.state"))
		require.Empty(t, a.at(t, "order.refunds"))
		b.seatsLeft(1, 2, dear)
	}
}

// finds no seat on a run that is sold out: the ticket is as it was.
func (b *buyer) finds(soldOut string) {
	t := b.t
	here := b.run
	order, tickets := b.buy("HARD_SEAT", 1)
	b.run = soldOut
	b.hold("HARD_SEAT", 1) // The other has gone to the change to this run.
	b.run = here
	a := b.changeTo(order, tickets[0], soldOut, "HARD_SEAT")
	require.Equal(t, "SOLD_OUT", a.at(t, "changeTicket.userErrors.0.code"), "%s", a.Data)
	require.Equal(t, "[input change seatClass]", fmt.Sprint(a.at(t, "changeTicket.userErrors.0.path")))
	a = b.until(order, func(a *answer) bool { return a.at(t, "order.tickets.0.state") == "ISSUED" })
	require.Equal(t, "PAID", a.at(t, "order.state"))
	b.seatsLeft(0, 0, soldOut)
}

// TestTickets_NotInTheirState asks to give back and to change what is no longer, or not yet, a good ticket, and changes
// to what is not on sale: each has a code and a path, and nothing is changed.
func TestTickets_NotInTheirState(t *testing.T) {
	b := buysAtOnce(t)
	dear, stopped := b.publishLike("T14", "250.00"), b.publishLike("T16", "100.00")
	suspended := b.ask(t, b.admin, `mutation($r:ID!){suspendRun(input:{runId:$r,reason:"snow"}){userErrors{code}}}`,
		map[string]any{"r": stopped})
	require.Empty(t, suspended.at(t, "suspendRun.userErrors"), "%s", suspended.Data)

	party, partyOf := b.buy("HARD_SLEEPER", 2)
	b.refund(party, partyOf[:1])
	held, heldTickets := b.hold("HARD_SLEEPER", 1)
	changing, changingOf := b.buy("HARD_SEAT", 1)
	require.Equal(t, "CHANGING",
		b.changeTo(changing, changingOf[0], dear, "HARD_SEAT").at(t, "changeTicket.oldOrder.tickets.0.state"))
	first, firstOf := b.buy("HARD_SEAT", 1)
	a := b.changeTo(first, firstOf[0], dear, "HARD_SEAT")
	changed := a.at(t, "changeTicket.order.id").(string)
	b.pays(changed)
	b.until(first, func(a *answer) bool { return a.at(t, "order.changes.0.state") == "DONE" })
	b.until(party, allBack(t, 1))

	all := []string{party, held, changing, first, changed}
	before := b.asTheyAre(all)
	changedTicket := before[4].at(t, "order.tickets.0.id")
	refund := func(order string, tickets ...any) *answer {
		return b.ask(t, b.passenger, refundQuoteQuery, map[string]any{"o": order, "t": tickets})
	}
	change := func(order string, ticket any, run string) *answer {
		return b.ask(t, b.passenger, changeQuoteQuery, map[string]any{"c": map[string]any{
			"orderId": order, "ticketId": ticket, "runId": run, "from": "BJP", "to": "SHH", "seatClass": "HARD_SLEEPER",
		}})
	}
	for name, c := range map[string]struct {
		a                 *answer
		field, code, path string
	}{
		"more than is left":   {refund(party, partyOf...), "refundQuote", "WRONG_STATE", "[ticketIds 0]"},
		"given back already":  {refund(party, partyOf[0]), "refundQuote", "WRONG_STATE", "[ticketIds 0]"},
		"not paid":            {refund(held), "refundQuote", "WRONG_STATE", "[orderId]"},
		"being changed":       {refund(changing, changingOf[0]), "refundQuote", "WRONG_STATE", "[ticketIds 0]"},
		"changed":             {refund(first, firstOf[0]), "refundQuote", "WRONG_STATE", "[orderId]"},
		"no tickets":          {refund(party, []any{}...), "refundQuote", "INVALID", "[ticketIds]"},
		"change what is back": {change(party, partyOf[0], dear), "changeQuote", "WRONG_STATE", "[input ticketId]"},
		"change a hold":       {change(held, heldTickets[0], dear), "changeQuote", "WRONG_STATE", "[input orderId]"},
		"change twice":        {change(changed, changedTicket, b.run), "changeQuote", "WRONG_STATE", "[input ticketId]"},
		"change amid a change": {
			change(changing, changingOf[0], dear), "changeQuote", "WRONG_STATE", "[input ticketId]",
		},
		"to what is not on sale": {change(party, partyOf[1], stopped), "changeQuote", "NOT_ON_SALE", "[input runId]"},
		"a ticket of another":    {change(party, heldTickets[0], dear), "changeQuote", "NOT_FOUND", "[input ticketId]"},
	} {
		require.Equal(t, c.code, c.a.at(t, c.field+".userErrors.0.code"), "%s: %s", name, c.a.Data)
		require.Equal(t, c.path, fmt.Sprint(c.a.at(t, c.field+".userErrors.0.path")), "%s: %s", name, c.a.Data)
	}
	require.Equal(t, before, b.asTheyAre(all))
}

func (b *buyer) asTheyAre(orders []string) (answers []*answer) {
	for _, order := range orders {
		answers = append(answers, b.ask(b.t, b.passenger, orderOfTickets, map[string]any{"o": order}))
	}
	return answers
}
