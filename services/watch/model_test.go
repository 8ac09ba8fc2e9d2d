package watch_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
)

// step is one thing that happens in a random program.
type step struct {
	kind string
	// run and reader are what it happens to.
	run, reader int
	// by is how many times, or how long.
	by int
}

// play runs a program and tells what was wrong with what the readers got, "" when nothing was.
func play(t *testing.T, program []step, runs, readers int) (wrong string) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		hub := newHub(w)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { hub.Run(ctx) })
		var ids []rail.RunID
		for i := range runs {
			ids = append(ids, w.publish(fmt.Sprint("G", i), "A", "B"))
		}
		streams := make([]<-chan *rail.Snapshot, readers)
		seen := make([]map[rail.RunID]int64, readers)
		take := func(reader, most int) {
			for range most {
				select {
				case s := <-streams[reader]:
					if last, any := seen[reader][s.Run.ID]; any && s.Left.Version <= last {
						wrong = fmt.Sprintf("reader %d got version %d of %s after %d", reader, s.Left.Version, s.Run.ID,
							last)
					}
					seen[reader][s.Run.ID] = s.Left.Version
				default:
					return
				}
			}
		}
		for i := range streams {
			var err error
			// The first watches all runs, the second all but one, and so on.
			streams[i], err = hub.SubscribeSeats(ctx, ids[min(i, runs-1):], "", "")
			seen[i] = map[rail.RunID]int64{}
			if err != nil {
				wrong = err.Error()
			}
		}
		var unsaid []rail.Change
		for _, s := range program {
			switch s.kind {
			case "sell": // and keep the messages
				for range s.by {
					unsaid = append(unsaid, w.sell(ids[s.run]))
				}
			case "say":
				w.say(unsaid...)
				unsaid = nil
			case "say in reverse, twice":
				slices.Reverse(unsaid)
				w.say(append(unsaid, unsaid...)...)
				unsaid = nil
			case "lose":
				unsaid = nil
			case "take":
				take(s.reader, s.by)
			case "wait":
				wait(time.Duration(s.by) * 40 * time.Millisecond)
			case "break":
				w.set(func() { w.down = !w.down })
			case "slow":
				w.set(func() { w.slow = time.Duration(s.by) * 10 * time.Millisecond })
			case "hang up":
				w.mu.Lock()
				listener := w.listener
				w.mu.Unlock()
				if listener != nil {
					_ = listener.Close()
				}
			}
		}
		w.set(func() { w.down, w.slow = false, 0 })
		wait(1500 * time.Millisecond) // One sweep that nothing disturbs.
		for i := range streams {
			take(i, 1_000)
			for _, id := range ids[min(i, runs-1):] {
				if seen[i][id] != w.left[id].Version && wrong == "" {
					wrong = fmt.Sprintf("reader %d stopped at version %d of %s, not %d", i, seen[i][id], id,
						w.left[id].Version)
				}
			}
		}
		cancel()
		running.Wait()
	})
	return wrong
}

// Whatever is lost, doubled, late, out of order, broken or slow: versions go up only, and the last always comes.
func TestSeats_RandomTrouble(t *testing.T) {
	const runs, readers = 3, 3
	kinds := []string{
		"sell", "sell", "say", "say in reverse, twice", "lose", "take", "take", "wait", "wait", "break",
		"slow", "hang up",
	}
	rapid.Check(t, func(r *rapid.T) {
		program := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			return step{
				kind: rapid.SampledFrom(kinds).Draw(r, "kind"), run: rapid.IntRange(0, runs-1).Draw(r, "run"),
				reader: rapid.IntRange(0, readers-1).Draw(r, "reader"), by: rapid.IntRange(1, 10).Draw(r, "by"),
			}
		}), 1, 40).Draw(r, "program")
		require.Empty(r, play(t, program, runs, readers))
	})
}

// A reader that takes while the hub makes room must not get an older version after a newer one. This one is about the
// order of two goroutines, so it runs on the real clock and as fast as it can.
func TestSeats_TakingWhileRoomIsMade(t *testing.T) {
	w := newWorld()
	hub := newHub(w)
	hub.EventsPerSecond = 0
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	const runs, sales = 4, 1_000
	var ids []rail.RunID
	for i := range runs {
		ids = append(ids, w.publish(fmt.Sprint("G", i), "A", "B"))
	}
	var readers sync.WaitGroup
	for reader := range 4 {
		events, err := hub.SubscribeSeats(ctx, ids, "", "")
		require.NoError(t, err)
		readers.Go(func() {
			seen, finished := map[rail.RunID]int64{}, 0
			for s := range events {
				if last := seen[s.Run.ID]; s.Left.Version <= last {
					t.Errorf("version %d of %s after %d", s.Left.Version, s.Run.ID, last)
				}
				seen[s.Run.ID] = s.Left.Version
				if s.Left.Version == sales+1 {
					if finished++; finished == runs {
						return
					}
				}
				for range reader * 20 {
					runtime.Gosched() // Some are slower than others.
				}
			}
		})
	}
	for range sales {
		for _, id := range ids {
			w.say(w.sell(id))
		}
		runtime.Gosched()
	}
	readers.Wait()
	cancel()
	running.Wait()
}
