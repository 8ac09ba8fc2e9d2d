package sale

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Asker is who asks about an order: its buyer, or an admin on the buyer's behalf.
type Asker struct {
	// Name is the caller's. Admin tells that the caller may ask for orders of others: with a Reason, and recorded.
	Name   string
	Admin  bool
	Reason string
}

// may tells whether the asker may know of an order.
func (a *Asker) may(order *rail.Order) bool {
	return order != nil && (a.Admin || order.Buyer == a.Name)
}

// check refuses a key or a reason that is malformed: INVALID.
func (a *Asker) check(key string) error {
	var errs rail.Errors
	if !rail.ValidKey(key) {
		errs.Add(rail.Invalid, []string{"input", "idempotencyKey"},
			"an idempotency key has 8 to 128 printable ASCII characters without spaces")
	}
	if a.Reason = rail.NormalizeText(a.Reason); a.Reason != "" {
		if wrong := rail.CheckText("a reason", a.Reason, rail.MaxReason); wrong != nil {
			errs = append(errs, wrong.At("input", "reason"))
		}
	}
	return errs.OrNil()
}

// recorded sets what is recorded of a change of another's order. INVALID: there is no reason.
func (a *Asker) recorded(what string, change *ledger.OrderChange) error {
	if change.Order.Buyer == a.Name {
		return nil
	}
	if a.Reason == "" {
		return rail.Refuse(rail.Invalid, "say why you ask for another buyer: it is recorded").At("input", "reason")
	}
	change.By, change.What, change.Reason = a.Name, what, a.Reason
	return nil
}

// RefundQuote is what giving tickets back would give at a moment. Its ID is a digest of all that decides it: so a quote
// is kept nowhere, and is stale once it would be another.
type RefundQuote struct {
	ID      string
	OrderID string
	Tickets []QuotedTicket
	// Gross and Fee are sums of the tickets'.
	Gross, Fee rail.Money
	// ValidUntil is when the next step of the ladder begins, or the train departs.
	ValidUntil time.Time
}

// QuotedTicket is what one ticket gives.
type QuotedTicket struct {
	Ticket     int
	Gross, Fee rail.Money
}

// RefundRequest gives tickets back.
type RefundRequest struct {
	Asker
	OrderID string
	// Tickets are those of the quote; none are all that can be given back.
	Tickets      rail.TicketSet
	QuoteID, Key string
}

// RefundAnswer is what became of a RefundRequest. Quote is the new one beside QUOTE_STALE, and nil otherwise.
type RefundAnswer struct {
	Order  *rail.Order
	Refund *rail.Refund
	Quote  *RefundQuote
}

// refunding is a RefundRequest and the id of its refund, which its repetitions have, too.
type refunding struct {
	RefundRequest
	id string
}

// QuoteRefund says what giving tickets back would give now; all that can be given back where tickets is empty. Nothing
// is kept of it. It is refused as Refund would be, with paths from "orderId" and "ticketIds". The order is returned
// beside a refusal, too.
//
// It goes by this server's clock, and by what it has heard of the run: a quote that is wrong for that is stale.
func (s *Service) QuoteRefund(
	ctx context.Context, asker Asker, orderID string, tickets rail.TicketSet,
) (*RefundQuote, *rail.Order, error) {
	order, run, err := s.orderAndRun(ctx, &asker, orderID)
	if err != nil {
		return nil, nil, rail.Repath(err, func(path []string) []string { return path[min(1, len(path)):] })
	}
	quote, err := s.refundQuote(order, run, tickets, time.Now())
	return quote, order, err
}

