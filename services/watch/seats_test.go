package watch_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/watch"
)

func subscribe(t *testing.T, hub *watch.Hub, ids ...rail.RunID) <-chan *rail.Snapshot {
	t.Helper()
	events, err := hub.SubscribeSeats(t.Context(), ids, "", "")
	require.NoError(t, err)
	return events
}

func TestSeats_FirstASnapshotThenChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		g1, g2 := w.publish("G1", "A", "B", "C"), w.publish("G2", "A", "B", "C")
		events, err := hub.SubscribeSeats(t.Context(), []rail.RunID{g1, g2, g1}, "B", "C")
		require.NoError(t, err)
		quiesce()
		first, open := taken(events)
		require.True(t, open)
		require.Len(t, first, 2, "one for each run, also where it is named twice")
		for _, s := range first {
			require.Equal(t, []int{1, 2}, []int{s.From, s.To})
			require.Equal(t, rail.Left{Known: true, Version: 1, Status: rail.Published, Counts: []uint16{100}}, s.Left)
			require.Same(t, w.runs[s.Run.ID], s.Run)
			require.WithinDuration(t, time.Now(), s.AsOf, time.Second)
		}
		w.say(w.sell(g2))
		quiesce()
		next, _ := taken(events)
		require.Len(t, next, 1)
		require.Equal(t, g2, next[0].Run.ID)
		require.EqualValues(t, 2, next[0].Left.Version)
	})
}

func TestSeats_FromAndToMayBeLeftOut(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B", "C", "A", "B")
		for _, c := range []struct {
			from, to rail.StationCode
			calls    []int
		}{
			{"", "", []int{0, 4}},
			{"B", "", []int{1, 4}},
			{"C", "", []int{2, 4}},
			{"", "C", []int{0, 2}},
			{"B", "C", []int{1, 2}},
		} {
			events, err := hub.SubscribeSeats(t.Context(), []rail.RunID{id}, c.from, c.to)
			require.NoError(t, err)
			s := <-events
			require.Equal(t, c.calls, []int{s.From, s.To}, "from %q to %q", c.from, c.to)
		}
	})
}

// A run that goes from A to B twice is watched both times, until it is published anew and goes there once.
func TestSeats_ToAndFro(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B", "C", "A", "B")
		events, err := hub.SubscribeSeats(t.Context(), []rail.RunID{id, id}, "A", "B")
		require.NoError(t, err)
		ways := func() []string {
			quiesce()
			got, open := taken(events)
			require.True(t, open)
			var all []string
			for _, s := range got {
				all = append(all, fmt.Sprint(s.From, "-", s.To, " at ", s.Left.Version))
			}
			slices.Sort(all)
			return all
		}
		require.Equal(t, []string{"0-1 at 1", "3-4 at 1"}, ways())
		w.say(w.sell(id))
		require.Equal(t, []string{"0-1 at 2", "3-4 at 2"}, ways())
		changed := *w.runs[id]
		changed.Train = trainOf("G1", "A", "B", "C")
		w.set(func() { w.runs[id] = &changed })
		w.sell(id)
		hub.Wake()
		require.Equal(t, []string{"0-1 at 3"}, ways(), "the stream goes on with the one that is left")
	})
}

func TestSeats_BadInput(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id, other := w.publish("G1", "A", "B", "C"), w.publish("G2", "A", "C")
		many := make([]rail.RunID, watch.MaxRuns+1)
		for name, c := range map[string]struct {
			ids      []rail.RunID
			from, to rail.StationCode
			code     rail.Code
			path     []string
		}{
			"no runs":         {nil, "", "", rail.BadUserInput, []string{"runIds"}},
			"too many runs":   {many, "", "", rail.BadUserInput, []string{"runIds"}},
			"no such run":     {[]rail.RunID{id, "G9@2019-10-12"}, "", "", rail.NotFound, []string{"runIds", "1"}},
			"not a run":       {[]rail.RunID{"{}"}, "", "", rail.NotFound, []string{"runIds", "0"}},
			"from = to":       {[]rail.RunID{id}, "A", "A", rail.BadUserInput, []string{"to"}},
			"not called at":   {[]rail.RunID{id, other}, "B", "", rail.BadUserInput, []string{"from"}},
			"unknown to":      {[]rail.RunID{id}, "", "X", rail.BadUserInput, []string{"to"}},
			"the other way":   {[]rail.RunID{id}, "C", "A", rail.BadUserInput, []string{"to"}},
			"from the end on": {[]rail.RunID{id}, "C", "", rail.BadUserInput, []string{"from"}},
			"to the start":    {[]rail.RunID{id}, "", "A", rail.BadUserInput, []string{"to"}},
		} {
			_, err := hub.SubscribeSeats(t.Context(), c.ids, c.from, c.to)
			var e *rail.Error
			require.ErrorAs(t, err, &e, name)
			require.Equal(t, c.code, e.Code, name)
			require.Equal(t, c.path, e.Path, name)
		}
		seats, _ := hub.Subscribers()
		require.Zero(t, seats)
	})
}

