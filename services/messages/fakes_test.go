package messages_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/messages"
	"interlock/services/rail"
)

var errBroken = errors.New("broken on purpose")

// faults are what befalls a call: before it, so that it has no effect, or behind it, so that its answer is lost. nil is
// no fault.
type faults func(call string) (before, behind error)

func (f faults) around(call string, do func() error) error {
	if f == nil {
		return do()
	}
	before, behind := f(call)
	if before != nil {
		return before
	}
	return errors.Join(do(), behind)
}

// fakeOutbox is an outbox in memory. What is not vouched for yet is lost when its primary dies.
type fakeOutbox struct {
	mu     sync.Mutex
	faults faults
	rows   map[string]*fakeRow
	groups map[string]bool
}

type fakeRow struct {
	ledger.OutboxRow
	durable bool
}

func newFakeOutbox() *fakeOutbox {
	return &fakeOutbox{rows: map[string]*fakeRow{}, groups: map[string]bool{}}
}

func (f *fakeOutbox) add(row ledger.OutboxRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows[row.ID] = &fakeRow{OutboxRow: row}
}

// vouch makes everything durable that is there.
func (f *fakeOutbox) vouch() {
	for _, row := range f.rows {
		row.durable = true
	}
}

// die loses what is not durable, and returns it.
func (f *fakeOutbox) die() (lost []ledger.OutboxRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, row := range f.rows {
		if !row.durable {
			lost = append(lost, row.OutboxRow)
			delete(f.rows, id)
		}
	}
	return lost
}

func (f *fakeOutbox) sorted(keep func(*fakeRow) bool, by func(a, b *fakeRow) int, limit int) []ledger.OutboxRow {
	kept := slices.DeleteFunc(slices.SortedFunc(maps.Values(f.rows), by), func(r *fakeRow) bool { return !keep(r) })
	var rows []ledger.OutboxRow
	for _, r := range kept[:min(len(kept), limit)] {
		rows = append(rows, r.OutboxRow)
	}
	return rows
}

func byID(a, b *fakeRow) int { return cmp.Compare(a.ID, b.ID) }

func byPlace(a, b *fakeRow) int { return cmp.Or(a.Stream.Compare(b.Stream), byID(a, b)) }

func (f *fakeOutbox) TakeEvents(_ context.Context, from rail.RunID, limit int) (rows []ledger.OutboxRow, err error) {
	f.mu.Lock()
	read := f.sorted(func(r *fakeRow) bool { return r.Stream.IsZero() && r.RunID >= from }, byID, limit)
	f.mu.Unlock()
	if len(read) == 0 {
		return nil, nil
	}
	err = f.faults.around("take", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		rows = nil
		for _, row := range read {
			if now, there := f.rows[row.ID]; there && now.Stream.IsZero() {
				now.Taken++
				rows = append(rows, now.OutboxRow)
			}
		}
		f.vouch()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

func (f *fakeOutbox) MarkPublished(_ context.Context, published []ledger.Published) error {
	return f.faults.around("mark", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, one := range published {
			for _, id := range one.IDs {
				if row, there := f.rows[id]; there {
					row.Stream = one.Last
				}
			}
		}
		return nil
	})
}

func (f *fakeOutbox) PublishedEvents(
	_ context.Context, after ledger.OutboxPlace, upTo ledger.StreamID, limit int,
) (rows []ledger.OutboxRow, err error) {
	err = f.faults.around("published", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		rows = f.sorted(func(r *fakeRow) bool {
			behind := r.Stream.Compare(after.Stream) > 0 || r.Stream == after.Stream && r.ID > after.ID
			return !r.Stream.IsZero() && behind && r.Stream.Compare(upTo) <= 0
		}, byPlace, limit)
		return nil
	})
	return rows, err
}

func (f *fakeOutbox) EventsToRepeat(_ context.Context, after string, upTo ledger.StreamID, limit int) (
	rows []ledger.OutboxRow, err error,
) {
	err = f.faults.around("repeat", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		rows = f.sorted(func(r *fakeRow) bool {
			return r.ID > after && !r.Stream.IsZero() && r.Stream.Compare(upTo) <= 0
		}, byID, limit)
		return nil
	})
	return rows, err
}

func (f *fakeOutbox) LastPublished(context.Context) (last ledger.StreamID, err error) {
	err = f.faults.around("last", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, row := range f.rows {
			if row.Stream.Compare(last) > 0 {
				last = row.Stream
			}
		}
		return nil
	})
	return last, err
}

func (f *fakeOutbox) RemovePublished(_ context.Context, upTo ledger.StreamID, limit int) (removed int, err error) {
	err = f.faults.around("remove", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, row := range f.sorted(func(r *fakeRow) bool {
			return !r.Stream.IsZero() && r.Stream.Compare(upTo) <= 0
		}, byPlace, limit) {
			delete(f.rows, row.ID)
			removed++
		}
		return nil
	})
	return removed, err
}

