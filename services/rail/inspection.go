package rail

import "time"

// TicketUse is the one use of a ticket. It says nothing of the passenger.
type TicketUse struct {
	// ID is 64 hexadecimal digits, and the same for every repetition of the request.
	ID string
	// By is the subject of the inspector, At when it was, by the primary's clock.
	By string
	At time.Time
}

// TicketCheck is what an inspector is told of a ticket.
type TicketCheck string

// What a ticket is. CheckValid and CheckChanging are good for travel. The last four say what is wrong with a code; the
// ledger knows of no such ticket.
const (
	CheckValid TicketCheck = "VALID"
	// CheckChanging: a change of it is open. It cannot be used until the change has ended.
	CheckChanging    TicketCheck = "CHANGING"
	CheckUsed        TicketCheck = "USED"
	CheckRefunded    TicketCheck = "REFUNDED"
	CheckChanged     TicketCheck = "CHANGED"
	CheckCancelled   TicketCheck = "CANCELLED"
	CheckNotPaid     TicketCheck = "NOT_PAID"
	CheckNotValidYet TicketCheck = "NOT_VALID_YET"
	CheckOver        TicketCheck = "OVER"
	CheckNotFound    TicketCheck = "NOT_FOUND"
	CheckForged      TicketCheck = "FORGED"
	CheckUnknownKey  TicketCheck = "UNKNOWN_KEY"
	CheckMalformed   TicketCheck = "MALFORMED"
)

// CheckTicket says what ticket i of the order is at a moment. How it ended comes before the time, and the time before
// an open change. A suspended run sells nothing and may travel: its tickets are good. Those of a withdrawn run are not.
func (o *Order) CheckTicket(i int, run *Run, now time.Time) TicketCheck {
	if i < 0 || i >= len(o.Tickets) {
		return CheckNotFound
	}
	switch state := o.TicketState(i); {
	case state == TicketRefunded:
		return CheckRefunded
	case state == TicketChanged:
		return CheckChanged
	case o.State == OnHold, o.State == Paying, o.State == Expired:
		return CheckNotPaid
	case o.State != Paid, run.Status == Withdrawn:
		return CheckCancelled
	case state == TicketUsed:
		return CheckUsed
	}
	since, until := TravelTime(run.Departure(o.From), run.Arrival(o.To))
	switch {
	case now.Before(since):
		return CheckNotValidYet
	case !now.Before(until):
		return CheckOver
	case o.Tickets[i].Own == TicketChanging:
		return CheckChanging
	}
	return CheckValid
}
