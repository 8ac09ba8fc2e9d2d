package publish

import (
	"context"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Ledger is the part of the ledger that publishing needs. Each method is one transaction. It raises the publication
// number if it changed something, and otherwise leaves it. ledger.ErrInDoubt: it may have been done; to repeat it is
// harmless. A version rises with every sale, so that a run of version 1 has every seat free.
type Ledger interface {
	// Stations are all stations.
	Stations(ctx context.Context) ([]*rail.Station, error)
	// PutStations adds stations or changes those with the same code; equal ones stay as they are. A station that is
	// added or changed belongs to no feed from then on.
	PutStations(ctx context.Context, stations []*rail.Station, by string) (changed int, err error)
	// OtherStations are the stations of some codes that belong to another feed than this one, or to none, in the order
	// of the codes.
	OtherStations(ctx context.Context, feed string, codes []rail.StationCode) ([]ledger.OtherStation, error)
	// PutFeedStations is PutStations for stations of a feed, which belong to it where they are added or changed. Those
	// of others stay as they are. others are what OtherStations said of the same codes. WRONG_STATE: it would say
	// otherwise now; nothing was written then.
	PutFeedStations(
		ctx context.Context, feed string, stations []*rail.Station, others []ledger.OtherStation, by string,
	) (changed int, err error)
	// Publish puts runs on sale, all or none. A run that is there with the same train, opening and closing is
	// unchanged. One that differs is changed if it has no live orders, else the whole call is refused with
	// RUN_HAS_ORDERS naming all such runs. A withdrawn run is published again, its version going on. A run that is
	// created or changed belongs to no feed from then on. With validateOnly it tells what it would do and does nothing.
	Publish(ctx context.Context, runs []*rail.Run, by string, validateOnly bool) ([]ledger.Publication, error)
	// PublishFeed is Publish for runs of a feed, which they belong to from then on. It leaves runs as they are, where
	// Publish would refuse all or take a run over: see ledger.RunHasOrders, RunOfAnother and RunStaysWithdrawn. A run
	// that Drop suspended is resumed, and one that Drop withdrew is published again. What a person suspended or
	// withdrew stays so.
	PublishFeed(
		ctx context.Context, feed ledger.Feed, runs []*rail.Run, by string, validateOnly bool,
	) ([]ledger.Publication, error)
	// FeedRuns are the runs of a feed on a date, of every selection, but for those that are withdrawn. Fewer than the
	// limit: no run follows.
	FeedRuns(ctx context.Context, page ledger.FeedPage) ([]ledger.FeedRun, error)
	// Drop takes runs off sale that their feed no longer has, all or none. One without live orders is withdrawn, one
	// with live orders is suspended. A run that is not as it was listed stays as it is, and so does one that has left
	// its origin by the primary's clock. ended are the orders past their time that it ended. With validateOnly it tells
	// what it would do and does nothing.
	Drop(ctx context.Context, runs []ledger.FeedRun, reason, by string, validateOnly bool) (
		dropped []ledger.Dropped, ended []*rail.Order, err error,
	)
	// SetStatus suspends or resumes a run by compare-and-set on its version, and records by whom and why. A run that
	// has the status already stays as it is, except that a suspension by Drop becomes the person's. NOT_FOUND: no such
	// run. WRONG_STATE: it was withdrawn. Where the run's seat maps cannot be read, the status is set, and the answer
	// has no Counts.
	SetStatus(ctx context.Context, id rail.RunID, status rail.RunStatus, reason, by string) (*rail.Availability, error)
	// Withdraw takes a run off sale for good. Each live order is cancelled with the reason, and its seats are free;
	// without cancelOrders, live orders are RUN_HAS_ORDERS. It returns every order that it ended; those that had been
	// paid have PaidAt, and the same commit has made a refund without a fee of their tickets that were neither given
	// back nor changed. The money of one that was PAYING goes back by itself: its payment counts no longer, and is
	// released or refunded when it is heard of. A run that is withdrawn already is not
	// changed, and the orders that its withdrawal cancelled are returned: so a lost answer can be asked for again. A
	// withdrawal by Drop becomes the person's.
	Withdraw(
		ctx context.Context, id rail.RunID, reason, by string, cancelOrders bool,
	) (left *rail.Availability, ended []*rail.Order, err error)
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

// Timetable is this server's own copy. It is brought up to date before a publication is answered, so that the caller
// can search at once.
type Timetable interface {
	Refresh(ctx context.Context) error
}
