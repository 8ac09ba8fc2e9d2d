package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
)

const (
	refundQuoteQuery = `query($o:ID!,$t:[ID!]){refundQuote(orderId:$o,ticketIds:$t){quote{id gross{amount} fee{amount}
		amount{amount}} userErrors{code path message}}}`
	refundMutation = `mutation($i:RefundTicketsInput!){refundTickets(input:$i){order{state} refund{id amount{amount}}
		quote{id} userErrors{code path message}}}`
	changeQuoteQuery = `query($c:ChangeInput!){changeQuote(input:$c){quote{id toPay{amount} rest{amount} fee{amount}}
		userErrors{code path message}}}`
	changeMutation = `mutation($i:ChangeTicketInput!){changeTicket(input:$i){oldOrder{state tickets{state}}
		order{id state total{amount} carried{amount}} quote{id} userErrors{code path message}}}`
	orderOfTickets = `query($o:ID!){order(id:$o){state version tickets{id state} refunds{kind amount{amount} paidBackAt}
		changes{state order{id state}} replaces{id state}}}`
)

// becomesSo bounds the wait for what follows by messages and sweeps: a sweep is due within a minute.
const becomesSo = 90 * time.Second

// buyer does on a server what a passenger does with tickets.
type buyer struct {
	*payingServer
	t *testing.T
	// bankPays tells that payments are made on a bank's page.
	bankPays bool
	keys     int
}

// buysAtOnce is a buyer on a server whose provider takes money at once.
func buysAtOnce(t *testing.T) *buyer {
	s := embeddedSettings(t)
	s.Payments = "sandbox"
	r := start(t, s)
	return &buyer{payingServer: &payingServer{running: r, run: r.publishT12(t)}, t: t}
}

// buysAtABank is a buyer who pays on a bank's page.
func buysAtABank(t *testing.T) *buyer {
	return &buyer{payingServer: payInside(t), t: t, bankPays: true}
}

func (b *buyer) key() string {
	b.keys++
	return fmt.Sprint("a-new-key-", b.keys)
}

// buy buys seats of a class, and pays.
func (b *buyer) buy(class string, n int) (order string, tickets []any) {
	b.t.Helper()
	order, tickets = b.hold(class, n)
	b.pays(order)
	return order, tickets
}

// hold puts seats of a class on hold.
func (b *buyer) hold(class string, n int) (order string, tickets []any) {
	b.t.Helper()
	input := orderInput(b.run, b.key(), "")
	var passengers []any
	for range n {
		passengers = append(passengers, map[string]any{
			"name": "A Passenger", "documentNumber": fmt.Sprintf("F%08d", b.keys*10+len(passengers)), "seatClass": class,
		})
	}
	input["passengers"] = passengers
	a := b.ask(b.t, b.passenger, placeOrderMutation, map[string]any{"i": input})
	require.Empty(b.t, a.at(b.t, "placeOrder.userErrors"), "%s", a.Data)
	order = a.at(b.t, "placeOrder.order.id").(string)
	for i := range n {
		tickets = append(tickets, a.at(b.t, fmt.Sprintf("placeOrder.order.tickets.%d.id", i)))
	}
	return order, tickets
}

func (b *buyer) pays(order string) {
	b.t.Helper()
	if b.bankPays {
		choose(b.t, b.pay(b.t, order, b.key()), "pay")
	} else {
		a := b.ask(b.t, b.passenger, payOrderMutation,
			map[string]any{"i": map[string]any{"orderId": order, "idempotencyKey": b.key()}})
		require.Empty(b.t, a.at(b.t, "payOrder.userErrors"), "%s", a.Data)
	}
	b.until(order, func(a *answer) bool { return a.at(b.t, "order.state") == "PAID" })
}

// until waits until an order is as it is to be.
func (b *buyer) until(order string, holds func(*answer) bool) (a *answer) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), becomesSo)
	defer cancel()
	held, err := pause.Until(ctx, 20*time.Millisecond, func() (bool, error) {
		a = b.ask(b.t, b.passenger, orderOfTickets, map[string]any{"o": order})
		return holds(a), nil
	})
	require.NoError(b.t, err)
	require.True(b.t, held, "%s", a.Data)
	return a
}

