package messages_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/messages"
	"interlock/services/rail"
)

// put appends events of orders, each the next version.
func put(t *testing.T, s *fakeStream, versions map[string]int64, orders ...string) {
	t.Helper()
	standing, err := s.Look(t.Context(), ledger.StreamID{})
	require.NoError(t, err)
	var events []ledger.Event
	for _, order := range orders {
		versions[order]++
		events = append(events, ledger.Event{
			Type: ledger.EventOrderPaid, OrderID: order, OrderVersion: versions[order], RunID: "T1@2019-10-12",
		})
	}
	_, err = s.Append(t.Context(), standing, ledger.StreamID{}, events)
	require.NoError(t, err)
}

// effects is what a group's handlers have done, with a time for each try.
type effects struct {
	mu    sync.Mutex
	tries map[string][]time.Time
	// order are the events that took effect, in order.
	order []string
}

func (e *effects) handler(refuse func(event *ledger.Event, try int) error) messages.Handler {
	e.tries = map[string][]time.Time{}
	return func(_ context.Context, event ledger.Event) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.tries[event.ID()] = append(e.tries[event.ID()], time.Now())
		if err := refuse(&event, len(e.tries[event.ID()])); err != nil {
			return err
		}
		e.order = append(e.order, event.ID())
		return nil
	}
}

func newConsumer(s *fakeStream, name string, handler messages.Handler) *messages.Consumer {
	return &messages.Consumer{Queue: s, Log: discard(), Group: "pay", Name: name, Handler: handler}
}

// consume runs a consumer for a time.
func consume(t *testing.T, c *messages.Consumer, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	require.NoError(t, c.Run(ctx))
}

func never(*ledger.Event, int) error { return nil }

func TestConsumer_InOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		put(t, s, versions, "a", "b", "a", "c", "a")
		var e effects
		consume(t, newConsumer(s, "one", e.handler(never)), time.Minute)
		require.Equal(t, []string{"a.1", "b.1", "a.2", "c.1", "a.3"}, e.order)
		require.Empty(t, s.data.groups["pay"].pending)
	})
}

func TestConsumer_TriesAgainWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		put(t, s, versions, "a", "b", "a")
		var e effects
		handler := e.handler(func(event *ledger.Event, try int) error {
			if event.ID() == "a.1" && try < 4 {
				return errBroken
			}
			return nil
		})
		consume(t, newConsumer(s, "one", handler), time.Minute)
		require.Equal(t, []string{"b.1", "a.1", "a.2"}, e.order, "a.2 waits for a.1, and b.1 does not")
		tries := e.tries["a.1"]
		for i, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			require.InDelta(t, pause, tries[i+1].Sub(tries[i]), float64(100*time.Millisecond))
		}
	})
}

func TestConsumer_DeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		put(t, s, versions, "refused", "secret", "panics", "a", "refused")
		s.data.entries = append(s.data.entries, messages.Delivery{
			ID: ledger.StreamID{Millis: s.data.last.Millis + 1}, Text: "x", Err: errBroken,
		})
		var e effects
		handler := e.handler(func(event *ledger.Event, try int) error {
			switch {
			case event.ID() == "refused.1":
				return fmt.Errorf("inside: %w", rail.Refuse(rail.NotFound, "%s",
					"no such payment"+strings.Repeat("!", 900)))
			case event.OrderID == "secret":
				return errors.New("Alice has no ticket")
			case event.OrderID == "panics":
				panic("Bob")
			}
			return nil
		})
		c := newConsumer(s, "one", handler)
		c.Tries = 3
		consume(t, c, time.Minute)
		require.Equal(t, []string{"a.1", "refused.2"}, e.order)
		dead := map[string]messages.DeadLetter{}
		for _, letter := range s.data.groups["pay"].dead {
			require.NotContains(t, letter.Reason, "Alice")
			require.NotContains(t, letter.Reason, "Bob")
			require.LessOrEqual(t, len(letter.Reason), 300)
			dead[letter.Text] = letter
		}
		require.Len(t, dead, 4)
		require.Contains(t, dead["refused.1"].Reason, "NOT_FOUND: no such payment")
		require.Equal(t, "INTERNAL", dead["secret.1"].Reason)
		require.Equal(t, "INTERNAL", dead["panics.1"].Reason)
		require.Equal(t, 3, dead["panics.1"].Tries)
		require.Len(t, e.tries["secret.1"], 3)
		require.Empty(t, s.data.groups["pay"].pending)
	})
}

