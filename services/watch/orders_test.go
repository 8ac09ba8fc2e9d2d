package watch_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/watch"
)

func anyone(*rail.Order) bool { return true }

func hold(run rail.RunID) rail.Order {
	return rail.Order{ID: "o1", RunID: run, Version: 1, State: rail.OnHold}
}

// next is the order's next version, in a state.
func next(order rail.Order, state rail.OrderState) rail.Order {
	order.Version++
	order.State = state
	return order
}

func orderVersions(events []*rail.Order) []int64 {
	all := []int64{}
	for _, event := range events {
		all = append(all, event.Version)
	}
	return all
}

func TestOrder_FirstAsItIsThenEachVersion(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		run := w.publish("G1", "A", "B")
		order := hold(run)
		w.put(order)
		events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		require.EqualValues(t, 1, (<-events).Version)
		settle()

		paid := w.put(next(order, rail.Paid))
		reads := w.get(&w.orderReads)
		w.say(paid, paid, rail.Change{RunID: run, OrderID: "somebody else's", Version: 7})
		settle()
		got, open := taken(events)
		require.Equal(t, []int64{2}, orderVersions(got))
		require.Equal(t, rail.Paid, got[0].State)
		require.True(t, open, "paid is not the end while the run is not closed")
		require.LessOrEqual(t, w.get(&w.orderReads)-reads, 2)

		reads = w.get(&w.orderReads)
		w.say(paid)
		settle()
		require.Equal(t, reads, w.get(&w.orderReads), "an old message is not read for")

		wait(time.Until(w.runs[run].ClosesAt()) + time.Second)
		got, open = taken(events)
		require.Empty(t, got)
		require.False(t, open)
		require.Empty(t, w.followed())
	})
}

func TestOrder_EndsWhenItDoes(t *testing.T) {
	for _, state := range []rail.OrderState{rail.Cancelled, rail.Expired} {
		inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
			order := hold(w.publish("G1", "A", "B"))
			w.put(order)
			events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
			require.NoError(t, err)
			settle()
			taken(events)
			w.say(w.put(next(order, state)))
			settle()
			got, open := taken(events)
			require.Equal(t, []int64{2}, orderVersions(got))
			require.False(t, open)

			events, err = hub.SubscribeOrder(t.Context(), order.ID, anyone)
			require.NoError(t, err)
			got, open = taken(events)
			require.Equal(t, []int64{2}, orderVersions(got), "who asks afterwards gets it as it is")
			require.False(t, open)
			_, orders := hub.Subscribers()
			require.Zero(t, orders)
		})
	}
}

func TestOrder_IsLookedAtEveryFiveSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		w.put(order)
		events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		settle()
		taken(events)
		w.put(next(order, rail.Cancelled)) // and nobody says so
		wait(5100 * time.Millisecond)
		got, open := taken(events)
		require.Equal(t, []int64{2}, orderVersions(got))
		require.False(t, open)
	})
}

// expire makes the ledger tell of a hold as it does: it is over when its time is, though nobody has written that yet.
func (w *world) expire(id string, behind time.Duration) {
	w.set(func() {
		w.read = func(order *rail.Order) *rail.Order {
			if order.ID != id || order.State != rail.OnHold || time.Now().Add(-behind).Before(order.PayBy) {
				return order
			}
			over := next(*order, rail.Expired)
			return &over
		}
	})
}

func TestOrder_IsToldAtOnceWhenItsHoldEnds(t *testing.T) {
	for _, c := range []struct {
		name           string
		behind, within time.Duration
	}{
		{"at once", 0, 0},
		{"the primary's clock is behind", 300 * time.Millisecond, time.Second},
		{"the primary's clock is far behind", 3200 * time.Millisecond, 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
				order := hold(w.publish("G1", "A", "B"))
				order.PayBy = time.Now().Add(7*time.Second + 123*time.Millisecond) // between two looks
				w.put(order)
				w.expire(order.ID, c.behind)
				events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
				require.NoError(t, err)
				settle()
				taken(events)
				wait(time.Until(order.PayBy) - time.Millisecond)
				got, _ := taken(events)
				require.Empty(t, got)
				wait(c.within + time.Millisecond)
				got, open := taken(events)
				require.Equal(t, []int64{2}, orderVersions(got))
				require.Equal(t, rail.Expired, got[0].State)
				require.False(t, open)
			})
		})
	}
}

