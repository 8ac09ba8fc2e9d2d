package main

import (
	"context"
	"sync"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// silence is how long a server stays unready after the last commit that went unheard of. Twice the longest pause
// between two probes of the ledger: while they fail, it is never ready in between. It ends by itself, because a server
// that is sent no buyers for being unready would have nothing to probe with, and so would never learn that all is well
// again.
const silence = 10 * time.Second

// commitsCheck says whether commits are acknowledged. What can be asked of a cluster does not tell: a replica that is
// frozen counts as connected until its connection is given up.
type commitsCheck struct {
	stats func() sqlledger.Stats
	now   func() time.Time

	mu sync.Mutex
	// unknown is how many commits had gone unheard of when last was set.
	unknown int64
	last    time.Time
}

// Ready is nil while commits are acknowledged, or may be again.
func (c *commitsCheck) Ready(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats, now := c.stats(), c.now()
	if stats.UnknownCommits != c.unknown {
		c.unknown, c.last = stats.UnknownCommits, now
	}
	if stats.Probing && now.Sub(c.last) < silence {
		return "", rail.Refuse(rail.Unavailable, "commits are not acknowledged: no order can be answered just now")
	}
	return "acknowledged", nil
}
