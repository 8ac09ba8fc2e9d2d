package audit

import (
	"context"
	"time"

	"interlock/services/rail"
)

// Ledger is the truth that everything else is held against.
type Ledger interface {
	// Touched are the runs whose version moved within the last window by the primary's clock, with what is left of each,
	// from the primary.
	Touched(ctx context.Context, window time.Duration) ([]*rail.Availability, error)
	// Availabilities are what is left of runs in the order of their ids, after the given id, at most limit; each at one
	// version. Runs that nothing was ever sold on follow from the timetable, so a page costs few rows.
	Availabilities(ctx context.Context, after rail.RunID, limit int) ([]*rail.Availability, error)
	// Books are the same runs with everything that verify needs: tickets, maps and coaches, each run at one version.
	Books(ctx context.Context, after rail.RunID, limit int) ([]*rail.Books, error)
	// Leap raises every run's version by a million, so that a version from before a loss never means two things.
	Leap(ctx context.Context) (runs int, err error)
}

// Cache is what is held against the ledger.
type Cache interface {
	// Stored reads whole entries, in the order of the ids; nil where there is none, or none that can be read.
	Stored(ctx context.Context, runs []*rail.Availability) ([]*rail.Availability, error)
	// Load stores what is left of many runs, each unless something newer is stored already, and tells subscribers.
	Load(ctx context.Context, left []*rail.Availability) error
	// Replace stores an entry if what is stored still equals the version it was compared at (0: nothing is stored), and
	// tells subscribers.
	Replace(ctx context.Context, left *rail.Availability, seen int64) error
	// Loaded tells whether the marker of a full load is there; MarkLoaded sets it. A cache that lost its data has lost
	// the marker too.
	Loaded(ctx context.Context) (bool, error)
	MarkLoaded(ctx context.Context) error
}

// Lock elects the one repairer.
type Lock interface {
	// Acquire asks once. rail.ErrLockTaken: somebody has it. rail.ErrNoQuorum: nobody can say.
	Acquire(ctx context.Context, name string) (rail.Lease, error)
}
