package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// sellClaims compares the claims since every version with what the orders themselves say.
func sellClaims(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	at := map[string]int64{} // order → the version it was placed at
	var orders []*rail.Order
	place := func(r request) *rail.Order {
		o := c.place(run, r)
		at[o.ID] = s.version(t, run)
		orders = append(orders, o)
		return o
	}
	first := place(request{
		buyer: "wang", key: "key-0001", from: 0, to: 1, class: rail.Second,
		documents: []string{"D1", "D2"},
	})
	paid := place(request{buyer: "li", key: "key-0001", from: 1, to: 3, class: rail.Second, documents: []string{"D1"}})
	cancelled := place(one("zhao"))
	lapsed := place(one("qian"))
	place(request{buyer: "wang", key: "key-0002", from: 1, to: 2, class: rail.First, documents: []string{"D3"}})
	_, ok, err := Pay(t.Context(), l, run, paid.ID, "li", "pay0001")
	require.NoError(t, err)
	require.True(t, ok)
	_, _, err = c.sell(t.Context(), ledger.Batch{
		RunID:   run,
		Cancels: []ledger.Cancel{{OrderID: cancelled.ID, Buyer: "zhao"}},
	})
	require.NoError(t, err)
	Age(t, s.o, lapsed.ID)
	_, _, err = c.sell(t.Context(), ledger.Batch{RunID: run})
	require.NoError(t, err)

	last := s.version(t, run)
	for after := range last + 1 {
		var want []ledger.Claim
		for _, o := range orders {
			if now := read(t, l, o.ID); at[o.ID] > after && now.State.Live() {
				for _, ticket := range now.Tickets {
					want = append(want, ledger.Claim{
						OrderID: o.ID, Buyer: o.Buyer, Held: now.State == rail.OnHold, From: o.From, To: o.To,
						Document: ticket.Passenger.DocumentNumber, // the suite's digests are the numbers
					})
				}
			}
		}
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run, ClaimsAt: after},
			func(state *ledger.BatchState) (ledger.BatchChanges, error) {
				require.Equal(t, want, state.Claims, "after version %d", after)
				states, err := state.States([]string{
					first.ID, paid.ID, cancelled.ID, lapsed.ID,
					rail.NewOrderID(run, 1, "NOSUCHORDER"),
				})
				require.NoError(t, err)
				require.Equal(t, map[string]ledger.OrderLife{
					first.ID: {State: rail.OnHold}, paid.ID: {State: rail.Paid}, cancelled.ID: {State: rail.Cancelled},
					lapsed.ID: {State: rail.Expired},
				}, states)
				return ledger.BatchChanges{}, errors.New("nothing is to change")
			})
		require.EqualError(t, err, "nothing is to change")
	}
	_, err = l.Sell(t.Context(), ledger.Batch{RunID: run, ClaimsAt: last},
		func(state *ledger.BatchState) (ledger.BatchChanges, error) {
			require.Empty(t, state.Claims, "nothing was placed since, and nothing is read")
			return ledger.BatchChanges{}, nil
		})
	require.NoError(t, err)
}

// sellClaimsOutliveARollback shows that a worker hears of claims also where the same transaction was about to end them.
func sellClaimsOutliveARollback(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed, due := c.place(run, one("wang")), c.place(run, one("li"))
	Age(t, s.o, due.ID)
	b := ledger.Batch{RunID: run, Cancels: []ledger.Cancel{{OrderID: placed.ID, Buyer: "wang"}}}
	_, err := l.Sell(t.Context(), b, func(state *ledger.BatchState) (ledger.BatchChanges, error) {
		require.Len(t, state.Freed(), 2)
		require.Len(t, state.Claims, 2)
		states, err := state.States([]string{placed.ID, due.ID})
		require.NoError(t, err)
		require.Equal(t, map[string]ledger.OrderLife{
			placed.ID: {State: rail.Cancelled}, due.ID: {State: rail.Expired},
		}, states)
		return ledger.BatchChanges{}, errors.New("rolled back")
	})
	require.EqualError(t, err, "rolled back")
	require.Equal(t, rail.OnHold, read(t, l, placed.ID).State)
}

