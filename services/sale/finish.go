package sale

import (
	"context"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// verdict is what the new order of a change says about the change. It is a fact once it is not undecided: an order that
// was PAID stays so, whatever becomes of it later, and one that has ended is never PAID.
type verdict int

const (
	// undecided: there is no such order, or it waits for its payment.
	undecided verdict = iota
	newPaid
	newEnded
)

// verdictOf judges by an order as a batch has read it at a moment. An order that is past its time and has not been
// ended yet is read as ended, and may yet be paid where the next primary's clock is behind: it ended later than now. A
// key that a buyer has taken for another order is taken for ever, so the change's own order never is.
func verdictOf(order *rail.Order, of *newTicket, now time.Time) verdict {
	switch {
	case order == nil:
		return undecided
	case !of.isOf(order):
		return newEnded
	case !order.PaidAt.IsZero():
		return newPaid
	case !order.State.Live() && !order.EndedAt.After(now):
		return newEnded
	}
	return undecided
}

// finishing ends a change that is open, as its new order says.
type finishing struct {
	// order has the old ticket, change is the change's id, to the run of the new order, which has the key.
	order, change string
	ticket        int
	to            rail.RunID
	key           ledger.OrderKey
	// fence has a new order that is not there never be: the change is due, or cannot be carried out.
	fence   bool
	verdict verdict
}

// finishingOf is what finishes a change of an order.
func finishingOf(order *rail.Order, c *rail.TicketChange) *finishing {
	return &finishing{
		order: order.ID, change: c.ID, ticket: c.Ticket, to: c.To,
		key: ledger.OrderKey{Buyer: order.Buyer, Key: c.ID},
	}
}

// sameRun tells whether the new ticket is on the run of the old one.
func (f *finishing) sameRun() bool {
	old, _ := rail.RunOfOrder(f.order)
	return old == f.to
}

// looking is the question for the new order, to the worker of its run. With fence it is also the fence.
func (f *finishing) looking() *placing {
	return &placing{
		key:    f.key,
		change: &newTicket{old: rail.TicketRef{OrderID: f.order, Ticket: f.ticket}, look: true, fence: f.fence},
	}
}

// finishTries is how often a change is finished anew where another request of the batch has changed its order.
const finishTries = 5

// finish finishes a change where its new order has decided. It returns the old order as it is, nil where nothing was
// decided. Repeating it is harmless.
func (s *Service) finish(ctx context.Context, f *finishing) (*rail.Order, error) {
	if f.verdict == undecided && !f.sameRun() {
		if err := s.look(ctx, f); err != nil || f.verdict == undecided {
			return nil, err
		}
	}
	run, _ := rail.RunOfOrder(f.order)
	for range finishTries {
		r := newRequest(ctx)
		r.finish = f
		if a := s.submit(run, r); !a.again {
			return a.order, a.err
		}
	}
	return nil, &rail.Error{
		Code: rail.Unavailable, Message: "the order is changed all the time", RetryAfter: overloadedRetryAfter,
	}
}

// look asks the run of the new order for the verdict.
func (s *Service) look(ctx context.Context, f *finishing) error {
	r := newRequest(ctx)
	r.place = f.looking()
	a := s.submit(f.to, r)
	if rail.CodeOf(a.err) == rail.IdempotencyConflict {
		f.verdict = a.verdict
		return nil
	}
	if rail.CodeOf(a.err) != rail.NotFound {
		f.verdict = a.verdict
		return a.err
	}
	if known, ok := a.err.(*rail.Error); ok && len(known.Path) == 0 && f.fence { //nolint:errorlint // The ledger's own.
		f.verdict = newEnded // There is no such run, so there is no such order.
	}
	return nil
}

// fence places an order that is cancelled and has no tickets, so that its key is taken for ever.
func (w *worker) fence(d *decision, p *placing) answer {
	order := w.newOrder(d.state, p)
	order.To, order.PayBy, order.EndedAt = order.From+1, d.state.Now.Add(w.service.settings.Hold), d.state.Now
	order.Version = 2 // It was placed, and has ended.
	order.State, order.StateReason = rail.Cancelled, "the change was not carried out in time"
	order.Replaces, order.Carried = &p.change.old, order.Total
	d.placed[p.key] = ledger.Replay{Order: order}
	d.changes.Orders = append(d.changes.Orders, ledger.NewOrder{Order: order, Key: p.key.Key})
	return answer{order: order, verdict: newEnded}
}

// finish decides about a change that is to be finished. One that has ended stays as it is.
func (w *worker) finish(d *decision, f *finishing) (answer, error) {
	order := d.order(f.order)
	if order == nil {
		return answer{err: notFound()}, nil
	}
	at := slices.IndexFunc(order.Changes, func(c rail.TicketChange) bool { return c.ID == f.change })
	if at < 0 || order.Changes[at].State != rail.ChangeOpen {
		return answer{order: order}, nil
	}
	found := f.verdict
	if f.sameRun() {
		found = newEnded // The new order was placed by the commit that began the change. Without it there is none.
		if replay, ok := d.replayOf(f.key); ok {
			found = verdictOf(replay.Order, f.looking().change, d.state.Now)
		}
	}
	switch {
	case found == undecided:
		return answer{order: order}, nil
	case d.orders[f.order] != nil:
		return answer{again: true}, nil
	}
	next := nextOf(order)
	change, c := ledger.OrderChange{Order: next}, &next.Changes[at]
	if found == newEnded {
		undone(&change, c, d.state.Now)
	} else {
		if next.State.Live() {
			if err := w.release(d, next, c.Ticket); err != nil {
				return answer{}, err
			}
		}
		if err := w.done(d, &change, c); err != nil {
			return answer{}, err
		}
	}
	change.Changes = []rail.TicketChange{*c}
	d.change(change)
	return answer{order: next}, nil
}

// done notes that a ticket whose seat was given back was changed, and what goes back of its price. Where the run was
// withdrawn meanwhile, the railway keeps nothing.
func (w *worker) done(d *decision, change *ledger.OrderChange, c *rail.TicketChange) error {
	order := change.Order
	order.Tickets[c.Ticket].Own = rail.TicketChanged
	change.Event = ledger.EventOrderChanged
	c.State, c.EndedAt = rail.ChangeDone, d.state.Now
	if order.State == rail.Cancelled {
		c.Fee.Minor = 0
	}
	if c.Rest.Minor > 0 {
		addRefund(change, rail.Refund{
			ID: digestOf("interlock changed", c.ID), Kind: rail.RefundChanged, Tickets: rail.TicketsOf(c.Ticket),
			Gross: c.Rest, Fee: c.Fee, At: d.state.Now,
		})
	}
	return w.forget(d, order, c.Ticket)
}

// undone has a ticket be as it was before its change. Where the run was withdrawn meanwhile, the withdrawal has left
// the ticket out: its price goes back now.
func undone(change *ledger.OrderChange, c *rail.TicketChange, now time.Time) {
	ticket := &change.Order.Tickets[c.Ticket]
	ticket.Own = ""
	change.Event = ledger.EventOrderUnchanged
	c.State, c.EndedAt = rail.ChangeEnded, now
	if change.Order.State != rail.Cancelled {
		return
	}
	change.Event = ledger.EventOrderRefunded
	addRefund(change, rail.Refund{
		ID: digestOf("interlock withdrawn", c.ID), Kind: rail.RefundWithdrawn, Tickets: rail.TicketsOf(c.Ticket),
		Gross: ticket.Price, Fee: rail.Money{Currency: ticket.Price.Currency}, At: now,
	})
}

// ChangeEvent finishes the change that an order is the new one of, once the order was paid or has ended. It asks
// nothing of other orders. UNAVAILABLE: it is to be told again.
func (s *Service) ChangeEvent(ctx context.Context, e ledger.Event) error {
	switch e.Type {
	case ledger.EventOrderPaid, ledger.EventOrderExpired, ledger.EventOrderCancelled:
	default:
		return nil
	}
	if !s.begin() {
		return closing()
	}
	defer s.background.Done()
	order, err := s.Ledger.Order(ctx, e.OrderID)
	if err == nil && order != nil {
		err = s.finishFor(ctx, order)
	}
	return notYet(err)
}

// finishFor finishes the change that an order is the new one of, if it is open and the order has decided.
func (s *Service) finishFor(ctx context.Context, order *rail.Order) error {
	if order.Replaces == nil {
		return nil
	}
	old, err := s.Ledger.Order(ctx, order.Replaces.OrderID)
	if err != nil || old == nil {
		return err
	}
	for i := range old.Changes {
		c := &old.Changes[i]
		if c.State == rail.ChangeOpen && c.Ticket == order.Replaces.Ticket && c.To == order.RunID {
			_, err = s.finish(ctx, finishingOf(old, c))
		}
	}
	return err
}

// finishSoon is finishFor without waiting for it. Where it fails, an event of the order or the sweep does the same.
// Only what Close waits for may call it.
func (s *Service) finishSoon(order *rail.Order) {
	if order == nil || order.Replaces == nil {
		return
	}
	s.background.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, changeTimeout)
		defer cancel()
		_ = s.finishFor(ctx, order)
	})
}

// finishDue finishes a change that is due, and sees to it that a new order that is not there never will be.
func (s *Service) finishDue(ctx context.Context, due ledger.DueChange) error {
	order, err := s.Ledger.Order(ctx, due.OrderID)
	if err != nil || order == nil {
		return err
	}
	for i := range order.Changes {
		if c := &order.Changes[i]; c.ID == due.ChangeID && c.State == rail.ChangeOpen {
			f := finishingOf(order, c)
			f.fence = true
			_, err = s.finish(ctx, f)
		}
	}
	return err
}
