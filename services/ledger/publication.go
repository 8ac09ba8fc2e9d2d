package ledger

import "interlock/services/rail"

// Outcome is what publishing did, or would do, to a run.
type Outcome string

// The outcomes of publishing a run.
const (
	RunCreated   Outcome = "CREATED"
	RunChanged   Outcome = "CHANGED"
	RunUnchanged Outcome = "UNCHANGED"
)

// Publication is what became of one run that was published. A created or changed run has no seat sold.
type Publication struct {
	Run     *rail.Run
	Version int64
	Outcome Outcome
}

// TimetableChanges is what was published after a publication number: whole values, which replace older ones.
type TimetableChanges struct {
	// Number is the publication number up to which this goes.
	Number   int64
	Stations []*rail.Station
	Runs     []*rail.Run
}
