package pay_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/rail"
)

// slowly has each commit of a store take some time.
func slowly(store *paytest.Memory, takes time.Duration) {
	store.Before = func(method string) error {
		if method == "Update" {
			pause.For(context.Background(), takes)
		}
		return nil
	}
}

// TestCommit_IsShared has many settle at once, each for itself: what waits during one commit shares the next.
func TestCommit_IsShared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const payments = 500
		w := open()
		for n := range payments {
			w.start(t, fmt.Sprint("p", n), n)
		}
		slowly(w.store, 10*time.Millisecond)
		before, begun := w.store.Commits(), time.Now()
		var all sync.WaitGroup
		for n := range payments {
			all.Go(func() { w.settle(t, fmt.Sprint("p", n), pay.Release) })
		}
		all.Wait()
		require.LessOrEqual(t, w.store.Commits()-before, 3)
		require.LessOrEqual(t, time.Since(begun), 2*pay.CommitInterval+10*time.Millisecond)
		for _, p := range w.store.All() {
			require.Equal(t, pay.Releasing, p.State)
		}
	})
}

// TestCommit_IsPaced has settlements come one after the other, each long after the commit of the one before: they share
// commits all the same. The first after a rest waits for nothing.
func TestCommit_IsPaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const payments = 500
		w := open()
		for n := range payments {
			w.start(t, fmt.Sprint("p", n), n)
		}
		passes(t, time.Second)
		before, begun := w.store.Commits(), time.Now()
		w.settle(t, "p0", pay.Release)
		require.Zero(t, time.Since(begun))
		var all sync.WaitGroup
		for n := range payments {
			pause.For(t.Context(), time.Millisecond)
			all.Go(func() { w.settle(t, fmt.Sprint("p", n), pay.Release) })
		}
		all.Wait()
		require.LessOrEqual(t, w.store.Commits()-before, int(payments*time.Millisecond/pay.CommitInterval)+2)
		require.LessOrEqual(t, time.Since(begun), (payments+1)*time.Millisecond+pay.CommitInterval)
	})
}

// TestCommit_OnePaymentManyTimes has many change one payment at once: nothing is lost, and the version counts all.
func TestCommit_OnePaymentManyTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const times = 50
		w := open()
		version := w.start(t, "p1", 1).Version
		slowly(w.store, time.Millisecond)
		var all sync.WaitGroup
		for range times {
			all.Go(func() { w.settle(t, "p1", pay.Release) })
		}
		all.Wait()
		require.Equal(t, version+times, w.is(t, "p1").Version)
	})
}

// TestCommit_IsBounded refuses what does not fit into the queue. What fits is done.
func TestCommit_IsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		slowly(w.store, time.Second)
		batch := make([]pay.Settlement, pay.MaxBatch)
		for i := range batch {
			batch[i] = pay.Settlement{PaymentID: fmt.Sprint("p", i), Decision: pay.Release}
		}
		w.start(t, "p0", 1)
		var all sync.WaitGroup
		var mu sync.Mutex
		codes := map[rail.Code]int{}
		for range 20 {
			all.Go(func() {
				_, err := w.Settle(t.Context(), batch)
				mu.Lock()
				codes[rail.CodeOf(err)]++
				mu.Unlock()
			})
		}
		synctest.Wait()
		require.LessOrEqual(t, w.Stats().Waiting, 8*pay.MaxBatch)
		all.Wait()
		require.Positive(t, codes[rail.Overloaded])
		require.Equal(t, 20, codes[rail.Overloaded]+codes[""])
		require.Equal(t, pay.Releasing, w.is(t, "p0").State)
		require.Zero(t, w.Stats().Waiting)
	})
}

// TestCommit_Stale has another process change a payment between each reading and writing.
func TestCommit_Stale(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, c := range []struct {
			times int
			code  rail.Code
		}{{1, ""}, {9, ""}, {1_000, rail.Unavailable}} {
			w := open()
			w.start(t, "p1", 1)
			left, inside := c.times, false
			w.store.Before = func(method string) error {
				if method != "Update" || left == 0 || inside {
					return nil
				}
				left--
				inside = true
				defer func() { inside = false }()
				p := w.is(t, "p1")
				p.Version++
				errs, err := paytest.Change(t.Context(), w.store,
					[]pay.Change{{Payment: *p, From: p.State, DueIn: time.Hour}})
				require.NoError(t, err)
				require.NoError(t, errs[0])
				return nil
			}
			_, err := w.Settle(t.Context(), []pay.Settlement{{PaymentID: "p1", Decision: pay.Release}})
			require.Equal(t, c.code, rail.CodeOf(err), c.times)
			if c.code == "" {
				require.Equal(t, pay.Releasing, w.is(t, "p1").State, c.times)
			} else {
				require.Equal(t, pay.Open, w.is(t, "p1").State, c.times)
				require.Greater(t, left, 900, "the tries are bounded")
			}
		}
	})
}

// TestCommit_CallerHangsUp has a caller go who shares a commit: it is not waited for, and the others have their commit.
func TestCommit_CallerHangsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		w.start(t, "p2", 1)
		slowly(w.store, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() { w.settle(t, "p2", pay.Release) })
		_, err := w.Settle(ctx, []pay.Settlement{{PaymentID: "p1", Decision: pay.Release}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		all.Wait()
		passes(t, 2*time.Second)
		require.Equal(t, pay.Releasing, w.is(t, "p1").State)
		require.Equal(t, pay.Releasing, w.is(t, "p2").State)
	})
}
