package sale

import (
	"time"

	"interlock/services/rail"
)

// Asker is who asks about an order: its buyer, or an admin on the buyer's behalf.
type Asker struct {
	// Name is the caller's. Admin tells that the caller may ask for orders of others: with a Reason, and recorded.
	Name   string
	Admin  bool
	Reason string
}

// RefundQuote is what giving tickets back would give at a moment. Its ID is a digest of all that decides it: so a quote
// is kept nowhere, and is stale once it would be another.
type RefundQuote struct {
	ID      string
	OrderID string
	Tickets []QuotedTicket
	// Gross and Fee are sums of the tickets'.
	Gross, Fee rail.Money
	// ValidUntil is when the next step of the ladder begins, or the train departs.
	ValidUntil time.Time
}

// QuotedTicket is what one ticket gives.
type QuotedTicket struct {
	Ticket     int
	Gross, Fee rail.Money
}

// RefundRequest gives tickets back.
type RefundRequest struct {
	Asker
	OrderID string
	// Tickets are those of the quote; none are all that can be given back.
	Tickets      rail.TicketSet
	QuoteID, Key string
}

// RefundAnswer is what became of a RefundRequest. Quote is the new one beside QUOTE_STALE, and nil otherwise.
type RefundAnswer struct {
	Order  *rail.Order
	Refund *rail.Refund
	Quote  *RefundQuote
}

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