// TestConsumer_UnavailableIsNoTry keeps an event for as long as what it needs is away.
func TestConsumer_UnavailableIsNoTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		put(t, s, versions, "a")
		var e effects
		away := true
		c := newConsumer(s, "one", e.handler(func(*ledger.Event, int) error {
			if away {
				return rail.Refuse(rail.Unavailable, "the bank is closed")
			}
			return nil
		}))
		c.Tries = 2
		consume(t, c, time.Hour)
		require.Empty(t, s.data.groups["pay"].dead)
		require.Greater(t, len(e.tries["a.1"]), 50)
		away = false
		c = newConsumer(s, "one", e.handler(never))
		consume(t, c, time.Minute)
		require.Equal(t, []string{"a.1"}, e.order)
	})
}

// TestConsumer_PoisonKillsWhoTakesIt makes a dead letter of it although no consumer lives to say so, and not of what
// they had beside it.
func TestConsumer_PoisonKillsWhoTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		put(t, s, versions, "poison", "a")
		deaths, handled := 0, 0
		var dead atomic.Bool // Nothing more is heard of it.
		s.faults = func(string) (error, error) {
			if dead.Load() {
				return errBroken, nil
			}
			return nil, nil
		}
		for range 20 {
			c := newConsumer(s, "one", nil)
			c.Tries = 4
			ctx, die := context.WithTimeout(t.Context(), time.Minute)
			c.Handler = func(ctx context.Context, event ledger.Event) error {
				if event.OrderID != "poison" {
					handled++
					return nil
				}
				deaths++
				dead.Store(true)
				die()
				return ctx.Err()
			}
			require.NoError(t, c.Run(ctx))
			die()
			dead.Store(false)
		}
		require.Equal(t, 4, deaths)
		require.Equal(t, 1, handled)
		require.Len(t, s.data.groups["pay"].dead, 1)
		require.Contains(t, s.data.groups["pay"].dead[0].Reason, "died")
	})
}

// TestConsumer_RestartsAreNoTries keeps an event that waits for what is away, however often its consumer is restarted.
func TestConsumer_RestartsAreNoTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		put(t, s, versions, "a", "a", "b")
		for range 30 {
			c := newConsumer(s, "one", func(context.Context, ledger.Event) error {
				return rail.Refuse(rail.Unavailable, "closed")
			})
			consume(t, c, time.Minute)
		}
		require.Empty(t, s.data.groups["pay"].dead)
		require.Len(t, s.data.groups["pay"].pending, 3)
	})
}

func TestConsumer_KeepsWhatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		full := true
		s.faults = func(call string) (error, error) {
			if call == "bury" && full {
				return messages.ErrFull, nil
			}
			return nil, nil
		}
		put(t, s, versions, "a", "b")
		var e effects
		c := newConsumer(s, "one", e.handler(func(event *ledger.Event, _ int) error {
			if event.OrderID == "a" {
				return errBroken
			}
			return nil
		}))
		c.Tries = 1
		consume(t, c, 10*time.Minute)
		require.Equal(t, []string{"b.1"}, e.order)
		require.Len(t, s.data.groups["pay"].pending, 1)
		full = false
		consume(t, c, 2*time.Minute)
		require.Len(t, s.data.groups["pay"].dead, 1)
	})
}

