package sale

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/internal/logonce"
	"interlock/services/ledger"
	"interlock/services/rail"
)

const (
	// duePage is how many changes that are due are read at a time.
	duePage = 256
	// payBackEvery is how often refunds are looked for whose money is still out. owedFor is how long ago one was
	// decided that is looked at: its event comes first.
	payBackEvery = time.Minute
	owedFor      = 30 * time.Second
	// owedPage is how many orders are read at a time.
	owedPage = 256
	// dueAtOnce is how many changes or refunds are under way at once, dueTimeout how long a pass may take. The next
	// pass goes on.
	dueAtOnce  = 8
	dueTimeout = 50 * time.Second
)

// duty is something that a sweeper does beside its other duties, one pass at a time.
type duty struct {
	busy    atomic.Bool
	failing *logonce.Failure
}

// do begins a pass, unless one is under way. Close waits for it.
func (d *duty) do(ctx context.Context, s *Service, pass func(context.Context) error) {
	if !d.busy.CompareAndSwap(false, true) {
		return
	}
	if !s.begin() {
		d.busy.Store(false)
		return
	}
	go func() {
		defer s.background.Done()
		defer d.busy.Store(false)
		passing, cancel := context.WithTimeout(ctx, dueTimeout)
		defer cancel()
		err := pass(passing)
		if ctx.Err() == nil {
			d.failing.Note(ctx, s.Log, err)
		}
	}()
}

// finishChanges finishes changes that are due. One that cannot be finished keeps no other from it.
func (s *sweeper) finishChanges(ctx context.Context) {
	s.changes.do(ctx, s.Service, func(ctx context.Context) (failed error) {
		for after, more := (ledger.DueChange{}), true; more && ctx.Err() == nil; {
			due, err := s.Ledger.DueChanges(ctx, after, duePage)
			if err != nil {
				return err
			}
			err = each(due, func(one int) error {
				return s.told(ctx, "a change of a ticket cannot be finished", due[one].OrderID, s.finishDue(ctx, due[one]))
			})
			if failed == nil {
				failed = err
			}
			if more = len(due) >= duePage; more {
				after = due[len(due)-1]
			}
		}
		return failed
	})
}

// payBackOwed gives back the money of refunds that no event has led to.
func (s *sweeper) payBackOwed(ctx context.Context) {
	if time.Since(s.paidBack) <= payBackEvery {
		return
	}
	s.paidBack = time.Now()
	s.refunds.do(ctx, s.Service, func(ctx context.Context) (failed error) {
		for after, more := "", true; more && ctx.Err() == nil; {
			owed, err := s.Ledger.OwedRefunds(ctx, owedFor, after, owedPage)
			if err != nil {
				return err
			}
			if err := each(owed, func(one int) error {
				err := notYet(s.payBack(ctx, owed[one]))
				return s.told(ctx, "money of a refund cannot be given back", owed[one], err)
			}); failed == nil {
				failed = err
			}
			if more = len(owed) >= owedPage; more {
				after = owed[len(owed)-1]
			}
		}
		return failed
	})
}

// each does something for each of a list, some at once, and returns the first error.
func each[T any](list []T, do func(int) error) error {
	var doing errgroup.Group
	doing.SetLimit(dueAtOnce)
	for i := range list {
		doing.Go(func() error { return do(i) })
	}
	return doing.Wait()
}

// told logs what does not pass by itself, and returns what does.
func (s *sweeper) told(ctx context.Context, what, orderID string, err error) error {
	if err == nil || rail.CodeOf(notYet(err)) == rail.Unavailable {
		return err
	}
	s.Log.ErrorContext(ctx, what, "order", orderID, "error", err)
	return nil
}
