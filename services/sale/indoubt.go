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

// maxDoubts bounds how many requests are remembered per run, and how many payments; beyond it a buyer may be told UNAVAILABLE, which also says to
// try again.
const maxDoubts = 16_384

// doubt notes that nobody knows what became of a batch.
func (o *Service) doubt(run rail.RunID, batch []*request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	names := o.unsettled[run]
	if names == nil {
		names = map[string]bool{}
		o.unsettled[run] = names
	}
	for _, r := range batch {
		if name := r.name(); name != "" && len(names) < maxDoubts {
			names[name] = true
		}
	}
}

// told is what a request is told of a failure: not "nothing was done" where that is not known.
func (o *Service) told(run rail.RunID, r *request, err error) error {
	if r.name() == "" {
		// Nobody waits for this answer. What passes by itself is tried again; the rest somebody has to hear of.
		var broken *brokenRun
		if rail.CodeOf(err) == rail.Internal && !errors.As(err, &broken) {
			o.Log.Error("a run could not be looked after", "run", run, "error", err)
		}
		return err
	}
	o.mu.Lock()
	doubted := o.unsettled[run][r.name()]
	o.mu.Unlock()
	if doubted || errors.Is(err, ledger.ErrLocked) {
		return pending(err)
	}
	return err
}

// payAttempt is one buyer's attempt to pay for one order.
type payAttempt struct{ order, buyer, key string }

// paymentTold is what a payment is told of what came of it. Once its commit was unknown it is told ORDER_PENDING, also while
// the ledger cannot even be asked, until the ledger has said what it is: its row's lock holds whoever asks up until then.
func (o *Service) paymentTold(p payAttempt, err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case errors.Is(err, ledger.ErrInDoubt):
		if len(o.unsettledPayments) < maxDoubts {
			o.unsettledPayments[p] = true
		}
		return pending(err)
	case errors.Is(err, ledger.ErrLocked), rail.CodeOf(err) == rail.Unavailable && o.unsettledPayments[p]:
		return pending(err)
	case err == nil, rail.CodeOf(err).IsRefusal():
		delete(o.unsettledPayments, p)
	}
	return err
}

// settle notes that a locking batch on the run has committed, or that nothing was in doubt.
func (o *Service) settle(run rail.RunID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.unsettled, run)
}

func (o *Service) isUnsettled(run rail.RunID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.unsettled[run]
	return ok
}

func (o *Service) unsettledRuns() []rail.RunID {
	o.mu.Lock()
	defer o.mu.Unlock()
	runs := make([]rail.RunID, 0, len(o.unsettled))
	for run := range o.unsettled {
		runs = append(runs, run)
	}
	return runs
}
