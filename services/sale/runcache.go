package sale

import (
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

const (
	// maxKnown is how many runs without a worker are remembered, at up to 60 KB of maps each for the longest trains.
	maxKnown = 512
	// maxKnownOrders bounds the orders in the claims of all these runs, at about 250 bytes each.
	maxKnownOrders = 200_000
)

// runCache keeps what workers knew when they stopped. It forgets the least recently used run first. service.mu must be
// held.
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

// take removes what is remembered of a run, for its next worker.
func (r *runCache) take(run rail.RunID) cachedRun {
	k, ok := r.runs.Peek(run)
	if ok {
		r.runs.Remove(run)
		r.orders -= k.claims.len()
	}
	return k
}

// cachedRun is what a worker knows of its run.
type cachedRun struct {
	train *rail.Train
	// layouts are of train.
	layouts map[rail.SeatClass]*seatmap.Layout
	maps    map[rail.SeatClass]*seatmap.Map
	// version is of maps; 0 while they may differ from the ledger's.
	version int64
	// claims are nil while none are known. They have a version of their own: a batch that fails does not change them.
	claims *claims
	sharing
}

// learn brings the claims in memory up to the batch's version. They were right up to version after; with 0 they are
// made anew.
func (w *worker) learn(after int64, state *ledger.BatchState) error {
	if after == 0 {
		w.claims = newClaims(w.run, w.service.seed)
	}
	if err := w.claims.learn(state.Claims); err != nil {
		w.claims = nil // Some may be missing.
		return err
	}
	w.claims.at = state.Version
	if after == 0 {
		w.claims.loaded = len(w.claims.orders)
	}
	return nil
}

// load makes the maps in memory those of the batch's version, where there are none.
func (w *worker) load(state *ledger.BatchState) error {
	train := state.Run.Train
	if w.train != train {
		w.train, w.layouts = train, w.service.layoutsOf(train.Formation)
	}
	if w.maps != nil {
		return nil
	}
	w.maps = map[rail.SeatClass]*seatmap.Map{}
	for _, class := range train.Formation.Classes {
		seats := len(train.Formation.Seats(class))
		sold, ok := state.Maps[class]
		if !ok {
			w.maps[class] = seatmap.New(train.Legs(), seats)
			continue
		}
		m, err := seatmap.Decode(train.Legs(), seats, sold)
		if err != nil {
			return fmt.Errorf("seat map of %s, %s: %w", w.run, class, err)
		}
		w.maps[class] = m
	}
	return nil
}

// encodeMaps are the maps in memory as the ledger keeps them.
func (w *worker) encodeMaps() map[rail.SeatClass][]byte {
	encoded := make(map[rail.SeatClass][]byte, len(w.maps))
	for class, m := range w.maps {
		encoded[class] = m.Encode()
	}
	return encoded
}

// layoutsOf are the layouts of a formation's classes. They are made once and kept: making them takes most of a
// millisecond, and a railway has few formations.
func (s *Service) layoutsOf(f *rail.Formation) map[rail.SeatClass]*seatmap.Layout {
	if known, ok := s.layouts.Load(f.ID); ok {
		return known.(map[rail.SeatClass]*seatmap.Layout)
	}
	layouts := map[rail.SeatClass]*seatmap.Layout{}
	for _, class := range f.Classes {
		layouts[class] = seatmap.NewLayout(f, class)
	}
	s.layouts.Store(f.ID, layouts)
	return layouts
}
