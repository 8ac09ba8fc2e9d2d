package watch

import (
	"context"
	"math"
	"slices"
	"time"

	"interlock/internal/logonce"

	"interlock/internal/pause"
	"interlock/services/rail"
)

const (
	// MaxRuns is how many runs one subscription may watch: a page of search results.
	MaxRuns = 100
	// maxAsks is how many asks go into one round trip, so that its answer stays below a few hundred kilobytes.
	maxAsks = 4_096
	// readTimeout is how long one round trip may take; the next sweep reads again anyway.
	readTimeout = sweepInterval / 2
	// statusGrace is how long an event waits for the timetable to hear of a change of a run's status, too, so that the
	// event can give the reason. The timetable looks twice a second.
	statusGrace = 500 * time.Millisecond
)

// stations are where a subscriber boards and alights; "" is the origin, or the terminus.
type stations struct{ from, to rail.StationCode }

// calls finds the calls of a train to board and alight at: between two stations those that an order would be for, from
// the origin the first call at the other, to the terminus the last that reaches it.
func (s stations) calls(train *rail.Train) (from, to int, ok bool) {
	last := len(train.Calls) - 1
	switch {
	case s == stations{}:
		return 0, last, true
	case s.from == "":
		to = 1 + slices.IndexFunc(train.Calls[1:], func(c rail.Call) bool { return c.Station == s.to && !c.NoAlighting })
		return 0, to, to > 0
	case s.to == "":
		for from = last - 1; from >= 0; from-- {
			if c := &train.Calls[from]; c.Station == s.from && !c.NoBoarding {
				return from, last, true
			}
		}
		return 0, 0, false
	}
	return train.Pair(s.from, s.to)
}

// pair is what is read for all who watch a run between the same stations.
type pair struct {
	run       *watchedRun
	stations  stations
	interests []*interest
	// fresh is how many of the interests have not had their first event.
	fresh int
	// version is what every interest that is not fresh has got at least.
	version int64
	// dirty says that the pair is among Hub.dirtyPairs.
	dirty bool
	// heldSince is when an event began to wait for the timetable; zero when none does.
	heldSince time.Time
}

// interest is one subscriber's interest in one run.
type interest struct {
	subscriber *subscriber
	pair       *pair
	// subject is its number in the subscriber, at its number in the pair.
	subject, at int
	// version is the last one put; fresh says that nothing was.
	version int64
	fresh   bool
}

// subscriber watches the seats of some runs.
type subscriber struct {
	slots slots[rail.Snapshot]
	// open are the interests whose runs can still change.
	open map[*interest]struct{}
	// accounts are charged for each of them.
	accounts []account
	// release ends the wait for the end of the subscriber's context.
	release func() bool
}

