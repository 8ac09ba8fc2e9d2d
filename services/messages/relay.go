package messages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"interlock/internal/logonce"
	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/rail"
)

const (
	// relayLock is the name of the lock that the one relay has. A relay's Name follows, behind a slash.
	relayLock = "messages/relay"
	// DefaultInterval is the pause between two looks at the outbox: short for who waits for a message, and ten commits
	// a second at most beside the sale's.
	DefaultInterval = 100 * time.Millisecond
	// busyEvents is how many events in one take are many, and busyInterval the pause after that: a take is two commits,
	// which wait for a replica as a sale's do, and the more events share them the better. It bounds how long an event
	// of a busy sale waits.
	busyEvents   = 100
	busyInterval = 500 * time.Millisecond
	// passesApart is the least time between the begins of two passes, however often a relay is woken: each that finds
	// something is two commits. A payment's two messages are later by a part of it.
	passesApart = 25 * time.Millisecond
	// fullTake is how many events in one take mean that more wait. The ledger gives twice as many at most, or so.
	fullTake = 8_000
	// tidyInterval is the pause between two looks at what the groups have acknowledged. Rows that leave together leave
	// in one commit.
	tidyInterval = time.Second
	// ageInterval is the pause between two looks for rows that are too old: that look goes through all of them.
	ageInterval = time.Minute
	// retryInterval is the pause after a failure.
	retryInterval = time.Second
	// passTimeout bounds one pass: a commit that waits for a replica, and Redis.
	passTimeout = 10 * time.Second
	// takeLimit is how many rows are taken in one commit. A row has the events of a whole batch.
	takeLimit = ledger.MaxTake
	// appendLimit is how many events are appended in one step, unless a single row has more: Redis does nothing else
	// meanwhile, for some milliseconds, and an in-process one for a tenth of a second.
	appendLimit = 500
	// removeLimit is how many rows leave in one commit, removeRounds how often in one tidying.
	removeLimit  = ledger.MaxTake
	removeRounds = 20
	// keepFor is how much of the stream stays for those who only look, by the clock of Redis.
	keepFor = 10 * time.Second
)

// errDamaged says that rows were left out. They leave by their age.
var errDamaged = errors.New("they are damaged, and cannot be published")

// farthest is behind every place.
var farthest = ledger.StreamID{Millis: math.MaxInt64, Seq: math.MaxInt64}

// Relay carries events from the outbox into the stream. Its fields are set before Run.
type Relay struct {
	Outbox Outbox
	Stream Stream
	Lock   Lock
	Log    *slog.Logger
	// Interval is the pause between two looks at the outbox; 0 is DefaultInterval.
	Interval time.Duration
	// Name tells this relay from those of other streams: they work side by side. "" is that of the ledger's events.
	Name string

	// woken has room for one: what is committed while a wake-up waits adds none.
	woken     chan struct{}
	makeWoken sync.Once
	lease     lock.Lease
	// from is the run that the next take begins with: no busy run keeps the others waiting.
	from rail.RunID
	// busy tells that the last take had many events.
	busy bool
	// step is how many events are appended in one step; 0 is appendLimit.
	step int
	// tidied and aged are when it last looked for rows that every group has acknowledged, and for those that are too
	// old.
	tidied, aged time.Time
	head         head
	fed          fed
	counts       struct{ published, again, lost, givenUp atomic.Int64 }
}

// RelayStats counts since the start of this process.
type RelayStats struct {
	// Published are events, Again those of them that were published again because the stream had lost entries. Lost is
	// how often it had.
	Published, Again, Lost int64
	// GivenUp are rows that left the outbox because of their age: some group was not told of them.
	GivenUp int64
}

// Stats are the counts.
func (r *Relay) Stats() RelayStats {
	return RelayStats{
		Published: r.counts.published.Load(), Again: r.counts.again.Load(), Lost: r.counts.lost.Load(),
		GivenUp: r.counts.givenUp.Load(),
	}
}

