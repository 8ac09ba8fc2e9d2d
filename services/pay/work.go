package pay

import (
	"context"
	"errors"
	"sync"
	"time"

	"interlock/internal/logonce"
	"interlock/internal/pause"
)

const (
	// lookInterval is the pause between two looks for payments that are due. This process wakes its own worker at once.
	lookInterval = 250 * time.Millisecond
	// retryInterval is the pause after a look that failed.
	retryInterval = time.Second
	// reconcileInterval is the pause between two reconciliations, reconcileWindow how far they look back.
	reconcileInterval = time.Hour
	reconcileWindow   = 48 * time.Hour
)

// Run calls providers for payments that are due, and reconciles every hour, until ctx ends. Any number of processes may
// run it on one store: a call that two make has one effect.
func (s *Service) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.reconcileNowAndThen(ctx) })
	failing := logonce.Warn("payments that are due cannot be read: they wait", "payments that are due are read again")
	for ctx.Err() == nil {
		busy, err := s.look(ctx, &all)
		if ctx.Err() != nil {
			return
		}
		failing.Note(ctx, s.Log, err)
		switch {
		case err != nil:
			pause.For(ctx, retryInterval)
		case !busy:
			s.idle(ctx)
		}
	}
}

func (s *Service) idle(ctx context.Context) {
	timer := time.NewTimer(lookInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-timer.C:
	}
}

// look takes payments that are due, as many as may be called for, and has them worked on. busy tells that more may be
// due. It waits while no call may be made.
func (s *Service) look(ctx context.Context, all *sync.WaitGroup) (busy bool, err error) {
	places := s.places(ctx)
	defer func() {
		for range places {
			<-s.calling
		}
	}()
	if places == 0 {
		return false, nil // ctx has ended.
	}
	reading, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	now, err := s.now(reading)
	if err != nil {
		return false, err
	}
	due, err := s.Store.Due(reading, false, places)
	if err != nil {
		return false, err
	}
	oldest := time.Duration(0)
	if len(due) > 0 {
		oldest = max(0, now.Sub(due[0].Due))
	}
	s.counts.oldestDue(oldest)
	if n := s.polls.free(places - len(due)); n > 0 {
		open, err := s.Store.Due(reading, true, n)
		if err != nil {
			return false, err
		}
		due = append(due, open...)
	}
	taken, err := s.claim(reading, due, now)
	if err != nil {
		return false, err
	}
	busy = len(due) == places
	places -= len(taken)
	for _, p := range taken {
		done := s.polls.begin(p)
		all.Go(func() {
			defer func() { done(); <-s.calling }()
			s.work(ctx, p)
		})
	}
	return busy, nil
}

// places takes all places for calls that are free: at least one, unless ctx ends first.
func (s *Service) places(ctx context.Context) (n int) {
	select {
	case s.calling <- struct{}{}:
		n++
	case <-ctx.Done():
		return 0
	}
	for n < MaxBatch {
		select {
		case s.calling <- struct{}{}:
			n++
		default:
			return n
		}
	}
	return n
}

// claim moves the time at which payments are due, so that other processes leave them alone, and answers those that no
// other has taken. All that was read of them is acknowledged by then: a restarted primary may show what no replica has.
func (s *Service) claim(ctx context.Context, due []*Payment, now time.Time) (taken []*Payment, err error) {
	if len(due) == 0 {
		return nil, nil
	}
	waits := make([]*waiting, len(due))
	for i, p := range due {
		waits[i] = &waiting{id: p.ID, base: p, once: true, apply: func(p Payment) (Change, bool) {
			p.Tries++
			return Change{Payment: p, DueIn: max(lease, dueIn(&p, now))}, true
		}}
	}
	if err := s.committer.do(ctx, waits...); err != nil {
		return nil, err
	}
	for _, w := range waits {
		switch {
		case errors.Is(w.err, ErrStale) || w.after == nil && w.err == nil:
		case w.err != nil:
			err = w.err
		default:
			taken = append(taken, w.after)
		}
	}
	if len(taken) > 0 {
		err = nil // The others are due again.
	}
	return taken, err
}

// work does what a payment is in need of.
func (s *Service) work(ctx context.Context, p *Payment) {
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout+notingTimeout)
	defer cancel()
	if s.counts.isOverdue(p) {
		s.Log.ErrorContext(ctx, "money cannot be given back: it is tried again every minute", "payment", p.ID,
			"order", p.OrderID, "state", p.State, "provider", p.Provider, "tries", p.Tries)
	}
	after, err := s.workOn(ctx, noting, p)
	if err == nil && after != nil && after.Version == p.Version {
		err = s.comeBack(noting, p)
	}
	if err == nil && after != nil && after.State != p.State {
		s.counts.ended(p.ID)
	}
	if ctx.Err() == nil {
		s.noting.Note(ctx, s.Log, err, "payment", p.ID)
	}
}

func (s *Service) workOn(ctx, noting context.Context, p *Payment) (*Payment, error) {
	now, err := s.now(noting)
	if err != nil {
		return nil, err
	}
	provider, has := s.providers[p.Provider]
	if !has {
		return nil, errNoProvider
	}
	calling, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if by, _ := deadline(p); !by.IsZero() && !now.Before(by) {
		return s.giveUp(calling, noting, provider, p, now)
	}
	return s.step(calling, noting, provider, p)
}

// giveUp ends a payment at its deadline. Its charge is asked for first: where the database is an older one that was
// restored, the payment may have been captured long since, and its order be PAID by it. Then the ledger is asked again,
// and decides whether the money goes back. While the provider does not answer, the payment waits.
func (s *Service) giveUp(ctx, noting context.Context, provider Provider, p *Payment, now time.Time) (*Payment, error) {
	var c Charge
	if p.Reference != "" && p.Captured == 0 {
		var err error
		if c, err = s.get(ctx, provider, p); err != nil && !errors.Is(err, ErrUnknown) {
			return p, nil //nolint:nilerr // It is counted and logged, and the call is made again.
		}
	}
	return s.committer.change(noting, p.ID, p, func(p Payment) (Payment, bool) {
		by, reason := deadline(&p)
		if by.IsZero() || now.Before(by) {
			return p, false // The ledger has decided meanwhile.
		}
		if c.Captured > 0 {
			next, advanced := Advance(p, c)
			next, decided := Decide(next, Settlement{Decision: Capture})
			return next, advanced || decided
		}
		return letGo(p, reason)
	})
}

// comeBack has a payment be due at its own time, where that is before the end of the lease that was taken on it.
func (s *Service) comeBack(ctx context.Context, p *Payment) error {
	now, err := s.now(ctx)
	if err != nil || dueIn(p, now) >= lease {
		return err
	}
	_, err = s.committer.change(ctx, p.ID, p, func(now Payment) (Payment, bool) {
		return now, now.Version == p.Version
	})
	return err
}

// reconcileNowAndThen reconciles every hour, first after a minute.
func (s *Service) reconcileNowAndThen(ctx context.Context) {
	failing := logonce.Warn("payments cannot be reconciled with the provider", "payments are reconciled again")
	for wait := time.Minute; pause.For(ctx, wait); wait = reconcileInterval {
		report, err := s.Reconcile(ctx, reconcileWindow)
		if ctx.Err() != nil {
			return
		}
		failing.Note(ctx, s.Log, err)
		if report.Left > 0 || report.Healed > 0 {
			s.Log.WarnContext(ctx, "the provider's list differed from the payments", "healed", report.Healed,
				"left", report.Left)
		}
	}
}