func TestSeats_Overloaded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		hub.MaxSubscribers = 2
		id := w.publish("G1", "A", "B")
		ctx, leave := context.WithCancel(t.Context())
		_, err := hub.SubscribeSeats(ctx, []rail.RunID{id}, "", "")
		require.NoError(t, err)
		subscribe(t, hub, id)
		_, err = hub.SubscribeSeats(t.Context(), []rail.RunID{id}, "", "")
		var e *rail.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, rail.Overloaded, e.Code)
		require.NotZero(t, e.RetryAfter)
		leave()
		quiesce()
		subscribe(t, hub, id)
	})
}

func TestSeats_SlowSubscriberGetsTheLastAndHarmsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		ids := []rail.RunID{w.publish("G1", "A", "B"), w.publish("G2", "A", "B"), w.publish("G3", "A", "B")}
		slowOne, slowMany, quick := subscribe(t, hub, ids[0]), subscribe(t, hub, ids...), subscribe(t, hub, ids[0])
		var got []int64
		for version := range int64(100) {
			quiesce()
			events, _ := taken(quick)
			require.Equal(t, []int64{version + 1}, versions(events), "who reads gets each version as it comes")
			for _, id := range ids {
				w.say(w.sell(id))
			}
		}
		quiesce()
		events, open := taken(slowOne)
		require.True(t, open)
		require.Equal(t, []int64{101}, versions(events), "of one run there is only the latest")
		events, _ = taken(slowMany)
		require.LessOrEqual(t, len(events), 2*len(ids), "what waits is bounded by the runs, not by what happened")
		for _, id := range ids {
			got = got[:0]
			for _, e := range events {
				if e.Run.ID == id {
					got = append(got, e.Left.Version)
				}
			}
			require.IsIncreasing(t, append([]int64{0}, got...))
			require.EqualValues(t, 101, got[len(got)-1], "the last of %s", id)
		}
	})
}

func TestSeats_LostMessageIsMadeGoodInASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		events := subscribe(t, hub, id)
		quiesce()
		taken(events)
		w.sell(id) // and nobody says so
		wait(time.Second)
		got, _ := taken(events)
		require.Equal(t, []int64{2}, versions(got))
	})
}

// Every second, the version of each run is read once, however many watch it. Counts are read where a version has moved.
func TestSeats_LookingAgainCostsWhatChanged(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		const runs = 10
		var ids []rail.RunID
		for i := range runs {
			ids = append(ids, w.publish(fmt.Sprint("G", i), "A", "B", "C", "D"))
		}
		var streams []<-chan *rail.Snapshot
		for _, from := range []rail.StationCode{"A", "B", "C"} {
			for _, to := range []rail.StationCode{"B", "C", "D"} {
				if from < to {
					events, err := hub.SubscribeSeats(t.Context(), ids, from, to)
					require.NoError(t, err)
					streams = append(streams, events)
				}
			}
		}
		wait(1500 * time.Millisecond)
		asked, checked := w.get(&w.asked), w.get(&w.checked)
		wait(10 * time.Second)
		require.Equal(t, asked, w.get(&w.asked), "nothing changed, and nothing was read")
		require.Equal(t, 10*runs, w.get(&w.checked)-checked)

		for _, events := range streams {
			taken(events)
		}
		w.sell(ids[3]) // and nobody says so
		wait(3 * time.Second)
		require.Equal(t, len(streams), w.get(&w.asked)-asked, "the pairs of the run that moved, once")
		for _, events := range streams {
			got, _ := taken(events)
			require.Equal(t, []int64{2}, versions(got))
			require.Equal(t, ids[3], got[0].Run.ID)
		}
	})
}

