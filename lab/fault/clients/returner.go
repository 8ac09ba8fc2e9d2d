package clients

import (
	"context"
	"encoding/json"

	"interlock/lab/fault/history"
	"interlock/lab/load"
)

const (
	refundQuote = `query($i:ID!,$t:[ID!]){refundQuote(orderId:$i,ticketIds:$t){quote{id} userErrors{code message}}}`
	changeQuote = `query($i:ChangeInput!){changeQuote(input:$i){quote{id} userErrors{code message}}}`

	refundDocument = `mutation($i:RefundTicketsInput!){refundTickets(input:$i){` + orderFields + ` quote{id}}}`
	changeDocument = `mutation($i:ChangeTicketInput!){changeTicket(input:$i){` + orderFields + ` quote{id}}}`
)

// Of ten orders that were paid, so many have tickets given back and so many have one changed. Of ten new tickets that
// cost more than the old, so many are paid for; the others are cancelled, so that the old ticket is as it was. Of ten
// parties that come back, so many do it with one ticket, and so many of these with a second one as well.
const refundOfTen, changeOfTen, payRestOfTen, oneOfTen, secondOfTen = 4, 4, 7, 7, 5

// all says that all tickets of an order are given back.
const all = -1

// comeBack gives tickets back, or changes one, or keeps them. Of a party, one ticket may be given back and another one
// changed, in either order.
func (b *buyer) comeBack(order *history.Order, paid history.Call) {
	n := len(order.Tickets)
	first := b.random.IntN(n)
	second := (first + 1) % n
	several := n > 1 && b.random.IntN(10) < secondOfTen
	switch one := b.random.IntN(10); {
	case one < refundOfTen && (n == 1 || b.random.IntN(10) >= oneOfTen):
		b.refund(order, paid, all)
	case one < refundOfTen:
		b.refund(order, paid, first)
		if several {
			b.change(order, paid, second)
		}
	case one < refundOfTen+changeOfTen:
		b.change(order, paid, first)
		if several {
			b.refund(order, paid, second)
		}
	}
}

// refund gives a ticket of an order back, or all of them.
func (b *buyer) refund(order *history.Order, paid history.Call, ticket int) {
	paid.Request = history.Request{Kind: history.Refund, Buyer: b.name, Key: order.Number}
	of := map[string]any{"i": order.ID}
	input := map[string]any{"orderId": order.ID, "idempotencyKey": "refund-" + order.Number}
	if ticket != all {
		paid.Ticket = order.Tickets[ticket].ID
		of["t"], input["ticketIds"] = []string{paid.Ticket}, []string{paid.Ticket}
	}
	b.insistOn(paid, refundQuote, "refundQuote", of, refundDocument, "refundTickets", input)
}

// changed is the call for the change of a ticket into another trip, run or class, and what is asked for.
func (b *buyer) changed(
	order *history.Order, paid history.Call, ticket int,
) (c history.Call, input map[string]any) {
	want := b.workload.want(b.random)
	c = paid
	c.Request = history.Request{Kind: history.Change, Buyer: b.name, Key: order.Number}
	c.Run, c.From, c.To, c.Class = want.Run.RunID, want.From, want.To, want.Class
	c.Ticket, c.Passengers = order.Tickets[ticket].ID, paid.Passengers[ticket:ticket+1]
	return c, map[string]any{
		"orderId": order.ID, "ticketId": c.Ticket, "runId": want.Run.ID, "from": load.StationCode(want.From),
		"to": load.StationCode(want.To), "seatClass": want.Class,
	}
}

// change changes a ticket of an order into another trip, run or class, and pays what is to be paid for that, or cancels
// it.
func (b *buyer) change(order *history.Order, paid history.Call, ticket int) {
	c, input := b.changed(order, paid, ticket)
	if c.Run == paid.Run && c.From == paid.From && c.To == paid.To && c.Class == paid.Class {
		return // it would be the same ticket
	}
	of, asked := map[string]any{"i": input}, map[string]any{
		"change": input, "idempotencyKey": "change-" + order.Number,
	}
	changed, c := b.insistOn(c, changeQuote, "changeQuote", of, changeDocument, "changeTicket", asked)
	switch {
	case changed == nil || changed.PayBy.IsZero():
	case b.random.IntN(10) < payRestOfTen:
		b.pay(changed, c)
	default:
		b.cancel(changed, c)
	}
}