// TestConsumer_Parallel has no two events of a subject handled at once and those of each in order, as many as it may of
// different ones, and none wait for one that is slow.
func TestConsumer_Parallel(t *testing.T) {
	for _, parallel := range []int{0, 1, 2, 7, messages.MaxParallel, 10_000} {
		synctest.Test(t, func(t *testing.T) {
			s, versions := newFakeStream(), map[string]int64{}
			const orders, each, work = 400, 3, time.Second
			for range each {
				var all []string
				for i := range orders {
					all = append(all, fmt.Sprint("o", i))
				}
				put(t, s, versions, all...)
			}
			var mu sync.Mutex
			running, most := map[string]bool{}, 0
			last, lastAt := map[string]int64{}, time.Time{}
			slow := fmt.Sprint("o", 5)
			c := newConsumer(s, "one", func(ctx context.Context, event ledger.Event) error {
				mu.Lock()
				if running[event.OrderID] || last[event.OrderID] != event.OrderVersion-1 {
					t.Errorf("%s out of turn", event.ID())
				}
				running[event.OrderID] = true
				most = max(most, len(running))
				mu.Unlock()
				if event.OrderID == slow && parallel > 1 {
					<-time.After(10 * work)
				} else {
					<-time.After(work)
				}
				mu.Lock()
				defer mu.Unlock()
				delete(running, event.OrderID)
				last[event.OrderID], lastAt = event.OrderVersion, time.Now()
				return nil
			})
			c.Parallel = parallel
			begun := time.Now()
			consume(t, c, time.Hour)
			want := min(max(1, parallel), messages.MaxParallel)
			require.Equal(t, want, most)
			for order, version := range last {
				require.EqualValues(t, each, version, order)
			}
			require.Len(t, last, orders)
			require.Empty(t, s.data.groups["pay"].pending)
			// The slow one has 30 units of work, all others one each.
			units := (orders*each + 30) / want
			require.LessOrEqual(t, lastAt.Sub(begun), time.Duration(max(units, 30)+15)*work)
		})
	}
}

// TestConsumer_ParallelKeepsWhatItHas touches what slow handlers have, so that no other consumer takes it over, and
// acknowledges each effect at once although others go on.
func TestConsumer_ParallelKeepsWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		put(t, s, versions, "slow", "a", "b", "a")
		var e effects
		told := e.handler(never)
		handler := func(ctx context.Context, event ledger.Event) error {
			if event.OrderID == "slow" {
				<-time.After(time.Minute) // It looks at no deadline.
			}
			return told(ctx, event)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, name := range []string{"one", "two"} {
			c := newConsumer(s, name, handler)
			c.Parallel, c.HandleTimeout = 4, 5*time.Second
			running.Go(func() { _ = c.Run(ctx) })
			<-time.After(100 * time.Millisecond)
		}
		s.mu.Lock()
		require.Len(t, s.data.groups["pay"].pending, 1)
		s.mu.Unlock()
		<-time.After(2 * time.Minute)
		cancel()
		running.Wait()
		require.ElementsMatch(t, []string{"a.1", "b.1", "a.2", "slow.1"}, e.order)
		require.Len(t, e.tries["slow.1"], 1)
		require.Empty(t, s.data.groups["pay"].pending)
	})
}

// TestConsumer_IdlesWhileAnEventWaits asks for fresh events once a second, also where a later event of a subject waits
// for an earlier one.
func TestConsumer_IdlesWhileAnEventWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		put(t, s, versions, "a", "a")
		var calls atomic.Int64
		s.faults = func(string) (error, error) {
			calls.Add(1)
			return nil, nil
		}
		c := newConsumer(s, "one", func(context.Context, ledger.Event) error {
			return rail.Refuse(rail.Unavailable, "closed")
		})
		consume(t, c, 10*time.Minute)
		require.Less(t, calls.Load(), int64(1_000))
	})
}