// A version that was seen but whose counts could not be read is read for again, though it does not move any more.
func TestSeats_SeenButNotRead(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(*world, rail.RunID) ([]rail.Left, error)
	}{
		{"no answer", func(*world, rail.RunID) ([]rail.Left, error) { return nil, errDown }},
		{"no answer for this run", func(*world, rail.RunID) ([]rail.Left, error) { return []rail.Left{{}}, nil }},
		{"an older copy", func(w *world, id rail.RunID) ([]rail.Left, error) {
			return []rail.Left{{Known: true, Version: w.left[id].Version - 1, Status: rail.Published}}, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
				id := w.publish("G1", "A", "B")
				events := subscribe(t, hub, id)
				wait(1500 * time.Millisecond)
				taken(events)
				w.set(func() {
					w.remaining = func() ([]rail.Left, error) { return c.answer(w, id) }
				})
				w.sell(id)
				wait(2 * time.Second)
				got, _ := taken(events)
				require.Empty(t, got)
				w.set(func() { w.remaining = nil })
				wait(time.Second)
				got, _ = taken(events)
				require.Equal(t, []int64{2}, versions(got))
			})
		})
	}
}

// A run is withdrawn while the availability is away. It ends as soon as that answers, though its version is the same.
func TestSeats_WithdrawnWhileNobodyAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		w.set(func() { delete(w.left, id) })
		events := subscribe(t, hub, id)
		wait(1500 * time.Millisecond)
		taken(events)
		withdrawn := *w.runs[id]
		withdrawn.Status = rail.Withdrawn
		w.set(func() { w.down, w.runs[id] = true, &withdrawn })
		hub.Wake()
		wait(3 * time.Second)
		_, open := taken(events)
		require.True(t, open)
		w.set(func() { w.down = false })
		wait(1100 * time.Millisecond)
		_, open = taken(events)
		require.False(t, open)
	})
}

func TestSeats_ChangeBeforeTheListenerFollows(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		// The first read has looked, and is on its way, when the sale takes place.
		w.set(func() { w.slow = 5 * time.Millisecond })
		events := subscribe(t, hub, id)
		wait(time.Millisecond)
		w.sell(id)
		w.set(func() { w.slow = 0 })
		wait(20 * time.Millisecond)
		got, _ := taken(events)
		require.NotEmpty(t, got)
		require.LessOrEqual(t, len(got), 2)
		w.say(w.sell(id))
		quiesce()
		got, _ = taken(events)
		require.Equal(t, []int64{3}, versions(got), "it is followed now")
	})
}

func TestSeats_OldAndDoubledMessagesTellNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		events := subscribe(t, hub, id)
		second, third := w.sell(id), w.sell(id)
		w.say(third)
		quiesce()
		taken(events)
		reads := w.get(&w.reads)
		w.say(second, third, second, third)
		quiesce()
		got, _ := taken(events)
		require.Empty(t, got)
		require.Equal(t, reads, w.get(&w.reads), "nor are they read for")
	})
}

func TestSeats_OneReadForAll(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		hub.EventsPerSecond = 1_000_000
		id := w.publish("G1", "A", "B", "C")
		var all []<-chan *rail.Snapshot
		for range 1_000 {
			all = append(all, subscribe(t, hub, id))
		}
		part, err := hub.SubscribeSeats(t.Context(), []rail.RunID{id}, "B", "C")
		require.NoError(t, err)
		quiesce()
		require.LessOrEqual(t, w.get(&w.reads), 4, "a crowd that comes at once is read for together")
		for _, events := range append(all, part) {
			taken(events)
		}
		wait(100 * time.Millisecond)

		reads, asked := w.get(&w.reads), w.get(&w.asked)
		w.say(w.sell(id))
		quiesce()
		require.Equal(t, 1, w.get(&w.reads)-reads)
		require.Equal(t, 2, w.get(&w.asked)-asked, "one ask for each pair of stations")
		for _, events := range all {
			got, _ := taken(events)
			require.Equal(t, []int64{2}, versions(got))
		}

		// What happens while a read is under way is read for once, afterwards.
		wait(100 * time.Millisecond)
		w.set(func() { w.slow = 50 * time.Millisecond })
		reads = w.get(&w.reads)
		for range 30 {
			w.say(w.sell(id))
			<-time.After(time.Millisecond)
		}
		wait(200 * time.Millisecond)
		require.LessOrEqual(t, w.get(&w.reads)-reads, 3)
		got, _ := taken(all[0])
		require.Equal(t, []int64{32}, versions(got))
	})
}

