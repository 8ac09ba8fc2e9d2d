package sale

import (
	"errors"
	"fmt"
	"runtime/debug"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// decision is what a worker made of a batch: what the ledger is to write, and what each buyer is told after the commit.
type decision struct {
	state   *ledger.BatchState
	changes ledger.BatchChanges
	answers []decided

	// placed are the orders of the batch itself: a key may be in it twice.
	placed map[ledger.OrderKey]ledger.Replay
	claims *batchClaims
	// orders are those of the state that the batch has changed, as they are then.
	orders map[string]*rail.Order
}

type decided struct {
	request *request
	answer  answer
}

// poisoned is a request that made the worker panic. It fails alone: the batch is served again without it.
type poisoned struct {
	request *request
	reason  any
	stack   []byte
}

func (p *poisoned) Error() string {
	return fmt.Sprintf("allocation panicked: %v\n%s", p.reason, p.stack)
}

// brokenRun says that a run's rows do not fit together. Nothing can be sold on the run until it was repaired.
type brokenRun struct{ error }

func (b *brokenRun) Unwrap() error { return b.error }

// decideSafely is decide with all errors and panics turned into *brokenRun, but for *poisoned. What is wrong with one
// run must not end a server that sells a thousand. The changes' Maps are made later, and outside of it.
func (w *worker) decideSafely(batch []*request, state *ledger.BatchState) (d *decision, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("the worker panicked: %v\n%s", reason, debug.Stack())
		}
		var poison *poisoned
		if err != nil && !errors.As(err, &poison) {
			err = &brokenRun{err}
		}
	}()
	return w.decide(batch, state)
}

// decide serves a batch on the state the ledger gave. Seats are given back first: those of orders that have ended, then
// those of tickets that are given back or were changed. The other requests are served in the order they came.
func (w *worker) decide(batch []*request, state *ledger.BatchState) (*decision, error) {
	if err := w.load(state); err != nil {
		return nil, err
	}
	claims, err := w.newBatchClaims(batch, state)
	if err != nil {
		return nil, err
	}
	d := &decision{
		state: state, placed: map[ledger.OrderKey]ledger.Replay{}, claims: claims, orders: map[string]*rail.Order{},
	}
	if err := w.giveBack(d, state.Freed()); err != nil {
		return nil, err
	}
	cancels := state.Cancels
	for _, frees := range []bool{true, false} {
		for _, r := range batch {
			switch {
			case r.frees() != frees:
				continue
			case r.cancel != nil:
				d.answers = append(d.answers, decided{r, cancelled(cancels[0])})
				cancels = cancels[1:]
				continue
			}
			a, err := w.serveOne(d, r)
			if err != nil {
				return nil, err
			}
			d.answers = append(d.answers, decided{r, a})
		}
	}
	d.changes.Maps = w.encodeMaps
	return d, nil
}

// frees tells whether the request may give seats back, and takes none.
func (r *request) frees() bool { return r.refund != nil || r.finish != nil }

// serveOne decides one request. A refusal is in the answer; an error is *poisoned, or the run's.
func (w *worker) serveOne(d *decision, r *request) (a answer, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &poisoned{r, reason, debug.Stack()}
		}
	}()
	switch {
	case r.place != nil:
		return w.place(d, r)
	case r.refund != nil:
		return w.refund(d, r.refund)
	case r.begin != nil:
		return w.begin(d, r.begin)
	case r.finish != nil:
		return w.finish(d, r.finish)
	case r.use != nil:
		return d.use(r.use), nil
	}
	return answer{}, nil
}

