package search

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"interlock/internal/logonce"
	"interlock/services/rail"
)

const (
	// MaxStations is how many stations a search may name on each side: the stations of the largest city.
	MaxStations = 8
	// MaxFirst is how many offers one page may have; it bounds the round trip to the availability.
	MaxFirst = 100
	// availabilityTimeout is how long a search waits for what is left. A search without it now is worth more to a
	// passenger than one with it later.
	availabilityTimeout = 500 * time.Millisecond
)

// Query is what a passenger asks: from any of some stations to any of some others on a day.
type Query struct {
	From, To []rail.StationCode
	// Date is the day of boarding, local at the station.
	Date rail.Date
	// Now decides which sales are closed, and which dates are past.
	Now time.Time
	// First is how many offers to return at most, 1 to MaxFirst.
	First int
	// After is the place to go on from; nil is the beginning.
	After *Place
}

// Place is the place of an offer in a result: offers are sorted by departure from the boarding station, then number,
// then the call where one boards.
type Place struct {
	Departure time.Time
	RunID     rail.RunID
	From      int
}

// PlaceOf is the place of an offer in its result.
func PlaceOf(offer rail.Offer) Place {
	return Place{offer.Run.Departure(offer.From), offer.Run.ID, offer.From}
}

func (p Place) compare(q Place) int {
	return cmp.Or(p.Departure.Compare(q.Departure), compareIDs(p.RunID, q.RunID), cmp.Compare(p.From, q.From))
}

// Result is what was found.
type Result struct {
	Offers  []rail.Offer
	HasNext bool
	// AsOf is a time at which all of it was true, but for what was on its way.
	AsOf time.Time
}

// Finder answers searches.
type Finder struct {
	timetable    *Timetable
	availability Availability
	log          *slog.Logger
	asking       *logonce.Failure
	unanswered   atomic.Int64
}

// NewFinder makes a Finder. The log gets the failures of the availability, for which no search fails; nil is the
// default logger.
func NewFinder(timetable *Timetable, availability Availability, log *slog.Logger) *Finder {
	if log == nil {
		log = slog.Default()
	}
	asking := logonce.Warn("search: asking what is left fails; it is not known meanwhile",
		"search: asking what is left works again")
	asking.Calm = calm
	return &Finder{timetable: timetable, availability: availability, log: log, asking: asking}
}

// calm is how long nothing must have failed until a failure is over. When every other search fails, that is one failure
// in the log; otherwise it would begin and end a thousand times a second.
const calm = time.Second

// Stats counts what a Finder has done since it was made.
type Stats struct {
	// Unanswered is how often the availability gave no answer at all.
	Unanswered int64
}

// Stats reads the counters.
func (f *Finder) Stats() Stats { return Stats{Unanswered: f.unanswered.Load()} }

// Find finds the runs that take a passenger from one of the stations to one of the others, boarding on the date.
//
// It leaves out what the passenger cannot have any more: runs that were withdrawn, and runs whose sale from the
// boarding station is closed. A run that is not on sale yet, or suspended, is there; its state says so.
//
// Where a run calls at several of the stations, or at one of them again, each way from one of them to a destination is
// an offer of its own, but for those that have another within them: see rail.Train.CallPairs. Only calls that the run
// leaves on the date count. An order between the stations of an offer, with its departure, gets the same calls.
//
// Errors: BAD_USER_INPUT with the path of the argument (rail.Errors where several are wrong), UNAVAILABLE before the
// timetable is loaded, and those of ctx.
func (f *Finder) Find(ctx context.Context, q Query) (*Result, error) {
	if err := f.timetable.Ready(); err != nil {
		return nil, err
	}
	s := f.timetable.view()
	if err := s.check(&q); err != nil {
		return nil, err
	}
	found := s.find(&q)
	result := &Result{AsOf: q.Now}
	if len(found) > q.First {
		found, result.HasNext = found[:q.First], true
	}
	result.Offers = make([]rail.Offer, len(found))
	asks := make([]rail.Ask, len(found))
	for i, hit := range found {
		result.Offers[i] = rail.Offer{Run: hit.run, From: hit.from, To: hit.to}
		asks[i] = rail.Ask{Run: hit.run, From: hit.from, To: hit.to}
	}
	if len(asks) == 0 {
		return result, ctx.Err()
	}
	left := f.remaining(ctx, asks)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for i := range left {
		offer := &result.Offers[i]
		offer.Left = left[i]
		if left[i].Known {
			// The availability hears of a suspension before the timetable is read again.
			offer.Run = offer.Run.WithStatus(left[i].Status)
		}
	}
	return result, nil
}

// Left says what is left of one run from one call to another, which the run must have. Where the availability fails,
// what is left is not Known.
func (f *Finder) Left(ctx context.Context, run *rail.Run, from, to int, now time.Time) rail.Snapshot {
	snapshot := rail.Snapshot{Run: run, From: from, To: to, AsOf: now}
	for _, left := range f.remaining(ctx, []rail.Ask{{Run: run, From: from, To: to}}) {
		snapshot.Left = left
		if left.Known {
			snapshot.Run = run.WithStatus(left.Status)
		}
	}
	return snapshot
}

// remaining asks the availability, within a time; nil where it does not answer.
func (f *Finder) remaining(ctx context.Context, asks []rail.Ask) []rail.Left {
	limited, cancel := context.WithTimeout(ctx, availabilityTimeout)
	defer cancel()
	left, err := f.availability.Remaining(limited, asks)
	if err != nil && ctx.Err() != nil {
		return nil // The caller went away. That says nothing about the availability.
	}
	f.asking.Note(ctx, f.log, err)
	if err != nil {
		f.unanswered.Add(1)
		return nil
	}
	return left
}

// check lists everything that is wrong with a query.
func (s *snapshot) check(q *Query) error {
	var errs rail.Errors
	s.checkStations(&errs, "from", q.From)
	s.checkStations(&errs, "to", q.To)
	for i, code := range q.To {
		if slices.Contains(q.From, code) {
			errs.Add(rail.BadUserInput, []string{"to", rail.Index(i)}, "from and to are the same station %q", code)
		}
	}
	if q.First < 1 || q.First > MaxFirst {
		errs.Add(rail.BadUserInput, []string{"first"}, "first is between 1 and %d", MaxFirst)
	}
	if len(errs) == 0 {
		// A date is past when it is over at every station one might board at.
		today := rail.DateIn(q.Now, s.stations.zone(q.From[0]))
		for _, code := range q.From[1:] {
			today = min(today, rail.DateIn(q.Now, s.stations.zone(code)))
		}
		if q.Date < today {
			errs.Add(rail.BadUserInput, []string{"date"}, "%s is past: today is %s", q.Date, today)
		}
	}
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return errs
}

func (s *snapshot) checkStations(errs *rail.Errors, argument string, codes []rail.StationCode) {
	if len(codes) == 0 || len(codes) > MaxStations {
		errs.Add(rail.BadUserInput, []string{argument}, "a search names 1 to %d stations to go %s, not %d", MaxStations,
			argument, len(codes))
		return
	}
	for i, code := range codes {
		if s.stations.byCode[code] == nil {
			errs.Add(rail.BadUserInput, []string{argument, rail.Index(i)}, "there is no station %s", rail.Quote(string(code)))
		}
	}
}
