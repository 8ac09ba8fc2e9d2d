package sale

import "interlock/services/rail"

// A commit whose outcome is not known is settled by the next batch on its run that opens with a locking read and
// commits: the read waits for the lost transaction, the batch looks the keys up, and the version it writes makes a
// commit that is still on its way fail its compare-and-set. Until then the run is unsettled, every batch on it opens
// locking, and who was in the lost one is told ORDER_PENDING.

// maxDoubts bounds how many keys are remembered per run; beyond it a buyer may be told UNAVAILABLE, which also says to
// try again.
const maxDoubts = 16_384

// doubt notes that nobody knows what became of a batch.
func (o *Office) doubt(run rail.RunID, batch []*request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	keys := o.unsettled[run]
	if keys == nil {
		keys = map[rail.OrderKey]bool{}
		o.unsettled[run] = keys
	}
	for _, r := range batch {
		if r.place != nil && len(keys) < maxDoubts {
			keys[r.place.key] = true
		}
	}
}

// settle notes that a locking batch on the run has committed, or that nothing was in doubt.
func (o *Office) settle(run rail.RunID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.unsettled, run)
}

func (o *Office) isUnsettled(run rail.RunID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.unsettled[run]
	return ok
}

func (o *Office) inDoubt(run rail.RunID, key rail.OrderKey) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.unsettled[run][key]
}

func (o *Office) unsettledRuns() []rail.RunID {
	o.mu.Lock()
	defer o.mu.Unlock()
	runs := make([]rail.RunID, 0, len(o.unsettled))
	for run := range o.unsettled {
		runs = append(runs, run)
	}
	return runs
}