// insistOn asks for a quote, and insists on what was quoted. Where the quote is stale by then, it goes on with the new
// one. A quote that is refused ends it: nothing was asked for.
func (b *buyer) insistOn(
	c history.Call, query, quoted string, of map[string]any, document, field string, input map[string]any,
) (*history.Order, history.Call) {
	quote, ok := b.quote(query, quoted, of)
	if !ok {
		return nil, c
	}
	input["quoteId"] = quote
	return b.follow(c, document, field, input)
}

// quote asks one server after the other for a quote, until one answers.
func (b *buyer) quote(query, field string, of map[string]any) (id string, ok bool) {
	for b.workload.life.Err() == nil {
		servers := b.workload.options.Servers
		r := b.workload.ask(b.workload.life, servers[b.at%len(servers)], b.token, query, of)
		if r.outcome != history.Done {
			b.at++
			if !b.wait(r) {
				return "", false
			}
			continue
		}
		payloads := map[string]payload{}
		if err := json.Unmarshal(r.data, &payloads); err != nil || payloads[field].Quote == nil {
			return "", false
		}
		return payloads[field].Quote.ID, true
	}
	return "", false
}

// Both has a buyer give a ticket back and change it at the same moment, over two servers, and returns the last answers
// to both. The order is bought and paid for before; false where that came to nothing, or a quote was refused.
func (w *Workload) Both(ctx context.Context, subject string, stream uint64) (refunded, changed history.Call, ok bool) {
	w.working.RLock()
	defer w.working.RUnlock()
	token, err := w.options.Token(subject)
	if err != nil || ctx.Err() != nil {
		return refunded, changed, false
	}
	b := &buyer{workload: w, name: subject, token: token, random: w.random(stream), at: int(stream % 2)}
	order, call := b.place()
	if order == nil {
		return refunded, changed, false
	}
	if order = b.pay(order, call); order == nil {
		return refunded, changed, false
	}
	ticket := b.random.IntN(len(order.Tickets))
	changed, trip := b.changed(order, call, ticket)
	one := []string{changed.Ticket}
	back, first := b.quote(refundQuote, "refundQuote", map[string]any{"i": order.ID, "t": one})
	to, second := b.quote(changeQuote, "changeQuote", map[string]any{"i": trip})
	if !first || !second {
		return refunded, changed, false
	}
	refunded = call
	refunded.Request = history.Request{Kind: history.Refund, Buyer: subject, Key: order.Number}
	refunded.Ticket = changed.Ticket
	done := make(chan struct{})
	w.people.Go(func() {
		defer close(done)
		other := &buyer{workload: w, name: subject, token: token, at: b.at + 1}
		_, changed = other.follow(changed, changeDocument, "changeTicket", map[string]any{
			"change": trip, "quoteId": to, "idempotencyKey": "change-" + order.Number,
		})
	})
	_, refunded = b.follow(refunded, refundDocument, "refundTickets", map[string]any{
		"orderId": order.ID, "ticketIds": one, "quoteId": back, "idempotencyKey": "refund-" + order.Number,
	})
	<-done
	if n := changed.Order; changed.Outcome == history.Done && n != nil && !n.PayBy.IsZero() {
		b.pay(n, changed)
	}
	return refunded, changed, true
}

// follow insists on something. A stale quote is followed by the new one.
func (b *buyer) follow(
	c history.Call, document, field string, input map[string]any,
) (*history.Order, history.Call) {
	return b.ask(c, document, field, input, func(r reply) bool {
		if r.quote != "" {
			input["quoteId"] = r.quote
		}
		return r.outcome.Resolved()
	})
}
