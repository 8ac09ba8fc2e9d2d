package sale

import (
	"context"
	"time"
)

// A commit costs the databases some milliseconds of work whatever is in it: a primary and its replicas wake each other,
// and flush. A few dozen buyers who ask again as soon as they are answered fall into two halves: one waits while the
// other is in the ledger, and so for ever. A worker that waits for the buyers it has just answered serves all with one
// commit.

const (
	// windowTick is how long a worker looks whether more buyers come. A window without a new buyer lasts one tick.
	windowTick = 2 * time.Millisecond
	// windowMax bounds a window: it is less than a commit takes on a busy machine. The time of the last batch is
	// another bound.
	windowMax = 10 * time.Millisecond
	// windowGrowth is which part of the expected buyers must come in a tick to make the next tick worth it: hundreds
	// who wait are not kept for a handful.
	windowGrowth = 32
)

// batchWindow is the time in which a worker waits for buyers before it takes a batch.
type batchWindow struct {
	// buyers is how many buyers may come: those of the last batch, and those who waited when it was answered. It is at
	// most a batch, and 0 before the first one.
	buyers int
	// took is how long the last batch was in the ledger.
	took time.Duration
}

// wait lets the expected buyers come back, as long as they come. A buyer who is alone is served at once. arrived tells
// that queued has grown.
func (b batchWindow) wait(ctx context.Context, arrived <-chan struct{}, queued func() int) {
	if b.buyers == 0 {
		return
	}
	deadline := time.Now().Add(min(b.took, windowMax))
	tick := time.NewTicker(windowTick)
	defer tick.Stop()
	before := queued()
	for waiting := before; waiting < b.buyers; waiting = queued() {
		select {
		case <-arrived:
			continue
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		waiting = queued()
		if waiting-before <= b.buyers/windowGrowth || time.Now().After(deadline) {
			return
		}
		before = waiting
	}
}

// noteBatch sets the next window by a batch that was committed. It must be called before the batch is answered: buyers
// who have come back already would count twice.
func (w *worker) noteBatch(size int, took time.Duration) {
	s := w.service
	s.mu.Lock()
	defer s.mu.Unlock()
	w.window = batchWindow{buyers: min(size+len(w.queue), s.settings.MaxBatch), took: took}
}