// Refund gives tickets of a paid order back, for what a quote has said. The seats are on sale with the commit, and the
// money follows. Repeating it with the same key is harmless, and answers the same refund.
//
// The order is returned beside a refusal. NOT_FOUND: the asker has no such order, or it has no such ticket.
// WRONG_STATE: the order is not paid; or a ticket was given back, changed or used, or is being changed. DEPARTED: the
// train has left, and runs. QUOTE_STALE: the quote is another one now. IDEMPOTENCY_CONFLICT: the key has given other tickets
// back. INVALID: the key or the reason. ORDER_PENDING: not known yet, repeat with the same key.
func (s *Service) Refund(ctx context.Context, q RefundRequest) (*RefundAnswer, error) {
	if err := q.check(q.Key); err != nil {
		return nil, err
	}
	run, ok := s.runOf(q.OrderID)
	if !ok {
		return nil, notFound()
	}
	r := newRequest(ctx)
	r.refund = &refunding{q, digestOf("interlock refund", q.OrderID, q.Name, q.Key)}
	a := s.submit(run, r)
	return &RefundAnswer{Order: a.order, Refund: a.refund, Quote: a.refundQuote}, noRunIsNoOrder(a.err)
}

// noRunIsNoOrder has a run that does not exist look as an order that does not.
func noRunIsNoOrder(err error) error {
	known, ok := err.(*rail.Error) //nolint:errorlint // It is as the worker answered it.
	if ok && known.Code == rail.NotFound && len(known.Path) == 0 {
		return notFound()
	}
	return err
}

