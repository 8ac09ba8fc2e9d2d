package sale

import (
	"errors"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// A commit is in doubt when its outcome is not known. The next batch on its run that opens with a locking read and
// commits resolves it. The read waits for the lost transaction, the batch looks the keys up, and the version it writes
// makes a commit that is still on its way fail its compare-and-set.
//
// Until then every batch on the run opens locking, and the buyers of the lost batch are told ORDER_PENDING. Another
// server does not know of the lost commit. It meets the open transaction on the run's row, and also says ORDER_PENDING.

// maxInDoubt bounds how many requests are remembered per run, and how many payments. A buyer beyond it may be told
// UNAVAILABLE, which also says to try again.
const maxInDoubt = 16_384

// noteInDoubt keeps in mind that a batch is in doubt.
func (s *Service) noteInDoubt(run rail.RunID, batch []*request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.inDoubt[run]
	if names == nil {
		names = map[string]bool{}
		s.inDoubt[run] = names
	}
	for _, r := range batch {
		if name := r.name(); name != "" && len(names) < maxInDoubt {
			names[name] = true
		}
	}
}

// failure is the error that a request is answered with: ORDER_PENDING where the request may have taken place, else err.
func (s *Service) failure(run rail.RunID, r *request, err error) error {
	if r.name() == "" {
		// No buyer waits for this answer. The log tells of what does not pass by itself.
		var broken *brokenRun
		if rail.CodeOf(err) == rail.Internal && !errors.As(err, &broken) {
			s.Log.Error("a run could not be looked after", "run", run, "error", err)
		}
		return err
	}
	s.mu.Lock()
	mayBeDone := s.inDoubt[run][r.name()]
	s.mu.Unlock()
	if mayBeDone || errors.Is(err, ledger.ErrLocked) {
		return pending(err)
	}
	return err
}

// payAttempt is one buyer's attempt to pay for one order.
type payAttempt struct{ order, buyer, key string }

// paymentFailure is the error that a payment is answered with. A payment in doubt is answered ORDER_PENDING until the
// ledger has said what became of it, also while the ledger is away. The lock of the order's row makes that answer wait
// for the lost transaction.
func (s *Service) paymentFailure(p payAttempt, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, ledger.ErrInDoubt):
		if len(s.paymentsInDoubt) < maxInDoubt {
			s.paymentsInDoubt[p] = true
		}
		return pending(err)
	case errors.Is(err, ledger.ErrLocked), rail.CodeOf(err) == rail.Unavailable && s.paymentsInDoubt[p]:
		return pending(err)
	case err == nil, rail.CodeOf(err).IsRefusal():
		delete(s.paymentsInDoubt, p)
	}
	return err
}

// resolve forgets what was in doubt on a run: a batch on it has committed, and that batch was locking if need be.
func (s *Service) resolve(run rail.RunID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inDoubt, run)
}

func (s *Service) isInDoubt(run rail.RunID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.inDoubt[run]
	return ok
}

func (s *Service) runsInDoubt() []rail.RunID {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := make([]rail.RunID, 0, len(s.inDoubt))
	for run := range s.inDoubt {
		runs = append(runs, run)
	}
	return runs
}
