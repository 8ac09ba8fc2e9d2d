package audit

import (
	"cmp"
	"math"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// span is one ticket in the history of a run: what it has, on the legs of its order, from the version of the run that
// placed its order to the one that gave its seat back: its own, or else its order's.
type span struct {
	order  *ledger.WrittenOrder
	ticket int
	until  int64
}

// seat is one of a run.
type seat struct {
	class rail.SeatClass
	index int
}

// verifyHistory goes through the versions of the run: no two tickets, live or ended, had one seat or one document on
// one leg at the same time. Two live ones with one seat were found when they were sold, unless the run cannot be read.
func (v *verifier) verifyHistory() {
	// Digests of documents are gone with the passengers that were forgotten.
	seats, documents := map[seat][]span{}, map[string][]span{}
	for _, o := range v.Orders {
		for i, document := range o.Documents {
			s := span{o, i, until(o, i)}
			if s.until <= o.PlacedVersion {
				continue // verifyState, verifyVersions or verifyOwn says so of the order.
			}
			of := seat{o.Tickets[i].SeatClass, o.Tickets[i].SeatIndex}
			seats[of] = append(seats[of], s)
			switch {
			case document != "":
				documents[document] = append(documents[document], s)
			case o.ErasedAt.IsZero():
				v.ticket(CheckDocument, o, i, "it has no digest of a document")
			}
		}
	}
	for _, spans := range seats {
		meetings(spans, func(a, b span) {
			if v.Run == nil || !isLive(a.order, a.ticket) || !isLive(b.order, b.ticket) {
				v.ticket(CheckOverlap, b.order, b.ticket,
					"at the version %d it took a seat on a leg on which order %s still had it", b.order.PlacedVersion,
					a.order.ID)
			}
		})
	}
	for _, spans := range documents {
		meetings(spans, func(a, b span) {
			if replaces(b.order, a) {
				return
			}
			v.ticket(CheckDocument, b.order, b.ticket,
				"at the version %d its document was on a leg on which order %s had it", b.order.PlacedVersion,
				a.order.ID)
		})
	}
}

// until is the version at which a ticket gave its seat back; the last there can be while it has it.
func until(o *ledger.WrittenOrder, i int) int64 {
	switch {
	case !o.Tickets[i].Own.OwnsSeat():
		return ticketEnded(o, i)
	case o.State.Live():
		return math.MaxInt64
	}
	return o.EndedVersion
}

// replaces tells whether an order is what a ticket is changed to. While the change is open, the traveller has both.
func replaces(o *ledger.WrittenOrder, old span) bool {
	return o.Replaces != nil && *o.Replaces == rail.TicketRef{OrderID: old.order.ID, Ticket: old.ticket}
}

// meetings calls meet for each span that shares a leg and a version with one before it. Such a span is not held against
// those that follow. So at most one span a leg is open at a time.
func meetings(spans []span, meet func(before, after span)) {
	if len(spans) < 2 {
		return
	}
	slices.SortStableFunc(spans, func(a, b span) int {
		return cmp.Compare(a.order.PlacedVersion, b.order.PlacedVersion)
	})
	var open []span
	for _, s := range spans {
		open = slices.DeleteFunc(open, func(o span) bool { return o.until <= s.order.PlacedVersion })
		at := slices.IndexFunc(open, func(o span) bool {
			return o.order.From < s.order.To && s.order.From < o.order.To
		})
		if at >= 0 {
			meet(open[at], s)
			continue
		}
		open = append(open, s)
	}
}
