package ledgertest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
)

func payOnceAndAgain(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	o, paid, err := Pay(t.Context(), l, run, placed.ID, "wang", "pay0001")
	require.NoError(t, err)
	require.True(t, paid)
	require.Equal(t, rail.Paid, o.State)
	require.EqualValues(t, 2, o.Version)
	require.False(t, o.PaidAt.IsZero())
	require.Equal(t, placed.Tickets, o.Tickets)
	require.Equal(t, o, read(t, l, placed.ID))

	again, paid, err := Pay(t.Context(), l, run, placed.ID, "wang", "pay0001")
	require.NoError(t, err)
	require.True(t, paid, "the same key is the same payment")
	require.Equal(t, o, again)
	again, paid, err = Pay(t.Context(), l, run, placed.ID, "wang", "pay0002")
	require.NoError(t, err)
	require.False(t, paid, "another key is another payment, and too late")
	require.Equal(t, o, again)
	require.Equal(t, 2, s.count(t, "SELECT pay_attempts FROM orders"), "each answer rests on a commit of its own")
	require.EqualValues(t, 2, s.version(t, run), "paying changes no seat map")
}

func payAfterTheHold(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	old := c.place(run, one("wang"))
	Age(t, s.o, old.ID)
	o, paid, err := Pay(t.Context(), l, run, old.ID, "wang", "pay0001")
	require.NoError(t, err)
	require.False(t, paid)
	require.Equal(t, rail.Expired, o.State, "swept or not")
	require.Equal(t, "ON_HOLD", s.stored(t, old.ID))

	_, _, err = c.sell(t.Context(), ledger.Batch{RunID: run})
	require.NoError(t, err)
	o, paid, err = Pay(t.Context(), l, run, old.ID, "wang", "pay0001")
	require.NoError(t, err)
	require.False(t, paid)
	require.Equal(t, rail.Expired, o.State)
}

func payUnknown(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	for _, who := range [][3]string{
		{string(run), placed.ID, "li"},
		{"T13@2019-10-12", placed.ID, "wang"},
		{string(run), placed.ID + "x", "wang"},
	} {
		o, paid, err := Pay(t.Context(), l, rail.RunID(who[0]), who[1], who[2], "pay0001")
		requireCode(t, rail.NotFound, err)
		require.False(t, paid)
		require.Nil(t, o)
	}
	require.Equal(t, 0, s.count(t, "SELECT pay_attempts FROM orders"))
	require.Equal(t, "ON_HOLD", s.stored(t, placed.ID))
}

// payAgainstExpiry pays an order at the very moment its hold is swept: one of the two must win, and both must know
// which. The holds are aged between the sweep's decision and the payment's by the database, not by waiting.
func payAgainstExpiry(t *testing.T, s *suite) {
	race(t, s, func(c *worker, run rail.RunID, orders []*rail.Order) map[string]bool {
		Age(t, s.o) // some payments come before this, most after
		freed := map[string]bool{}
		for {
			o, _, err := c.sell(t.Context(), ledger.Batch{RunID: run, Locking: true})
			if rail.CodeOf(err) == rail.Unavailable {
				continue
			}
			require.NoError(t, err)
			for _, e := range o.state.Expired {
				freed[e.ID] = true
			}
			return freed
		}
	})
}

func payAgainstCancel(t *testing.T, s *suite) {
	race(t, s, func(c *worker, run rail.RunID, orders []*rail.Order) map[string]bool {
		freed := map[string]bool{}
		for _, o := range orders {
			for {
				done, _, err := c.sell(t.Context(),
					ledger.Batch{RunID: run, Cancels: []ledger.Cancel{{OrderID: o.ID, Buyer: o.Buyer}}})
				if rail.CodeOf(err) == rail.Unavailable || errors.Is(err, ledger.ErrVersionConflict) {
					continue
				}
				require.NoError(t, err)
				if done.state.Cancels[0].Changed {
					freed[o.ID] = true
				}
				break
			}
		}
		return freed
	})
}

// race pays orders while they are ended, and holds both answers against what is written.
func race(t *testing.T, s *suite, end func(c *worker, run rail.RunID, orders []*rail.Order) map[string]bool) {
	l, c, run := s.published(t)
	var orders []*rail.Order
	for i := range 6 {
		orders = append(orders, c.place(run, one(fmt.Sprint("buyer-", i))))
	}
	payer := s.open(t)
	var mu sync.Mutex
	paid := map[string]bool{}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for _, o := range orders {
		wg.Go(func() {
			<-start
			for {
				_, ok, err := Pay(t.Context(), payer, run, o.ID, o.Buyer, paymentOf(o.Buyer))
				if rail.CodeOf(err) == rail.Unavailable {
					continue
				}
				if err != nil {
					t.Errorf("%v", err)
				}
				mu.Lock()
				paid[o.ID] = ok
				mu.Unlock()
				return
			}
		})
	}
	close(start)
	freed := end(c, run, orders)
	wg.Wait()
	for _, o := range orders {
		require.NotEqual(t, paid[o.ID], freed[o.ID], "an order was paid and its seat freed, or neither")
		require.Equal(t, paid[o.ID], s.stored(t, o.ID) == "PAID")
	}
	checkSnapshot(t, l, run, nil)
}

func dueRuns(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	ids := []rail.RunID{run}
	for i := range 3 {
		r := NewRun(NewTrain(fmt.Sprint("K", i)), day)
		publish(t, l, r)
		ids = append(ids, r.ID)
	}
	due, err := l.DueRuns(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, due)
	var last *rail.Order
	for _, id := range ids[:3] {
		c.place(id, one("li"))
		last = c.place(id, one("wang"))
	}
	Age(t, s.o)
	c.place(ids[3], one("wang")) // a hold in time
	due, err = l.DueRuns(t.Context(), 10)
	require.NoError(t, err)
	require.ElementsMatch(t, ids[:3], due)
	due, err = l.DueRuns(t.Context(), 2)
	require.NoError(t, err)
	require.Len(t, due, 2)
	_, _, err = c.sell(t.Context(), ledger.Batch{RunID: last.RunID})
	require.NoError(t, err)
	due, err = l.DueRuns(t.Context(), 10)
	require.NoError(t, err)
	require.ElementsMatch(t, ids[:2], due)
}