func (f *fakeOutbox) RemoveOld(_ context.Context, age time.Duration, limit int) (old ledger.Removed, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, row := range f.sorted(func(r *fakeRow) bool { return time.Since(r.At) > age }, byID, limit) {
		delete(f.rows, row.ID)
		if row.Stream.IsZero() {
			old.Unpublished++
		} else {
			old.Published++
		}
	}
	return old, nil
}

func (f *fakeOutbox) Backlog(context.Context) (ledger.Backlog, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b ledger.Backlog
	for _, row := range f.rows {
		if row.Stream.IsZero() {
			b.Unpublished++
			b.OldestUnpublished = max(b.OldestUnpublished, time.Since(row.At))
		} else {
			b.Published++
			b.OldestPublished = max(b.OldestPublished, time.Since(row.At))
		}
	}
	return b, nil
}

func (f *fakeOutbox) EventGroups(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.groups)), nil
}

func (f *fakeOutbox) KeepEventsFor(_ context.Context, group string) error {
	return f.faults.around("keep", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.groups[group] = true
		return nil
	})
}

func (f *fakeOutbox) ForgetEventGroup(_ context.Context, group string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.groups[group]
	delete(f.groups, group)
	return was, nil
}

// fakeStream is a stream in memory.
type fakeStream struct {
	mu     sync.Mutex
	faults faults
	// clock is the stream's own, in milliseconds. It may go back.
	clock int64
	data  fakeData
	// appended is told of every event.
	appended func(ledger.Event)
	// delivered is told of every event that a group is given, also where the answer is lost.
	delivered func(group string, event ledger.Event)
}

// fakeData is what a stream forgets.
type fakeData struct {
	entries []messages.Delivery
	last    ledger.StreamID
	feeding ledger.StreamID
	groups  map[string]*fakeGroup
}

type fakeGroup struct {
	delivered ledger.StreamID
	pending   map[ledger.StreamID]fakePending
	dead      []messages.DeadLetter
}

type fakePending struct {
	consumer string
	tries    int
	at       time.Time
}

func newFakeStream() *fakeStream {
	return &fakeStream{clock: 1_000, data: fakeData{groups: map[string]*fakeGroup{}}}
}

// clone is what a disk may have of the data.
func (d *fakeData) clone() fakeData {
	c := *d
	c.entries = slices.Clone(d.entries)
	c.groups = map[string]*fakeGroup{}
	for name, g := range d.groups {
		c.groups[name] = &fakeGroup{g.delivered, maps.Clone(g.pending), slices.Clone(g.dead)}
	}
	return c
}

func (s *fakeStream) has(id ledger.StreamID) bool {
	return slices.ContainsFunc(s.data.entries, func(d messages.Delivery) bool { return d.ID == id })
}

func (s *fakeStream) lastEntry() ledger.StreamID {
	if n := len(s.data.entries); n > 0 {
		return s.data.entries[n-1].ID
	}
	return ledger.StreamID{}
}

func (s *fakeStream) Look(_ context.Context, entry ledger.StreamID) (standing messages.Standing, err error) {
	err = s.faults.around("look", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.data.entries) > 0 {
			standing.First = s.data.entries[0].ID
		}
		standing.Last = s.lastEntry()
		standing.Has, standing.Feeding = s.has(entry), s.data.feeding
		return nil
	})
	return standing, err
}

func (s *fakeStream) Append(
	_ context.Context, standing messages.Standing, after ledger.StreamID, events []ledger.Event,
) (last ledger.StreamID, err error) {
	err = s.faults.around("append", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.data.feeding != standing.Feeding || s.lastEntry() != standing.Last {
			return messages.ErrMovedOn
		}
		s.clock++
		last = ledger.StreamID{Millis: s.clock}
		for _, known := range []ledger.StreamID{after, s.data.last} {
			if last.Compare(known) <= 0 {
				last = ledger.StreamID{Millis: known.Millis, Seq: known.Seq + 1}
			}
		}
		last.Seq--
		for _, event := range events {
			last.Seq++
			s.data.entries = append(s.data.entries, messages.Delivery{ID: last, Event: event})
			if s.appended != nil {
				s.appended(event)
			}
		}
		s.data.last = last
		return nil
	})
	return last, err
}

func (s *fakeStream) BeginFeeding(_ context.Context, upTo ledger.StreamID) error {
	return s.faults.around("begin", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if upTo.Compare(s.data.feeding) > 0 {
			s.data.feeding = upTo
		}
		return nil
	})
}

func (s *fakeStream) EndFeeding(_ context.Context, upTo ledger.StreamID) error {
	return s.faults.around("end", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.data.feeding == upTo {
			s.data.feeding = ledger.StreamID{}
		}
		return nil
	})
}

func (s *fakeStream) Groups(context.Context) (groups []messages.Group, err error) {
	err = s.faults.around("groups", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(s.data.groups)) {
			g := s.data.groups[name]
			group := messages.Group{
				Name: name, Acknowledged: g.delivered, Pending: int64(len(g.pending)), Dead: int64(len(g.dead)),
			}
			for id := range g.pending {
				if group.Waits.IsZero() || id.Compare(group.Waits) < 0 {
					group.Waits = id
				}
			}
			if id := group.Waits; !id.IsZero() {
				group.Acknowledged = ledger.StreamID{Millis: id.Millis, Seq: id.Seq - 1}
			}
			groups = append(groups, group)
		}
		return nil
	})
	return groups, err
}

