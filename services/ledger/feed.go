package ledger

import "interlock/services/rail"

// MaxFeedName is how many characters the name of a feed has at most.
const MaxFeedName = 64

// Feed is what runs and stations were imported from. The zero value is no feed: what a person published has none.
type Feed struct {
	// Name is the feed's, 1 to MaxFeedName printable characters.
	Name string
	// Selection is a digest of which part of the feed was asked for, at most 64 ASCII characters; "" is all of it.
	Selection string
}

// OtherStation is a station that has the code of a feed's station, and belongs to another feed or to none.
type OtherStation struct {
	Station *rail.Station
	// Feed is the feed that the station belongs to, "" where a person published it.
	Feed string
	// Publication is the number of the last publication that changed the station.
	Publication int64
}

// FeedPage asks for runs of a feed on one service date, in the order of their ids.
type FeedPage struct {
	Feed string
	Date rail.Date
	// After is the run to go on from, "" at the beginning. Limit is how many runs are listed at most.
	After rail.RunID
	Limit int
}

// FeedRun is a run as a list of a feed's runs shows it.
type FeedRun struct {
	ID          rail.RunID
	TrainNumber string
	Date        rail.Date
	Feed        Feed
	Status      rail.RunStatus
	// Publication is the number of the last publication that changed the run.
	Publication int64
}

// Name is how people call the run.
func (r *FeedRun) Name() string { return rail.RunName(r.TrainNumber, r.Date) }

// DropOutcome is what dropping did, or would do, to a run.
type DropOutcome string

// The outcomes of dropping a run.
const (
	// DropWithdrawn: the run had no live orders. It was withdrawn.
	DropWithdrawn DropOutcome = "WITHDRAWN"
	// DropSuspended: the run has live orders. Its sale was suspended.
	DropSuspended DropOutcome = "SUSPENDED"
	// DropLeft: the sale of the run is suspended already, by a person, or by Drop for its live orders.
	DropLeft DropOutcome = "LEFT"
	// DropDeparted: the run has left its origin. It stays as it is.
	DropDeparted DropOutcome = "DEPARTED"
	// DropMoved: the run was published or decided about since it was listed. It stays as it is.
	DropMoved DropOutcome = "MOVED"
)

// Dropped is what became of one run that its feed no longer has.
type Dropped struct {
	Run     FeedRun
	Outcome DropOutcome
	// Left is what is left of a run that was withdrawn or suspended, nil otherwise. It has no Counts where the run's
	// seat maps cannot be read.
	Left *rail.Availability
}
