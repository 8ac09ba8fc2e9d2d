package sqlledger

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

const (
	// clockInterval is how long a look at the primary's clock counts, once or twice: far longer than batches are apart.
	clockInterval = time.Second
	// leadMax is how long it counts where there is no later one: longer than a batch can be under way, and so short
	// that two clocks drift apart by a millisecond at most.
	leadMax = 10 * time.Second
)

// clock is what is known of the primary's clock between two looks at it. A time was told before it came. So the primary
// is ahead of us by the told time less our time of its coming, or by more. The answer that travelled fastest says it
// best: this is one side of Cristian's algorithm (F. Cristian, Probabilistic clock synchronization, 1989). The time
// that is derived may be late by that journey, and is never early by more than clocks drift. What was seen before a
// silence still counts after it, because the first answer that is read then may have waited all through the silence, in
// a server that stood still. So if a primary's clock is put back, the old time is believed for two intervals of looks,
// or for leadMax of silence.
type clock struct {
	mu sync.Mutex
	// origin is when the first look was. Our times are counted from it, so that setting this machine's clock does not
	// move them.
	origin time.Time
	// leads are how far the primary's clock was ahead of ours, in this interval, which began at since, and in the last
	// one before in which it told its time.
	leads [2]lead
	since time.Duration
}

// lead is a time of the primary at our origin, the zero time where none is known, and when, in our time, it was seen.
type lead struct {
	at   time.Time
	seen time.Duration
}

// saw says that the primary has just told its time.
func (c *clock) saw(theirs time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ours := c.ours()
	if at := theirs.Add(-ours); at.After(c.leads[0].at) {
		c.leads[0] = lead{at, ours}
	}
}

// after is what the primary's clock shows by now, where it has shown a time before: that time at least.
func (c *clock) after(theirs time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ours := c.ours()
	for _, l := range c.leads {
		if now := l.at.Add(ours); now.After(theirs) {
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
	if ours-c.since >= clockInterval {
		if !c.leads[0].at.IsZero() {
			c.leads[1] = c.leads[0]
		}
		c.leads[0], c.since = lead{}, ours
	}
	if ours-c.leads[1].seen >= leadMax {
		c.leads[1] = lead{}
	}
	return ours
}

// clock reads the primary's clock.
func (t *transaction) clock(ctx context.Context) (time.Time, error) {
	var now int64
	err := t.rows(ctx, "SELECT "+t.pool.dialect.now(), nil, func(r *sql.Rows) error { return r.Scan(&now) })
	return fromMillis(now), err
}
