package sale

import "time"

// A commit costs the databases some milliseconds of work whatever is in it: a primary and its replicas wake each other, and
// flush. Where a few dozen buyers ask again as soon as they are answered, half of them wait while the other half is in the
// ledger, and for ever so. A worker that waits for those it has just answered serves all of them with one commit.

const (
	// windowTick is how long a worker looks whether more buyers come. One that nobody joins waits that long in vain.
	windowTick = 2 * time.Millisecond
	// windowMax bounds the whole wait, by less than a commit takes on a busy machine; the last batch's own time does, too.
	windowMax = 10 * time.Millisecond
	// windowGrowth is which part of those who are expected must have come in a tick for another tick to be worth it: hundreds
	// who wait are not kept for a handful.
	windowGrowth = 32
)

// expected is what a worker knows of the buyers around it when it answers a batch.
type expected struct {
	// buyers are those who are answered and those who wait then, as many as a batch may have.
	buyers int
	// took is how long the batch was in the ledger.
	took time.Duration
}

// expect is to be called before a batch is answered: whoever is back already would be counted twice.
func (w *worker) expect(batch int, took time.Duration) {
	s := w.service
	s.mu.Lock()
	defer s.mu.Unlock()
	w.expects = expected{min(batch+len(w.queue), s.settings.MaxBatch), took}
}

// waitForBuyers lets the buyers that the last batch has answered come back, as long as they come. Who is alone is served at once.
func (w *worker) waitForBuyers() {
	if w.expects.buyers == 0 {
		return // It has answered nobody yet.
	}
	deadline := time.Now().Add(min(w.expects.took, windowMax))
	tick := time.NewTicker(windowTick)
	defer tick.Stop()
	before := w.service.queued(w)
	for waiting := before; waiting < w.expects.buyers; waiting = w.service.queued(w) {
		select {
		case <-w.arrived:
			continue
		case <-tick.C:
		case <-w.service.life.Done():
			return
		}
		waiting = w.service.queued(w)
		if waiting-before <= w.expects.buyers/windowGrowth || time.Now().After(deadline) {
			return
		}
		before = waiting
	}
}
