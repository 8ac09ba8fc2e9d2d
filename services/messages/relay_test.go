package messages_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/messages"
	"interlock/services/rail"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// world is a ledger, a stream and what groups were told, with everything that can befall them.
type world struct {
	t      *testing.T
	random *rand.Rand
	outbox *fakeOutbox
	stream *fakeStream
	relays []*messages.Relay
	// versions are the last of each order, lost what a dead primary took with it.
	versions map[string]int64
	rows     int
	lost     map[string]bool
	// committed are all events that were not lost. told are the versions that each group was told of each subject, in
	// the order of their first deliveries.
	committed map[string]ledger.Event
	told      map[string]map[string][]int64
	seen      map[string]bool
	disk      fakeData
	nested    bool
	// trims says that the stream is trimmed by hand, and nothing else befalls it: then the order of first
	// deliveries is not promised.
	trims bool
}

var groupNames = []string{"eager", "lazy"}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, random: rand.New(rand.NewPCG(seed, 17)), outbox: newFakeOutbox(), stream: newFakeStream(),
		versions: map[string]int64{}, lost: map[string]bool{}, committed: map[string]ledger.Event{},
		told: map[string]map[string][]int64{}, seen: map[string]bool{},
	}
	w.stream.appended = func(event ledger.Event) {
		require.False(t, w.lost[event.ID()], "%s was published, and is not in the ledger", event.ID())
		for _, row := range w.outbox.rows {
			for i := range row.Events {
				require.False(t, row.Events[i].ID() == event.ID() && !row.durable, "%s may yet be lost", event.ID())
			}
		}
	}
	w.stream.delivered = w.tell
	for range 2 {
		w.relays = append(w.relays, w.newRelay())
	}
	for _, group := range groupNames {
		w.told[group] = map[string][]int64{}
		require.NoError(t, w.stream.MakeGroup(t.Context(), group))
		require.NoError(t, w.outbox.KeepEventsFor(t.Context(), group))
	}
	w.outbox.faults, w.stream.faults = w.befall, w.befall
	return w
}

func (w *world) newRelay() *messages.Relay {
	r := &messages.Relay{Outbox: w.outbox, Stream: w.stream, Lock: yesLock{}, Log: discard()}
	r.AppendAtMost(1 + w.random.IntN(10))
	return r
}

// befall makes a call fail before or behind its effect, or lets the other relay make a whole pass in between.
func (w *world) befall(call string) (before, behind error) {
	switch w.random.IntN(40) {
	case 0:
		before = errBroken
	case 1:
		behind = errBroken
	case 2, 3, 4, 5:
		if !w.nested {
			w.nested = true
			w.commit()
			w.pass(1)
			w.nested = false
		}
	}
	return before, behind
}

// pass lets a relay make a pass. One that failed dies every other time.
func (w *world) pass(which int) {
	if w.random.IntN(3) == 0 {
		w.relays[which].TidyNext()
	} else {
		w.relays[which].TidyNever()
	}
	if _, err := w.relays[which].Pass(w.t.Context()); err != nil && w.random.IntN(2) == 0 {
		w.relays[which] = w.newRelay()
	}
}

// commit writes a row of a few events, as a batch on a run does.
func (w *world) commit() {
	w.rows++
	run := rail.NewRunID(fmt.Sprintf("T%d", w.random.IntN(3)), rail.NewDate(2019, 10, 12))
	row := ledger.OutboxRow{ID: fmt.Sprintf("%s/%09d", run, w.rows), RunID: run, At: time.Now()}
	for range 1 + w.random.IntN(3) {
		order := fmt.Sprintf("%s-%d", run, w.random.IntN(4))
		w.versions[order]++
		event := ledger.Event{
			Type: ledger.EventOrderPlaced, OrderID: order, OrderVersion: w.versions[order], RunID: run,
			RunVersion: int64(w.rows),
		}
		row.Events = append(row.Events, event)
		w.committed[event.ID()] = event
	}
	w.outbox.add(row)
}

// consume tells a group something, and acknowledges some of what it was told.
func (w *world) consume(group string, all bool) { w.consumeUpTo(group, 1+w.random.IntN(5), all) }

func (w *world) consumeUpTo(group string, limit int, all bool) {
	if _, err := w.stream.Fresh(w.t.Context(), group, "one", limit, 0); err != nil {
		return
	}
	if own, _, err := w.stream.Own(w.t.Context(), group, "one", ledger.StreamID{}, 10_000); err == nil {
		var done []ledger.StreamID
		for i := range own {
			if all || w.random.IntN(2) == 0 {
				done = append(done, own[i].ID)
			}
		}
		_ = w.stream.Acknowledge(w.t.Context(), group, done)
	}
}

