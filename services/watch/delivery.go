package watch

import (
	"context"
	"slices"
	"time"

	"interlock/internal/logonce"
	"interlock/internal/pause"
	"interlock/services/rail"
)

const (
	// maxAsks is how many asks go into one round trip, so that its answer stays below a few hundred kilobytes.
	maxAsks = 4_096
	// readTimeout is how long one round trip may take; the next sweep reads again anyway.
	readTimeout = sweepInterval / 2
)

// markPair has a pair read. The mutex is held.
func (h *Hub) markPair(p *pair) {
	if !p.dirty {
		p.dirty = true
		h.dirtyPairs = append(h.dirtyPairs, p)
		raise(h.seatsDirty)
	}
}

// handOutSeats reads what is marked, and hands it out, until ctx ends.
func (h *Hub) handOutSeats(ctx context.Context) {
	checking := logonce.Warn(
		"watch: reading the versions of runs fails", "watch: reading the versions of runs works again")
	reading := logonce.Warn("watch: reading what is left fails", "watch: reading what is left works again")
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			err := h.sweepSeats(ctx)
			if ctx.Err() == nil {
				checking.Note(ctx, h.Log, err)
			}
		case <-h.timetableMoved:
			h.markMovedRuns()
		case <-h.seatsDirty:
		}
		events, err := h.readPairs(ctx)
		if ctx.Err() != nil {
			return
		}
		reading.Note(ctx, h.Log, err)
		h.rest(ctx, events%handful)
	}
}

// sweepSeats finds what no message told of. It reads the version of each watched run once, however many watch it, and
// marks the pairs that do not have it yet. So it costs one short read for each run. It also has the listener told again
// of runs where that failed.
func (h *Hub) sweepSeats(ctx context.Context) error {
	now := h.Now()
	h.mu.Lock()
	runs, ids := make([]*watchedRun, 0, len(h.watched)), make([]rail.RunID, 0, len(h.watched))
	for id, run := range h.watched {
		if len(run.pairs) == 0 {
			continue
		}
		if run.behind || !now.Before(run.closesAt) {
			h.markRun(run)
		}
		runs, ids = append(runs, run), append(ids, id)
	}
	if len(h.follows) > 0 {
		raise(h.followsDirty)
	}
	h.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}

	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	versions, err := h.availability.Versions(limited, ids)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, run := range runs {
		if versions[i] == run.version {
			continue
		}
		run.version = versions[i]
		for _, p := range run.pairs {
			if p.version < run.version {
				h.markPair(p)
			}
		}
	}
	return nil
}

// markRun marks all pairs of a run. The mutex is held.
func (h *Hub) markRun(run *watchedRun) {
	run.behind = false
	for _, p := range run.pairs {
		h.markPair(p)
	}
}

// markMovedRuns marks the pairs of runs that were published anew.
func (h *Hub) markMovedRuns() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, run := range h.watched {
		if len(run.pairs) == 0 {
			continue
		}
		if published, _ := h.runs.Run(id); published != run.published {
			run.published = published
			if published != nil {
				run.closesAt = published.ClosesAt()
			}
			h.markRun(run)
		}
	}
}

// readPairs reads the marked pairs, each once, and hands out what is new. It returns how many events that made.
func (h *Hub) readPairs(ctx context.Context) (events int, err error) {
	pairs, asks := h.takeDirtyPairs()
	for start := 0; start < len(asks); start += maxAsks {
		end := min(start+maxAsks, len(asks))
		asOf := h.Now()
		left, failed := h.readLeft(ctx, asks[start:end])
		if ctx.Err() != nil {
			return events, ctx.Err()
		}
		if failed != nil {
			err = failed
		}
		h.mu.Lock()
		for i, p := range pairs[start:end] {
			ask := asks[start+i]
			snapshot := &rail.Snapshot{Run: ask.Run, From: ask.From, To: ask.To, Left: left[i], AsOf: asOf}
			events += h.handOut(ctx, p, snapshot, failed == nil)
		}
		h.mu.Unlock()
	}
	return events, err
}

// takeDirtyPairs takes the marked pairs that are still watched, each with what to ask of it. It ends those of which no
// version can be told any more: their run left the timetable, or was published anew and does not go there.
func (h *Hub) takeDirtyPairs() (pairs []*pair, asks []rail.Ask) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.dirtyPairs {
		p.dirty = false
		if len(p.interests) == 0 {
			continue
		}
		run, ok := h.runs.Run(p.run.id)
		var from, to int
		if ok {
			from, to, ok = p.stations.calls(run.Train)
		}
		if !ok {
			h.endPair(p)
			continue
		}
		pairs = append(pairs, p)
		asks = append(asks, rail.Ask{Run: run, From: from, To: to})
	}
	h.dirtyPairs = h.dirtyPairs[:0]
	return pairs, asks
}

// readLeft reads what is left, within a time; where that fails, nothing is known.
func (h *Hub) readLeft(ctx context.Context, asks []rail.Ask) ([]rail.Left, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	left, err := h.availability.Remaining(limited, asks)
	if err != nil {
		return make([]rail.Left, len(asks)), err
	}
	return left, nil
}

// handOut gives a snapshot to those of a pair to whom it is new, and ends the pair when there is nothing left to tell.
// It returns how many events that made. answered is false where the availability failed to answer. The mutex is held,
// and given up between two handfuls.
func (h *Hub) handOut(ctx context.Context, p *pair, snapshot *rail.Snapshot, answered bool) (events int) {
	now, published := h.Now(), snapshot.Run
	if snapshot.Left.Known {
		// The status belongs to the version: an event never shows the one without the other.
		snapshot.Run = published.WithStatus(snapshot.Left.Status)
	}
	news := p.news(snapshot, snapshot.Run != published, now)
	if news == newer || p.fresh > 0 {
		events = h.tell(ctx, p, snapshot, news)
	}
	switch {
	case !now.Before(published.ClosesAt()):
		h.endPair(p)
	case answered && news != waiting && snapshot.Run.Status == rail.Withdrawn:
		h.endPair(p)
	case !answered || news == waiting || p.version < p.run.version:
		p.run.behind = true
	}
	return events
}

// tell gives a snapshot to those of a pair to whom it is new, and returns how many they are. The mutex is held, and
// given up between two handfuls. The pair's interests may change in between, so they are gone through from the last to
// the first. Where one is removed, the last takes its place, which has been told. One that is added is put behind the
// last, and has the pair read again.
func (h *Hub) tell(ctx context.Context, p *pair, snapshot *rail.Snapshot, news news) (events int) {
	version := snapshot.Left.Version
	for i := len(p.interests) - 1; i >= 0; i = min(i, len(p.interests)) - 1 {
		to := p.interests[i]
		if !to.fresh && (news != newer || version <= to.version) {
			continue
		}
		to.subscriber.slots.put(to.subject, snapshot)
		to.version, to.fresh = version, false
		if events++; events%handful == 0 {
			h.mu.Unlock()
			h.rest(ctx, handful)
			h.mu.Lock()
		}
	}
	p.count()
	return events
}

// rest waits for as long as so many events take.
func (h *Hub) rest(ctx context.Context, events int) {
	if h.EventsPerSecond > 0 && events > 0 {
		pause.For(ctx, time.Duration(events)*time.Second/time.Duration(h.EventsPerSecond))
	}
}

// endPair ends the interest of all who watch a pair. The mutex is held.
func (h *Hub) endPair(p *pair) {
	for _, s := range slices.Clone(p.interests) {
		h.endInterest(s)
	}
}
