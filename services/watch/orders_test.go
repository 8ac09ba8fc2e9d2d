package watch_test

import (
	"cmp"
	"context"
	"strconv"
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
		quiesce()

		paid := w.put(next(order, rail.Paid))
		reads := w.get(&w.orderReads)
		w.say(paid, paid, rail.Change{RunID: run, OrderID: "somebody else's", Version: 7})
		quiesce()
		got, open := taken(events)
		require.Equal(t, []int64{2}, orderVersions(got))
		require.Equal(t, rail.Paid, got[0].State)
		require.True(t, open, "paid is not the end while the run is not closed")
		require.LessOrEqual(t, w.get(&w.orderReads)-reads, 2)

		reads = w.get(&w.orderReads)
		w.say(paid)
		quiesce()
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
			quiesce()
			taken(events)
			w.say(w.put(next(order, state)))
			quiesce()
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
		quiesce()
		taken(events)
		w.put(next(order, rail.Cancelled)) // and nobody says so
		wait(5100 * time.Millisecond)
		got, open := taken(events)
		require.Equal(t, []int64{2}, orderVersions(got))
		require.False(t, open)
	})
}

// expire makes the ledger read a hold as it does after the end of its time: as over, though that is not written yet.
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

// The end of a hold is read by the clock at once, and told as soon as a sweep has written it and said so.
func TestOrder_IsToldWhenTheEndOfItsHoldIsWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		order.PayBy = time.Now().Add(7*time.Second + 123*time.Millisecond) // between two looks
		w.put(order)
		w.expire(order.ID, 0)
		events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		quiesce()
		taken(events)
		wait(time.Until(order.PayBy) + 1300*time.Millisecond)
		got, open := taken(events)
		require.Empty(t, got, "it may still be paid")
		require.True(t, open)
		w.say(w.put(next(order, rail.Expired)))
		quiesce()
		got, open = taken(events)
		require.Equal(t, []int64{2}, orderVersions(got))
		require.Equal(t, rail.Expired, got[0].State)
		require.False(t, open)
	})
}

// Where the sweep's message is lost, the end of a hold is told when no payment can come any more, by any clock.
func TestOrder_IsToldThoughNobodySaysThatItsHoldEnded(t *testing.T) {
	for _, c := range []struct {
		name           string
		behind, within time.Duration
	}{
		{"at once", 0, time.Second},
		{"the primary's clock is behind", 300 * time.Millisecond, 2 * time.Second},
		{"the primary's clock is far behind", 3200 * time.Millisecond, 5 * time.Second},
		{"the primary's clock is ahead", -time.Minute, 6*time.Second - time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
				order := hold(w.publish("G1", "A", "B"))
				order.PayBy = time.Now().Add(80*time.Second + 123*time.Millisecond)
				w.put(order)
				w.expire(order.ID, c.behind)
				events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
				require.NoError(t, err)
				quiesce()
				taken(events)
				wait(time.Until(order.PayBy) + c.behind + hub.PaymentGrace - time.Millisecond)
				got, _ := taken(events)
				require.Empty(t, got)
				wait(time.Until(order.PayBy) + c.within + hub.PaymentGrace + time.Millisecond)
				got, open := taken(events)
				require.Equal(t, []int64{2}, orderVersions(got))
				require.Equal(t, rail.Expired, got[0].State)
				require.False(t, open)
			})
		})
	}
}

// A payment that was in time waits for its commit while the hold ends, and then comes as the very version that reading
// by the clock had promised for the end.
func TestOrder_APaymentThatWaitsForItsCommitWhenTheHoldEnds(t *testing.T) {
	for _, said := range []bool{true, false} {
		inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
			order := hold(w.publish("G1", "A", "B"))
			order.PayBy = time.Now().Add(2 * time.Second)
			w.put(order)
			w.expire(order.ID, 0)
			early, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
			require.NoError(t, err)
			quiesce()
			taken(early)
			wait(time.Until(order.PayBy) + time.Second)
			late, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
			require.NoError(t, err)
			got, open := taken(late)
			require.Equal(t, []int64{1}, orderVersions(got), "expired, at the version that is written")
			require.Equal(t, rail.Expired, got[0].State)
			require.True(t, open)
			wait(hub.PaymentGrace - 3*time.Second)
			for _, events := range []<-chan *rail.Order{early, late} {
				got, open := taken(events)
				require.Empty(t, got)
				require.True(t, open)
			}

			paid := w.put(next(order, rail.Paid))
			if said {
				w.say(paid)
			}
			wait(1100 * time.Millisecond)
			for _, events := range []<-chan *rail.Order{early, late} {
				got, open := taken(events)
				require.Equal(t, []int64{2}, orderVersions(got))
				require.Equal(t, rail.Paid, got[0].State)
				require.True(t, open)
			}
		})
	}
}