// Run relays until ctx ends. It runs in every server; the lock says which one works.
func (r *Relay) Run(ctx context.Context) {
	interval := r.Interval
	if interval == 0 {
		interval = DefaultInterval
	}
	defer r.resign()
	var begun time.Time
	failing := logonce.Warn("events cannot be published: they wait in the ledger", "events are published again")
	for ctx.Err() == nil {
		if !r.elected(ctx) {
			pause.For(ctx, retryInterval)
			continue
		}
		pause.For(ctx, passesApart-time.Since(begun))
		begun = time.Now()
		more, err := r.Pass(ctx)
		if ctx.Err() != nil {
			return
		}
		failing.Note(ctx, r.Log, err)
		switch {
		case err != nil:
			pause.For(ctx, retryInterval)
		case !more && r.busy:
			r.rest(ctx, max(interval, busyInterval))
		case !more:
			r.rest(ctx, interval)
		}
	}
}

// Wake has the relay look at the outbox at once instead of after its pause: a process calls it that has just committed
// an event that is waited for. It never waits, and many calls are one look. Where another process relays, it has no
// effect, and the pause bounds the wait.
func (r *Relay) Wake() {
	select {
	case r.wakes() <- struct{}{}:
	default:
	}
}

func (r *Relay) wakes() chan struct{} {
	r.makeWoken.Do(func() { r.woken = make(chan struct{}, 1) })
	return r.woken
}

// rest waits for the next look.
func (r *Relay) rest(ctx context.Context, interval time.Duration) {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.wakes():
	case <-ctx.Done():
	}
}

// elected tells whether this process is to relay. Where too few lock nodes answer to know, it relays.
func (r *Relay) elected(ctx context.Context) bool {
	if r.lease != nil && r.lease.Extend(ctx) != nil {
		r.resign()
	}
	if r.lease != nil {
		return true
	}
	name := relayLock
	if r.Name != "" {
		name += "/" + r.Name
	}
	lease, err := r.Lock.Acquire(ctx, name)
	if err == nil {
		r.lease = lease
	}
	return !errors.Is(err, lock.ErrTaken)
}

func (r *Relay) resign() {
	if r.lease != nil {
		r.lease.Release()
		r.lease = nil
	}
}

// Pass publishes what waits, and now and then lets rows go that every group has acknowledged. more tells that more may
// wait.
func (r *Relay) Pass(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	last, err := r.Outbox.LastPublished(ctx)
	if err != nil {
		return false, err
	}
	// Redis is asked first. While it is away, no rows are taken: that would be a commit for nothing.
	standing, err := r.Stream.Look(ctx, last)
	switch {
	case err != nil:
		return false, err
	case !standing.Has && last.Compare(standing.Feeding) > 0:
		return true, r.lost(ctx, last) // Also where that was published again, and lost once more.
	case !standing.Feeding.IsZero():
		return r.feed(ctx, standing, last)
	}
	if time.Since(r.tidied) >= tidyInterval {
		if err := r.tidy(ctx, last); err != nil {
			return false, err
		}
		r.tidied = time.Now()
		return true, nil // The rows that the stream was compared with may be gone.
	}
	rows, err := r.Outbox.TakeEvents(ctx, r.from, takeLimit)
	if err != nil {
		return false, err
	}
	more = r.goOn(rows)
	sound := slices.DeleteFunc(rows, func(row ledger.OutboxRow) bool { return row.Damage != nil })
	if _, err := r.publish(ctx, standing, last, sound); err != nil {
		return false, err
	}
	if len(sound) < len(rows) {
		return false, fmt.Errorf("%d of %d rows of the outbox: %w", len(rows)-len(sound), len(rows), errDamaged)
	}
	return more, nil
}

// goOn says where the next take begins, and tells whether more rows may wait by what this one had.
func (r *Relay) goOn(rows []ledger.OutboxRow) (more bool) {
	events := 0
	for i := range rows {
		events += len(rows[i].Events)
	}
	r.busy = events >= busyEvents
	if len(rows) == takeLimit || events >= fullTake {
		// Rows of the last run may be left. Then they come first, and the round goes on behind them.
		r.from = rows[len(rows)-1].RunID
		return true
	}
	// All from that run on were taken. Those of runs before it may wait.
	more = r.from != ""
	r.from = ""
	return more
}