// giveBack frees the seats of orders that have ended. Their tickets that had ended before have given theirs back.
func (w *worker) giveBack(d *decision, ended []*rail.Order) error {
	for _, order := range ended {
		for i := range order.Seated().All() {
			if err := w.release(d, order, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// release frees the seat of one ticket.
func (w *worker) release(d *decision, order *rail.Order, i int) error {
	ticket := &order.Tickets[i]
	if err := w.maps[ticket.SeatClass].Release(ticket.SeatIndex, order.From, order.To); err != nil {
		return fmt.Errorf("order %s gives back a seat it does not have: %w", order.ID, err)
	}
	d.note(w.train, order, ticket, true)
	return nil
}

// note keeps the change of a seat for the ledger.
func (d *decision) note(train *rail.Train, order *rail.Order, ticket *rail.Ticket, freed bool) {
	d.changes.Seats = seatmap.AppendChange(d.changes.Seats, seatmap.Change{
		Class: train.Formation.ClassIndex(ticket.SeatClass), Seat: ticket.SeatIndex,
		From: order.From, To: order.To, Freed: freed,
	})
}

// place decides one order.
func (w *worker) place(d *decision, r *request) (answer, error) {
	p := r.place
	if replay, ok := d.replayOf(p.key); ok {
		verdict := verdictOf(replay.Order, p.change, d.state.Now)
		switch {
		case p.change != nil && !p.change.isOf(replay.Order):
			return answer{err: keyTaken(), verdict: verdict}, nil
		case p.looks():
			return answer{order: replay.Order, replayed: true, verdict: verdict}, nil
		}
		a := replayed(replay, p)
		a.verdict = verdict
		return a, nil
	}
	switch {
	case p.looks() && p.change.fence:
		return w.fence(d, p), nil
	case p.looks():
		return answer{err: notFound()}, nil
	case p.refuseIfNew != nil:
		return answer{err: p.refuseIfNew}, nil
	}
	order, refusal := w.allocate(d, p)
	if refusal != nil {
		return answer{err: refusal}, nil
	}
	return answer{order: order, verdict: verdictOf(order, p.change, d.state.Now)}, d.add(order, p)
}

// add has the ledger write an order.
func (d *decision) add(order *rail.Order, p *placing) error {
	if err := d.claims.place(order, p.documents); err != nil {
		return err
	}
	d.placed[p.key] = ledger.Replay{Order: order, BodyHash: p.bodyHash}
	d.changes.Orders = append(d.changes.Orders, ledger.NewOrder{
		Order: order, Key: p.key.Key, BodyHash: p.bodyHash, Documents: p.documents,
	})
	return nil
}

// replayOf is the order that a key has already, in the ledger or in the batch itself.
func (d *decision) replayOf(key ledger.OrderKey) (ledger.Replay, bool) {
	replay, ok := d.state.Replays[key]
	if !ok {
		replay, ok = d.placed[key]
	}
	return replay, ok
}

// replay looks the keys of refused requests up, where no keys were looked up before. A refused buyer may have the order
// already; the ledger would not have taken a second one, but a refusal asks nothing of it. Other requests are not
// touched: what was decided on them does not depend on a refused one.
func (d *decision) replay() error {
	var refused []*decided
	var keys []ledger.OrderKey
	for i := range d.answers {
		if a := &d.answers[i]; a.request.place != nil && a.answer.err != nil {
			refused = append(refused, a)
			keys = append(keys, a.request.place.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := d.state.Find(keys)
	if err != nil {
		return err
	}
	for _, a := range refused {
		if replay, ok := found[a.request.place.key]; ok {
			a.answer = replayed(replay, a.request.place)
		}
	}
	return nil
}

// replayed answers a request whose key has an order.
func replayed(replay ledger.Replay, p *placing) answer {
	// The hash is empty once the passengers were forgotten: what was asked for is not known any more.
	if replay.BodyHash != "" && replay.BodyHash != p.bodyHash {
		return answer{
			err: rail.Refuse(rail.IdempotencyConflict, "this key has placed another order: %s", replay.Order.Number).
				At("input", "idempotencyKey"),
		}
	}
	return answer{order: replay.Order, replayed: true}
}

// allocate makes an order with a seat for each passenger, or refuses and leaves the maps as they were.
func (w *worker) allocate(d *decision, p *placing) (*rail.Order, error) {
	run, now := d.state.Run, d.state.Now
	if run.Train.ID != p.train.ID {
		// The run was published anew since the request was validated: hold it against what is sold now.
		from, to, err := p.body.Validate(run)
		if err != nil {
			return nil, err
		}
		p.train, p.from, p.to = run.Train, from, to
	}
	if refusal := run.MaySell(p.from, now); refusal != nil {
		return nil, refusal.At("input", "runId")
	}
	if limit := w.service.settings.MaxRunHolds; limit > 0 && p.change == nil && d.claims.holds(p.key.Buyer) >= limit {
		return nil, tooManyRunHolds(limit)
	}
	order := w.newOrder(d.state, p)
	if err := w.seat(run.Train, order, p); err != nil {
		return nil, err
	}
	if refusal := p.change.apply(order, run.Train, d.state.Now); refusal != nil {
		w.unseat(order)
		return nil, refusal
	}
	// Documents are looked at last: a train that is sold out says nothing about who travels on it.
	if passenger := d.claims.travelling(p.documents, p.from, p.to, p.change.oldOrder()); passenger >= 0 {
		w.unseat(order)
		d.asked(p)
		return nil, alreadyTravelling(passenger)
	}
	for i := range order.Tickets {
		d.note(run.Train, order, &order.Tickets[i], false)
	}
	return order, nil
}

// newOrder is a hold for a request, without seats and price yet. It ends with the departure at the latest: after that
// its seats can no longer be boarded for.
func (w *worker) newOrder(state *ledger.BatchState, p *placing) *rail.Order {
	s, run := w.service, state.Run
	payBy := state.Now.Add(s.settings.Hold)
	if departure := run.Departure(p.from); payBy.After(departure) {
		payBy = departure
	}
	return &rail.Order{
		ID: rail.NewOrderID(run.ID, state.Version+1, s.NewID()), RunID: run.ID, TrainID: run.Train.ID,
		Number: s.NewNumber(), Buyer: p.key.Buyer, Version: 1, State: rail.OnHold, From: p.from, To: p.to,
		Tickets: make([]rail.Ticket, len(p.body.Passengers)), Total: rail.Money{Currency: run.Train.Fares.Currency},
		PlacedAt: state.Now, PayBy: payBy,
	}
}

// asked has the ledger remember the documents of a request: its buyer has learnt that one of them travels.
func (d *decision) asked(p *placing) {
	for _, document := range p.documents {
		d.changes.Asked = append(d.changes.Asked, ledger.AskedDocument{Buyer: p.key.Buyer, Document: document})
	}
}

// unseat gives back the seats that were just allocated to an order.
func (w *worker) unseat(order *rail.Order) {
	for _, ticket := range order.Tickets {
		if ticket.SeatClass == "" {
			continue // This passenger has no seat yet.
		}
		if err := w.maps[ticket.SeatClass].Release(ticket.SeatIndex, order.From, order.To); err != nil {
			panic(err) // It was sold a moment ago.
		}
	}
}

// seat gives every passenger a seat and the order its total, or refuses and leaves the maps as they were. Passengers of
// one class are one party.
func (w *worker) seat(train *rail.Train, order *rail.Order, p *placing) error {
	prices, err := p.prices(train)
	if err != nil {
		return err
	}
	for _, class := range train.Formation.Classes {
		var party []int // by place in the request
		var wishes []rail.Wish
		for i, passenger := range p.body.Passengers {
			if passenger.SeatClass == class {
				party, wishes = append(party, i), append(wishes, passenger.Wish)
			}
		}
		if len(party) == 0 {
			continue
		}
		seats, ok := w.maps[class].Allocate(w.layouts[class], p.from, p.to, wishes)
		if !ok {
			w.unseat(order)
			left := w.maps[class].Remaining(p.from, p.to)
			return rail.Refuse(rail.SoldOut, "%d %s seats are left, %d were asked for", left, class, len(party)).
				At("input", "passengers", rail.Index(party[0]), "seatClass")
		}
		for n, passenger := range party {
			ref := train.Formation.Seats(class)[seats[n]]
			order.Tickets[passenger] = rail.Ticket{
				SeatClass: class, SeatIndex: seats[n], Coach: ref.Coach.Number, Seat: ref.Seat.Label,
				Price: prices[class], Passenger: p.body.Passengers[passenger].Passenger,
			}
			order.Total.Minor += prices[class].Minor
		}
	}
	return nil
}

// prices are what each class of the request costs a passenger. Trains are published with prices for all their seats, so
// an error says that this one is broken.
func (p *placing) prices(train *rail.Train) (map[rail.SeatClass]rail.Money, error) {
	prices := map[rail.SeatClass]rail.Money{}
	for _, passenger := range p.body.Passengers {
		price, ok := train.Price(passenger.SeatClass, p.from, p.to)
		if !ok {
			return nil, errors.New("a seat without a price was on sale: " + train.ID)
		}
		prices[passenger.SeatClass] = price
	}
	return prices, nil
}

// cancelled tells a buyer what became of a cancellation.
func cancelled(c ledger.CancelResult) answer {
	switch {
	case c.Order == nil:
		return answer{err: notFound()}
	case c.Order.State == rail.Paid:
		refusal := rail.Refuse(rail.WrongState, "the order is paid: it cannot be cancelled")
		return answer{order: c.Order, err: refusal.At("input", "orderId")}
	case c.Order.State == rail.Paying:
		refusal := rail.Refuse(rail.WrongState,
			"the order is being paid: it cannot be cancelled while its payment is under way")
		return answer{order: c.Order, err: refusal.At("input", "orderId")}
	case c.Order.State == rail.Returned:
		refusal := rail.Refuse(rail.WrongState, "the order was paid, and its tickets were given back or changed")
		return answer{order: c.Order, err: refusal.At("input", "orderId")}
	case c.Order.State == rail.Expired:
		refusal := rail.Refuse(rail.HoldExpired, "the hold had ended already")
		return answer{order: c.Order, err: refusal.At("input", "orderId")}
	}
	return answer{order: c.Order}
}
