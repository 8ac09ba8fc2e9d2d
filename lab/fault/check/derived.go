package check

import (
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// Within these Redis must be right.
const (
	// SoldTime is for the runs that were sold.
	SoldTime = time.Second
	// AllTime is for every run there is.
	AllTime = 5 * time.Second
)

// DerivedTimes are how long Redis took.
type DerivedTimes struct {
	// Healed is from the healing until Redis had all that the ledger had by then of the runs that are sold. HealedLimit
	// is how long that may take, and Why the reason where it may be longer than SoldTime: 0 and "" where it may not.
	Healed, HealedLimit time.Duration
	Why                 string
	// Sold and All are from when all had come to rest until it was right about the runs that were sold, and about every
	// run.
	Sold, All time.Duration
}

// InTime adds to C7 how long it took.
func InTime(r *Result, t DerivedTimes) {
	limit := SoldTime
	if t.HealedLimit > 0 {
		limit, r.Note = t.HealedLimit, t.Why
	}
	for _, one := range []struct {
		figure, what string
		took, limit  time.Duration
	}{
		{
			"sold_right_after_healing_seconds", "the healing Redis was right about the runs that are sold",
			t.Healed, limit,
		},
		{
			"sold_right_after_rest_seconds", "the last sale Redis was right about the runs that were sold", t.Sold,
			SoldTime,
		},
		{"all_right_after_rest_seconds", "the last sale Redis was right about every run", t.All, AllTime},
	} {
		r.figure(one.figure, one.took.Seconds())
		if one.took > one.limit {
			r.wrong("only %.1f s after %s, and %v is allowed", one.took.Seconds(), one.what, one.limit)
		}
	}
}

// Everywhere adds to C7 every run that the ledger has, at one moment: Redis has what follows from the run's maps.
// stored is in the order of truth, and nil where Redis has nothing. damaged names the runs whose maps cannot be read.
func Everywhere(r *Result, truth, stored []*rail.Availability, damaged error) {
	if damaged != nil {
		r.wrong("the maps of some runs cannot be read: %v", damaged)
	}
	for i, want := range truth {
		r.Looked++
		has := stored[i]
		switch {
		case has == nil:
			r.wrong("%s: Redis does not have it", want.RunID)
		case has.Version != want.Version:
			r.wrong("%s: Redis has version %d, the ledger %d", want.RunID, has.Version, want.Version)
		case !slices.Equal(has.Counts, want.Counts):
			r.wrong("%s: at version %d Redis has other counts than the maps make", want.RunID, want.Version)
		}
	}
}

// Derived is C7 at one moment: what Redis has of each run that was sold is what follows from the run's live tickets.
// stored is in the order of the snapshots, nil where Redis has nothing.
func Derived(snapshots []*ledger.AuditSnapshot, stored []*rail.Availability) *Result {
	r := begin("C7")
	for i, b := range snapshots {
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

// Recount is what is left of a run by its tickets alone. An error says that two of them have one seat, or one that is
// not there.
func Recount(b *ledger.AuditSnapshot) ([]uint16, error) {
	train := b.Run.Train
	classes := train.Formation.Classes
	counts := make([]uint16, rail.Pairs(len(train.Calls))*len(classes))
	for k, class := range classes {
		m := seatmap.New(train.Legs(), len(train.Formation.Seats(class)))
		for _, order := range b.Live() {
			for i := range order.Tickets {
				ticket := &order.Tickets[i]
				if ticket.SeatClass != class || !ticket.Own.OwnsSeat() {
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