// refund gives tickets back for what a quote says, and returns what goes back.
func (b *buyer) refund(order string, tickets []any) (amount, state any) {
	b.t.Helper()
	a := b.ask(b.t, b.passenger, refundQuoteQuery, map[string]any{"o": order, "t": tickets})
	require.Empty(b.t, a.at(b.t, "refundQuote.userErrors"), "%s", a.Data)
	amount = a.at(b.t, "refundQuote.quote.amount.amount")
	input := map[string]any{
		"orderId": order, "ticketIds": tickets, "quoteId": a.at(b.t, "refundQuote.quote.id"), "idempotencyKey": b.key(),
	}
	var first any
	for range 2 { // The same key is the same refund.
		a = b.ask(b.t, b.passenger, refundMutation, map[string]any{"i": input})
		require.Empty(b.t, a.at(b.t, "refundTickets.userErrors"), "%s", a.Data)
		require.Equal(b.t, amount, a.at(b.t, "refundTickets.refund.amount.amount"))
		if first == nil {
			first = a.at(b.t, "refundTickets.refund.id")
		}
		require.Equal(b.t, first, a.at(b.t, "refundTickets.refund.id"))
	}
	return amount, a.at(b.t, "refundTickets.order.state")
}

// change changes a ticket for what a quote says: to another class of the run.
func (b *buyer) change(order string, ticket any, class string) *answer {
	b.t.Helper()
	a := b.changeTo(order, ticket, b.run, class)
	require.Empty(b.t, a.at(b.t, "changeTicket.userErrors"), "%s", a.Data)
	return a
}

// changeTo asks for a change for what a quote says.
func (b *buyer) changeTo(order string, ticket any, run, class string) *answer {
	b.t.Helper()
	to := map[string]any{
		"orderId": order, "ticketId": ticket, "runId": run, "from": "BJP", "to": "SHH", "seatClass": class,
	}
	a := b.ask(b.t, b.passenger, changeQuoteQuery, map[string]any{"c": to})
	require.Empty(b.t, a.at(b.t, "changeQuote.userErrors"), "%s", a.Data)
	return b.ask(b.t, b.passenger, changeMutation, map[string]any{"i": map[string]any{
		"change": to, "quoteId": a.at(b.t, "changeQuote.quote.id"), "idempotencyKey": b.key(),
	}})
}

// allBack tells whether the money of so many refunds is back.
func allBack(t *testing.T, n int) func(*answer) bool {
	return func(a *answer) bool {
		for i := range n {
			if a.at(t, fmt.Sprintf("order.refunds.%d.paidBackAt", i)) == nil {
				return false
			}
		}
		return true
	}
}