// publish appends the events of rows, and notes where. Each step holds whole rows, so that each place is noted once. It
// gives up where anything was appended since the stream was looked at: a relay that comes late would publish events
// behind later ones of their subject. all tells that it did not.
func (r *Relay) publish(ctx context.Context, standing Standing, after ledger.StreamID, rows []ledger.OutboxRow) (
	all bool, err error,
) {
	published, count, err := r.append(ctx, standing, after, rows)
	if len(published) > 0 {
		if err := r.Outbox.MarkPublished(ctx, published); err != nil {
			return false, err
		}
		r.counts.published.Add(count)
		if !standing.Feeding.IsZero() {
			r.counts.again.Add(count)
		}
	}
	if errors.Is(err, ErrMovedOn) {
		return false, nil // The next pass looks at what has become of the stream.
	}
	return err == nil, err
}

// append appends the events of rows in steps, and tells what was appended: where, and how many events, also where an
// error has ended it.
func (r *Relay) append(ctx context.Context, standing Standing, after ledger.StreamID, rows []ledger.OutboxRow) (
	published []ledger.Published, count int64, err error,
) {
	for len(rows) > 0 {
		var step ledger.Published
		var events []ledger.Event
		for len(rows) > 0 && (len(step.IDs) == 0 || len(events)+len(rows[0].Events) <= cmp.Or(r.step, appendLimit)) {
			step.IDs, events = append(step.IDs, rows[0].ID), append(events, rows[0].Events...)
			rows = rows[1:]
		}
		if step.Last, err = r.Stream.Append(ctx, standing, after, events); err != nil {
			return published, count, err
		}
		standing.Last, after = step.Last, step.Last
		published, count = append(published, step), count+int64(len(events))
	}
	return published, count, nil
}

// lost begins to feed the stream again: with all rows that were published and have not left.
func (r *Relay) lost(ctx context.Context, upTo ledger.StreamID) error {
	r.counts.lost.Add(1)
	r.Log.WarnContext(ctx, "the stream of events has lost entries: it is fed again from the ledger")
	return r.Stream.BeginFeeding(ctx, upTo)
}

// feed publishes rows again that were published up to a place, in the order of their ids. Those it has published have a
// place behind it. The groups come first: without them, no row would wait for its readers.
func (r *Relay) feed(ctx context.Context, standing Standing, last ledger.StreamID) (more bool, err error) {
	upTo := standing.Feeding
	if err := r.makeGroups(ctx); err != nil {
		return false, err
	}
	after := ""
	if r.fed.upTo == upTo {
		after = r.fed.after
	}
	r.fed = fed{} // What is not published is read again.
	rows, err := r.Outbox.EventsToRepeat(ctx, after, upTo, takeLimit)
	switch {
	case err != nil:
		return false, err
	case len(rows) == 0 && after == "":
		return true, r.Stream.EndFeeding(ctx, upTo)
	case len(rows) == 0:
		return true, nil // The next pass looks at all of them once more.
	}
	all, err := r.publish(ctx, standing, maxID(last, upTo), rows)
	if all {
		r.fed = fed{upTo, rows[len(rows)-1].ID}
	}
	return true, err
}

// fed is how far rows were published again, of those up to a place.
type fed struct {
	upTo  ledger.StreamID
	after string
}

