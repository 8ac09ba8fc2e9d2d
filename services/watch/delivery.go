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
	// statusGrace is how long an event waits for the timetable to hear of a change of a run's status, too, so that the
	// event can give the reason. The timetable looks twice a second.
	statusGrace = 500 * time.Millisecond
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
	checking, reading := logonce.Warn("watch: reading the versions of runs fails", "watch: reading the versions of runs works again"), logonce.Warn("watch: reading what is left fails", "watch: reading what is left works again")
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

// sweepSeats finds what no message told of. It reads the version of each watched run, once however many watch it, and
// marks the pairs that do not have it yet. What it costs is one short read for each run, whatever is watched of it. It
// also has the listener asked again where that failed.
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
	h.mu.Lock()
	var pairs []*pair
	var asks []rail.Ask
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
			// The run is not in the timetable any more, or was published anew and does not go there: no version of it
			// can be told any more.
			h.endPair(p)
			continue
		}
		pairs = append(pairs, p)
		asks = append(asks, rail.Ask{Run: run, From: from, To: to})
	}
	h.dirtyPairs = h.dirtyPairs[:0]
	h.mu.Unlock()

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
			events += h.handOut(ctx, p, &rail.Snapshot{Run: asks[start+i].Run, From: asks[start+i].From, To: asks[start+i].To, Left: left[i], AsOf: asOf}, failed == nil)
		}
		h.mu.Unlock()
	}
	return events, err
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
// answered is false where the availability failed to answer. The mutex is held, and given up between two handfuls.
func (h *Hub) handOut(ctx context.Context, p *pair, snapshot *rail.Snapshot, answered bool) (events int) {
	now, left := h.Now(), &snapshot.Left
	published := snapshot.Run
	isNew := left.Known && left.Version > p.version
	if left.Known {
		// The status belongs to the version: an event never shows the one without the other.
		snapshot.Run = published.WithStatus(left.Status)
	}
	switch {
	case !isNew || snapshot.Run == published:
		p.heldSince = time.Time{}
	case p.heldSince.IsZero():
		p.heldSince = now
	}
	held := !p.heldSince.IsZero() && now.Sub(p.heldSince) < statusGrace
	if p.fresh > 0 || isNew && !held {
		// From the last to the first, since the hub may change between two handfuls. An interest that goes is filled with
		// the last one, which has been told. One that comes is put behind, and has its pair read again.
		for i := len(p.interests) - 1; i >= 0; i-- {
			if i >= len(p.interests) {
				continue
			}
			if s := p.interests[i]; s.fresh || isNew && !held && left.Version > s.version {
				s.subscriber.slots.put(s.subject, snapshot)
				s.version, s.fresh = left.Version, false
				if events++; events%handful == 0 {
					h.mu.Unlock()
					h.rest(ctx, handful)
					h.mu.Lock()
				}
			}
		}
		p.count()
	}
	closed := !now.Before(published.ClosesAt())
	if closed || answered && !held && snapshot.Run.Status == rail.Withdrawn {
		h.endPair(p)
	} else if !answered || held || p.version < p.run.version {
		p.run.behind = true
	}
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
