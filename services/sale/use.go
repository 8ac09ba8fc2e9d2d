package sale

import (
	"context"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// UseRequest marks a ticket as used.
type UseRequest struct {
	// Inspector is the subject of who asks. It is kept with the use.
	Inspector string
	Ticket    rail.TicketRef
	// Key is of an inspector and a ticket: the same key is the same use.
	Key string
}

// Validate refuses a key that is malformed: INVALID.
func (q *UseRequest) Validate() error {
	if rail.ValidKey(q.Key) {
		return nil
	}
	return rail.Refuse(rail.Invalid, "an idempotency key has 8 to 128 printable ASCII characters without spaces").
		At("input", "idempotencyKey")
}

// Inspected is what an inspector is told of a ticket. Order is nil where there is none, and Check is
// rail.CheckNotFound then.
type Inspected struct {
	Order *rail.Order
	Check rail.TicketCheck
}

// using is a UseRequest and the id of its use, which its repetitions have, too.
type using struct {
	ticket        rail.TicketRef
	inspector, id string
}

// Inspect says what a ticket is, and changes nothing. It reads the primary, and goes by this server's clock and by what
// the server has heard of the run.
func (s *Service) Inspect(ctx context.Context, ticket rail.TicketRef) (*Inspected, error) {
	order, run, err := s.orderAndRun(ctx, &Asker{Admin: true}, ticket.OrderID)
	switch {
	case rail.CodeOf(err) == rail.NotFound:
		return &Inspected{Check: rail.CheckNotFound}, nil
	case err != nil:
		return nil, err
	}
	return &Inspected{Order: order, Check: order.CheckTicket(ticket.Ticket, run, time.Now())}, nil
}

// Use marks a ticket as used where it is valid by the primary's clock, and says what it was before: rail.CheckValid
// where this request has marked it, also when it is repeated. Otherwise nothing is changed.
//
// INVALID: the key. ORDER_PENDING: it is not known yet, repeat with the same key.
func (s *Service) Use(ctx context.Context, q UseRequest) (*Inspected, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	run, ok := s.runOf(q.Ticket.OrderID)
	if !ok {
		return &Inspected{Check: rail.CheckNotFound}, nil
	}
	u := &using{
		ticket: q.Ticket, inspector: q.Inspector,
		id: digestOf("interlock use", q.Ticket.OrderID, decimal(int64(q.Ticket.Ticket)), q.Inspector, q.Key),
	}
	// The others of a party are marked by other requests: one of them is in each batch.
	for range rail.MaxPassengers {
		r := newRequest(ctx)
		r.use = u
		if a := s.submit(run, r); !a.again {
			if rail.CodeOf(a.err) == rail.NotFound {
				a.check, a.err = rail.CheckNotFound, nil
			}
			return &Inspected{Order: a.order, Check: a.check}, a.err
		}
	}
	return nil, &rail.Error{
		Code: rail.Unavailable, Message: "the order is changed all the time", RetryAfter: overloadedRetryAfter,
	}
}

// use decides about a request to mark a ticket.
func (d *decision) use(u *using) answer {
	order, i := d.order(u.ticket.OrderID), u.ticket.Ticket
	if order == nil {
		return answer{check: rail.CheckNotFound}
	}
	check := order.CheckTicket(i, d.state.Run, d.state.Now)
	switch {
	case check == rail.CheckUsed && order.Tickets[i].Use.ID == u.id:
		return answer{order: order, check: rail.CheckValid, replayed: true}
	case check != rail.CheckValid:
		return answer{order: order, check: check}
	case d.orders[order.ID] != nil:
		return answer{again: true}
	}
	next := nextOf(order)
	next.Tickets[i].Own = rail.TicketUsed
	next.Tickets[i].Use = rail.TicketUse{ID: u.id, By: u.inspector, At: d.state.Now}
	d.change(ledger.OrderChange{Order: next, Event: ledger.EventOrderUsed})
	return answer{order: next, check: check}
}
