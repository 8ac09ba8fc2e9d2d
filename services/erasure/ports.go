package erasure

import (
	"context"
	"time"

	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/rail"
)

// Ledger is the part of the ledger that forgets. What it says is over is so by the primary's clock.
type Ledger interface {
	// ForgetOver takes one bounded step: it forgets passengers of orders of runs that have been over for that long, or
	// marks runs on which none are left. When it has done nothing, nothing is left. An error that names runs which
	// cannot be read comes once nothing else is left.
	ForgetOver(ctx context.Context, over time.Duration) (orders, runs int, err error)
	// BuyerRuns are the runs that a buyer has orders of, in the order of their ids after the given one, at most limit.
	BuyerRuns(ctx context.Context, buyer string, after rail.RunID, limit int) ([]ledger.BuyerRun, error)
	// ForgetBuyer takes one bounded step: it forgets a buyer, and the passengers, in orders of one run, and answers of
	// how many; 0 when none are left. WRONG_STATE: the run is not over.
	ForgetBuyer(ctx context.Context, buyer string, run rail.RunID) (orders int, err error)
}

// Lock keeps two servers from doing the same work.
type Lock interface {
	// Acquire asks once. lock.ErrTaken: somebody has it. lock.ErrNoQuorum: nobody can say.
	Acquire(ctx context.Context, name string) (lock.Lease, error)
}
