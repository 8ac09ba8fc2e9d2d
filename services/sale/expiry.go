package sale

import (
	"context"
	"time"

	"interlock/internal/logonce"

	"interlock/services/rail"
)

// expiryLock elects the server that looks for holds past their time.
const expiryLock = "expiry"

// maxDueRuns is how many runs one sweep wakes. The next sweep wakes the others.
const maxDueRuns = 256

const (
	// forgetEvery is how often documents are forgotten that were asked for longer than a day ago.
	forgetEvery = time.Minute
	// maxForgotten is how many are forgotten at a time. The next sweep goes on where there are more.
	maxForgotten = 1_000
)

// Sweep does until ctx ends what no buyer asks for. It gives back the seats of holds that ran out, finishes changes
// that were left half done, and gives back money that is owed. It also resolves commits whose buyers do not come back.
// One of all servers does the first; each server does the last for its own commits.
func (s *Service) Sweep(ctx context.Context) {
	ticker := time.NewTicker(s.settings.SweepInterval)
	defer ticker.Stop()
	sweeper := sweeper{
		Service:  s,
		election: election{locks: s.Lock, name: expiryLock},
		looking: logonce.Warn(
			"holds past their time cannot be looked for", "holds past their time are looked for again"),
		changes: duty{failing: logonce.Warn("changes that are due cannot be finished", "changes are finished again")},
		refunds: duty{failing: logonce.Warn(
			"money of refunds cannot be given back", "money of refunds is given back again")},
	}
	defer sweeper.resign()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, run := range s.runsInDoubt() {
			s.wake(run)
		}
		if sweeper.elected(ctx) {
			sweeper.expire(ctx)
			sweeper.forget(ctx)
			sweeper.finishChanges(ctx)
			sweeper.payBackOwed(ctx)
		}
	}
}

// sweeper is one server's part in looking for holds past their time.
type sweeper struct {
	*Service
	election
	looking *logonce.Failure
	// forgotAll is when nothing was left to be forgotten.
	forgotAll time.Time
	// changes finish, refunds give money back. paidBack is when the last pass of those began.
	changes, refunds duty
	paidBack         time.Time
}

// expire wakes the workers of runs with holds past their time.
func (s *sweeper) expire(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, s.settings.BatchTimeout)
	defer cancel()
	runs, err := s.Ledger.DueRuns(asking, maxDueRuns)
	for _, run := range runs {
		s.wake(run)
	}
	if ctx.Err() == nil {
		s.looking.Note(ctx, s.Log, err)
	}
}

// forget deletes what buyers asked for longer than a day ago.
func (s *sweeper) forget(ctx context.Context) {
	if time.Since(s.forgotAll) <= forgetEvery || s.looking.Failing() {
		return
	}
	forgotten, err := s.Ledger.ForgetAsked(ctx, maxForgotten)
	if forgotten < maxForgotten {
		s.forgotAll = time.Now()
	}
	if err != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "what buyers asked for longer than a day ago cannot be forgotten", "error", err)
	}
}

// wake has the worker of a run serve a batch that asks for nothing: every batch expires holds past their time and
// resolves what is in doubt. Where the queue is full, the batches of those who wait do the same.
func (s *Service) wake(run rail.RunID) { _ = s.enqueue(run, newRequest(s.life)) }