// SubscribeSeats opens a stream of what is left on runs between two stations: first a snapshot of each, then whatever
// changes. Of each run versions go up; whoever reads slowly skips some, and gets the last. The channel is closed when
// all runs are closed or withdrawn, and when ctx or the hub ends.
//
// Only the first snapshot of a run may not be known; once the availability can tell, the next one is.
//
// Errors: BAD_USER_INPUT or NOT_FOUND with the path of the argument; OVERLOADED when the hub, or whoever asks, watches
// as much as may be; UNAVAILABLE when the hub has stopped, and before the timetable is read.
func (h *Hub) SubscribeSeats(ctx context.Context, ids []rail.RunID, from, to rail.StationCode) (<-chan *rail.Snapshot, error) {
	wanted := stations{from, to}
	if len(ids) == 0 || len(ids) > MaxRuns {
		return nil, rail.Refuse(rail.BadUserInput, "a subscription watches 1 to %d runs, not %d", MaxRuns, len(ids)).At("runIds")
	}
	if from != "" && from == to {
		return nil, rail.Refuse(rail.BadUserInput, "from and to are the same station %q", from).At("to")
	}
	distinct := make([]*rail.Run, 0, len(ids))
	for i, id := range ids {
		run, ok := h.runs.Run(id)
		if !ok && !h.runs.Loaded() {
			err := rail.Refuse(rail.Unavailable, "this server is still reading its timetable")
			err.RetryAfter = notLoadedRetryAfter
			return nil, err
		}
		if !ok {
			return nil, rail.Refuse(rail.NotFound, "there is no run %q", id).At("runIds", rail.Index(i))
		}
		if _, _, ok := wanted.calls(run.Train); !ok {
			return nil, wanted.explain(run)
		}
		if !slices.ContainsFunc(distinct, func(r *rail.Run) bool { return r.ID == id }) {
			distinct = append(distinct, run)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admit(len(h.subscribers), h.MaxSubscribers); err != nil {
		return nil, err
	}
	accounts := h.accountsOf(ctx)
	if err := h.charge(accounts, len(distinct)); err != nil {
		return nil, err.At("runIds")
	}
	s := &subscriber{
		slots: newSlots[rail.Snapshot](len(distinct)), open: make(map[*interest]struct{}, len(distinct)), accounts: accounts,
	}
	h.subscribers[s] = struct{}{}
	for subject, published := range distinct {
		run := h.watch(published.ID)
		if run.published == nil {
			run.published, run.closesAt = published, published.ClosesAt()
		}
		p := run.pairs[wanted]
		if p == nil {
			p = &pair{run: run, stations: wanted}
			run.pairs[wanted] = p
		}
		added := &interest{subscriber: s, pair: p, subject: subject, at: len(p.interests), fresh: true}
		p.interests = append(p.interests, added)
		p.fresh++
		s.open[added] = struct{}{}
		h.markPair(p)
	}
	s.release = context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.endSubscriber(s)
	})
	return s.slots.events, nil
}

// explain says why nobody can go between two stations on a run.
func (s stations) explain(run *rail.Run) *rail.Error {
	calls := func(code rail.StationCode) bool {
		return slices.ContainsFunc(run.Train.Calls, func(c rail.Call) bool { return c.Station == code })
	}
	switch {
	case s.from != "" && !calls(s.from):
		return rail.Refuse(rail.BadUserInput, "%s does not call at %q", run.ID, s.from).At("from")
	case s.to != "" && !calls(s.to):
		return rail.Refuse(rail.BadUserInput, "%s does not call at %q", run.ID, s.to).At("to")
	case s.to == "":
		return rail.Refuse(rail.BadUserInput, "%s takes no passengers from %q to its terminus", run.ID, s.from).At("from")
	}
	return rail.Refuse(rail.BadUserInput, "%s takes no passengers from %q to %q", run.ID, s.from, s.to).At("to")
}

// endSubscriber closes a subscriber's stream, if it is not closed yet. The mutex is held.
func (h *Hub) endSubscriber(s *subscriber) {
	if _, is := h.subscribers[s]; !is {
		return
	}
	delete(h.subscribers, s)
	for open := range s.open {
		h.removeInterest(open)
	}
	s.release()
	close(s.slots.events)
}

// endInterest ends a subscriber's interest in one run, and the stream with the last of them. The mutex is held.
func (h *Hub) endInterest(ended *interest) {
	h.removeInterest(ended)
	if s := ended.subscriber; len(s.open) == 0 {
		h.endSubscriber(s)
	}
}

// removeInterest takes an interest out of its pair and its subscriber. The mutex is held.
func (h *Hub) removeInterest(gone *interest) {
	p := gone.pair
	last := len(p.interests) - 1
	p.interests[gone.at] = p.interests[last]
	p.interests[gone.at].at = gone.at
	p.interests[last] = nil
	p.interests = p.interests[:last]
	if gone.fresh {
		p.fresh--
	}
	delete(gone.subscriber.open, gone)
	h.credit(gone.subscriber.accounts, 1)
	if len(p.interests) == 0 {
		delete(p.run.pairs, p.stations)
		h.unwatch(p.run)
	}
}

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

// count finds how many have been told nothing yet, and the lowest version that the others have. The hub's mutex is
// held.
func (p *pair) count() {
	p.fresh, p.version = 0, math.MaxInt64
	for _, s := range p.interests {
		if s.fresh {
			p.fresh++
		} else {
			p.version = min(p.version, s.version)
		}
	}
	if p.fresh == len(p.interests) {
		p.version = 0
	}
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