// TestTickets_GivenBackAndChanged gives back one ticket of two and then the other, and changes tickets to dearer and
// cheaper ones: with a provider that takes money at once, and at a bank.
func TestTickets_GivenBackAndChanged(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *buyer{"at once": buysAtOnce, "at a bank": buysAtABank} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			order, tickets := b.buy("HARD_SEAT", 2)
			amount, state := b.refund(order, tickets[:1])
			require.Equal(t, "PAID", state)
			require.Equal(t, "168.50", amount, "of 177.50, five percent are 8.875, and 9.00 in halves")
			_, state = b.refund(order, tickets[1:])
			require.Equal(t, "RETURNED", state)
			a := b.until(order, allBack(t, 2))
			require.Equal(t, "REFUNDED", a.at(t, "order.tickets.1.state"))
			if b.bankPays {
				require.EqualValues(t, 33_700, b.charges(t)[0].Refunded)
			}

			// Both seats are on sale again. A dearer ticket is paid for before the old one ends.
			order, tickets = b.buy("HARD_SEAT", 2)
			a = b.change(order, tickets[0], "HARD_SLEEPER")
			next := a.at(t, "changeTicket.order.id").(string)
			require.Equal(t, "ON_HOLD", a.at(t, "changeTicket.order.state"))
			require.Equal(t, "CHANGING", a.at(t, "changeTicket.oldOrder.tickets.0.state"))
			b.pays(next)
			a = b.until(order, func(a *answer) bool { return a.at(t, "order.changes.0.state") == "DONE" })
			require.Equal(t, "CHANGED", a.at(t, "order.tickets.0.state"))
			require.Equal(t, "ISSUED", a.at(t, "order.tickets.1.state"))
			require.Equal(t, "PAID", a.at(t, "order.state"))

			// What came from a change goes back to both payments.
			_, state = b.refund(next, nil)
			require.Equal(t, "RETURNED", state)
			b.until(next, allBack(t, 1))

			// A cheaper ticket is there at once, and the rest of the price follows.
			order, tickets = b.buy("HARD_SLEEPER", 1)
			a = b.change(order, tickets[0], "HARD_SEAT")
			require.Equal(t, "PAID", a.at(t, "changeTicket.order.state"))
			require.Equal(t, "RETURNED", a.at(t, "changeTicket.oldOrder.state"))
			a = b.until(order, allBack(t, 1))
			require.Equal(t, "CHANGED", a.at(t, "order.refunds.0.kind"))
		})
	}
}

// TestTickets_BadInput asks for what cannot be: each has a code and a path, and nothing is changed.
func TestTickets_BadInput(t *testing.T) {
	b := buysAtOnce(t)
	r := b.running
	order, tickets := b.buy("HARD_SEAT", 1)
	other, others := b.buy("HARD_SLEEPER", 1)
	before := b.ask(t, b.passenger, orderOfTickets, map[string]any{"o": order})
	quote := func(order string) any {
		return b.ask(t, b.passenger, refundQuoteQuery, map[string]any{"o": order}).at(t, "refundQuote.quote.id")
	}
	refund := func(token, order string, tickets []any, quote any) *answer {
		return b.ask(t, token, refundMutation, map[string]any{"i": map[string]any{
			"orderId": order, "ticketIds": tickets, "quoteId": quote, "idempotencyKey": b.key(),
		}})
	}
	change := func(ticket any, class string) *answer {
		return b.ask(t, b.passenger, changeQuoteQuery, map[string]any{"c": map[string]any{
			"orderId": order, "ticketId": ticket, "runId": b.run, "from": "BJP", "to": "SHH", "seatClass": class,
		}})
	}
	stranger := r.token(t, "stranger", "PASSENGER")
	for name, c := range map[string]struct {
		a                 *answer
		field, code, path string
	}{
		"a quote of another order": {
			refund(b.passenger, order, tickets, quote(other)), "refundTickets", "QUOTE_STALE", "[input quoteId]",
		},
		"an order of another buyer": {
			refund(stranger, order, tickets, quote(order)), "refundTickets", "NOT_FOUND", "[input orderId]",
		},
		"a ticket of another order": {
			refund(b.passenger, order, others, quote(order)), "refundTickets", "NOT_FOUND", "[input ticketIds 0]",
		},
		"an admin without a reason": {
			refund(r.admin, order, tickets, quote(order)), "refundTickets", "INVALID", "[input reason]",
		},
		"the same seat": {change(tickets[0], "HARD_SEAT"), "changeQuote", "WRONG_STATE", "[input ticketId]"},
		"no such class": {change(tickets[0], "BUSINESS"), "changeQuote", "INVALID", "[input seatClass]"},
	} {
		require.Equal(t, c.code, c.a.at(t, c.field+".userErrors.0.code"), "%s: %s", name, c.a.Data)
		require.Equal(t, c.path, fmt.Sprint(c.a.at(t, c.field+".userErrors.0.path")), "%s: %s", name, c.a.Data)
	}
	require.Equal(t, before, b.ask(t, b.passenger, orderOfTickets, map[string]any{"o": order}))
}
