package erasure

import (
	"context"
	"time"

	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/rail"
)

// Ledger is the part of the ledger that forgets. Whether a run is over is decided by the primary's clock.
type Ledger interface {
	// ForgetOver takes one bounded step: it forgets passengers of runs that have been over for that long, or marks runs
	// on which none are left. It returns of how many orders and runs; when both are 0, nothing is left. Where runs
	// cannot be read, it ends with an error that names them, once nothing else is left.
	ForgetOver(ctx context.Context, over time.Duration) (orders, runs int, err error)
	// BuyerRuns are the runs that a buyer has orders of, in the order of their ids after the given one, at most limit.
	BuyerRuns(ctx context.Context, buyer string, after rail.RunID, limit int) ([]ledger.BuyerRun, error)
	// ForgetBuyer takes one bounded step: it forgets a buyer, and the passengers, in orders of one run. It returns in
	// how many orders; 0 when none are left. WRONG_STATE: the run is not over.
	ForgetBuyer(ctx context.Context, buyer string, run rail.RunID) (orders int, err error)
}

// Lock keeps two servers from doing the same work.
type Lock interface {
	// Acquire asks once. lock.ErrTaken: another process has it. lock.ErrNoQuorum: it cannot be known.
	Acquire(ctx context.Context, name string) (lock.Lease, error)
}
