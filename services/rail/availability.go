package rail

import "time"

// Availability is how many seats of every class are left between every pair of a run's calls, at one version. It is
// derived from the ledger and may be recomputed from it at any time.
type Availability struct {
	RunID RunID
	// TrainID is the Train the counts were made for: pairs and classes are numbered by it.
	TrainID string
	Version int64
	Status  RunStatus
	// Counts has, for each pair of calls by PairIndex, one count per class in the order of Formation.Classes.
	Counts []uint16
}

// Pairs is how many pairs (i, j), i < j, a run with n calls has.
func Pairs(n int) int { return n * (n - 1) / 2 }

// PairIndex numbers the pairs of n calls: (0,1), (0,2) … (0,n-1), (1,2) …
func PairIndex(n, i, j int) int { return i*(2*n-i-1)/2 + j - i - 1 }

// Ask names what a reader wants to know: what is left on one run from call From to call To.
type Ask struct {
	Run      *Run
	From, To int
}

// Left is the answer to an Ask.
type Left struct {
	// Known is false where there is no answer now: the availability lacks the run, or has it for another Train than the
	// asker's. Everything else is then zero.
	Known   bool
	Version int64
	Status  RunStatus
	// Counts has one count per class in the order of Formation.Classes.
	Counts []uint16
}

// Change tells that a run or an order has moved on. It may be lost, doubled, late or out of order. So its receiver
// reads the run or the order, and compares versions.
type Change struct {
	RunID RunID
	// OrderID is the order that changed, or "" when the run did.
	OrderID string
	Version int64
}

// Offer is one run found by a search: where to board, where to alight, and what is left.
type Offer struct {
	Run      *Run
	From, To int
	Left     Left
}

// Snapshot is what a subscriber is told of one run: what is left for the pair of calls it watches.
type Snapshot struct {
	Run      *Run
	From, To int
	Left     Left
	AsOf     time.Time
}
