package watch

import (
	"context"
	"slices"

	"interlock/services/rail"
)

// MaxRuns is how many runs one subscription may watch: a page of search results.
const MaxRuns = 100

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

// SubscribeSeats opens a stream of what is left on runs between two stations: first a snapshot of each, then its
// changes. A run that goes from the one to the other twice has a snapshot for each way. Of each, versions go up. A slow
// reader skips some, and gets the last. The channel is closed when all runs are closed or withdrawn, and when ctx or
// the hub ends.
//
// Only the first snapshot of a run may be not Known. The next one comes once the availability can tell.
//
// Errors: BAD_USER_INPUT or NOT_FOUND with the path of the argument; OVERLOADED when the hub, or the viewer or client
// of ctx, watches as much as may be; UNAVAILABLE when the hub has stopped, and before the timetable is read.
func (h *Hub) SubscribeSeats(
	ctx context.Context, ids []rail.RunID, from, to rail.StationCode,
) (<-chan *rail.Snapshot, error) {
	wanted := stations{from: from, to: to}
	subjects, err := h.subjectsBetween(ids, wanted)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admit(len(h.subscribers), h.MaxSubscribers); err != nil {
		return nil, err
	}
	accounts := h.accountsOf(ctx)
	if err := h.charge(accounts, len(subjects)); err != nil {
		return nil, err.At("runIds")
	}
	s := &subscriber{
		slots:    newSlots[rail.Snapshot](len(subjects)),
		open:     make(map[*interest]struct{}, len(subjects)),
		accounts: accounts,
	}
	h.subscribers[s] = struct{}{}
	for number, of := range subjects {
		h.addInterest(s, number, of)
	}
	s.release = context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.endSubscriber(s)
	})
	return s.slots.events, nil
}

// subject is one way of one run that a subscriber watches.
type subject struct {
	run     *rail.Run
	between stations
}

// subjectsBetween finds what a subscription is to watch of runs between two stations, each run once, or says what is
// wrong with it.
func (h *Hub) subjectsBetween(ids []rail.RunID, wanted stations) ([]subject, error) {
	if len(ids) == 0 || len(ids) > MaxRuns {
		return nil, rail.Refuse(rail.BadUserInput, "a subscription watches 1 to %d runs, not %d", MaxRuns,
			len(ids)).At("runIds")
	}
	if wanted.from != "" && wanted.from == wanted.to {
		return nil, rail.Refuse(rail.BadUserInput, "from and to are the same station %s",
			rail.Quote(string(wanted.from))).At("to")
	}
	subjects := make([]subject, 0, len(ids))
	for i, id := range ids {
		run, ok := h.runs.Run(id)
		if !ok {
			if err := h.runs.Ready(); err != nil {
				return nil, err
			}
			return nil, rail.Refuse(rail.NotFound, "there is no run %s", rail.Quote(string(id))).At("runIds", rail.Index(i))
		}
		ways := wanted.ways(run.Train)
		if len(ways) == 0 {
			return nil, wanted.explain(run)
		}
		if slices.ContainsFunc(subjects, func(s subject) bool { return s.run.ID == id }) {
			continue
		}
		for _, way := range ways {
			subjects = append(subjects, subject{run, way})
		}
	}
	return subjects, nil
}

// addInterest has a subscriber watch one run, and the run read. The mutex is held.
func (h *Hub) addInterest(s *subscriber, number int, of subject) {
	published, between := of.run, of.between
	run := h.watch(published.ID)
	if run.published == nil {
		run.published, run.closesAt = published, published.ClosesAt()
	}
	p := run.pairs[between]
	if p == nil {
		p = &pair{run: run, stations: between}
		run.pairs[between] = p
	}
	added := &interest{subscriber: s, pair: p, subject: number, at: len(p.interests), fresh: true}
	p.interests = append(p.interests, added)
	p.fresh++
	s.open[added] = struct{}{}
	h.markPair(p)
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
