package rail

import (
	"strings"
	"time"
)

// Bounds of one order.
const (
	// MaxPassengers is how many one order may have: 12306's limit, and small enough to allocate in microseconds.
	MaxPassengers = 9
	// MaxPassengerName is how many characters a name has at most, at most four bytes each.
	MaxPassengerName = 64
	minDocument      = 4
	maxDocument      = 32
	minKey           = 8
	maxKey           = 128
)

// OrderState is where an order is in its life.
type OrderState string

// The states of an order. Cancelled, Expired and Returned are final. A paid order is cancelled only when its run is
// withdrawn. A Paying
// order keeps its seats while the money that its buyer has authorised is being taken. It ends by itself at CaptureBy.
const (
	OnHold    OrderState = "ON_HOLD"
	Paying    OrderState = "PAYING"
	Paid      OrderState = "PAID"
	Cancelled OrderState = "CANCELLED"
	Expired   OrderState = "EXPIRED"
	// Returned: it was PAID, and every ticket of it was given back or changed since.
	Returned OrderState = "RETURNED"
)

// OrderStates are all states of an order.
var OrderStates = []OrderState{OnHold, Paying, Paid, Cancelled, Expired, Returned}

// Live tells whether the order still has its seats.
func (s OrderState) Live() bool { return s == OnHold || s == Paying || s == Paid }

// TicketState is where a ticket is in its life.
type TicketState string

// The states of a ticket. The first three follow from the state of the ticket's order; the others are the ticket's own.
const (
	TicketHeld      TicketState = "HELD"
	TicketIssued    TicketState = "ISSUED"
	TicketCancelled TicketState = "CANCELLED"
	// TicketChanging: it is issued, and a change of it is open. It can be neither given back nor changed meanwhile.
	TicketChanging TicketState = "CHANGING"
	// TicketUsed: an inspector has marked it, once. It keeps its seat, and can be neither given back nor changed.
	TicketUsed TicketState = "USED"
	// TicketRefunded and TicketChanged have ended: the seat was given back.
	TicketRefunded TicketState = "REFUNDED"
	TicketChanged  TicketState = "CHANGED"
)

// OwnsSeat tells whether a ticket with this state of its own ("" for none) has its seat for as long as its order is
// live.
func (s TicketState) OwnsSeat() bool { return s == "" || s == TicketChanging || s == TicketUsed }

// Order is one purchase on one run.
type Order struct {
	// ID is unique and begins with the run's id, so that it says where it is kept.
	ID    string
	RunID RunID
	// TrainID is the Train that From and To are calls of.
	TrainID string
	// Number is for people: short, unique, not to be guessed.
	Number  string
	Buyer   string
	Version int64
	// State is EXPIRED also for a hold past PayBy that is not swept yet, and CANCELLED for an order that was Paying
	// until CaptureBy: by the primary's clock at the time of reading.
	State       OrderState
	StateReason string
	From, To    int
	Tickets     []Ticket
	Total       Money
	PlacedAt    time.Time
	// PayBy is when the hold ends.
	PayBy time.Time
	// PayingAt is when the ledger gave the seats for money that was authorised, and CaptureBy until when that money is
	// waited for. Both are zero for an order that never was Paying.
	PayingAt, CaptureBy time.Time
	// PaymentID is the payment that it is or was PAYING or PAID by, "" where there is none. It stays when the order
	// ends.
	PaymentID string
	// Replaces is the ticket that this order's one ticket is, or is to be, changed from; nil where it is no change's.
	// Carried is what of that ticket's price pays for this one: Total − Carried is to be paid. It is the zero Money
	// where there is no Replaces.
	Replaces *TicketRef
	Carried  Money
	// Refunds and Changes are those of the order's tickets, the oldest first.
	Refunds []Refund
	Changes []TicketChange
	// PaidAt and EndedAt are zero until it happens.
	PaidAt  time.Time
	EndedAt time.Time
	// ErasedAt is when the passengers were forgotten; zero until then. The seats and the money stay.
	ErasedAt time.Time
}

// Ticket is one passenger's seat in an order.
type Ticket struct {
	SeatClass SeatClass
	// SeatIndex is the seat's number in the seat map of its class.
	SeatIndex int
	Coach     string
	Seat      string
	Price     Money
	// Own is the ticket's own state: TicketChanging, TicketUsed, TicketRefunded or TicketChanged; "" where the state
	// follows from the order's. See Order.TicketState.
	Own TicketState
	// Use is the zero TicketUse unless Own is TicketUsed. It stays when the order is cancelled with its run.
	Use TicketUse `json:",omitzero"`
	// Passenger is empty once the order was erased.
	Passenger Passenger
	// Sealed is why the passenger could not be read, nil where it could: this server lacks the key that the passenger
	// is sealed with, or the row was changed. Passenger is empty then.
	Sealed error
}

// Passenger is who travels.
type Passenger struct {
	Name           string
	DocumentNumber string
	// Contact is where the buyer is written to about this ticket. It is sealed, erased and taken over by a change
	// together with the name.
	Contact Contact `json:",omitzero"`
}

// DocumentNumberMasked shows enough of a document number to know one's own: its first and last characters (at most a
// quarter of it at each end).
func (p Passenger) DocumentNumberMasked() string {
	n := len(p.DocumentNumber)
	show := min(n/4, 4)
	return p.DocumentNumber[:show] + strings.Repeat("*", n-2*show) + p.DocumentNumber[n-show:]
}

// ToPay is what is to be paid for the order, or was: its total without what was carried over.
func (o *Order) ToPay() Money {
	return Money{Minor: o.Total.Minor - o.Carried.Minor, Currency: o.Total.Currency}
}

// Seated are the tickets that have their seats for as long as the order is live.
func (o *Order) Seated() (s TicketSet) {
	for i := range o.Tickets {
		if o.Tickets[i].Own.OwnsSeat() {
			s |= TicketsOf(i)
		}
	}
	return s
}

// TicketState is the state of ticket i.
func (o *Order) TicketState(i int) TicketState {
	if own := o.Tickets[i].Own; !own.OwnsSeat() || own != "" && o.State == Paid {
		return own
	}
	switch o.State {
	case OnHold, Paying:
		return TicketHeld
	case Paid:
		return TicketIssued
	}
	return TicketCancelled
}

// MaxReason is how many characters a reason has at most.
const MaxReason = 256