// lapse makes the ledger read an order that is being paid as it does after its time: as cancelled, though that is not
// written yet.
func (w *world) lapse() {
	w.set(func() {
		w.read = func(order *rail.Order) *rail.Order {
			if order.State != rail.Paying || time.Now().Before(order.CaptureBy) {
				return order
			}
			over := next(*order, rail.Cancelled)
			over.EndedAt = order.CaptureBy
			return &over
		}
	})
}

// The money of an order that is being paid comes while its time ends: as the very version that reading by the clock had
// promised for the end. Or it does not come, and the end is told once it is certain.
func TestOrder_TheTimeOfAPaymentEnds(t *testing.T) {
	for _, last := range []rail.OrderState{rail.Paid, rail.Cancelled, ""} {
		t.Run(string(last), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
				order := hold(w.publish("G1", "A", "B"))
				order.PayBy = time.Now().Add(time.Second)
				w.put(order)
				events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
				require.NoError(t, err)
				quiesce()
				taken(events)
				paying := next(order, rail.Paying)
				paying.PayingAt, paying.CaptureBy = time.Now(), time.Now().Add(3*time.Second)
				w.lapse()
				w.say(w.put(paying))
				wait(2 * time.Second)
				got, open := taken(events)
				require.Equal(t, []int64{2}, orderVersions(got))
				require.Equal(t, rail.Paying, got[0].State, "its hold has stopped")
				require.True(t, open)
				wait(2 * time.Second)
				late, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
				require.NoError(t, err)
				got, open = taken(late)
				require.Equal(t, []int64{2}, orderVersions(got), "cancelled, at the version that is written")
				require.Equal(t, rail.Cancelled, got[0].State)
				require.True(t, open)
				got, open = taken(events)
				require.Empty(t, got, "the money may still come")
				require.True(t, open)
				if last != "" {
					ended := next(paying, last)
					if last == rail.Cancelled {
						ended.EndedAt = paying.CaptureBy
					}
					w.say(w.put(ended))
					wait(time.Second)
				} else {
					wait(hub.PaymentGrace)
				}
				for _, events := range []<-chan *rail.Order{events, late} {
					got, open := taken(events)
					require.Equal(t, []int64{3}, orderVersions(got))
					require.Equal(t, cmp.Or(last, rail.Cancelled), got[0].State)
					require.Equal(t, last == rail.Paid, open)
				}
			})
		})
	}
}

// An order expires unwatched. A subscriber that comes soon gets the end when it is certain, a later one gets it at
// once.
func TestOrder_WhoComesAfterTheEndOfTheHold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		order.PayBy = time.Now()
		over := next(order, rail.Expired)
		w.put(over)
		wait(time.Second)
		events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		wait(hub.PaymentGrace + 1100*time.Millisecond)
		got, open := taken(events)
		require.Equal(t, []int64{2}, orderVersions(got), "of the versions 1 and 2, the last")
		require.Equal(t, rail.Expired, got[0].State)
		require.False(t, open)

		events, err = hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		got, open = taken(events)
		require.Equal(t, []int64{2}, orderVersions(got))
		require.False(t, open)
	})
}

// What is said while a look is under way proves nothing about that look: neither about a subscriber's first one, nor
// about the hub's.
func TestOrder_PaidWhileItIsReadAfterTheEndOfTheHold(t *testing.T) {
	for _, first := range []bool{true, false} {
		inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
			order := hold(w.publish("G1", "A", "B"))
			order.PayBy = time.Now().Add(time.Second)
			w.put(order)
			w.expire(order.ID, 0)
			early, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
			require.NoError(t, err)
			quiesce()
			taken(early)
			if first {
				wait(1500 * time.Millisecond)
			}
			w.set(func() {
				w.answering = func() { // It was read as expired.
					w.set(func() { w.answering = nil })
					w.say(w.put(next(order, rail.Paid)))
					<-time.After(time.Millisecond)
				}
			})
			streams := []<-chan *rail.Order{early}
			if first {
				late, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
				require.NoError(t, err)
				streams = append(streams, late)
			}
			wait(1100 * time.Millisecond)
			for _, events := range streams {
				got, open := taken(events)
				require.Equal(t, rail.Paid, got[len(got)-1].State)
				require.EqualValues(t, 2, got[len(got)-1].Version)
				require.True(t, open)
			}
		})
	}
}

