package sale

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// A change ends one ticket of a paid order, and makes a new order of one ticket. Tickets of a party are changed one by
// one. The new order decides: once it is PAID, the old ticket has ended; where it ends unpaid, the old ticket is as it
// was.
//
// Two runs may be on two clusters, so no transaction spans them. There the change is noted first, with the old ticket
// CHANGING. Then the new order is placed, with the id of the change for its key. What finishes the change looks the key
// up: see finishing. A server that finds no order by the key once the change is due places one that is cancelled. So a
// late request for the new order finds that, and there is one order by that key at most, whatever dies when.

// changeGrace is how much later than a hold made with it a change is due. Its new order has ended by then, unless it is
// being paid.
const changeGrace = 2 * time.Minute

// changeTimeout bounds what a change does once it is noted. It goes on when the buyer has left.
const changeTimeout = 20 * time.Second

// ChangeQuote is what a change would cost or give back at a moment: as RefundQuote, kept nowhere.
type ChangeQuote struct {
	ID string
	// Price is the new ticket's. Carried of the old one's price pays for it, Rest of the old price is left, and Fee of
	// Rest is kept. Price − Carried is to be paid; Rest − Fee goes back.
	Price, Carried, Rest, Fee rail.Money
	ValidUntil                time.Time
}

// ChangeRequest changes a ticket.
type ChangeRequest struct {
	Asker
	rail.ChangeTicket
	QuoteID, Key string
}

// ChangeAnswer is what became of a ChangeRequest. Old and New are the orders as they are, nil where they are not known.
// Quote is the new one beside QUOTE_STALE, and nil otherwise.
type ChangeAnswer struct {
	Old, New *rail.Order
	Quote    *ChangeQuote
}

// beginning is a ChangeRequest on its way to the run of the old ticket.
type beginning struct {
	*ChangeRequest
	id string
	// key is what the new order is placed with on its run.
	key ledger.OrderKey
	// place is the new order's request, and to its run by the timetable. Where invalid says that there can be no such
	// order, a change that was begun before is answered all the same. wanted is the digest of what is asked for.
	wanted  string
	place   *placing
	to      *rail.Run
	invalid error
}

// sameRun tells whether the new ticket is on the run of the old one.
func (b *beginning) sameRun() bool {
	old, _ := rail.RunOfOrder(b.Ticket.OrderID)
	return old == b.RunID
}

// newTicket is what the order for the new ticket of a change has beside other orders.
type newTicket struct {
	old            rail.TicketRef
	price, carried rail.Money
	// wish is what the new seat must meet where it is only another seat; nil where it is another trip.
	wish *rail.Wish
	// until is when the old ticket's train leaves: until then the new one is placed and paid for. It is zero where that
	// train does not run.
	until time.Time
	// look asks for the order that the key has, and places none. With fence it places one that is cancelled where there
	// is none.
	look, fence bool
}

// looks tells whether the order that a key has is asked for, and none is bought.
func (p *placing) looks() bool { return p.change != nil && p.change.look }

// isOf tells whether an order that its key has is its own.
func (n *newTicket) isOf(order *rail.Order) bool {
	return n == nil || order.Replaces != nil && *order.Replaces == n.old
}

// apply makes an order with its seat that of a change. Where all is paid for it is PAID from the start. QUOTE_STALE: it
// costs another price by now. SOLD_OUT: no seat as wished is free. DEPARTED: the old ticket may have been travelled by.
func (n *newTicket) apply(order *rail.Order, train *rail.Train, now time.Time) error {
	if n == nil {
		return nil
	}
	if !n.until.IsZero() && !now.Before(n.until) {
		return rail.Refuse(rail.Departed, "the train of the old ticket left at %s", n.until.Format(time.RFC3339)).
			At("input", "passengers", "0")
	}
	if order.Total != n.price {
		return quoteStale()
	}
	ticket := &order.Tickets[0]
	if n.wish != nil && !n.wish.Meets(train.Formation.Seats(ticket.SeatClass)[ticket.SeatIndex]) {
		return rail.Refuse(rail.SoldOut, "no other seat that is as you wish is free").
			At("input", "passengers", "0", "wish")
	}
	order.Replaces, order.Carried = &n.old, n.carried
	if !n.until.IsZero() && order.PayBy.After(n.until) {
		order.PayBy = n.until
	}
	if order.ToPay().Minor == 0 {
		// Two facts, and a version for each: it was placed, and it is paid.
		order.State, order.PaidAt, order.Version = rail.Paid, now, 2
	}
	return nil
}

