package search

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"interlock/internal/logonce"
	"interlock/services/rail"
)

const (
	// DefaultInterval is how often a server looks for a new publication: twice a second, so that every server shows one
	// within a second even when no message tells it.
	DefaultInterval = 500 * time.Millisecond
	// watchTimeout bounds one refresh of Watch. The first refresh reads the whole timetable, which takes seconds on a
	// slow disk. A ledger that has not answered after this time will not answer on this connection.
	watchTimeout = time.Minute
	// notLoadedRetryAfter is about how long a server reads its timetable when it starts.
	notLoadedRetryAfter = 2 * time.Second
)

// Timetable is everything that was published, in memory. Make one with NewTimetable.
type Timetable struct {
	// Log gets the failures of Watch, which returns none; nil is the default logger.
	Log *slog.Logger
	// Now is the clock by which runs are past, and archived, so that they can only be looked up; nil archives none. Set
	// it before the first Refresh.
	Now func() time.Time
	// Changed is called after each new publication is there to be read, by the goroutine that read it. It must not
	// block; nil is fine. Set it before the first Refresh.
	Changed func()

	ledger    Ledger
	refreshes *coalescing
	current   atomic.Pointer[snapshot]
	// archivedAt is when runs were archived last. It belongs to the goroutine that refreshes.
	archivedAt time.Time
}

// NewTimetable makes a timetable that is empty until its first Refresh.
func NewTimetable(ledger Ledger) *Timetable {
	return &Timetable{ledger: ledger, refreshes: newCoalescing()}
}

// Refresh brings the timetable up to what was published before the call. It costs one small query when nothing was.
// Calls at the same time share the work.
func (t *Timetable) Refresh(ctx context.Context) error {
	return t.refreshes.do(ctx, t.refresh)
}

func (t *Timetable) refresh(ctx context.Context) error {
	number, err := t.ledger.PublicationNumber(ctx)
	if err != nil {
		return err
	}
	base := t.current.Load()
	switch {
	case base == nil:
		base = emptySnapshot
	case number == base.number:
		t.show(base)
		return nil
	case number < base.number:
		// The ledger was put back to an older state. What it had published since is not on sale any more, and changes
		// after a number would not tell.
		base = emptySnapshot
	}
	changes, err := t.ledger.Changes(ctx, base.number)
	if err != nil {
		return err
	}
	if base == emptySnapshot {
		t.archivedAt = time.Time{} // All runs that ever were have just been read.
	}
	t.show(base.with(changes))
	if t.Changed != nil {
		t.Changed()
	}
	return nil
}

// show makes a snapshot the one to read, and archives its past runs where it is time to.
func (t *Timetable) show(s *snapshot) {
	if t.Now != nil {
		if now := t.Now(); now.Sub(t.archivedAt) >= archiveInterval {
			s, t.archivedAt = s.archived(now.Add(-archiveAfter)), now
		}
	}
	t.current.Store(s)
}

// Watch refreshes the timetable at every interval, and at once when woken, until ctx ends. For wake, a channel of
// capacity 1 that is written to without blocking is enough.
func (t *Timetable) Watch(ctx context.Context, interval time.Duration, wake <-chan struct{}) {
	log := t.Log
	if log == nil {
		log = slog.Default()
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	refreshing := logonce.Error("the timetable cannot be refreshed; searches go on with the last one",
		"the timetable is refreshed again")
	for {
		limited, cancel := context.WithTimeout(ctx, watchTimeout)
		err := t.Refresh(limited)
		cancel()
		if ctx.Err() != nil {
			return
		}
		refreshing.Note(ctx, log, err, "publication", t.Number())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-wake:
		}
	}
}

// view is the snapshot to read from; before the first Refresh, an empty one.
func (t *Timetable) view() *snapshot {
	if s := t.current.Load(); s != nil {
		return s
	}
	return emptySnapshot
}

// Loaded tells whether the timetable was read at all.
func (t *Timetable) Loaded() bool { return t.current.Load() != nil }

// Ready is nil once the timetable was read. Before, it is UNAVAILABLE: what is not found may still be there.
func (t *Timetable) Ready() error {
	if t.Loaded() {
		return nil
	}
	err := rail.Refuse(rail.Unavailable, "this server is still reading its timetable")
	err.RetryAfter = notLoadedRetryAfter
	return err
}

// Number is the publication number up to which the timetable goes; 0 before it is loaded.
func (t *Timetable) Number() int64 { return t.view().number }

// Size is how many stations and runs there are.
func (t *Timetable) Size() (stations, runs int) {
	s := t.view()
	for _, l := range s.lines {
		runs += l.size()
	}
	return len(s.stations.byCode), runs
}

// Run is the run with an id, also when it was withdrawn or is archived. An archived run may be another copy each time.
func (t *Timetable) Run(id rail.RunID) (*rail.Run, bool) {
	return t.view().run(id)
}

// RunOf is a train's run on a service date. A train is found by its number, else by one of its aliases: "D305" and
// "D308" find "D305/D308". A run that was withdrawn is found only where there is no other.
func (t *Timetable) RunOf(number string, date rail.Date) (*rail.Run, bool) {
	s, number := t.view(), rail.NormalizeLabel(number)
	best, _ := s.run(rail.NewRunID(number, date))
	for _, key := range s.aliases[number] {
		if best != nil && best.Status != rail.Withdrawn {
			break
		}
		if run := s.lines[key].on(key, date); run != nil && (best == nil || run.Status != rail.Withdrawn) {
			best = run
		}
	}
	return best, best != nil
}

// Station is the station with a code.
func (t *Timetable) Station(code rail.StationCode) (*rail.Station, bool) {
	station, ok := t.view().stations.byCode[code]
	return station, ok
}