// The primary's clock decides, and a server's may be an hour ahead: another subscriber does not end it for the first.
func TestOrder_APaymentThatWaitsWhereTheServersClockIsAhead(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		hub.Now = func() time.Time { return time.Now().Add(time.Hour) }
		order := hold(w.publish("G1", "A", "B", "C", "D"))
		order.PayBy = time.Now().Add(time.Second)
		w.put(order)
		w.expire(order.ID, 0)
		early, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		wait(1500 * time.Millisecond)
		taken(early)
		_, err = hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		wait(1500 * time.Millisecond)
		got, open := taken(early)
		require.Empty(t, got)
		require.True(t, open)
		w.say(w.put(next(order, rail.Paid)))
		quiesce()
		got, _ = taken(early)
		require.Equal(t, rail.Paid, got[0].State)
	})
}

// A hold that was paid, or is not watched any more, is not read at the time at which it would have ended.
func TestOrder_IsNotLookedAtForAHoldThatIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		order.PayBy = time.Now().Add(2 * time.Second)
		w.put(order)
		ctx, leave := context.WithCancel(t.Context())
		events, err := hub.SubscribeOrder(ctx, order.ID, anyone)
		require.NoError(t, err)
		quiesce()
		w.say(w.put(next(order, rail.Paid)))
		quiesce()
		taken(events)
		reads := w.get(&w.orderReads)
		wait(4 * time.Second)
		require.Equal(t, reads, w.get(&w.orderReads))
		leave()
		quiesce()

		w.put(order)
		order.PayBy = time.Now().Add(2 * time.Second)
		w.put(order)
		ctx, leave = context.WithCancel(t.Context())
		_, err = hub.SubscribeOrder(ctx, order.ID, anyone)
		require.NoError(t, err)
		quiesce()
		leave()
		quiesce()
		reads = w.get(&w.orderReads)
		wait(10 * time.Second)
		require.Equal(t, reads, w.get(&w.orderReads))
	})
}

// Orders that change together are read together.
func TestOrder_ManyAreReadAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		run := w.publish("G1", "A", "B")
		var orders []rail.Order
		var streams []<-chan *rail.Order
		for range 60 {
			order := hold(run)
			order.ID += strconv.Itoa(len(orders))
			w.put(order)
			events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
			require.NoError(t, err)
			orders, streams = append(orders, order), append(streams, events)
		}
		quiesce()
		calls := w.get(&w.orderCalls)
		for _, order := range orders {
			w.say(w.put(next(order, rail.Paid)))
		}
		quiesce()
		for i, events := range streams {
			got, _ := taken(events)
			require.Equal(t, rail.Paid, got[len(got)-1].State, "order %d", i)
		}
		require.LessOrEqual(t, w.get(&w.orderCalls)-calls, 6, "of sixty")
	})
}

// TestOrder_OneMoreIsReadAlone has subscriptions begin one after the other on a run that is followed: each has its own
// order read, and none of those that are watched already.
func TestOrder_OneMoreIsReadAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		const orders = 60
		run := w.publish("G1", "A", "B")
		reads := 0
		for n := range orders {
			order := hold(run)
			order.ID += strconv.Itoa(n)
			w.put(order)
			_, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
			require.NoError(t, err)
			quiesce()
			if n == 0 {
				reads = w.get(&w.orderReads)
			}
		}
		require.Equal(t, 2, reads, "once for the answer, and once when the run is followed")
		require.Equal(t, 2*orders, w.get(&w.orderReads))
	})
}

func TestOrder_PrimaryIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		w.put(order)
		events, err := hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
		quiesce()
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
		quiesce()
		order := hold(run)
		w.put(order)
		events, err := hub.SubscribeOrder(t.Context(), order.ID, func(*rail.Order) bool {
			w.say(w.put(next(order, rail.Paid))) // It has been read, and nobody here watches it yet.
			quiesce()
			return true
		})
		require.NoError(t, err)
		quiesce()
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
		quiesce()
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
		quiesce()
		_, open := taken(events)
		require.False(t, open)
		require.Empty(t, w.followed())
		_, err = hub.SubscribeOrder(t.Context(), order.ID, anyone)
		require.NoError(t, err)
	})
}
