package audit

import (
	"cmp"
	"math"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// span is one ticket in the history of a run: what it has, on the legs of its order, from one version of the run to
// another.
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
		until := o.EndedVersion
		if o.State.Live() {
			until = math.MaxInt64
		}
		if until <= o.PlacedVersion {
			continue // verifyState or verifyVersions says so of the order.
		}
		for i, document := range o.Documents {
			s := span{o, i, until}
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
			if v.Run == nil || !a.order.State.Live() || !b.order.State.Live() {
				v.ticket(CheckOverlap, b.order, b.ticket,
					"at the version %d it took a seat on a leg on which order %s still had it", b.order.PlacedVersion,
					a.order.ID)
			}
		})
	}
	for _, spans := range documents {
		meetings(spans, func(a, b span) {
			v.ticket(CheckDocument, b.order, b.ticket,
				"at the version %d its document was on a leg on which order %s had it", b.order.PlacedVersion,
				a.order.ID)
		})
	}
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
