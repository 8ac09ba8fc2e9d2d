package sale

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/rail"
)

// The steps of payments share commits. A run has one commit of steps under way at a time, and its next begins
// stepsApart later: steps that come meanwhile share it. So a step that comes after a rest waits for nothing, and
// many that come at once are a few commits. Runs take turns at the MaxPaying places in the ledger, in the order
// in which they came.

const (
	// maxWaitingSteps is how many steps wait on all runs: seconds of work for the ledger.
	maxWaitingSteps = 8_192
	// stepsApart is the least time between the begins of two commits of a run's steps. A primary takes a few hundred
	// commits a second. The steps of a hundred payments a second would have every second of them, and the run's sale
	// the rest.
	stepsApart = 25 * time.Millisecond
)

// paymentSteps are the steps that wait for a commit, by run and in order of arrival.
type paymentSteps struct {
	mu      sync.Mutex
	waiting int
	runs    map[rail.RunID][]*waitingStep
}

// waitingStep is one step, and who waits for what the ledger says about it.
type waitingStep struct {
	ledger.PaymentStep
	// state is waits, taken or left.
	state atomic.Int32
	// decided takes the one answer without waiting for who asked.
	decided chan decidedStep
}

type decidedStep struct {
	outcome ledger.PaymentOutcome
	err     error
}

// decidePayment has the ledger decide about a payment, in a commit that it may share with others of the run. The errors
// are those of ledger.DecidePayments. OVERLOADED, and UNAVAILABLE where ctx ended first: the ledger was not asked.
// ledger.ErrInDoubt: it was, and the answer is not known. Only what Close waits for may call it.
func (s *Service) decidePayment(
	ctx context.Context, run rail.RunID, step ledger.PaymentStep,
) (ledger.PaymentOutcome, error) {
	w := &waitingStep{PaymentStep: step, decided: make(chan decidedStep, 1)}
	first, joined := s.steps.join(run, w)
	if !joined {
		return ledger.PaymentOutcome{}, s.tooManyPaying()
	}
	if first {
		s.background.Go(func() { s.serveSteps(run) })
	}
	timer := time.NewTimer(s.settings.PayWait)
	defer timer.Stop()
	select {
	case d := <-w.decided:
		return d.outcome, d.err
	case <-ctx.Done():
	case <-timer.C:
		if w.state.CompareAndSwap(waits, left) {
			return ledger.PaymentOutcome{}, s.tooManyPaying()
		}
		select {
		case d := <-w.decided:
			return d.outcome, d.err
		case <-ctx.Done():
		}
	}
	if w.state.CompareAndSwap(waits, left) {
		return ledger.PaymentOutcome{}, outOfTime(ctx)
	}
	return ledger.PaymentOutcome{}, fmt.Errorf("%w: %w", ledger.ErrInDoubt, ctx.Err())
}

// join puts a step behind those of its run. first tells that the run is not served yet. False: too many wait.
func (p *paymentSteps) join(run rail.RunID, w *waitingStep) (first, joined bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting >= maxWaitingSteps {
		return false, false
	}
	queue, served := p.runs[run]
	p.runs[run] = append(queue, w)
	p.waiting++
	return !served, true
}

// next takes the steps of a run's next commit, in order of arrival. A commit has one step of an order at most: the
// others of that order wait for the next commit.
func (p *paymentSteps) next(run rail.RunID) []*waitingStep {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.runs[run]
	var batch, later []*waitingStep
	orders := map[string]bool{}
	for i, w := range queue {
		if len(batch) == ledger.MaxPaymentSteps {
			later = append(later, queue[i:]...)
			break
		}
		if orders[w.OrderID] {
			later = append(later, w)
		} else if w.state.CompareAndSwap(waits, taken) {
			orders[w.OrderID] = true
			batch = append(batch, w)
		}
	}
	p.waiting -= len(queue) - len(later)
	p.runs[run] = later
	return batch
}

// any tells whether steps of a run wait. Where none do, the run is served no more.
func (p *paymentSteps) any(run rail.RunID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.runs[run]) > 0 {
		return true
	}
	delete(p.runs, run)
	return false
}

// serveSteps has the ledger decide the steps of a run until none wait.
func (s *Service) serveSteps(run rail.RunID) {
	var begun time.Time
	for s.steps.any(run) {
		pause.For(s.life, stepsApart-time.Since(begun))
		s.paying <- struct{}{}
		begun = time.Now()
		if batch := s.steps.next(run); len(batch) > 0 {
			bisect(batch, func(batch []*waitingStep) []*waitingStep { return s.decideSteps(run, batch) })
		}
		<-s.paying
	}
}

// decideSteps has the ledger decide steps in one commit. It returns those that are to be decided in halves, none once
// all have their answer.
func (s *Service) decideSteps(run rail.RunID, batch []*waitingStep) (rest []*waitingStep) {
	steps := make([]ledger.PaymentStep, len(batch))
	for i, w := range batch {
		steps[i] = w.PaymentStep
	}
	ctx, cancel := context.WithTimeout(s.life, s.settings.BatchTimeout)
	defer cancel()
	outcomes, err := s.Ledger.DecidePayments(ctx, run, steps)
	if err == nil && len(outcomes) != len(steps) {
		err = fmt.Errorf("the ledger decided %d of %d steps", len(outcomes), len(steps))
	}
	if len(batch) > 1 && s.life.Err() == nil && ofOneStep(err) {
		return batch
	}
	s.counters.paymentCommits.Add(1)
	s.counters.paymentSteps.Add(int64(len(batch)))
	for i, w := range batch {
		if err != nil {
			w.decided <- decidedStep{err: err}
		} else {
			w.decided <- decidedStep{outcome: outcomes[i]}
		}
	}
	return nil
}

// ofOneStep tells whether one step may be why a commit failed, so that the others are to be tried without it. Nothing
// was written then.
func ofOneStep(err error) bool {
	switch {
	case err == nil, errors.Is(err, ledger.ErrInDoubt):
		return false
	case errors.Is(err, ledger.ErrLocked):
		return true
	}
	code := rail.CodeOf(err)
	return code == rail.Internal || code.IsRefusal()
}
