package watch

import (
	"context"

	"interlock/services/rail"
)

// Availability tells of changes, and what is left.
type Availability interface {
	// Remaining answers every ask, in their order, in one round trip. An unknown run is no error: its answer has Known
	// false.
	Remaining(ctx context.Context, asks []rail.Ask) ([]rail.Left, error)
	// Versions reads the version of each run, in their order; -1 where it knows none. It must be cheap: it is asked
	// every second for every run that is watched.
	Versions(ctx context.Context, ids []rail.RunID) ([]int64, error)
	// Listen opens a stream of changes. It reconnects by itself; what is said meanwhile is lost.
	Listen(ctx context.Context) (Listener, error)
}

// Runs finds a run that is published.
type Runs interface {
	Run(id rail.RunID) (*rail.Run, bool)
	// Ready is nil once the timetable was read. Before, it is the error for a run that is not found: the run may exist.
	Ready() error
}

// Orders reads orders from the primary; nil where there is none.
type Orders interface {
	Order(ctx context.Context, orderID string) (*rail.Order, error)
	// OrdersByID is Order for many ids at once, in their order.
	OrdersByID(ctx context.Context, ids []string) ([]*rail.Order, error)
}

// Listener is a stream of changes of the runs it was told to follow. Its methods may be called by many goroutines. It
// is an alias: an implementation spells the same type out, and need not import this package.
type Listener = interface {
	// Follow and Unfollow choose the runs whose changes come; both are cheap to repeat.
	Follow(ctx context.Context, ids ...rail.RunID) error
	Unfollow(ctx context.Context, ids ...rail.RunID) error
	// Changes is closed by Close. A reader that falls behind loses changes, never memory.
	Changes() <-chan rail.Change
	// Close ends the stream and waits for its goroutines.
	Close() error
}
