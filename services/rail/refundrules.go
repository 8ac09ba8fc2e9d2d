package rail

import "time"

// RefundRules are a railway's ladders of fees, for tickets that are given back and for what a change to a cheaper
// ticket leaves. DefaultRefundRules are those of 12306.
type RefundRules struct {
	Refund, Change FeeLadder
}

// FeeLadder says what part of a price is kept, by how long before the departure a ticket is given back.
type FeeLadder struct {
	// Steps are sorted by Before, the longest first. The first whose Before is not longer than the time that is left
	// holds. The last has Before 0.
	Steps []FeeStep
	// RoundTo is what a fee is rounded to a multiple of, half up, and Least what it is at least where it is not free: in
	// hundredths of the currency's unit (50 is half a yuan), whatever its minor unit is. A fee is never more than the price.
	RoundTo, Least int64
}

// FeeStep is one step of a ladder.
type FeeStep struct {
	// Before is the shortest time before the departure that the step is for.
	Before time.Duration
	// PerMille is what is kept, in thousandths of the price: 0 to 1,000. 0 is free.
	PerMille int64
}

// ChangeTicket is what a ticket is to be changed to.
type ChangeTicket struct {
	Ticket    TicketRef
	RunID     RunID
	From, To  StationCode
	Departure time.Time
	SeatClass SeatClass
	Wish      Wish
}