// A hold that is paid, or that nobody watches any more, is not looked at when it would have ended.
func TestOrder_IsNotLookedAtForAHoldThatIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		order.PayBy = time.Now().Add(2 * time.Second)
		w.put(order)
		ctx, leave := context.WithCancel(t.Context())
		events, err := hub.SubscribeOrder(ctx, order.ID, anyone)
		require.NoError(t, err)
		settle()
		w.say(w.put(next(order, rail.Paid)))
		settle()
		taken(events)
		reads := w.get(&w.orderReads)
		wait(4 * time.Second)
		require.Equal(t, reads, w.get(&w.orderReads))
		leave()
		settle()

		w.put(order)
		order.PayBy = time.Now().Add(2 * time.Second)
		w.put(order)
		ctx, leave = context.WithCancel(t.Context())
		_, err = hub.SubscribeOrder(ctx, order.ID, anyone)
		require.NoError(t, err)
		settle()
		leave()
		settle()
		reads = w.get(&w.orderReads)
		wait(10 * time.Second)
		require.Equal(t, reads, w.get(&w.orderReads))
	})
}

func TestOrder_PrimaryIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		w.put(order)
		events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		settle()
		taken(events)
		w.set(func() { w.down = true })
		w.say(w.put(next(order, rail.Paid)))
		wait(3 * time.Second)
		got, _ := taken(events)
		require.Empty(t, got)
		w.set(func() { w.down = false })
		wait(1100 * time.Millisecond)
		got, _ = taken(events)
		require.Equal(t, []int64{2}, orderVersions(got), "a change that could not be read is read with the next sweep")

		w.set(func() { w.down = true })
		_, err = hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.ErrorIs(t, err, errDown, "errors go up unchanged")
	})
}

// A version that came between reading the order and following its run must not wait for five seconds.
func TestOrder_ChangeWhileSubscribing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		run := w.publish("G1", "A", "B")
		subscribe(t, hub, run) // The run is followed already.
		settle()
		order := hold(run)
		w.put(order)
		events, err := hub.SubscribeOrder(t.Context(), order.ID, func(*rail.Order) bool {
			w.say(w.put(next(order, rail.Paid))) // It has been read, and nobody here watches it yet.
			settle()
			return true
		})
		require.NoError(t, err)
		settle()
		got, _ := taken(events)
		require.EqualValues(t, 2, got[len(got)-1].Version)
	})
}

func TestOrder_SeveralSubscribersNeverSeeVersionsGoDown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		w.put(order)
		early, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		settle()
		taken(early)
		paid := next(order, rail.Paid)
		w.put(paid)
		late, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		for _, events := range []<-chan *rail.Order{early, late} {
			got, _ := taken(events)
			require.Equal(t, []int64{2}, orderVersions(got), "what one learns, all are told")
		}
		w.put(order) // The old version is read for a while: a primary that was taken over.
		later, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		wait(6 * time.Second)
		got, _ := taken(early)
		require.Empty(t, got)
		got, _ = taken(later)
		require.Equal(t, []int64{2}, orderVersions(got))
	})
}

func TestOrder_NobodyElses(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		w.put(order)
		_, missing := hub.SubscribeOrder(t.Context(), "o2", anyone)
		_, hidden := hub.SubscribeOrder(t.Context(), order.ID, func(*rail.Order) bool { return false })
		require.Equal(t, rail.NotFound, rail.CodeOf(missing))
		require.Equal(t, missing, hidden, "what isn't yours answers exactly like what doesn't exist")
		_, orders := hub.Subscribers()
		require.Zero(t, orders)
	})
}

func TestOrder_OverloadedAndLeaving(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		hub.MaxOrderSubscribers = 1
		order := hold(w.publish("G1", "A", "B"))
		w.put(order)
		ctx, leave := context.WithCancel(t.Context())
		events, err := hub.SubscribeOrder(ctx, order.ID, anyone)
		require.NoError(t, err)
		_, err = hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.Equal(t, rail.Overloaded, rail.CodeOf(err))
		leave()
		settle()
		_, open := taken(events)
		require.False(t, open)
		require.Empty(t, w.followed())
		_, err = hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
	})
}
