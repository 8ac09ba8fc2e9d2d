package notify

import (
	"time"

	"interlock/services/rail"
)

// Order is what can be told to an order's buyer.
type Order struct {
	ID, Number string
	RunID      rail.RunID
	// PageID is what clients call the order.
	PageID   string
	Version  int64
	State    rail.OrderState
	PlacedAt time.Time
	// PaidAt is zero for an order that never was.
	PaidAt time.Time
	// Reason is why it ended, "" where there is none to tell.
	Reason  string
	Contact rail.Contact
	Train   string
	From    Stop
	To      Stop
	// RunStatus is what was decided about the run, RunReason why.
	RunStatus rail.RunStatus
	RunReason string
	Total     rail.Money
	// Replaces tells that its ticket was changed from another one.
	Replaces bool
	Tickets  []Ticket
	Refunds  []Refund
}

// Stop is where a passenger boards or alights.
type Stop struct {
	// Name is in the railway's own language, Names are its translations by the tags of their languages.
	Name  string
	Names map[string]string
	// At is when the train leaves or arrives, in the station's zone.
	At time.Time
}

// NameIn is the name in a language, or in the railway's own.
func (s *Stop) NameIn(language string) string {
	if name, ok := s.Names[language]; ok {
		return name
	}
	return s.Name
}

// Ticket is one passenger's seat.
type Ticket struct {
	Passenger string
	// Document is the document's number, masked.
	Document  string
	SeatClass rail.SeatClass
	Coach     string
	Seat      string
	Price     rail.Money
	State     rail.TicketState
	// Code is what a code on the ticket says, "" for a ticket that is not valid for travel.
	Code string
}

// Refund is what was given back of an order.
type Refund struct {
	Kind rail.RefundKind
	At   time.Time
	Back rail.Money
	Fee  rail.Money
	// PaidBackAt is zero until the money is back.
	PaidBackAt time.Time
}
