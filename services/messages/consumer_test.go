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
				return fmt.Errorf("inside: %w", rail.Refuse(rail.NotFound, "%s", "no such payment"+strings.Repeat("!", 900)))
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
				s.faults = func(string) (error, error) { return errBroken, nil } // Nothing more is heard of it.
				die()
				return ctx.Err()
			}
			require.NoError(t, c.Run(ctx))
			die()
			s.faults = nil
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
				handler := e.handler(func(*ledger.Event, int) error {
					if draw(5) == 0 {
						return errBroken
					}
					return nil
				})
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
						c.HandleTimeout = time.Second
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
