package sale

import (
	"errors"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// A commit whose outcome is not known is settled by the next batch on its run that opens with a locking read and
// commits: the read waits for the lost transaction, the batch looks the keys up, and the version it writes makes a
// commit that is still on its way fail its compare-and-set. Until then the run is unsettled, every batch on it opens
// locking, and who was in the lost one is told ORDER_PENDING and nothing else. A server that was not there when the
// commit got lost meets its transaction on the run's row, and says the same to whoever comes with a key or an order.

// maxInDoubt bounds how many requests are remembered per run, and how many payments; beyond it a buyer may be told UNAVAILABLE, which also says to
// try again.
const maxInDoubt = 16_384

// noteInDoubt notes that nobody knows what became of a batch.
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

// failure is what a request is told of a failure: not "nothing was done" where that is not known.
func (s *Service) failure(run rail.RunID, r *request, err error) error {
	if r.name() == "" {
		// Nobody waits for this answer. What passes by itself is tried again; the rest somebody has to hear of.
		var broken *brokenRun
		if rail.CodeOf(err) == rail.Internal && !errors.As(err, &broken) {
			s.Log.Error("a run could not be looked after", "run", run, "error", err)
		}
		return err
	}
	s.mu.Lock()
	doubted := s.inDoubt[run][r.name()]
	s.mu.Unlock()
	if doubted || errors.Is(err, ledger.ErrLocked) {
		return pending(err)
	}
	return err
}

// payAttempt is one buyer's attempt to pay for one order.
type payAttempt struct{ order, buyer, key string }

// paymentFailure is what a payment is told of what came of it. Once its commit was unknown it is told ORDER_PENDING, also while
// the ledger cannot even be asked, until the ledger has said what it is: its row's lock holds whoever asks up until then.
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

// resolve notes that a locking batch on the run has committed, or that nothing was in doubt.
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