// oldOrder is the order of the ticket that is changed, "" where none is.
func (n *newTicket) oldOrder() string {
	if n == nil {
		return ""
	}
	return n.old.OrderID
}

// QuoteChange says what a change would cost or give back now. Nothing is kept of it, and no seat is held. It is refused
// as Change would be, but for what only the commit knows: whether a seat is left, and who travels. Paths begin with
// "input". The old order is returned beside a refusal, too. See QuoteRefund for its clock.
func (s *Service) QuoteChange(
	ctx context.Context, asker Asker, c rail.ChangeTicket,
) (*ChangeQuote, *rail.Order, error) {
	b := &beginning{ChangeRequest: &ChangeRequest{Asker: asker, ChangeTicket: c, Key: "key-of-quote"}}
	order, run, err := s.prepare(ctx, b)
	if err == nil {
		err = b.invalid
	}
	if err != nil {
		return nil, order, rail.Under(err, "input")
	}
	quote, err := s.changeQuote(order, run, b, b.to, time.Now())
	return quote, order, rail.Under(err, "input")
}

// Change changes a ticket, once, for what a quote has said. Where the new ticket costs more, New is ON_HOLD, and Pay
// pays the difference; until then the old one is CHANGING. Otherwise New is PAID. Repeating it with the same key is the
// same change, and carries on with one that was left half done.
//
// Old is returned beside a refusal. Refusals are those of Refund, and those of Place about the new ticket, but for the
// limits on buyers. Paths begin with "input", those of the change with "input", "change". WRONG_STATE: the ticket came
// from a change, or the new one would be the same.
func (s *Service) Change(ctx context.Context, q ChangeRequest) (*ChangeAnswer, error) {
	if err := q.check(q.Key); err != nil {
		return nil, err
	}
	b := &beginning{ChangeRequest: &q}
	order, _, err := s.prepare(ctx, b)
	if err != nil {
		return &ChangeAnswer{Old: order}, rail.Under(err, "input", "change")
	}
	if b.invalid != nil && !slices.ContainsFunc(order.Changes, b.isThis) {
		return &ChangeAnswer{Old: order}, rail.Under(b.invalid, "input", "change")
	}
	r := newRequest(ctx)
	r.begin = b
	a := s.submit(order.RunID, r)
	answer := &ChangeAnswer{Old: a.order, New: a.changed, Quote: a.changeQuote}
	if a.err != nil || b.sameRun() {
		return answer, a.err
	}
	return s.carryOut(ctx, b, a.order, a.change)
}

// isThis tells whether a change is that of the request.
func (b *beginning) isThis(c rail.TicketChange) bool { return c.ID == b.id }

// prepare reads the order of a change and its run, and makes the request for the new order. The errors have paths as a
// change has. b.invalid is set where the new order cannot be.
func (s *Service) prepare(ctx context.Context, b *beginning) (*rail.Order, *rail.Run, error) {
	order, run, err := s.orderAndRun(ctx, &b.Asker, b.Ticket.OrderID)
	if err != nil {
		return nil, nil, rail.Repath(err, func(path []string) []string { return path[min(1, len(path)):] })
	}
	if b.Ticket.Ticket < 0 || b.Ticket.Ticket >= len(order.Tickets) {
		return order, run, rail.Refuse(rail.NotFound, "the order has no such ticket").At("ticketId")
	}
	b.id = digestOf("interlock change", order.ID, b.Name, b.Key)
	b.key = ledger.OrderKey{Buyer: order.Buyer, Key: b.id}
	b.invalid = s.placeNewTicket(b, order, run)
	return order, run, nil
}

// leaves is when an order's train leaves, zero where its run does not run. Where the run has another train by now, the
// order has ended.
func leaves(order *rail.Order, run *rail.Run) time.Time {
	if run.Status != rail.Published || run.Train.ID != order.TrainID {
		return time.Time{}
	}
	return run.Departure(order.From)
}