func TestSeats_CrowdIsToldAtAPaceItCanTake(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		hub.EventsPerSecond = 1_000
		id := w.publish("G1", "A", "B")
		var all []<-chan *rail.Snapshot
		for range 200 {
			all = append(all, subscribe(t, hub, id))
		}
		wait(time.Second)
		events, last := 0, int64(0)
		take := func() {
			for _, one := range all {
				got, _ := taken(one)
				events += len(got)
				for _, s := range got {
					last = s.Left.Version
				}
			}
		}
		take()
		events = 0
		for range 1_000 {
			w.say(w.sell(id))
			<-time.After(time.Millisecond)
			take()
		}
		require.InDelta(t, 1_000, events, 250, "in one second")
		wait(time.Second)
		take()
		require.EqualValues(t, 1_001, last)
	})
}

// A crowd is told one handful after the other. Subscribers leave and come meanwhile, and each that stays is told.
func TestSeats_CrowdIsToldByHandfuls(t *testing.T) {
	const crowd = 1_000
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		hub.EventsPerSecond = 1_000
		id := w.publish("G1", "A", "B")
		all, leave := make([]<-chan *rail.Snapshot, crowd), make([]context.CancelFunc, crowd)
		join := func(i int) {
			ctx, cancel := context.WithCancel(t.Context())
			var err error
			all[i], err = hub.SubscribeSeats(ctx, []rail.RunID{id}, "", "")
			require.NoError(t, err)
			leave[i] = cancel
		}
		for i := range all {
			join(i)
		}
		wait(3 * time.Second)
		told := func() (n int) {
			for _, one := range all {
				if got, _ := taken(one); len(got) > 0 {
					n++
				}
			}
			return n
		}
		require.Equal(t, crowd, told())
		w.say(w.sell(id))
		quiesce()
		require.Equal(t, watch.Handful, told())
		w.say(w.sell(id))
		for i := range all {
			if i%3 == 0 { // from all over the crowd, told already or not
				leave[i]()
			}
			if i%6 == 0 {
				join(i)
			}
			if i%100 == 0 {
				wait(50 * time.Millisecond)
			}
		}
		last := map[int]int64{}
		for range 50 {
			wait(100 * time.Millisecond)
			for i, one := range all {
				got, _ := taken(one)
				for _, s := range got {
					last[i] = s.Left.Version
				}
			}
		}
		for i := range all {
			if i%3 != 0 || i%6 == 0 {
				require.EqualValues(t, 3, last[i], i)
			}
			leave[i]()
		}
	})
}

func TestSeats_EndsWhenClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		early := w.publish("G1", "A", "B", "C")
		late := w.publish("G2", "A", "B", "C", "D")
		one, both := subscribe(t, hub, early), subscribe(t, hub, early, late)
		closes := w.runs[early].ClosesAt()
		wait(time.Until(closes) - time.Second)
		w.say(w.sell(early))
		quiesce()
		_, open := taken(one)
		require.True(t, open, "a second before the last sale closes")
		wait(2 * time.Second)
		_, open = taken(one)
		require.False(t, open)
		_, open = taken(both)
		require.True(t, open, "one of two runs is still on sale")
		require.Equal(t, []rail.RunID{late}, w.followed())
		wait(time.Hour)
		_, open = taken(both)
		require.False(t, open)
		require.Empty(t, w.followed())
		seats, _ := hub.Subscribers()
		require.Zero(t, seats)

		events := subscribe(t, hub, early)
		quiesce()
		got, open := taken(events)
		require.Len(t, got, 1, "who asks for a closed run gets its snapshot")
		require.False(t, open, "and no more")
	})
}

