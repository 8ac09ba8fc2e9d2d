package main

import (
	"context"
	"sync"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// silence is how long a server stays unready after the last commit in doubt. It is twice the longest pause
// between two probes of the ledger, so that a server is not ready in between while probes fail. It ends by itself: an
// unready server gets no buyers, has nothing to probe with, and so would not learn that commits are acknowledged again.
const silence = 10 * time.Second

// commitsCheck says whether commits are acknowledged. The cluster's own status does not tell: a frozen replica counts
// as connected until its connection times out.
type commitsCheck struct {
	stats func() sqlledger.Stats
	now   func() time.Time

	mu sync.Mutex
	// inDoubt is how many commits had been in doubt when last was set.
	inDoubt int64
	last    time.Time
}

// Ready returns no error while commits are acknowledged, or may be acknowledged again.
func (c *commitsCheck) Ready(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats, now := c.stats(), c.now()
	if stats.CommitsInDoubt != c.inDoubt {
		c.inDoubt, c.last = stats.CommitsInDoubt, now
	}
	if stats.Probing && now.Sub(c.last) < silence {
		return "", rail.Refuse(rail.Unavailable, "commits are not acknowledged: no order can be answered just now")
	}
	return "acknowledged", nil
}
