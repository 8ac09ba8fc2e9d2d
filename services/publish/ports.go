package publish

import (
	"context"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Ledger is the part of the ledger that publishing needs. Each method is one transaction, and raises the publication
// number when, and only when, it changed something. ledger.ErrInDoubt: it may or may not have been done; to repeat it is
// harmless. A version rises with every sale, so that a run of version 1 has every seat free.
type Ledger interface {
	// Stations are all stations.
	Stations(ctx context.Context) ([]*rail.Station, error)
	// PutStations adds stations or changes those with the same code; equal ones stay as they are.
	PutStations(ctx context.Context, stations []*rail.Station, by string) (changed int, err error)
	// Publish puts runs on sale, all or none. A run that is there with the same train, opening and closing is unchanged.
	// One that differs is changed if it has no live orders, else the whole call is refused with RUN_HAS_ORDERS naming
	// the run. A withdrawn run is published again, its version going on. With validateOnly it tells what it would do
	// and does nothing.
	Publish(ctx context.Context, runs []*rail.Run, by string, validateOnly bool) ([]ledger.Publication, error)
	// SetStatus suspends or resumes a run by compare-and-set on its version, and records who and why. NOT_FOUND: no
	// such run. WRONG_STATE: it was withdrawn. A run that has the status already stays as it is. The answer is without
	// Counts where the run's seat maps cannot be read: it is suspended all the same.
	SetStatus(ctx context.Context, id rail.RunID, status rail.RunStatus, reason, by string) (*rail.Availability, error)
	// Withdraw takes a run off sale for good: RUN_HAS_ORDERS if it has live orders and cancelOrders is false, else each
	// live order is cancelled with the reason, and its seats are free. It returns every order that it ended; those that
	// had been paid have PaidAt. Of a run that is withdrawn already it returns, and changes nothing, the orders that the
	// withdrawal cancelled, so that an answer that got lost can be asked for again.
	Withdraw(ctx context.Context, id rail.RunID, reason, by string, cancelOrders bool) (left *rail.Availability, ended []*rail.Order, err error)
}

// Availability is loaded with what was put on sale.
type Availability interface {
	// Load stores what is left of many runs, each unless something newer is stored already, and tells subscribers.
	Load(ctx context.Context, left []*rail.Availability) error
	// Announce tells subscribers that an order has moved on.
	Announce(ctx context.Context, change rail.Change) error
	// AnnouncePublication tells every server that the ledger has published something.
	AnnouncePublication(ctx context.Context) error
}

// Timetable is this server's own copy, brought up to date before a publication is answered, so that whoever published
// can search at once.
type Timetable interface {
	Refresh(ctx context.Context) error
}
