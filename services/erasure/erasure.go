// Package erasure is the use case of forgetting who travelled: the passengers of runs that have been over for long, and
// buyers who ask to be forgotten.
//
// It never touches seats, money or a run that is not over. All that it does may be done again, so that several servers
// may do it at once. A lock keeps them from doing the same work twice, and correctness does not rest on it.
package erasure

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"interlock/internal/logonce"
	"interlock/internal/pause"
	"interlock/services/lock"
	"interlock/services/rail"
)

// The rhythm of forgetting.
const (
	// interval is how often a server looks for runs that have been over for long enough, which is counted in days.
	interval = 15 * time.Minute
	// breath is the pause between two steps. A step takes a few milliseconds of a primary that sells.
	breath = 50 * time.Millisecond
	// stepTimeout bounds one step.
	stepTimeout = 10 * time.Second
	// runsPage is how many runs of a buyer are looked at together.
	runsPage = 100
)

// retentionLock elects the server that forgets. It is not a run id, so it is no run's lock.
const retentionLock = "retention"

// Eraser forgets. Its methods may run at the same time.
type Eraser struct {
	Ledger Ledger
	// Lock and Log are needed by Run.
	Lock Lock
	Log  *slog.Logger
	// After is how long after the end of a run Run forgets its passengers; 0 is never.
	After time.Duration

	orders atomic.Int64
	// done is when a round last found that nothing was left to forget, in milliseconds since 1970; 0 before.
	done atomic.Int64
}

// Stats are what Run has done since the start.
type Stats struct {
	// Orders were erased.
	Orders int64
	// Done is when this server last found that nothing was left to forget; zero where another server does the work.
	Done time.Time
}

// Stats reads the counters.
func (e *Eraser) Stats() Stats {
	s := Stats{Orders: e.orders.Load()}
	if at := e.done.Load(); at != 0 {
		s.Done = time.UnixMilli(at)
	}
	return s
}

// Run forgets the passengers of runs that have been over for long enough, until ctx ends.
func (e *Eraser) Run(ctx context.Context) {
	if e.After <= 0 {
		return
	}
	forgetting := logonce.Error(
		"passengers of past runs cannot be forgotten; it is tried again", "passengers of past runs are forgotten again")
	for {
		err := e.round(ctx)
		if ctx.Err() != nil {
			return
		}
		forgetting.Note(ctx, e.Log, err)
		if !pause.For(ctx, interval) {
			return
		}
	}
}

// round forgets all that is to be forgotten now, unless another server does.
func (e *Eraser) round(ctx context.Context) error {
	lease, err := e.Lock.Acquire(ctx, retentionLock)
	if errors.Is(err, lock.ErrTaken) {
		return nil
	}
	if err == nil {
		defer lease.Release()
	}
	// Without a quorum of lock nodes it goes on: two servers that forget the same passengers do no harm.
	total := 0
	for {
		if lease != nil && lease.Extend(ctx) != nil {
			return nil // Another server goes on.
		}
		orders, runs, err := e.step(ctx)
		if err != nil {
			return err
		}
		e.orders.Add(int64(orders))
		total += orders
		if orders+runs == 0 {
			e.done.Store(time.Now().UnixMilli())
			if total > 0 {
				e.Log.InfoContext(ctx, "passengers of past runs were forgotten", "orders", total)
			}
			return nil
		}
		if !pause.For(ctx, breath) {
			return ctx.Err()
		}
	}
}

func (e *Eraser) step(ctx context.Context) (orders, runs int, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return e.Ledger.ForgetOver(ctx, e.After)
}

// Buyer is what there is of a buyer, or what was done about it.
type Buyer struct {
	// Orders are those of runs that are over, and Passengers in how many of them the passengers were still known.
	Orders, Passengers int
	// Left are orders of runs that are not over, which stay as they are.
	Left int
}

// Find tells what ForgetBuyer would do, and changes nothing.
func (e *Eraser) Find(ctx context.Context, buyer string) (Buyer, error) {
	return e.buyer(ctx, buyer, false)
}

// ForgetBuyer forgets a buyer in all orders of runs that are over: the passengers, and whose orders they were. With an
// error it returns what was done before it. Doing it again goes on from there.
func (e *Eraser) ForgetBuyer(ctx context.Context, buyer string) (Buyer, error) {
	return e.buyer(ctx, buyer, true)
}

func (e *Eraser) buyer(ctx context.Context, buyer string, forget bool) (Buyer, error) {
	var all Buyer
	for after := rail.RunID(""); ; {
		runs, err := e.Ledger.BuyerRuns(ctx, buyer, after, runsPage)
		if err != nil {
			return all, err
		}
		for _, run := range runs {
			if !run.Over {
				all.Left += run.Orders
				continue
			}
			if forget {
				if err := e.forgetBuyer(ctx, buyer, run.Run); err != nil {
					return all, err
				}
			}
			all.Orders += run.Orders
			all.Passengers += run.Passengers
		}
		if len(runs) < runsPage {
			return all, nil
		}
		after = runs[len(runs)-1].Run
	}
}

func (e *Eraser) forgetBuyer(ctx context.Context, buyer string, run rail.RunID) error {
	for {
		orders, err := e.Ledger.ForgetBuyer(ctx, buyer, run)
		if err != nil || orders == 0 {
			return err
		}
	}
}
