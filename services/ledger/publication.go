package ledger

import "interlock/services/rail"

// Outcome is what publishing did, or would do, to a run.
type Outcome string

// The outcomes of publishing a run. The last three are of runs of a feed alone: they leave the run as it is.
const (
	RunCreated   Outcome = "CREATED"
	RunChanged   Outcome = "CHANGED"
	RunUnchanged Outcome = "UNCHANGED"
	// RunResumed: its feed has the run again. The suspension by Drop is over, and nothing else changed.
	RunResumed Outcome = "RESUMED"
	// RunMarked: the run is on sale just so, and came with another selection of the same feed. It has this one now.
	RunMarked Outcome = "MARKED"
	// RunHasOrders: the run differs, and has live orders.
	RunHasOrders Outcome = "HAS_ORDERS"
	// RunOfAnother: the run differs, and belongs to another feed or to none.
	RunOfAnother Outcome = "OF_ANOTHER"
	// RunStaysWithdrawn: a person withdrew the run.
	RunStaysWithdrawn Outcome = "STAYS_WITHDRAWN"
)

// Publication is what became of one run that was published. A created or changed run has no seat sold.
type Publication struct {
	// Run is what was asked for, with the status that it has now.
	Run     *rail.Run
	Version int64
	Outcome Outcome
	// Feed is what the run belonged to before, zero for a created run.
	Feed Feed
	// Left is what is left of a resumed or marked run, nil of the others and of a rehearsal. It has no Counts where the
	// run's seat maps cannot be read.
	Left *rail.Availability
}

// TimetableChanges is what was published after a publication number: whole values, which replace older ones.
type TimetableChanges struct {
	// Number is the publication number up to which this goes.
	Number   int64
	Stations []*rail.Station
	Runs     []*rail.Run
}