// makeGroups makes the groups that the ledger knows and the stream has lost.
func (r *Relay) makeGroups(ctx context.Context) error {
	names, err := r.Outbox.EventGroups(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.Stream.MakeGroup(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// acknowledged is the place up to which every group has acknowledged everything; farthest where there are no groups. It
// has the ledger know the groups of the stream, and the stream those of the ledger.
func (r *Relay) acknowledged(ctx context.Context) (ledger.StreamID, error) {
	if err := r.makeGroups(ctx); err != nil {
		return ledger.StreamID{}, err
	}
	groups, err := r.Stream.Groups(ctx)
	if err != nil {
		return ledger.StreamID{}, err
	}
	known, err := r.Outbox.EventGroups(ctx)
	if err != nil {
		return ledger.StreamID{}, err
	}
	missing := map[string]bool{}
	for _, name := range known {
		missing[name] = true
	}
	upTo := farthest
	for i := range groups {
		if !missing[groups[i].Name] {
			if err := r.Outbox.KeepEventsFor(ctx, groups[i].Name); err != nil {
				return ledger.StreamID{}, err
			}
		}
		delete(missing, groups[i].Name)
		upTo = minID(upTo, groups[i].Acknowledged)
	}
	if len(missing) > 0 { // They were lost, or made, in between.
		return ledger.StreamID{}, nil
	}
	return upTo, nil
}

// tidy lets rows go that every group has acknowledged, and those that are too old, and then trims the stream. last is
// the greatest place of a row.
func (r *Relay) tidy(ctx context.Context, last ledger.StreamID) error {
	upTo, err := r.acknowledged(ctx)
	if err != nil {
		return err
	}
	// The stream is compared after the groups were asked. A stream that was whole then has not lost what they said.
	whole, err := r.compare(ctx, last)
	if err != nil || !whole {
		return err
	}
	for range removeRounds {
		removed, err := r.Outbox.RemovePublished(ctx, upTo, removeLimit)
		if err != nil {
			return err
		}
		if removed == 0 {
			break
		}
	}
	if time.Since(r.aged) >= ageInterval {
		if err := r.removeOld(ctx); err != nil {
			return err
		}
		r.aged = time.Now()
	}
	if last.IsZero() { // Nothing was published since the last trimming.
		return nil
	}
	// An entry whose row is still there stays, so that the first row tells what was trimmed by hand.
	head, err := r.readHead(ctx)
	if err != nil {
		return err
	}
	if !head.last.IsZero() {
		upTo = minID(upTo, head.first)
	}
	recent := ledger.StreamID{Millis: max(0, last.Millis-keepFor.Milliseconds())}
	return r.Stream.Trim(ctx, minID(upTo, recent))
}

func (r *Relay) removeOld(ctx context.Context) error {
	old, err := r.Outbox.RemoveOld(ctx, ledger.MaxEventAge, removeLimit)
	if err != nil || old == (ledger.Removed{}) {
		return err
	}
	r.counts.givenUp.Add(int64(old.Published + old.Unpublished))
	r.Log.ErrorContext(ctx, "events have left the ledger because of their age, and not every group was told of them",
		"rows_never_published", old.Unpublished, "rows_not_acknowledged", old.Published, "age", ledger.MaxEventAge)
	return nil
}

// compare tells whether the stream has what was published last and what has waited longest. If not, it is to be fed
// again. Entries are lost at the end, where Redis had not written them to its disk, or at the front, where they
// were trimmed by hand, or all at once.
func (r *Relay) compare(ctx context.Context, last ledger.StreamID) (whole bool, err error) {
	head, err := r.readHead(ctx)
	if err != nil || head.last.IsZero() {
		return err == nil, err
	}
	for _, place := range []ledger.StreamID{head.last, last} {
		if place.IsZero() {
			continue
		}
		standing, err := r.Stream.Look(ctx, place)
		if err != nil || !standing.Feeding.IsZero() {
			return false, err
		}
		if !standing.Has || head.first.Compare(standing.First) < 0 {
			return false, r.lost(ctx, maxID(last, head.last))
		}
	}
	return true, nil
}

// head are the places of the first and the last event of the rows that have the lowest place.
type head struct{ first, last ledger.StreamID }

// readHead is the head of what was published; zero where no rows are. It reads the rows of a place once.
func (r *Relay) readHead(ctx context.Context) (head, error) {
	rows, err := r.Outbox.PublishedEvents(ctx, ledger.OutboxPlace{}, farthest, 1)
	if err != nil || len(rows) == 0 {
		return head{}, err
	}
	place := rows[0].Stream
	if r.head.last == place {
		return r.head, nil
	}
	rows, err = r.Outbox.PublishedEvents(ctx, ledger.OutboxPlace{}, place, takeLimit)
	if err != nil {
		return head{}, err
	}
	events := int64(0)
	for i := range rows {
		events += int64(len(rows[i].Events))
	}
	r.head = head{first: ledger.StreamID{Millis: place.Millis, Seq: max(0, place.Seq-events+1)}, last: place}
	return r.head, nil
}

func minID(a, b ledger.StreamID) ledger.StreamID {
	if a.Compare(b) <= 0 {
		return a
	}
	return b
}

func maxID(a, b ledger.StreamID) ledger.StreamID {
	if a.Compare(b) >= 0 {
		return a
	}
	return b
}
