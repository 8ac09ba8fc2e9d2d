package ledgertest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
)

func ordersListAndCursors(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	var want []string
	for i := range 6 {
		r := one("wang")
		r.key, r.documents = fmt.Sprint("key-000", i), []string{fmt.Sprint("D", i)}
		r.from, r.to = i%3, i%3+1
		want = append([]string{c.place(run, r).ID}, want...)
	}
	c.place(run, one("li"))
	// Orders of one millisecond are told apart by their ids.
	_, err := s.db.ExecContext(t.Context(), "UPDATE orders SET placed_at = 1570000000000 WHERE buyer = 'wang'")
	require.NoError(t, err)

	for _, limit := range []int{1, 2, 4, 6, 100} {
		var got []string
		filter := ledger.OrderFilter{Buyer: "wang", Limit: limit}
		for {
			page, err := l.Orders(t.Context(), filter)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), limit)
			for _, o := range page {
				require.Len(t, o.Tickets, 1)
				got = append(got, o.ID)
			}
			if len(page) < limit {
				break
			}
			last := page[len(page)-1]
			filter.After = ledger.OrderPlace{PlacedAt: last.PlacedAt, ID: last.ID}
		}
		require.Equal(t, want, got, "pages of %d", limit)
	}
}

func ordersFilters(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := NewRun(NewTrain("T14"), day)
	publish(t, l, other)
	hold := c.place(run, one("wang"))
	paid := c.place(other.ID, one("wang"))
	cancelled, unswept, expired := c.place(run, one("li")), c.place(run, one("zhao")), c.place(run, one("sun"))
	_, _, err := Pay(t.Context(), l, other.ID, paid.ID, "wang", "pay0001")
	require.NoError(t, err)
	Age(t, s.o, expired.ID)
	_, _, err = c.sell(t.Context(), ledger.Batch{
		RunID:   run,
		Cancels: []ledger.Cancel{{OrderID: cancelled.ID, Buyer: "li", Reason: "late"}},
	})
	require.NoError(t, err)
	Age(t, s.o, unswept.ID)

	for name, test := range map[string]struct {
		filter ledger.OrderFilter
		want   []*rail.Order
	}{
		"all":     {ledger.OrderFilter{}, []*rail.Order{hold, paid, cancelled, unswept, expired}},
		"buyer":   {ledger.OrderFilter{Buyer: "wang"}, []*rail.Order{hold, paid}},
		"run":     {ledger.OrderFilter{RunID: other.ID}, []*rail.Order{paid}},
		"number":  {ledger.OrderFilter{Number: cancelled.Number}, []*rail.Order{cancelled}},
		"on hold": {ledger.OrderFilter{States: []rail.OrderState{rail.OnHold}}, []*rail.Order{hold}},
		"paid":    {ledger.OrderFilter{States: []rail.OrderState{rail.Paid}}, []*rail.Order{paid}},
		"expired": {ledger.OrderFilter{States: []rail.OrderState{rail.Expired}}, []*rail.Order{unswept, expired}},
		"two states": {
			ledger.OrderFilter{States: []rail.OrderState{rail.Expired, rail.Cancelled}},
			[]*rail.Order{cancelled, unswept, expired},
		},
		"every state": {
			ledger.OrderFilter{States: rail.OrderStates},
			[]*rail.Order{hold, paid, cancelled, unswept, expired},
		},
		"no state": {ledger.OrderFilter{States: []rail.OrderState{"' OR 1 = 1 --"}}, nil},
		"buyer, state": {ledger.OrderFilter{
			Buyer:  "wang",
			States: []rail.OrderState{rail.OnHold, rail.Expired},
		}, []*rail.Order{hold}},
		"run, state": {
			ledger.OrderFilter{RunID: run, States: []rail.OrderState{rail.Paid, rail.Expired}},
			[]*rail.Order{unswept, expired},
		},
		"byte by byte": {ledger.OrderFilter{Buyer: "Wang"}, nil},
		"no padding":   {ledger.OrderFilter{Buyer: "wang "}, nil},
	} {
		test.filter.Limit = 50
		got, err := l.Orders(t.Context(), test.filter)
		require.NoError(t, err, name)
		ids := []string{}
		for i, o := range got {
			ids = append(ids, o.ID)
			if i > 0 {
				require.False(t, got[i-1].PlacedAt.Before(o.PlacedAt), name)
			}
		}
		want := []string{}
		for _, o := range test.want {
			want = append(want, o.ID)
		}
		require.ElementsMatch(t, want, ids, name)
	}
}

func orderUnknown(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	for _, id := range []string{"", "/", "x", string(run), string(run) + "/", placed.ID + " ", "T13" + placed.ID[3:]} {
		o, err := l.Order(t.Context(), id)
		require.NoError(t, err, id)
		require.Nil(t, o, id)
	}
	o, err := l.OrderByNumber(t.Context(), "NOTHING")
	require.NoError(t, err)
	require.Nil(t, o)
}

// ordersByID reads orders of several runs at once, among ids that are nothing, and each as it is read by itself.
func ordersByID(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	ids := []string{"", "x", string(run) + "/", string(run) + "/' OR 1 = 1 --"}
	want := make([]*rail.Order, len(ids))
	for i := range 5 {
		r := NewRun(NewTrain(fmt.Sprint("K", i)), day)
		publish(t, l, r)
		for _, id := range []rail.RunID{run, r.ID} {
			placed := c.place(id, one(fmt.Sprint("buyer-", i)))
			ids = append(ids, placed.ID, placed.ID+" ")
			want = append(want, read(t, l, placed.ID), nil)
		}
	}
	ids, want = append(ids, ids[4], ids[6]), append(want, want[4], want[6])
	got, err := l.OrdersByID(t.Context(), ids)
	require.NoError(t, err)
	require.Equal(t, want, got)
	none, err := l.OrdersByID(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
	for i, id := range ids {
		toPay, _, err := l.OrderToPay(t.Context(), id)
		require.NoError(t, err, id)
		require.Equal(t, want[i], toPay, id)
	}
}

// ordersRunVersions: which versions of the run an order's seats were taken and given back at is told by its row.
func ordersRunVersions(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	lived := func(o *rail.Order, from, to int) {
		t.Helper()
		require.Equal(t, from, s.count(t, "SELECT placed_run_version FROM orders WHERE id = ?", o.ID))
		require.Equal(t, to, s.count(t, "SELECT COALESCE(ended_run_version, 0) FROM orders WHERE id = ?", o.ID))
	}
	cancelled, expired := c.place(run, one("wang")), c.place(run, one("li"))
	lived(cancelled, 2, 0)
	lived(expired, 3, 0)
	_, _, err := c.sell(t.Context(), ledger.Batch{
		RunID:   run,
		Cancels: []ledger.Cancel{{OrderID: cancelled.ID, Buyer: "wang"}},
	})
	require.NoError(t, err)
	lived(cancelled, 2, 4)
	Age(t, s.o, expired.ID)
	kept := c.place(run, one("zhao"))
	lived(expired, 3, 5)
	lived(kept, 5, 0)

	Age(t, s.o, kept.ID)
	publish(t, l, NewRun(newTrain("T12", 100), day))
	lived(kept, 5, 6)
	withdrawn := c.place(run, one("qian"))
	_, _, err = l.Withdraw(t.Context(), run, "no track", "an admin", true)
	require.NoError(t, err)
	lived(withdrawn, 7, 8)
	lived(cancelled, 2, 4)
}
