package sale

import (
	"context"
	"errors"
	"time"

	"interlock/internal/logonce"

	"interlock/services/lock"
	"interlock/services/rail"
)

// expiryLock elects the server that looks for holds past their time. It is not a run id, so it is no run's lock.
const expiryLock = "expiry"

// maxDueRuns is how many runs one sweep wakes: what is left comes in the next.
const maxDueRuns = 256

// forgetEvery is how often documents are forgotten that were asked for longer than a day ago, and maxForgotten how many
// at a time: where there are more, the next sweep goes on.
const (
	forgetEvery  = time.Minute
	maxForgotten = 1_000
)

// Sweep gives back, until ctx ends, the seats of holds that ran out on runs nobody else is buying on, and settles
// commits whose buyers do not come back. The first is done by one of all servers, while they agree on which.
func (s *Service) Sweep(ctx context.Context) {
	ticker := time.NewTicker(s.settings.SweepInterval)
	defer ticker.Stop()
	var lease lock.Lease
	looking := logonce.Warn("holds past their time cannot be looked for", "holds past their time are looked for again")
	var forgot time.Time
	defer func() {
		if lease != nil {
			lease.Release()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, run := range s.runsInDoubt() {
			s.wake(run)
		}
		if lease != nil && lease.Extend(ctx) != nil {
			lease.Release()
			lease = nil
		}
		if lease == nil {
			var err error
			lease, err = s.Lock.Acquire(ctx, expiryLock)
			if errors.Is(err, lock.ErrTaken) {
				continue
			}
		}
		if err := s.sweep(ctx); ctx.Err() == nil {
			looking.Note(ctx, s.Log, err)
		}
		if time.Since(forgot) > forgetEvery && !looking.Failing() {
			forgotten, err := s.Ledger.ForgetAsked(ctx, maxForgotten)
			if forgotten < maxForgotten {
				forgot = time.Now()
			}
			if err != nil && ctx.Err() == nil {
				s.Log.WarnContext(ctx, "what buyers asked for longer than a day ago cannot be forgotten", "error", err)
			}
		}
	}
}

func (s *Service) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.settings.BatchTimeout)
	defer cancel()
	runs, err := s.Ledger.DueRuns(ctx, maxDueRuns)
	for _, run := range runs {
		s.wake(run)
	}
	return err
}

// wake has the worker of a run serve a batch that asks for nothing: every batch expires what is due and settles what is
// in doubt. A full queue will do the same.
func (s *Service) wake(run rail.RunID) { _ = s.enqueue(run, newRequest(s.life)) }
