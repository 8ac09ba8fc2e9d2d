package rail

import (
	"iter"
	"math/bits"
	"time"
)

// TicketSet is a set of an order's tickets, by their places: bit i is ticket i. An order has MaxPassengers at most.
type TicketSet uint16

// TicketsOf makes a set of places. A place that no ticket can have is left out.
func TicketsOf(places ...int) (s TicketSet) {
	for _, i := range places {
		if i >= 0 && i < MaxPassengers {
			s |= 1 << i
		}
	}
	return s
}

// Has tells whether ticket i is in the set.
func (s TicketSet) Has(i int) bool { return i >= 0 && i < MaxPassengers && s&(1<<i) != 0 }

// Len is how many tickets are in the set.
func (s TicketSet) Len() int { return bits.OnesCount16(uint16(s)) }

// All are the places in the set, in rising order.
func (s TicketSet) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range MaxPassengers {
			if s.Has(i) && !yield(i) {
				return
			}
		}
	}
}

// RefundKind says why tickets were given back.
type RefundKind string

// The kinds.
const (
	// RefundAsked: the buyer, or an admin, gave the tickets back.
	RefundAsked RefundKind = "ASKED"
	// RefundChanged: a ticket was changed to a cheaper one, and this is the rest.
	RefundChanged RefundKind = "CHANGED"
	// RefundWithdrawn: the run was withdrawn.
	RefundWithdrawn RefundKind = "WITHDRAWN"
)

// Refund is money that the ledger has decided to give back for tickets of an order. It is never taken back.
type Refund struct {
	// ID is unique among all refunds: 64 hexadecimal digits, and the same for every repetition of its request.
	ID   string
	Kind RefundKind
	// Tickets are those it is for.
	Tickets TicketSet
	// Gross is what they had cost (for RefundChanged: the part of it that is not carried over), Fee what the railway
	// keeps of that: 0 ≤ Fee ≤ Gross. Their difference goes back.
	Gross, Fee Money
	At         time.Time
	// PaidBackAt is when the provider had given the money back; zero until then. It is At where nothing is to go back.
	PaidBackAt time.Time
}

// Back is what goes back to the buyer.
func (r *Refund) Back() Money {
	return Money{Minor: r.Gross.Minor - r.Fee.Minor, Currency: r.Gross.Currency}
}

// TicketRef names a ticket: its order, and its place in it.
type TicketRef struct {
	OrderID string
	Ticket  int
}

// ChangeState is how far the change of a ticket is.
type ChangeState string

// The states of a change. While it is ChangeOpen the ticket is TicketChanging. What decides is the new order: once that
// is PAID, the change is ChangeDone and the old ticket TicketChanged; once that has ended without being paid, or can
// never be placed any more, the change is ChangeEnded and the old ticket as it was before.
const (
	ChangeOpen  ChangeState = "OPEN"
	ChangeDone  ChangeState = "DONE"
	ChangeEnded ChangeState = "ENDED"
)

// MaxChanges is how many changes of an order's tickets may be begun, those that ended without a change included. It
// bounds the list.
const MaxChanges = 20

// TicketChange is the change of one ticket into an order of its own, which has one ticket.
type TicketChange struct {
	// ID is unique among all changes: 64 hexadecimal digits. It is the idempotency key of the new order on its run, so
	// that there can be one such order at most.
	ID     string
	Ticket int
	// To is the run of the new order.
	To    RunID
	State ChangeState
	// Wanted is a keyed digest of what was asked for: repetitions of the request have the same.
	Wanted string
	// Price is what the new ticket costs by the quote. Carried is what of the old ticket's price pays for it, at
	// most all of it. Rest is what of the old price is left, and Fee what the railway keeps of Rest. Rest − Fee goes
	// back when the change is done.
	Price, Carried, Rest, Fee Money
	BegunAt                   time.Time
	// DueAt is when a change that is still open is looked at by itself: its new order has been paid for or has ended
	// until then, unless trouble delays it.
	DueAt time.Time
	// EndedAt is when it was done or ended; zero until then.
	EndedAt time.Time
}
