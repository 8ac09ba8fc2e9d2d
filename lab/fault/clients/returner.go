package clients

import (
	"context"
	"encoding/json"

	"interlock/lab/fault/history"
	"interlock/lab/load"
)

const (
	refundQuote = `query($i:ID!){refundQuote(orderId:$i){quote{id} userErrors{code message}}}`
	changeQuote = `query($i:ChangeInput!){changeQuote(input:$i){quote{id} userErrors{code message}}}`

	refundDocument = `mutation($i:RefundTicketsInput!){refundTickets(input:$i){` + orderFields + ` quote{id}}}`
	changeDocument = `mutation($i:ChangeTicketInput!){changeTicket(input:$i){` + orderFields + ` quote{id}}}`
)

// Of ten tickets that were paid, so many are given back and so many changed. Of ten new tickets that cost more than the
// old, so many are paid for; the others are cancelled, so that the old ticket is as it was.
const refundOfTen, changeOfTen, payRestOfTen = 4, 4, 7

// comeBack gives a ticket back, or changes it, or keeps it.
func (b *buyer) comeBack(order *history.Order, paid history.Call) {
	switch one := b.random.IntN(10); {
	case one < refundOfTen:
		b.refund(order, paid)
	case one < refundOfTen+changeOfTen:
		b.change(order, paid)
	}
}

// refund gives the one ticket of an order back.
func (b *buyer) refund(order *history.Order, paid history.Call) {
	paid.Request = history.Request{Kind: history.Refund, Buyer: b.name, Key: order.Number}
	b.insistOn(paid, refundQuote, "refundQuote", order.ID, refundDocument, "refundTickets", map[string]any{
		"orderId": order.ID, "idempotencyKey": "refund-" + order.Number,
	})
}

// change changes the one ticket of an order into another trip, run or class, and pays what is to be paid for that, or
// cancels it.
func (b *buyer) change(order *history.Order, paid history.Call) {
	want := b.workload.want(b.random)
	c := paid
	c.Request = history.Request{Kind: history.Change, Buyer: b.name, Key: order.Number}
	c.Run, c.From, c.To, c.Class = want.Run.RunID, want.From, want.To, want.Class
	if c.Run == paid.Run && c.From == paid.From && c.To == paid.To && c.Class == paid.Class {
		return // it would be the same ticket
	}
	input := map[string]any{
		"orderId": order.ID, "ticketId": order.TicketID, "runId": want.Run.ID, "from": load.StationCode(want.From),
		"to": load.StationCode(want.To), "seatClass": want.Class,
	}
	changed, c := b.insistOn(c, changeQuote, "changeQuote", input, changeDocument, "changeTicket", map[string]any{
		"change": input, "idempotencyKey": "change-" + order.Number,
	})
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
	c history.Call, query, quoted string, of any, document, field string, input map[string]any,
) (*history.Order, history.Call) {
	quote, ok := b.quote(query, quoted, of)
	if !ok {
		return nil, c
	}
	input["quoteId"] = quote
	return b.follow(c, document, field, input)
}

// quote asks one server after the other for a quote, until one answers.
func (b *buyer) quote(query, field string, of any) (id string, ok bool) {
	for b.workload.life.Err() == nil {
		servers := b.workload.options.Servers
		r := b.workload.ask(b.workload.life, servers[b.at%len(servers)], b.token, query, map[string]any{"i": of})
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
	want := w.want(b.random)
	trip := map[string]any{
		"orderId": order.ID, "ticketId": order.TicketID, "runId": want.Run.ID, "from": load.StationCode(want.From),
		"to": load.StationCode(want.To), "seatClass": want.Class,
	}
	back, first := b.quote(refundQuote, "refundQuote", order.ID)
	to, second := b.quote(changeQuote, "changeQuote", trip)
	if !first || !second {
		return refunded, changed, false
	}
	refunded, changed = call, call
	refunded.Request = history.Request{Kind: history.Refund, Buyer: subject, Key: order.Number}
	changed.Request = history.Request{Kind: history.Change, Buyer: subject, Key: order.Number}
	changed.Run, changed.From, changed.To, changed.Class = want.Run.RunID, want.From, want.To, want.Class
	done := make(chan struct{})
	w.people.Go(func() {
		defer close(done)
		other := &buyer{workload: w, name: subject, token: token, at: b.at + 1}
		_, changed = other.follow(changed, changeDocument, "changeTicket", map[string]any{
			"change": trip, "quoteId": to, "idempotencyKey": "change-" + order.Number,
		})
	})
	_, refunded = b.follow(refunded, refundDocument, "refundTickets", map[string]any{
		"orderId": order.ID, "quoteId": back, "idempotencyKey": "refund-" + order.Number,
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
