package background

import "time"

// Ack is one order as its buyer saw it.
type Ack struct{ AskedAt, HeardAt time.Time }

// Log is what the buyers have heard so far.
type Log struct {
	// Acks are the orders, in the order in which buyers heard of them.
	Acks []Ack
	// Refused is how many were told no, as when the run is sold out. Failed is how many answers were none, after which
	// the same key was asked again. Problem is the last of these.
	Refused, Failed int
	Problem         error
}

// Shown is how many orders a client was shown at a time.
type Shown struct {
	// AskedAt is when the question was sent. Of an event, which is not asked for, it is when the event came.
	AskedAt, HeardAt time.Time
	Orders           int
}

// Lacked is how long an answer was behind when it was asked for: the age of the oldest order that a buyer had been told
// of by then and that the answer did not show. 0 where all were shown. It is exact where buyers hear of orders in the
// order of their commits. Where two of them heard in the other order, it is too small by their distance.
func (l Log) Lacked(s Shown) time.Duration {
	if s.Orders >= len(l.Acks) {
		return 0
	}
	return max(0, s.AskedAt.Sub(l.Acks[s.Orders].HeardAt))
}

// Since is how long before an answer its oldest new order was acknowledged: the oldest that it shows and the answer
// before it did not. ok is false where it shows nothing new. The age is 0 for an order that is shown before its buyer
// has heard of it.
func (l Log) Since(before, now Shown) (age time.Duration, ok bool) {
	if now.Orders <= before.Orders || before.Orders >= len(l.Acks) {
		return 0, false
	}
	return max(0, now.HeardAt.Sub(l.Acks[before.Orders].HeardAt)), true
}