// placeNewTicket makes the request for the new order. old is the run of the order.
func (s *Service) placeNewTicket(b *beginning, order *rail.Order, old *rail.Run) error {
	ticket := &order.Tickets[b.Ticket.Ticket]
	body := b.ChangeTicket.Place(b.id, ticket.Passenger)
	body.Normalize()
	b.ChangeTicket.Departure, b.ChangeTicket.Wish = body.Departure, body.Passengers[0].Wish
	text, err := json.Marshal(b.ChangeTicket)
	if err != nil {
		return err
	}
	b.wanted = s.mac(text)
	if err := knows(order, ticket); err != nil {
		return err
	}
	run, ok := s.Runs.Run(b.RunID)
	if !ok {
		return rail.Refuse(rail.NotFound, "there is no such run").At("runId")
	}
	from, to, err := body.Validate(run)
	if err != nil {
		return rail.AtChange(err)
	}
	b.to = run
	b.place = &placing{
		key: b.key, body: body, train: run.Train, from: from, to: to, bodyHash: b.wanted,
		documents: []string{DocumentDigest(s.DocumentKey, ticket.Passenger.DocumentNumber)},
		change:    &newTicket{old: b.Ticket, until: leaves(order, old)},
	}
	return nil
}

// knows refuses a ticket whose passenger cannot be taken over.
func knows(order *rail.Order, ticket *rail.Ticket) error {
	if !order.ErasedAt.IsZero() {
		return rail.Refuse(rail.WrongState, "the passenger was forgotten").At("ticketId")
	}
	if ticket.Sealed != nil {
		return &rail.Error{Code: rail.Unavailable, Message: "the passenger cannot be read", Cause: ticket.Sealed}
	}
	return nil
}

// carryOut places the new order of a change to another run, and finishes the change where that is possible at once.
func (s *Service) carryOut(
	ctx context.Context, b *beginning, old *rail.Order, c *rail.TicketChange,
) (*ChangeAnswer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	f := finishingOf(old, c)
	r := newRequest(ctx)
	if r.place = f.looking(); c.State == rail.ChangeOpen && b.place != nil {
		r.place = b.place
		r.place.change.price, r.place.change.carried = c.Price, c.Carried
	}
	a := s.submit(b.RunID, r)
	answer := &ChangeAnswer{Old: old, New: a.order}
	refused := a.err != nil && rail.CodeOf(a.err).IsRefusal()
	switch {
	case a.err != nil && !refused:
		return answer, pending(a.err) // It is noted: repeating it carries on.
	case c.State != rail.ChangeOpen, !refused && a.verdict == undecided:
	default:
		f.fence, f.verdict = refused, a.verdict // What cannot be placed now is not placed later, either.
		if finished, err := s.finish(ctx, f); err == nil && finished != nil {
			answer.Old = finished
		}
	}
	if answer.New != nil && len(answer.New.Tickets) == 0 {
		answer.New = nil
	}
	err := s.notCarriedOut(a)
	if rail.CodeOf(err) == rail.QuoteStale {
		answer.Quote, _, _ = s.QuoteChange(ctx, b.Asker, b.ChangeTicket)
	}
	return answer, err
}

// notCarriedOut says why a change was not carried out, by what became of its new order; nil where it was, or may be.
func (s *Service) notCarriedOut(a answer) error {
	switch code := rail.CodeOf(a.err); {
	case code == rail.NotFound && a.order == nil, a.err == nil && len(a.order.Tickets) == 0:
		return rail.Refuse(rail.WrongState, "this change was not carried out, and the ticket is as it was: "+
			"use another key for another try").At("input", "idempotencyKey")
	case code == rail.QuoteStale, code == rail.IdempotencyConflict:
		return a.err
	}
	return rail.AtChange(a.err, "input", "change")
}

// keyTaken refuses a change by whose id, as a key, another order was placed: the buyer has chosen that key.
func keyTaken() error {
	return rail.Refuse(rail.IdempotencyConflict, "an order was placed by the key that this change would have: "+
		"use another one").At("input", "idempotencyKey")
}

