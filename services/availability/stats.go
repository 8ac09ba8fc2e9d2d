package availability

import "sync/atomic"

// Stats counts what a Cache has done since it was made.
type Stats struct {
	// Asks were answered, Unknown of them with "not known".
	Asks, Unknown uint64
	// Torn asks were read again, because their entry changed under the reading.
	Torn uint64
	// Applied entries were newer than what was stored, Outdated ones were not; Replaced ones repaired a difference.
	Applied, Outdated, Replaced uint64
	// Dropped changes were lost to a listener that fell behind.
	Dropped uint64
	// Disconnected is how often a listener lost its connection.
	Disconnected uint64
}

type counters struct {
	asks, unknown, torn, applied, outdated, replaced, dropped, disconnected atomic.Uint64
}

// Stats are the counts by now. They are read one after the other, so they need not agree to the last one.
func (c *Cache) Stats() Stats {
	return Stats{
		Asks: c.counts.asks.Load(), Unknown: c.counts.unknown.Load(), Torn: c.counts.torn.Load(),
		Applied: c.counts.applied.Load(), Outdated: c.counts.outdated.Load(), Replaced: c.counts.replaced.Load(),
		Dropped: c.counts.dropped.Load(), Disconnected: c.counts.disconnected.Load(),
	}
}
