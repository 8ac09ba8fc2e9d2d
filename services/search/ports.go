package search

import (
	"context"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Ledger is where the timetable is read from, at start-up and when something was published. A search does not ask it.
type Ledger interface {
	// PublicationNumber rises with every publication.
	PublicationNumber(ctx context.Context) (int64, error)
	// Changes are the stations and runs published after a publication number; 0 gives all there are, the runs that no
	// passenger can board any more included. Runs that share a train share one *rail.Train, across calls too.
	Changes(ctx context.Context, after int64) (*ledger.TimetableChanges, error)
}

// Availability answers how many seats are left.
type Availability interface {
	// Remaining answers every ask, in their order, in one round trip. An unknown run is no error: its answer has Known
	// false.
	Remaining(ctx context.Context, asks []rail.Ask) ([]rail.Left, error)
}