// begin decides about a request to change a ticket.
func (w *worker) begin(d *decision, b *beginning) (answer, error) {
	order := d.order(b.Ticket.OrderID)
	if !b.may(order) {
		return answer{err: rail.AtChange(notFound(), "input", "change")}, nil
	}
	if at := slices.IndexFunc(order.Changes, b.isThis); at >= 0 {
		return b.replayed(d, order, &order.Changes[at]), nil
	}
	if _, taken := d.replayOf(b.key); taken && b.sameRun() {
		return answer{order: order, err: keyTaken()}, nil
	}
	quote, err := w.quoteBeginning(d, order, b)
	if err != nil {
		return answer{order: order, err: rail.Under(err, "input", "change")}, nil
	}
	if quote.ID != b.QuoteID || d.orders[order.ID] != nil {
		return answer{order: order, changeQuote: quote, err: quoteStale()}, nil
	}
	next := nextOf(order)
	change := ledger.OrderChange{Order: next, Event: ledger.EventOrderChanging}
	if err := b.recorded(ledger.WhatChange, &change); err != nil {
		return answer{order: order, err: err}, nil
	}
	noted := rail.TicketChange{
		ID: b.id, Ticket: b.Ticket.Ticket, To: b.RunID, State: rail.ChangeOpen, Wanted: b.wanted,
		Price: quote.Price, Carried: quote.Carried, Rest: quote.Rest, Fee: quote.Fee,
		BegunAt: d.state.Now, DueAt: d.state.Now.Add(w.service.settings.Hold + changeGrace),
	}
	next.Tickets[noted.Ticket].Own = rail.TicketChanging
	b.place.change.until = leaves(order, d.state.Run)
	// The name may have been corrected since the order was read. From this commit on it cannot be.
	b.place.body.Passengers[0].Passenger = order.Tickets[noted.Ticket].Passenger
	a := answer{order: next, change: &noted}
	if b.sameRun() {
		b.place.change.price, b.place.change.carried = quote.Price, quote.Carried
		var refusal error
		if a.changed, refusal, err = w.changeHere(d, &change, &noted, b.place); err != nil {
			return answer{}, err
		}
		if refusal != nil {
			return answer{order: order, err: rail.AtChange(refusal, "input", "change")}, nil
		}
	}
	next.Changes = append(next.Changes, noted)
	change.Changes = append(change.Changes, noted)
	d.change(change)
	return a, nil
}

// replayed answers a request whose change was begun already.
func (b *beginning) replayed(d *decision, order *rail.Order, c *rail.TicketChange) answer {
	if c.Wanted != b.wanted {
		return answer{
			err: rail.Refuse(rail.IdempotencyConflict, "this key has changed a ticket to something else").
				At("input", "idempotencyKey"),
			order: order,
		}
	}
	a := answer{order: order, change: c, replayed: true}
	if b.sameRun() {
		replay, _ := d.replayOf(b.key)
		a.changed = replay.Order
	}
	return a
}

// quoteBeginning is the quote of a change on the state of a batch on the old ticket's run.
func (w *worker) quoteBeginning(d *decision, order *rail.Order, b *beginning) (*ChangeQuote, error) {
	if b.place == nil {
		return nil, b.invalid
	}
	if err := knows(order, &order.Tickets[b.Ticket.Ticket]); err != nil {
		return nil, err
	}
	to := b.to
	if p := b.place; b.sameRun() {
		to = d.state.Run
		if to.Train.ID != p.train.ID {
			from, until, err := p.body.Validate(to)
			if err != nil {
				return nil, rail.AtChange(err)
			}
			p.train, p.from, p.to = to.Train, from, until
		}
	}
	return w.service.changeQuote(order, d.state.Run, b, to, d.state.Now)
}

// changeHere allocates the new ticket of a change on the run of the old one. Where all is paid for it, it takes the
// place of the old one in this very batch: the old seat is free before the new one is chosen, unless only another seat
// is asked for. A refusal leaves all as it was.
func (w *worker) changeHere(
	d *decision, change *ledger.OrderChange, c *rail.TicketChange, p *placing,
) (order *rail.Order, refusal, err error) {
	old, seats := change.Order, len(d.changes.Seats)
	paid := p.change.price == p.change.carried
	first := paid && p.change.wish == nil
	if first {
		if err := w.release(d, old, c.Ticket); err != nil {
			return nil, nil, err
		}
	}
	if order, refusal = w.allocate(d, p); refusal != nil {
		d.changes.Seats = d.changes.Seats[:seats]
		if ticket := &old.Tickets[c.Ticket]; first {
			err = w.maps[ticket.SeatClass].Sell(ticket.SeatIndex, old.From, old.To)
		}
		return nil, refusal, err
	}
	if err := d.add(order, p); err != nil || !paid {
		return order, nil, err
	}
	if !first {
		if err := w.release(d, old, c.Ticket); err != nil {
			return nil, nil, err
		}
	}
	c.DueAt = d.state.Now
	return order, nil, w.done(d, change, c)
}