// buyersOf compares what is told of buyers with what they did.
func buyersOf(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := NewRun(NewTrain("T14"), day)
	publish(t, l, other)
	order := func(run rail.RunID, buyer, key string, documents ...string) *rail.Order {
		return c.place(run, request{buyer: buyer, key: key, from: 0, to: 1, class: rail.Second, documents: documents})
	}
	order(run, "wang", "key-0001", "D1", "D2")
	order(other.ID, "wang", "key-0002", "D1")
	paid := order(run, "wang", "key-0003", "D3")
	_, _, err := Pay(t.Context(), l, run, paid.ID, "wang", "pay0001")
	require.NoError(t, err)
	lapsed := order(run, "li", "key-0001", "D4")
	swept := order(other.ID, "li", "key-0002", "D5")
	Age(t, s.o, lapsed.ID, swept.ID)
	_, _, err = c.sell(t.Context(), ledger.Batch{RunID: other.ID}) // sweeps
	require.NoError(t, err)
	cancelled := order(other.ID, "li", "key-0003", "D6")
	_, _, err = c.sell(t.Context(), ledger.Batch{
		RunID:   other.ID,
		Cancels: []ledger.Cancel{{OrderID: cancelled.ID, Buyer: "li"}},
	})
	require.NoError(t, err)
	long := order(run, "zhao", "key-0001", "D7")
	s.exec(t, "UPDATE orders SET placed_at = placed_at - ?, pay_by = pay_by - ? WHERE id = ?",
		(ledger.BuyerDay + time.Hour).Milliseconds(), (ledger.BuyerDay + time.Hour).Milliseconds(), long.ID)

	buyers := []string{"wang", "li", "zhao", "nobody", "Wang"}
	for i := range 200 {
		buyers = append(buyers, fmt.Sprint("passer-by-", i))
	}
	records, err := l.Buyers(t.Context(), buyers, holdTTL, true)
	require.NoError(t, err)
	require.Len(t, records, len(buyers))
	without, err := l.Buyers(t.Context(), []string{"wang"}, holdTTL, false)
	require.NoError(t, err)
	require.Equal(t, &ledger.BuyerRecord{OpenHolds: 2}, without["wang"])
	nothing := &ledger.BuyerRecord{}
	for buyer, record := range records {
		switch buyer {
		case "wang":
			require.Equal(t, &ledger.BuyerRecord{
				OpenHolds: 2, Documents: map[string]bool{"D1": true, "D2": true, "D3": true},
			}, record)
		case "li":
			require.Equal(t, &ledger.BuyerRecord{
				Lapsed: map[rail.RunID]int{run: 1, other.ID: 1}, Cancelled: 1,
				Documents: map[string]bool{"D4": true, "D5": true, "D6": true},
			}, record)
		default:
			require.Equal(t, nothing, record, buyer)
		}
	}
}

// buyersAsked shows that a document that was asked for counts for a day, and is forgotten after it.
func buyersAsked(t *testing.T, s *suite) {
	l, _, run := s.published(t)
	ask := func(asked ...ledger.AskedDocument) {
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, func(*ledger.BatchState) (ledger.BatchChanges, error) {
			return ledger.BatchChanges{Asked: asked}, nil
		})
		require.NoError(t, err)
	}
	documents := func() []string {
		records, err := l.Buyers(t.Context(), []string{"wang"}, holdTTL, true)
		require.NoError(t, err)
		var all []string
		for document := range records["wang"].Documents {
			all = append(all, document)
		}
		slices.Sort(all)
		return all
	}
	ask(ledger.AskedDocument{Buyer: "wang", Document: "D1"}, ledger.AskedDocument{Buyer: "wang", Document: "D2"},
		ledger.AskedDocument{Buyer: "li", Document: "D3"})
	// again, and twice in one batch
	ask(ledger.AskedDocument{Buyer: "wang", Document: "D2"}, ledger.AskedDocument{Buyer: "wang", Document: "D2"})
	require.Equal(t, "D1 D2", strings.Join(documents(), " "))
	forget := func(limit, want int) {
		forgotten, err := l.ForgetAsked(t.Context(), limit)
		require.NoError(t, err)
		require.Equal(t, want, forgotten)
	}
	forget(1_000, 0)
	require.Equal(t, 3, s.count(t, "SELECT COUNT(*) FROM asked_documents"), "it is not a day yet")

	s.exec(t, "UPDATE asked_documents SET at = at - ? WHERE document <> 'D2'", ledger.BuyerDay.Milliseconds()+1)
	require.Equal(t, "D2", strings.Join(documents(), " "))
	forget(1, 1)
	require.Equal(t, 2, s.count(t, "SELECT COUNT(*) FROM asked_documents"), "no more than is asked for at a time")
	forget(1_000, 1)
	forget(1_000, 0)
	require.Equal(t, "D2", strings.Join(documents(), " "))
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM asked_documents"))
}
