package sale

import (
	lru "github.com/hashicorp/golang-lru/v2"

	"interlock/services/rail"
)

const (
	// maxKnown is how many runs are remembered whose workers went off duty: at most 60 KB of maps each, for the longest
	// trains.
	maxKnown = 512
	// maxKnownOrders bounds the orders in the claims of all of them, at about 250 bytes each.
	maxKnownOrders = 200_000
)

// runCache is what workers knew that went off duty, least lately used forgotten first. service.mu must be held.
type runCache struct {
	runs   *lru.Cache[rail.RunID, cachedRun]
	orders int
}

func newRunCache() runCache {
	runs, _ := lru.New[rail.RunID, cachedRun](maxKnown) // It fails for sizes below 1 only.
	return runCache{runs: runs}
}

func (r *runCache) keep(run rail.RunID, k cachedRun) {
	r.take(run)
	for r.runs.Len() > 0 && (r.runs.Len() >= maxKnown || r.orders+k.claims.len() > maxKnownOrders) {
		_, oldest, _ := r.runs.RemoveOldest()
		r.orders -= oldest.claims.len()
	}
	r.runs.Add(run, k)
	r.orders += k.claims.len()
}

// take is what is remembered of a run, and forgets it: its worker has it now.
func (r *runCache) take(run rail.RunID) cachedRun {
	k, ok := r.runs.Peek(run)
	if ok {
		r.runs.Remove(run)
		r.orders -= k.claims.len()
	}
	return k
}
