package rail

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of one order.
const (
	// MaxPassengers is how many one order may have: 12306's limit, and small enough to allocate in microseconds.
	MaxPassengers = 9
	minKey        = 8
	maxKey        = 128
)

// OrderState is where an order is in its life.
type OrderState string

// The states of an order. Cancelled and Expired are final; paid orders end only when their run is withdrawn.
const (
	OnHold    OrderState = "ON_HOLD"
	Paid      OrderState = "PAID"
	Cancelled OrderState = "CANCELLED"
	Expired   OrderState = "EXPIRED"
)

// OrderStates are all states of an order.
var OrderStates = []OrderState{OnHold, Paid, Cancelled, Expired}

// Live tells whether the order still has its seats.
func (s OrderState) Live() bool { return s == OnHold || s == Paid }

// TicketState follows from the state of the ticket's order.
type TicketState string

// The states of a ticket.
const (
	TicketHeld      TicketState = "HELD"
	TicketIssued    TicketState = "ISSUED"
	TicketCancelled TicketState = "CANCELLED"
)

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
	// State is EXPIRED also for a hold that is past PayBy and not swept yet, by the primary's clock at the time of reading.
	State       OrderState
	StateReason string
	From, To    int
	Tickets     []Ticket
	Total       Money
	PlacedAt    time.Time
	// PayBy is when the hold ends.
	PayBy time.Time
	// PaidAt and EndedAt are zero until it happens.
	PaidAt  time.Time
	EndedAt time.Time
}

// Ticket is one passenger's seat in an order.
type Ticket struct {
	SeatClass SeatClass
	// SeatIndex is the seat's number in the seat map of its class.
	SeatIndex int
	Coach     string
	Seat      string
	Price     Money
	Passenger Passenger
}

// Passenger is who travels.
type Passenger struct {
	Name           string
	DocumentNumber string
}

// DocumentNumberMasked shows enough of a document number to know one's own: its first and last characters (at most a
// quarter of it at each end).
func (p Passenger) DocumentNumberMasked() string {
	n := len(p.DocumentNumber)
	show := min(n/4, 4)
	return p.DocumentNumber[:show] + strings.Repeat("*", n-2*show) + p.DocumentNumber[n-show:]
}

// TicketState is the state of each of the order's tickets.
func (o *Order) TicketState() TicketState {
	switch o.State {
	case OnHold:
		return TicketHeld
	case Paid:
		return TicketIssued
	}
	return TicketCancelled
}

// Wish is what a passenger would like; it is honoured when such a seat is free, and never a reason to refuse.
type Wish struct {
	Position SeatPosition
	Letter   string
	Coach    string
}

// PassengerRequest is one passenger of a PlaceOrder.
type PassengerRequest struct {
	Passenger
	SeatClass SeatClass
	Wish      Wish
}

// PlaceOrder asks for seats on one run for up to MaxPassengers, all or nothing.
type PlaceOrder struct {
	IdempotencyKey string
	RunID          RunID
	From, To       StationCode
	Passengers     []PassengerRequest
}

// Normalize trims what people type around names and numbers; document numbers become capitals.
func (p *PlaceOrder) Normalize() {
	for i := range p.Passengers {
		who := &p.Passengers[i]
		who.Name = strings.TrimSpace(who.Name)
		who.DocumentNumber = strings.ToUpper(strings.TrimSpace(who.DocumentNumber))
		who.Wish.Letter = strings.ToUpper(strings.TrimSpace(who.Wish.Letter))
		who.Wish.Coach = strings.TrimSpace(who.Wish.Coach)
	}
}

// Validate lists everything that is wrong with a normalised request on a run, and finds the calls it is about. Whether
// the run may be sold now, and what is left, is decided in the sale's own transaction.
func (p *PlaceOrder) Validate(run *Run) (from, to int, err error) {
	var errs Errors
	if !ValidKey(p.IdempotencyKey) {
		errs.Add(Invalid, []string{"input", "idempotencyKey"}, "an idempotency key has %d to %d printable ASCII characters without spaces", minKey, maxKey)
	}
	from, to, ok := run.Train.Pair(p.From, p.To)
	if !ok {
		errs = append(errs, run.Train.explainPair(p.From, p.To)...)
	}
	if len(p.Passengers) == 0 || len(p.Passengers) > MaxPassengers {
		errs.Add(Invalid, []string{"input", "passengers"}, "an order has 1 to %d passengers, not %d", MaxPassengers, len(p.Passengers))
		return 0, 0, errs
	}
	documents := map[string]bool{}
	for i, who := range p.Passengers {
		path := []string{"input", "passengers", Index(i)}
		if !printable(who.Name, 64) {
			errs.Add(Invalid, under(path, "name"), "a name has 1 to 64 printable characters")
		}
		if !validDocument(who.DocumentNumber) {
			errs.Add(Invalid, under(path, "documentNumber"), "a document number has 4 to 32 letters and digits")
		}
		if documents[who.DocumentNumber] {
			errs.Add(Invalid, under(path, "documentNumber"), "two passengers have the same document number")
		}
		documents[who.DocumentNumber] = true
		if run.Train.Formation.ClassIndex(who.SeatClass) < 0 {
			errs.Add(Invalid, under(path, "seatClass"), "%s has no %s seats", run.Train.Number, who.SeatClass)
		}
		if who.Wish.Position != "" && !who.Wish.Position.Valid() {
			errs.Add(Invalid, under(path, "wish", "position"), "%q is not a seat position", who.Wish.Position)
		}
		if utf8.RuneCountInString(who.Wish.Letter) > 8 || utf8.RuneCountInString(who.Wish.Coach) > 8 {
			errs.Add(Invalid, under(path, "wish"), "a wished letter or coach has at most 8 characters")
		}
	}
	return from, to, errs.OrNil()
}

// explainPair says why a passenger cannot go from one station to the other on this train.
func (t *Train) explainPair(from, to StationCode) Errors {
	var errs Errors
	calls := func(code StationCode) bool {
		return slices.ContainsFunc(t.Calls, func(c Call) bool { return c.Station == code })
	}
	switch {
	case from == to:
		errs.Add(Invalid, []string{"input", "to"}, "from and to are the same station")
	case !calls(from):
		errs.Add(Invalid, []string{"input", "from"}, "%s does not call at %s", t.Number, from)
	case !calls(to):
		errs.Add(Invalid, []string{"input", "to"}, "%s does not call at %s", t.Number, to)
	default:
		errs.Add(Invalid, []string{"input", "to"}, "%s takes no passengers from %s to %s", t.Number, from, to)
	}
	return errs
}

// ValidKey tells whether an idempotency key has 8 to 128 printable ASCII characters without spaces: ledgers do not
// agree on whether 'key' and 'key ' are equal.
func ValidKey(key string) bool {
	if len(key) < minKey || len(key) > maxKey {
		return false
	}
	for i := 0; i < len(key); i++ {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

func validDocument(number string) bool {
	if len(number) < 4 || len(number) > 32 {
		return false
	}
	for i := 0; i < len(number); i++ {
		c := number[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// MaxReason is how many characters a reason has at most.
const MaxReason = 256

// ValidReason tells whether a reason has 1 to MaxReason printable characters.
func ValidReason(reason string) bool { return printable(reason, MaxReason) }
