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

// clock is what is known of the primary's clock between two looks at it. An answer is old when it arrives. Told time
// minus our arrival time is therefore a lower bound of the primary's lead. The answer that travelled fastest gives the
// best bound: this is one side of Cristian's algorithm (F. Cristian, Probabilistic clock synchronization, 1989). The
// derived time may be late by that journey, and is early by no more than clocks drift. What was seen before a silence
// still counts after it: the first answer after it may have waited all through the silence, in a server that stood
// still. So if a primary's clock is put back, the old time is believed for two intervals of looks, or for leadMax of
// silence.
type clock struct {
	mu sync.Mutex
	// origin is when the first look was. Our times are counted from it, so that setting this machine's clock does not
	// move them.
	origin time.Time
	// leads are the best lower bound of this interval, which began at since, and that of the last interval that had
	// one.
	leads [2]lead
	since time.Duration
}

// lead is a lower bound. at is the primary's time at our origin, the zero time where none is known. seen is when we
// learned it, in our time.
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

// after is the later of theirs, a time that the primary has shown, and our estimate of its clock now.
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
