package check

import (
	"slices"

	"interlock/services/rail"
	"interlock/services/seatmap"
)

// Derived is C7 at one moment: what Redis has of each run is what follows from the run's live tickets. stored is in the
// order of the books, nil where Redis has nothing.
func Derived(books []*rail.Books, stored []*rail.Availability) *Result {
	r := begin("C7")
	for i, b := range books {
		r.Looked++
		want, err := Recount(b)
		has := stored[i]
		switch {
		case err != nil:
			r.wrong("%s: the tickets make no map: %v", b.Run.ID, err)
		case has == nil:
			r.wrong("%s: Redis does not have it", b.Run.ID)
		case has.Version != b.Version:
			r.wrong("%s: Redis has version %d, the ledger %d", b.Run.ID, has.Version, b.Version)
		case !slices.Equal(has.Counts, want):
			r.wrong("%s: at version %d Redis has other counts than the tickets make", b.Run.ID, b.Version)
		}
	}
	return r
}

// Recount is what is left of a run by its tickets alone. An error says that two of them have one seat, or one that is not
// there.
func Recount(b *rail.Books) ([]uint16, error) {
	train := b.Run.Train
	classes := train.Formation.Classes
	counts := make([]uint16, rail.Pairs(len(train.Calls))*len(classes))
	for k, class := range classes {
		m := seatmap.New(train.Legs(), len(train.Formation.Seats(class)))
		for _, order := range b.Live {
			for _, ticket := range order.Tickets {
				if ticket.SeatClass != class {
					continue
				}
				if err := m.Sell(ticket.SeatIndex, order.From, order.To); err != nil {
					return nil, err
				}
			}
		}
		m.Counts(counts, len(classes), k)
	}
	return counts, nil
}