func TestSeats_EndsWhenClosedThoughNothingIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		w.set(func() { w.down = true })
		events := subscribe(t, hub, id)
		wait(time.Until(w.runs[id].ClosesAt()) + time.Second)
		_, open := taken(events)
		require.False(t, open)
	})
}

func TestSeats_WithdrawnIsTheLastEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		events := subscribe(t, hub, id)
		quiesce()
		taken(events)
		change := w.decide(id, rail.Withdrawn)
		withdrawn := *w.runs[id]
		withdrawn.Status, withdrawn.Reason = rail.Withdrawn, "flood"
		w.set(func() { w.runs[id] = &withdrawn })
		w.say(change)
		quiesce()
		got, open := taken(events)
		require.Equal(t, []int64{2}, versions(got))
		require.Equal(t, rail.Withdrawn, got[0].Run.Status)
		require.Equal(t, "flood", got[0].Run.Reason)
		require.False(t, open)
	})
}

// The timetable may know of a withdrawal before the availability does; the event with its version must not be lost.
func TestSeats_WithdrawnInTheTimetableFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		events := subscribe(t, hub, id)
		quiesce()
		taken(events)
		withdrawn := *w.runs[id]
		withdrawn.Status = rail.Withdrawn
		w.set(func() { w.runs[id] = &withdrawn })
		hub.Wake()
		wait(3 * time.Second)
		got, open := taken(events)
		require.Empty(t, got)
		require.True(t, open)
		w.decide(id, rail.Withdrawn)
		wait(time.Second)
		got, open = taken(events)
		require.Equal(t, []int64{2}, versions(got))
		require.False(t, open)
	})
}

func TestSeats_SuspensionSaysWhy(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		events := subscribe(t, hub, id)
		quiesce()
		taken(events)
		w.say(w.decide(id, rail.Suspended))
		quiesce()
		got, _ := taken(events)
		require.Empty(t, got, "it waits for the timetable to hear of it")
		suspended := *w.runs[id]
		suspended.Status, suspended.Reason = rail.Suspended, "snow"
		w.set(func() { w.runs[id] = &suspended })
		hub.Wake()
		quiesce()
		got, _ = taken(events)
		require.Equal(t, []int64{2}, versions(got), "at once when it has")
		require.Equal(t, rail.RunSuspended, got[0].Run.StateAt(time.Now()))
		require.Equal(t, "snow", got[0].Run.Reason)

		w.say(w.decide(id, rail.Published))
		wait(1600 * time.Millisecond)
		got, _ = taken(events)
		require.Equal(t, []int64{3}, versions(got), "but not for ever")
		require.Equal(t, rail.RunOnSale, got[0].Run.StateAt(time.Now()))
		require.Empty(t, got[0].Run.Reason)
		require.Equal(t, rail.Suspended, suspended.Status, "the shared run is not touched")
	})
}

func TestSeats_NotKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		known := w.left[id]
		w.set(func() { w.down = true })
		events := subscribe(t, hub, id)
		quiesce()
		got, _ := taken(events)
		require.Len(t, got, 1, "the first snapshot comes also when nothing is known")
		require.False(t, got[0].Left.Known)
		require.Same(t, w.runs[id], got[0].Run)
		wait(3 * time.Second)
		got, _ = taken(events)
		require.Empty(t, got)

		w.set(func() { w.down = false; delete(w.left, id) })
		wait(3 * time.Second)
		got, _ = taken(events)
		require.Empty(t, got, "a run the availability does not have is no news")
		w.set(func() { w.left[id] = known })
		wait(time.Second)
		got, _ = taken(events)
		require.Equal(t, []int64{1}, versions(got))
		require.Equal(t, []rail.RunID{id}, w.followed(), "it is followed once the listener can")

		w.set(func() { delete(w.left, id) })
		wait(3 * time.Second)
		got, _ = taken(events)
		require.Empty(t, got, "what was known is not taken back")
	})
}