func (s *fakeStream) MakeGroup(_ context.Context, name string) error {
	return s.faults.around("group", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.data.groups[name] == nil {
			s.data.groups[name] = &fakeGroup{pending: map[ledger.StreamID]fakePending{}}
		}
		return nil
	})
}

func (s *fakeStream) Trim(_ context.Context, before ledger.StreamID) error {
	return s.faults.around("trim", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.data.entries = slices.DeleteFunc(s.data.entries,
			func(d messages.Delivery) bool { return d.ID.Compare(before) < 0 })
		return nil
	})
}

func (s *fakeStream) group(name string) (*fakeGroup, error) {
	if g := s.data.groups[name]; g != nil {
		return g, nil
	}
	return nil, messages.ErrNoGroup
}

func (s *fakeStream) Fresh(ctx context.Context, group, consumer string, limit int, wait time.Duration) (
	fresh []messages.Delivery, err error,
) {
	err = s.faults.around("fresh", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		g, err := s.group(group)
		if err != nil {
			return err
		}
		for _, d := range s.data.entries {
			if len(fresh) < limit && d.ID.Compare(g.delivered) > 0 {
				g.delivered, g.pending[d.ID] = d.ID, fakePending{consumer, 1, time.Now()}
				d.Try = 1
				fresh = append(fresh, d)
				if s.delivered != nil {
					s.delivered(group, d.Event)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(fresh) == 0 && wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return fresh, nil
}

func (s *fakeStream) claim(group, consumer string, which func(ledger.StreamID, fakePending) bool, limit int) (
	claimed []messages.Delivery, err error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(group)
	if err != nil {
		return nil, err
	}
	ids := slices.SortedFunc(maps.Keys(g.pending), ledger.StreamID.Compare)
	for _, id := range ids {
		p := g.pending[id]
		if len(claimed) == limit || !which(id, p) {
			continue
		}
		at := slices.IndexFunc(s.data.entries, func(d messages.Delivery) bool { return d.ID == id })
		if at < 0 {
			delete(g.pending, id)
			continue
		}
		g.pending[id] = fakePending{consumer, p.tries + 1, time.Now()}
		d := s.data.entries[at]
		d.Try = p.tries + 1
		claimed = append(claimed, d)
	}
	return claimed, nil
}

func (s *fakeStream) Own(_ context.Context, group, consumer string, after ledger.StreamID, limit int) (
	own []messages.Delivery, next ledger.StreamID, err error,
) {
	err = s.faults.around("own", func() error {
		own, err = s.claim(group, consumer, func(id ledger.StreamID, p fakePending) bool {
			return p.consumer == consumer && id.Compare(after) > 0
		}, limit)
		if len(own) == limit {
			next = own[limit-1].ID
		}
		return err
	})
	return own, next, err
}

func (s *fakeStream) TakeOver(_ context.Context, group, consumer string, idle time.Duration, limit int) (
	taken []messages.Delivery, err error,
) {
	err = s.faults.around("takeover", func() error {
		taken, err = s.claim(group, consumer, func(_ ledger.StreamID, p fakePending) bool {
			return p.consumer != consumer && time.Since(p.at) >= idle
		}, limit)
		return err
	})
	return taken, err
}

func (s *fakeStream) Touch(_ context.Context, group, consumer string, deliveries []messages.Delivery) error {
	return s.faults.around("touch", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		g, err := s.group(group)
		if err != nil {
			return err
		}
		for i := range deliveries {
			if _, has := g.pending[deliveries[i].ID]; has {
				g.pending[deliveries[i].ID] = fakePending{consumer, deliveries[i].Try, time.Now()}
			}
		}
		return nil
	})
}

func (s *fakeStream) Acknowledge(_ context.Context, group string, ids []ledger.StreamID) error {
	return s.faults.around("acknowledge", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if g, err := s.group(group); err == nil {
			for _, id := range ids {
				delete(g.pending, id)
			}
		}
		return nil
	})
}

func (s *fakeStream) Bury(_ context.Context, group string, d messages.Delivery, reason string) error {
	return s.faults.around("bury", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		g, err := s.group(group)
		if err != nil {
			return err
		}
		delete(g.pending, d.ID)
		g.dead = append(g.dead, messages.DeadLetter{ID: d.ID, Text: d.Event.ID(), Reason: reason, Tries: d.Try})
		return nil
	})
}

// yesLock always says yes.
type yesLock struct{}

func (yesLock) Acquire(context.Context, string) (lock.Lease, error) { return yesLease{}, nil }

type yesLease struct{}

func (yesLease) Extend(context.Context) error { return nil }
func (yesLease) Until() time.Time             { return time.Time{} }
func (yesLease) Release()                     {}
