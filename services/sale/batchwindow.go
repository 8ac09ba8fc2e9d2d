package sale

import "time"

// A commit costs the databases some milliseconds of work whatever is in it: a primary and its replicas wake each other, and
// flush. Where a few dozen buyers ask again as soon as they are answered, half of them wait while the other half is in the
// ledger, and for ever so. A worker that waits for those it has just answered serves all of them with one commit.

const (
	// gatherTick is how long a worker looks whether more buyers come. One that nobody joins waits that long in vain.
	gatherTick = 2 * time.Millisecond
	// gatherMax bounds the whole wait, by less than a commit takes on a busy machine; the last batch's own time does, too.
	gatherMax = 10 * time.Millisecond
	// gatherGrowth is which part of those who are expected must have come in a tick for another tick to be worth it: hundreds
	// who wait are not kept for a handful.
	gatherGrowth = 32
)

// expected is what a worker knows of the buyers around it when it answers a batch.
type expected struct {
	// buyers are those who are answered and those who wait then, as many as a batch may have.
	buyers int
	// took is how long the batch was in the ledger.
	took time.Duration
}

// expect is to be called before a batch is answered: whoever is back already would be counted twice.
func (c *worker) expect(batch int, took time.Duration) {
	o := c.service
	o.mu.Lock()
	defer o.mu.Unlock()
	c.expects = expected{min(batch+len(c.queue), o.settings.MaxBatch), took}
}

// gather lets the buyers that the last batch has answered come back, as long as they come. Who is alone is served at once.
func (c *worker) gather() {
	if c.expects.buyers == 0 {
		return // It has answered nobody yet.
	}
	deadline := time.Now().Add(min(c.expects.took, gatherMax))
	tick := time.NewTicker(gatherTick)
	defer tick.Stop()
	before := c.service.behind(c)
	for waiting := before; waiting < c.expects.buyers; waiting = c.service.behind(c) {
		select {
		case <-c.arrived:
			continue
		case <-tick.C:
		case <-c.service.life.Done():
			return
		}
		waiting = c.service.behind(c)
		if waiting-before <= c.expects.buyers/gatherGrowth || time.Now().After(deadline) {
			return
		}
		before = waiting
	}
}