func TestSeats_VersionsNeverGoDown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		at := func(version int64) {
			w.set(func() { w.left[id] = rail.Left{Known: true, Version: version, Status: rail.Published} })
		}
		at(9)
		early := subscribe(t, hub, id)
		quiesce()
		got, _ := taken(early)
		require.Equal(t, []int64{9}, versions(got))
		at(7) // A copy of the availability that lags is read for a while.
		late := subscribe(t, hub, id)
		quiesce()
		got, _ = taken(late)
		require.Equal(t, []int64{7}, versions(got))
		for version := int64(8); version <= 10; version++ {
			at(version)
			wait(time.Second)
			got, _ = taken(late)
			require.Equal(t, []int64{version}, versions(got), "who came meanwhile catches up")
			got, _ = taken(early)
			if version < 10 {
				require.Empty(t, got, "who had 9 is not told of %d", version)
			} else {
				require.Equal(t, []int64{10}, versions(got))
			}
		}
	})
}

func TestSeats_PublishedAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B", "C")
		fromB, err := hub.SubscribeSeats(t.Context(), []rail.RunID{id}, "B", "C")
		require.NoError(t, err)
		whole := subscribe(t, hub, id)
		quiesce()
		taken(fromB)
		taken(whole)
		changed := *w.runs[id]
		changed.Train = trainOf("G1", "A", "X", "C", "D")
		w.set(func() { w.runs[id] = &changed })
		w.sell(id)
		hub.Wake()
		quiesce()
		got, open := taken(whole)
		require.True(t, open)
		require.Len(t, got, 1)
		require.Equal(t, []int{0, 3}, []int{got[0].From, got[0].To}, "pairs are those of the new train")
		_, open = taken(fromB)
		require.False(t, open, "the run does not call at B any more")
	})
}

func TestSeats_LeavingLetsGo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		ctx, leave := context.WithCancel(t.Context())
		events, err := hub.SubscribeSeats(ctx, []rail.RunID{id}, "", "")
		require.NoError(t, err)
		other := subscribe(t, hub, id)
		quiesce()
		leave()
		quiesce()
		_, open := taken(events)
		require.False(t, open)
		w.say(w.sell(id))
		quiesce()
		got, open := taken(other)
		require.True(t, open)
		require.EqualValues(t, 2, got[len(got)-1].Left.Version)
		require.Equal(t, []rail.RunID{id}, w.followed())
	})
}

func TestHub_ListenerBreaks(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		id := w.publish("G1", "A", "B")
		events := subscribe(t, hub, id)
		quiesce()
		taken(events)
		broken := w.listener
		require.NoError(t, broken.Close())
		w.sell(id)
		wait(2 * time.Second)
		got, _ := taken(events)
		require.Equal(t, []int64{2}, versions(got))
		require.Equal(t, []rail.RunID{id}, w.followed(), "the new listener is told what to follow")
		w.say(w.sell(id))
		quiesce()
		got, _ = taken(events)
		require.Equal(t, []int64{3}, versions(got))
	})
}

func TestHub_EndsAllStreams(t *testing.T) {
	w := newWorld()
	hub := newHub(w)
	id := w.publish("G1", "A", "B")
	w.put(rail.Order{ID: "o", RunID: id, Version: 1, State: rail.OnHold})
	seats := subscribe(t, hub, id)
	order, err := hub.SubscribeOrder(t.Context(), "o", func(*rail.Order) bool { return true })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hub.Run(ctx)
	_, open := taken(seats)
	require.False(t, open)
	_, open = taken(order)
	require.False(t, open)
	_, err = hub.SubscribeSeats(t.Context(), []rail.RunID{id}, "", "")
	require.Equal(t, rail.Unavailable, rail.CodeOf(err))
	_, err = hub.SubscribeOrder(t.Context(), "o", func(*rail.Order) bool { return true })
	require.Equal(t, rail.Unavailable, rail.CodeOf(err))
}

// A run that is not found while a server still reads its timetable may be there all the same.
func TestSeats_BeforeTheTimetableIsRead(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		w.set(func() { w.loading = true })
		_, err := hub.SubscribeSeats(t.Context(), []rail.RunID{"G1@2019-10-12"}, "", "")
		var refusal *rail.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, rail.Unavailable, refusal.Code)
		require.Positive(t, refusal.RetryAfter)
		w.set(func() { w.loading = false })
		_, err = hub.SubscribeSeats(t.Context(), []rail.RunID{"G1@2019-10-12"}, "", "")
		require.Equal(t, rail.NotFound, rail.CodeOf(err))
	})
}