// orderAndRun reads an order of an asker from the primary, and finds its run.
func (s *Service) orderAndRun(ctx context.Context, asker *Asker, orderID string) (*rail.Order, *rail.Run, error) {
	id, ok := s.runOf(orderID)
	if !ok {
		return nil, nil, notFound()
	}
	run, ok := s.Runs.Run(id)
	if !ok {
		return nil, nil, notLoaded()
	}
	leave, err := s.enterPaying(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	order, _, err := s.Ledger.OrderToPay(ctx, orderID)
	if err != nil {
		return nil, nil, err
	}
	if !asker.may(order) {
		return nil, nil, notFound()
	}
	return order, run, nil
}

// refund decides about a request to give tickets back.
func (w *worker) refund(d *decision, r *refunding) (answer, error) {
	order := d.order(r.OrderID)
	if !r.may(order) {
		return answer{err: notFound()}, nil
	}
	if at := slices.IndexFunc(order.Refunds, func(f rail.Refund) bool { return f.ID == r.id }); at >= 0 {
		return replayedRefund(order, &order.Refunds[at], r), nil
	}
	quote, err := w.service.refundQuote(order, d.state.Run, r.Tickets, d.state.Now)
	if err != nil {
		return answer{order: order, err: rail.Under(err, "input")}, nil
	}
	if quote.ID != r.QuoteID || d.orders[r.OrderID] != nil {
		return answer{order: order, refundQuote: quote, err: quoteStale()}, nil
	}
	next := nextOf(order)
	refund := rail.Refund{ID: r.id, Kind: rail.RefundAsked, Gross: quote.Gross, Fee: quote.Fee, At: d.state.Now}
	change := ledger.OrderChange{Order: next, Event: ledger.EventOrderRefunded}
	if err := r.recorded(ledger.WhatRefund, &change); err != nil {
		return answer{order: order, err: err}, nil
	}
	for _, ticket := range quote.Tickets {
		refund.Tickets |= rail.TicketsOf(ticket.Ticket)
		if err := w.end(d, next, ticket.Ticket, rail.TicketRefunded); err != nil {
			return answer{}, err
		}
	}
	addRefund(&change, refund)
	d.change(change)
	return answer{order: next, refund: &next.Refunds[len(next.Refunds)-1]}, nil
}

// replayedRefund answers a request whose key has given tickets back already.
func replayedRefund(order *rail.Order, refund *rail.Refund, r *refunding) answer {
	if r.Tickets != 0 && r.Tickets != refund.Tickets {
		return answer{
			err: rail.Refuse(rail.IdempotencyConflict, "this key has given other tickets back").
				At("input", "idempotencyKey"),
			order: order,
		}
	}
	return answer{order: order, refund: refund, replayed: true}
}

func quoteStale() error {
	return rail.Refuse(rail.QuoteStale, "the quote does not hold any more: there is a new one").At("input", "quoteId")
}

// order is an order of the batch as it is by now; nil where there is none.
func (d *decision) order(id string) *rail.Order {
	if order := d.orders[id]; order != nil {
		return order
	}
	return d.state.Orders[id]
}

// nextOf is a copy of an order for its next version. It shares nothing that a change of tickets writes.
func nextOf(order *rail.Order) *rail.Order {
	next := *order
	next.Version++
	next.Tickets = slices.Clone(order.Tickets)
	next.Refunds, next.Changes = slices.Clone(order.Refunds), slices.Clone(order.Changes)
	return &next
}

// change has the ledger write an order that the batch has changed. A paid order whose last ticket has ended is
// Returned.
func (d *decision) change(c ledger.OrderChange) {
	if c.Order.State == rail.Paid && c.Order.Seated() == 0 {
		c.Order.State, c.Order.EndedAt = rail.Returned, d.state.Now
	}
	d.orders[c.Order.ID] = c.Order
	d.changes.Changed = append(d.changes.Changed, c)
}

// changed are the orders whose tickets the batch has changed.
func (d *decision) changed() (orders []*rail.Order) {
	for i := range d.changes.Changed {
		orders = append(orders, d.changes.Changed[i].Order)
	}
	return orders
}

// end ends a ticket of a live order, and frees its seat.
func (w *worker) end(d *decision, order *rail.Order, i int, own rail.TicketState) error {
	order.Tickets[i].Own = own
	if err := w.release(d, order, i); err != nil {
		return err
	}
	return w.forget(d, order, i)
}

// forget has the claims leave out a ticket that has ended. Where the passenger is not known any more, the ledger says
// with the next batch that the ticket has ended.
func (w *worker) forget(d *decision, order *rail.Order, i int) error {
	number := order.Tickets[i].Passenger.DocumentNumber
	if number == "" {
		return nil
	}
	return d.claims.endTicket(order.ID, DocumentDigest(w.service.DocumentKey, number))
}

// addRefund adds a refund to a change of its order. It is paid back at once where nothing is to go back.
func addRefund(change *ledger.OrderChange, refund rail.Refund) {
	if refund.Back().Minor == 0 {
		refund.PaidBackAt = refund.At
	}
	change.Order.Refunds = append(change.Order.Refunds, refund)
	change.Refunds = append(change.Refunds, refund)
}

// freeQuoteFor is how long a quote without a fee is said to hold where the train has left: until the run is on sale
// again, which no server knows.
const freeQuoteFor = time.Hour

// terms are what a fee goes by at a moment: how long there is until the departure, and whether the run costs no fee.
type terms struct {
	left, until time.Duration
	free        bool
	validUntil  time.Time
	step        int
}

// termsOf are the terms of an order's tickets by one of the ladders. DEPARTED: the train has left, and runs.
func termsOf(ladder *rail.FeeLadder, order *rail.Order, run *rail.Run, now time.Time) (terms, error) {
	departure := run.Departure(order.From)
	t := terms{left: departure.Sub(now), free: run.Status != rail.Published}
	if t.free {
		t.step = -1
		t.validUntil = departure
		if t.left <= 0 {
			t.validUntil = now.Add(freeQuoteFor)
		}
		return t, nil
	}
	if t.left <= 0 {
		return t, rail.Refuse(rail.Departed, "the train left %s at %s", run.Train.Calls[order.From].Station,
			departure.Format(time.RFC3339))
	}
	t.step, t.until = ladder.Step(t.left)
	t.validUntil = departure.Add(-t.until)
	return t, nil
}

// fee is what is kept of an amount.
func (t *terms) fee(ladder *rail.FeeLadder, amount rail.Money) rail.Money {
	if t.free {
		return rail.Money{Currency: amount.Currency}
	}
	return ladder.Fee(amount, t.left)
}

// refundQuote is what giving tickets of an order back gives, all that can be given back where tickets is empty. Each
// ticket has a fee of its own. Paths begin with "orderId" or "ticketIds"; an index is the ticket's place in the order.
func (s *Service) refundQuote(
	order *rail.Order, run *rail.Run, tickets rail.TicketSet, now time.Time,
) (*RefundQuote, error) {
	if order.State != rail.Paid {
		return nil, notRefundable(order)
	}
	if tickets == 0 {
		for i := range order.Tickets {
			if order.Tickets[i].Own == "" {
				tickets |= rail.TicketsOf(i)
			}
		}
		if tickets == 0 {
			return nil, rail.Refuse(rail.WrongState, "every ticket that is left is being changed or was used").
				At("orderId")
		}
	}
	if err := mayEnd(order, tickets); err != nil {
		return nil, err
	}
	ladder := &s.settings.Rules.Refund
	t, err := termsOf(ladder, order, run, now)
	if err != nil {
		return nil, rail.Under(err, "orderId")
	}
	zero := rail.Money{Currency: order.Total.Currency}
	q := &RefundQuote{OrderID: order.ID, Gross: zero, Fee: zero, ValidUntil: t.validUntil}
	parts := append([]string{"interlock refund quote", decimal(int64(t.step))}, lifeOf(order)...)
	for i := range tickets.All() {
		one := QuotedTicket{Ticket: i, Gross: order.Tickets[i].Price}
		one.Fee = t.fee(ladder, one.Gross)
		q.Tickets = append(q.Tickets, one)
		q.Gross.Minor += one.Gross.Minor
		q.Fee.Minor += one.Fee.Minor
		parts = append(parts, fmt.Sprint(i), decimal(one.Gross.Minor), decimal(one.Fee.Minor))
	}
	if len(q.Tickets) == 0 {
		return nil, rail.Refuse(rail.NotFound, "the order has no such ticket").At("ticketIds")
	}
	q.ID = digestOf(parts...)[:quoteDigits]
	return q, nil
}

// lifeOf is what makes the quotes of an order stale: that tickets were given back or changed. Money that arrived, and a
// name that was corrected, do not.
func lifeOf(order *rail.Order) []string {
	return []string{order.ID, decimal(int64(len(order.Refunds))), decimal(int64(len(order.Changes)))}
}

// quoteDigits is how many hexadecimal digits the id of a quote has. It is no secret: who can make one knows the quote.
const quoteDigits = 32

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// notRefundable says why tickets of an order that is not PAID cannot be given back or changed.
func notRefundable(order *rail.Order) error {
	switch order.State {
	case rail.Returned:
		return rail.Refuse(rail.WrongState, "every ticket of the order was given back or changed already").At("orderId")
	case rail.OnHold, rail.Paying:
		return rail.Refuse(rail.WrongState, "the order is not paid").At("orderId")
	}
	return rail.Refuse(rail.WrongState, "the order has ended: it is %s", order.State).At("orderId")
}

// mayEnd refuses tickets that are not an order's, or that have ended or are being changed.
func mayEnd(order *rail.Order, tickets rail.TicketSet) error {
	var errs rail.Errors
	for i := range tickets.All() {
		path := []string{"ticketIds", rail.Index(i)}
		if i >= len(order.Tickets) {
			errs.Add(rail.NotFound, path, "the order has no such ticket")
			continue
		}
		if refusal := ticketRefusal(order.Tickets[i].Own); refusal != nil {
			errs = append(errs, refusal.At(path...))
		}
	}
	return errs.OrNil()
}

// ticketRefusal says why a ticket of a paid order can be neither given back nor changed; nil where it can.
func ticketRefusal(own rail.TicketState) *rail.Error {
	switch own {
	case rail.TicketRefunded:
		return rail.Refuse(rail.WrongState, "the ticket was given back already")
	case rail.TicketChanged:
		return rail.Refuse(rail.WrongState, "the ticket was changed already")
	case rail.TicketChanging:
		return rail.Refuse(rail.WrongState, "the ticket is being changed")
	case rail.TicketUsed:
		return rail.Refuse(rail.WrongState, "the ticket was used")
	}
	return nil
}