func (w *world) tell(group string, event ledger.Event) {
	if key := group + event.ID(); !w.seen[key] {
		w.seen[key] = true
		w.told[group][event.Subject()] = append(w.told[group][event.Subject()], event.Version())
	}
}

// step is one thing that happens.
func (w *world) step() {
	switch w.random.IntN(24) {
	case 0:
		for _, row := range w.outbox.die() {
			for i := range row.Events {
				w.lost[row.Events[i].ID()] = true
				delete(w.committed, row.Events[i].ID())
			}
		}
	case 1: // The stream is flushed.
		if !w.trims {
			w.stream.data = fakeData{groups: map[string]*fakeGroup{}}
		}
	case 2: // Its disk is behind.
		if !w.trims {
			w.stream.data = w.disk.clone()
		}
		if w.stream.data.groups == nil {
			w.stream.data.groups = map[string]*fakeGroup{}
		}
	case 3, 4:
		w.disk = w.stream.data.clone()
	case 5:
		w.stream.clock -= int64(w.random.IntN(50))
	case 6:
		if n := len(w.stream.data.entries); w.trims && n > 0 {
			w.stream.data.entries = w.stream.data.entries[w.random.IntN(n):]
		}
	case 7, 8, 9, 10, 11:
		w.commit()
	case 12, 13, 14:
		w.consume("eager", true)
	case 15:
		w.consume("lazy", false)
	default:
		w.pass(0)
	}
}

// settle ends all faults, and lets everything arrive.
func (w *world) settle() {
	w.outbox.faults, w.stream.faults = nil, nil
	for range 20 {
		w.relays[0].TidyNext()
		_, err := w.relays[0].Pass(w.t.Context())
		require.NoError(w.t, err)
		w.relays[0].TidyNever()
		_, err = w.relays[0].Pass(w.t.Context())
		require.NoError(w.t, err)
		for _, group := range groupNames {
			w.consumeUpTo(group, 10_000, true)
		}
	}
}

func (w *world) check() {
	require.Empty(w.t, w.outbox.rows, "every row has left")
	for _, group := range groupNames {
		for id := range w.committed {
			require.True(w.t, w.seen[group+id], "%s was not told of %s", group, id)
		}
		for subject, versions := range w.told[group] {
			for i := 1; i < len(versions) && !w.trims; i++ {
				require.Less(w.t, versions[i-1], versions[i], "%s was told %v of %s", group, versions, subject)
			}
		}
	}
	for id := range w.lost {
		require.False(w.t, w.seen["eager"+id] || w.seen["lazy"+id], "%s was told", id)
	}
}

// TestRelay_EveryEventArrives lets relays die at each step, loses commits and answers, and flushes the stream, sets it
// back and trims it.
func TestRelay_EveryEventArrives(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 24
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			w.trims = seed%4 == 3
			for range 300 {
				w.step()
			}
			w.settle()
			w.check()
		})
	}
}

func TestRelay_WithoutGroupsRowsLeave(t *testing.T) {
	outbox, stream := newFakeOutbox(), newFakeStream()
	relay := &messages.Relay{Outbox: outbox, Stream: stream, Lock: yesLock{}, Log: discard()}
	for i := range 1_300 {
		outbox.add(ledger.OutboxRow{
			ID: fmt.Sprintf("%05d", i), RunID: "T1@2019-10-12", At: time.Now(),
			Events: []ledger.Event{{Type: ledger.EventRunResumed, RunID: "T1@2019-10-12", RunVersion: int64(i + 1)}},
		})
	}
	for more := true; more; {
		var err error
		more, err = relay.Pass(t.Context())
		require.NoError(t, err)
	}
	require.EqualValues(t, 1_300, relay.Stats().Published)
	require.Len(t, stream.data.entries, 1_300)
	stream.clock += 3_600_000
	outbox.add(ledger.OutboxRow{ID: "1", RunID: "T2@2019-10-12", At: time.Now(), Events: make([]ledger.Event, 1)})
	_, err := relay.Pass(t.Context())
	require.NoError(t, err)
	relay.TidyNext()
	_, err = relay.Pass(t.Context())
	require.NoError(t, err)
	require.Empty(t, outbox.rows)
	require.Len(t, stream.data.entries, 1, "what is older than a few seconds is trimmed")
}

