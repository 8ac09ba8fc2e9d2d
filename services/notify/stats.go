package notify

import (
	"maps"
	"sync"
	"time"
)

// Tried are deliveries by how a try of theirs ended.
type Tried struct {
	Channel Channel
	State   State
}

// Stats count since the start of this process, unless they say otherwise.
type Stats struct {
	// Noted are deliveries that were noted; one that is noted twice counts twice.
	Noted int64
	// Tried are tries by how they ended: Pending is tried again.
	Tried map[Tried]int64
	// OldestDue is since when the delivery is due that is due for longest and has no place, as the worker last saw it;
	// zero where none is.
	OldestDue time.Time
	// UnderWay is how many tries are being made now, by channel.
	UnderWay map[Channel]int
}

type counts struct {
	mu    sync.Mutex
	stats Stats
}

func newCounts() counts { return counts{stats: Stats{Tried: map[Tried]int64{}}} }

// Stats reads the counts.
func (s *Service) Stats() Stats {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	stats := s.counts.stats
	stats.Tried, stats.UnderWay = maps.Clone(stats.Tried), s.places.underWay()
	return stats
}

func (c *counts) noted(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Noted += int64(n)
}

func (c *counts) tried(d *Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Tried[Tried{d.Channel, d.State}]++
}

func (c *counts) oldestDue(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.OldestDue = at
}
