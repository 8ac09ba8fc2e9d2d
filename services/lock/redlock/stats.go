package redlock

import "sync/atomic"

// Stats counts what a Lock has done since it was made.
type Stats struct {
	// Acquired, Taken and NoQuorum are what became of each Acquire whose caller waited for it.
	Acquired, Taken, NoQuorum uint64
	// Extended and Lost are what became of each Extend.
	Extended, Lost uint64
	Nodes          []NodeStats
}

// NodeStats is what one node has cost.
type NodeStats struct {
	// Addr is host and port.
	Addr string
	// Failures are questions without an answer, Skipped those that were not asked because of it.
	Failures, Skipped uint64
	// Down is true while the node is left alone.
	Down bool
}

type counters struct {
	acquired, taken, noQuorum, extended, lost atomic.Uint64
}

// Stats are the counts by now. They are read one after the other, so they need not agree to the last one.
func (l *Lock) Stats() Stats {
	stats := Stats{
		Acquired: l.counts.acquired.Load(), Taken: l.counts.taken.Load(), NoQuorum: l.counts.noQuorum.Load(),
		Extended: l.counts.extended.Load(), Lost: l.counts.lost.Load(),
	}
	for _, n := range l.nodes {
		stats.Nodes = append(stats.Nodes, NodeStats{
			Addr: n.addr, Failures: n.failures.Load(), Skipped: n.skipped.Load(), Down: n.breaker.isOpen(),
		})
	}
	return stats
}
