package ledger

import (
	"sync"
	"time"
)

// clockInterval is how long a look at the primary's clock counts, once or twice: far longer than batches are apart, and too
// short for two clocks to drift apart by what anybody could tell.
const clockInterval = time.Second

// clock is what is known of the primary's clock between two looks at it. An answer that tells a time was given before it came,
// so the primary has been ahead of us by that time less our own of its coming, or by more. The answer that travelled fastest
// says it best, which is Cristian's algorithm (F. Cristian, Probabilistic clock synchronization, 1989) seen from one side:
// what is told may be late by that journey, and is never early. A primary whose clock is put back is believed to be
// where it was for two intervals at most.
type clock struct {
	mu sync.Mutex
	// origin is when the first look was; our times are counted from it, so that nobody who sets our clock moves them.
	origin time.Time
	// leads are how far the primary's clock was ahead of ours, in this interval and in the one before, which ended at since.
	leads [2]lead
	since time.Duration
}

// lead is a time of the primary at our origin; known tells that there is one.
type lead struct {
	at    time.Time
	known bool
}

// saw says that the primary has just told its time.
func (c *clock) saw(theirs time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ours := c.ours()
	if at := theirs.Add(-ours); !c.leads[0].known || at.After(c.leads[0].at) {
		c.leads[0] = lead{at, true}
	}
}

// after is what the primary's clock shows by now, where it has shown a time before: that time at least.
func (c *clock) after(theirs time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ours := c.ours()
	for _, l := range c.leads {
		if now := l.at.Add(ours); l.known && now.After(theirs) {
			theirs = now
		}
	}
	return theirs.Truncate(time.Millisecond)
}

// ours is our own time since the origin. Leads that are too old are forgotten.
func (c *clock) ours() time.Duration {
	if c.origin.IsZero() {
		c.origin = time.Now()
	}
	ours := time.Since(c.origin)
	if past := ours - c.since; past >= 2*clockInterval {
		c.leads, c.since = [2]lead{}, ours
	} else if past >= clockInterval {
		c.leads, c.since = [2]lead{{}, c.leads[0]}, ours
	}
	return ours
}
