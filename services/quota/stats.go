package quota

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats count since the start of this process.
type Stats struct {
	// Refused are refusals, by the kind of operation, or "document" or "selling": see Names.
	Refused map[string]int64
	// Alone is how many demands were answered by this server alone, since the store was away.
	Alone int64
}

type counts struct {
	alone atomic.Int64

	mu      sync.Mutex
	refused map[string]int64
}

func (c *counts) refuse(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[string]int64{}
	}
	c.refused[what]++
}

// Stats reads the counts.
func (l *Limiter) Stats() Stats {
	l.counts.mu.Lock()
	defer l.counts.mu.Unlock()
	return Stats{Refused: maps.Clone(l.counts.refused), Alone: l.counts.alone.Load()}
}
