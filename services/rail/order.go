package rail

import (
	"fmt"
	"slices"
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
	// Passenger is empty once the order was erased.
	Passenger Passenger
	// Sealed is why the passenger could not be read, nil where nothing is wrong: the ledger has it sealed with a key that this
	// server does not have, or somebody has changed the row. Passenger is empty then.
	Sealed error
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

// Normalize makes one request of those that people would call the same: see NormalizeText, and NormalizeLabel for numbers.
// Document numbers become capitals. It comes before the request is compared with another of the same key.
func (p *PlaceOrder) Normalize() {
	for i := range p.Passengers {
		who := &p.Passengers[i]
		who.Name = NormalizeText(who.Name)
		who.DocumentNumber = asciiUpper(NormalizeLabel(who.DocumentNumber))
		who.Wish.Letter = strings.ToUpper(NormalizeLabel(who.Wish.Letter))
		who.Wish.Coach = NormalizeLabel(who.Wish.Coach)
	}
}

// asciiUpper is strings.ToUpper of ASCII alone: of all letters, two that are no ASCII have an ASCII capital, and would become
// somebody else's document.
func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
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
		errs.addText(under(path, "name"), "a name", who.Name, MaxPassengerName)
		if fault := documentFault(who.DocumentNumber); fault != "" {
			errs.Add(Invalid, under(path, "documentNumber"), "a document number has %d to %d letters A to Z and digits: %s", minDocument, maxDocument, fault)
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
		if who.Wish.Letter != "" {
			errs.addText(under(path, "wish", "letter"), "a seat's letter", who.Wish.Letter, maxLabel)
		}
		if who.Wish.Coach != "" {
			errs.addText(under(path, "wish", "coach"), "a coach's number", who.Wish.Coach, maxLabel)
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

// documentFault is what is wrong with a document number, "" where nothing is. Of the number it tells one character at most.
func documentFault(number string) string {
	characters := []rune(number)
	for i, r := range characters[:min(len(characters), maxDocument)] {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') {
			return fmt.Sprintf("character %d is U+%04X", i+1, r)
		}
	}
	if n := len(characters); n < minDocument || n > maxDocument {
		return fmt.Sprintf("it has %d", n)
	}
	return ""
}

// MaxReason is how many characters a reason has at most.
const MaxReason = 256