// TestConsumer_LostAnswer handles what an answer had that was lost, in its turn.
func TestConsumer_LostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, versions := newFakeStream(), map[string]int64{}
		put(t, s, versions, "a", "b", "a")
		var lost atomic.Bool
		s.faults = func(call string) (error, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if call == "fresh" && s.data.groups["pay"] != nil && lost.CompareAndSwap(false, true) {
				return nil, errBroken
			}
			return nil, nil
		}
		var e effects
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = newConsumer(s, "one", e.handler(never)).Run(ctx) })
		<-time.After(100 * time.Millisecond)
		put(t, s, versions, "a")
		<-time.After(time.Minute)
		cancel()
		running.Wait()
		require.True(t, lost.Load())
		require.Equal(t, []string{"a.1", "b.1", "a.2", "a.3"}, e.order)
	})
}

func TestConsumer_RefusesNames(t *testing.T) {
	for _, name := range []string{"", "A", "a b", "-a", "a:b", strings.Repeat("a", 33), "{a}"} {
		c := newConsumer(newFakeStream(), "one", nil)
		c.Group = name
		require.Equal(t, rail.Invalid, rail.CodeOf(c.Run(t.Context())), name)
	}
	require.NoError(t, messages.CheckGroup("pay-2"))
}

// TestConsumer_EveryEventTakesEffect kills consumers in the middle of everything, loses calls and answers, and flushes
// the stream, of which everything is appended again then.
func TestConsumer_EveryEventTakesEffect(t *testing.T) {
	for seed := range uint64(20) {
		parallel := []int{1, 8, messages.MaxParallel}[seed%3]
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 3))
				var mu sync.Mutex
				draw := func(n int) int {
					mu.Lock()
					defer mu.Unlock()
					return random.IntN(n)
				}
				s, versions := newFakeStream(), map[string]int64{}
				var e effects
				told := e.handler(func(*ledger.Event, int) error {
					if draw(5) == 0 {
						return errBroken
					}
					return nil
				})
				handler := func(ctx context.Context, event ledger.Event) error {
					select { // It breaks off now and then.
					case <-time.After(time.Duration(draw(20)) * 10 * time.Millisecond):
						return told(ctx, event)
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				var calm atomic.Bool
				s.faults = func(string) (before, behind error) {
					switch fate := draw(20); {
					case calm.Load():
					case fate == 0:
						before = errBroken
					case fate == 1:
						behind = errBroken
					}
					return before, behind
				}
				var dead []string
				for round := range 20 {
					calm.Store(true)
					for range 1 + draw(5) {
						put(t, s, versions, fmt.Sprintf("o%d", draw(6)), fmt.Sprintf("o%d", draw(6)))
					}
					if draw(6) == 0 { // It is flushed, and fed again.
						for _, g := range s.data.groups {
							for i := range g.dead {
								dead = append(dead, g.dead[i].Text)
							}
						}
						s.data.groups = map[string]*fakeGroup{}
					}
					calm.Store(false)
					ctx, cancel := context.WithCancel(t.Context())
					var running sync.WaitGroup
					for i := range 1 + draw(3) {
						c := newConsumer(s, fmt.Sprintf("c%d", i), handler)
						c.HandleTimeout, c.Parallel = time.Second, parallel
						running.Go(func() { _ = c.Run(ctx) })
					}
					<-time.After(time.Duration(draw(10_000)) * time.Millisecond)
					calm.Store(round == 19)
					if calm.Load() {
						<-time.After(10 * time.Minute)
					}
					cancel()
					running.Wait()
				}
				g := s.data.groups["pay"]
				require.Empty(t, g.pending)
				settled := map[string]bool{}
				for _, id := range e.order {
					settled[id] = true
				}
				for i := range g.dead {
					dead = append(dead, g.dead[i].Text)
				}
				for _, id := range dead {
					settled[id] = true
				}
				for order, last := range versions {
					for version := range last {
						require.True(t, settled[fmt.Sprintf("%s.%d", order, version+1)], "%s.%d", order, version+1)
					}
				}
			})
		})
	}
}