func TestRelay_GivesUpAfterSevenDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outbox, stream := newFakeOutbox(), newFakeStream()
		relay := &messages.Relay{Outbox: outbox, Stream: stream, Lock: yesLock{}, Log: discard()}
		require.NoError(t, stream.MakeGroup(t.Context(), "dead"))
		outbox.add(ledger.OutboxRow{
			ID: "1", RunID: "T1@2019-10-12", At: time.Now(),
			Events: []ledger.Event{{Type: ledger.EventRunResumed, RunID: "T1@2019-10-12", RunVersion: 1}},
		})
		for _, age := range []time.Duration{0, ledger.MaxEventAge - time.Minute, 2 * time.Minute} {
			require.Len(t, outbox.rows, 1)
			<-time.After(age)
			for range 3 {
				relay.TidyNext()
				_, err := relay.Pass(t.Context())
				require.NoError(t, err)
				relay.TidyNever()
				_, err = relay.Pass(t.Context())
				require.NoError(t, err)
			}
		}
		require.Empty(t, outbox.rows)
		require.EqualValues(t, 1, relay.Stats().GivenUp)
	})
}

// TestRelay_WhileTheStreamIsAway takes no rows: each take would be a commit.
func TestRelay_WhileTheStreamIsAway(t *testing.T) {
	outbox, stream := newFakeOutbox(), newFakeStream()
	relay := &messages.Relay{Outbox: outbox, Stream: stream, Lock: yesLock{}, Log: discard()}
	outbox.add(ledger.OutboxRow{ID: "1", RunID: "T1@2019-10-12", At: time.Now(), Events: make([]ledger.Event, 1)})
	stream.faults = func(string) (error, error) { return errBroken, nil }
	for range 5 {
		_, err := relay.Pass(t.Context())
		require.ErrorIs(t, err, errBroken)
	}
	require.Zero(t, outbox.rows["1"].Taken)
}

// takenLock is another's.
type takenLock struct{ err error }

func (l takenLock) Acquire(context.Context, string) (lock.Lease, error) { return nil, l.err }

func TestRelay_RunsWhereItIsElected(t *testing.T) {
	for err, published := range map[error]int64{lock.ErrTaken: 0, lock.ErrNoQuorum: 1} {
		synctest.Test(t, func(t *testing.T) {
			outbox, stream := newFakeOutbox(), newFakeStream()
			relay := &messages.Relay{Outbox: outbox, Stream: stream, Lock: takenLock{err}, Log: discard()}
			outbox.add(ledger.OutboxRow{
				ID: "1", RunID: "T1@2019-10-12", At: time.Now(),
				Events: make([]ledger.Event, 1),
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			relay.Run(ctx)
			require.Equal(t, published, relay.Stats().Published, "%v", err)
		})
	}
}

// TestRelay_Wake publishes at once what was committed before a wake-up, also when that comes while it works. Wake-ups
// are not saved up.
func TestRelay_Wake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outbox, stream := newFakeOutbox(), newFakeStream()
		relay := &messages.Relay{
			Outbox: outbox, Stream: stream, Lock: yesLock{}, Log: discard(), Interval: time.Minute,
		}
		looks := 0
		during := func() {}
		stream.faults = func(call string) (error, error) {
			if call == "look" {
				looks++
				during()
			}
			return nil, nil
		}
		commit := func(id string) {
			outbox.add(ledger.OutboxRow{
				ID: id, RunID: "T1@2019-10-12", At: time.Now(),
				Events: make([]ledger.Event, 1),
			})
			relay.Wake()
		}
		commit("1")
		relay.TidyNever()
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { relay.Run(ctx) })
		<-time.After(90 * time.Second)
		for i := range 3 {
			begun := time.Now()
			commit(fmt.Sprint("2", i))
			synctest.Wait()
			require.EqualValues(t, 2*i+2, relay.Stats().Published)
			during = func() {
				during = func() {}
				commit(fmt.Sprint("3", i))
			}
			relay.Wake()
			synctest.Wait()
			require.Zero(t, time.Since(begun))
			<-time.After(messages.PassesApart)
			synctest.Wait()
			require.EqualValues(t, 2*i+3, relay.Stats().Published)
			<-time.After(time.Second)
			synctest.Wait()
		}
		before := looks
		during = func() {
			during = func() {}
			for range 1_000 {
				relay.Wake()
			}
		}
		relay.Wake()
		<-time.After(time.Second)
		synctest.Wait()
		require.LessOrEqual(t, looks-before, 2)
		cancel()
		running.Wait()
	})
}

// namedLock remembers what was asked for.
type namedLock struct{ names []string }

func (l *namedLock) Acquire(_ context.Context, name string) (lock.Lease, error) {
	l.names = append(l.names, name)
	return nil, lock.ErrTaken
}

func TestRelay_OfOtherStreamsHasALockOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked namedLock
		for _, name := range []string{"", "payments"} {
			relay := &messages.Relay{Lock: &asked, Log: discard(), Name: name}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			relay.Run(ctx)
			cancel()
		}
		require.Equal(t, []string{"messages/relay", "messages/relay/payments"}, asked.names)
	})
}