// changeQuote is what a change costs or gives back at a moment, or why it cannot be. to is the new ticket's run. Paths
// are those of a change.
func (s *Service) changeQuote(
	order *rail.Order, run *rail.Run, b *beginning, to *rail.Run, now time.Time,
) (*ChangeQuote, error) {
	if err := mayChange(order, b.Ticket.Ticket); err != nil {
		return nil, err
	}
	ladder := &s.settings.Rules.Change
	t, err := termsOf(ladder, order, run, now)
	if err != nil {
		return nil, rail.Under(err, "ticketId")
	}
	if refusal := to.MaySell(b.place.from, now); refusal != nil {
		return nil, refusal.At("runId")
	}
	ticket := &order.Tickets[b.Ticket.Ticket]
	if err := b.anotherSeat(order, ticket, to); err != nil {
		return nil, err
	}
	price, ok := to.Train.Price(b.SeatClass, b.place.from, b.place.to)
	if !ok || price.Currency != ticket.Price.Currency {
		return nil, rail.Refuse(rail.Invalid, "its tickets are not sold in %s", ticket.Price.Currency).At("runId")
	}
	q := &ChangeQuote{Price: price, Carried: price, Rest: price, ValidUntil: t.validUntil}
	q.Carried.Minor = min(price.Minor, ticket.Price.Minor)
	q.Rest.Minor = ticket.Price.Minor - q.Carried.Minor
	q.Fee = t.fee(ladder, q.Rest)
	target, err := json.Marshal(b.ChangeTicket)
	if err != nil {
		return nil, err
	}
	parts := append([]string{"interlock change quote", decimal(int64(t.step))}, lifeOf(order)...)
	q.ID = digestOf(append(parts, string(target), decimal(q.Price.Minor), decimal(q.Carried.Minor),
		decimal(q.Fee.Minor))...)[:quoteDigits]
	return q, nil
}

// mayChange refuses a ticket that cannot be changed. A ticket is changed once: neither it nor what came of it is
// changed again.
func mayChange(order *rail.Order, ticket int) error {
	switch {
	case ticket < 0 || ticket >= len(order.Tickets):
		return rail.Refuse(rail.NotFound, "the order has no such ticket").At("ticketId")
	case order.Tickets[ticket].Own != "":
		return ticketRefusal(order.Tickets[ticket].Own).At("ticketId")
	case order.State != rail.Paid:
		return notRefundable(order)
	case order.Replaces != nil:
		return rail.Refuse(rail.WrongState, "the ticket came from a change: a ticket is changed once").At("ticketId")
	case len(order.Changes) >= rail.MaxChanges:
		return rail.Refuse(rail.WrongState, "%d changes of the order were begun: there are no more", rail.MaxChanges).
			At("ticketId")
	}
	return nil
}

// anotherSeat refuses a new ticket that would be the old one. On the same trip in the same class a wish asks for
// another seat, which the old one does not meet.
func (b *beginning) anotherSeat(order *rail.Order, ticket *rail.Ticket, to *rail.Run) error {
	p := b.place
	p.change.wish = nil
	if to.ID != order.RunID || p.from != order.From || p.to != order.To || b.SeatClass != ticket.SeatClass {
		return nil
	}
	if b.Wish == (rail.Wish{}) {
		return rail.Refuse(rail.WrongState, "the new ticket would be the old one: ask for another run, class, pair of "+
			"stations, or wish for another seat").At("ticketId")
	}
	if b.Wish.Meets(to.Train.Formation.Seats(ticket.SeatClass)[ticket.SeatIndex]) {
		return rail.Refuse(rail.WrongState, "the seat %s in coach %s is as you wish already", ticket.Seat,
			ticket.Coach).At("wish")
	}
	p.change.wish = &b.Wish
	return nil
}
