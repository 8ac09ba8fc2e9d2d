package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

func sellPlacesAndReplays(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	r := request{buyer: "wang", key: "key-0001", from: 0, to: 2, class: rail.Second, documents: []string{"D1", "D2"}}

	first, version, err := c.sell(t.Context(), batch(run, r), r)
	require.NoError(t, err)
	require.EqualValues(t, 2, version)
	require.EqualValues(t, 2, s.version(t, run))
	placed := first.orders[0]
	require.Empty(t, first.state.Maps, "a map is written with the first sale")

	got := read(t, l, placed.ID)
	require.Equal(t, placed, got, "an order is what was placed, to the millisecond")
	byNumber, err := l.OrderByNumber(t.Context(), placed.Number)
	require.NoError(t, err)
	require.Equal(t, placed, byNumber)

	again, version, err := c.sell(t.Context(), batch(run, r), r)
	require.NoError(t, err)
	require.EqualValues(t, 3, version)
	require.Equal(t, placed, again.orders[0])
	require.Equal(t, "hash of key-0001", again.state.Replays[ledger.OrderKey{Buyer: "wang", Key: "key-0001"}].BodyHash)
	require.Equal(t, []ledger.Claim{
		{OrderID: placed.ID, Buyer: "wang", Held: true, From: 0, To: 2, Document: "D1"},
		{OrderID: placed.ID, Buyer: "wang", Held: true, From: 0, To: 2, Document: "D2"},
	}, again.state.Claims)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM orders"))
	require.Equal(t, 2, s.count(t, "SELECT COUNT(*) FROM tickets"))

	_, err = l.Sell(t.Context(), ledger.Batch{RunID: run}, func(state *ledger.BatchState) (ledger.BatchChanges, error) {
		require.Empty(t, state.Replays)
		mine, others := ledger.OrderKey{Buyer: "wang", Key: "key-0001"}, ledger.OrderKey{Buyer: "li", Key: "key-0001"}
		found, err := state.Find([]ledger.OrderKey{mine, others})
		require.Equal(t, map[ledger.OrderKey]ledger.Replay{mine: {Order: placed, BodyHash: "hash of key-0001"}}, found)
		return ledger.BatchChanges{}, err
	})
	require.NoError(t, err)

	m, err := seatmap.Decode(3, 6, again.state.Maps[rail.Second])
	require.NoError(t, err)
	require.Equal(t, 4, m.SoldLegs())
	require.Equal(t, 6, m.Remaining(2, 3))
}

func sellUnknownRun(t *testing.T, s *suite) {
	_, c, _ := s.published(t)
	for _, locking := range []bool{false, true} {
		_, err := c.l.Sell(t.Context(), ledger.Batch{RunID: "T13@2019-10-12", Locking: locking},
			func(*ledger.BatchState) (ledger.BatchChanges, error) {
				t.Error("there is nothing to decide")
				return ledger.BatchChanges{}, nil
			})
		requireCode(t, rail.NotFound, err)
	}
}

func sellDecideSaysNo(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	old := c.place(run, one("li"))
	Age(t, s.o, old.ID)
	no := errors.New("no")
	_, err := l.Sell(t.Context(), ledger.Batch{RunID: run},
		func(state *ledger.BatchState) (ledger.BatchChanges, error) {
			require.Len(t, state.Expired, 1)
			return ledger.BatchChanges{}, no
		})
	require.Same(t, no, err)
	require.EqualValues(t, 2, s.version(t, run))
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM orders WHERE state = 'ON_HOLD'"),
		"the expiry was rolled back with the rest")
}

func sellDecidePanics(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	require.Panics(t, func() {
		_, _ = l.Sell(t.Context(), ledger.Batch{RunID: run, Locking: true},
			func(*ledger.BatchState) (ledger.BatchChanges, error) { panic("poisoned") })
	})
	c.place(run, one("wang")) // neither the run nor a connection was left locked
}

func sellMovesTheVersionOnAlways(t *testing.T, s *suite) {
	l, _, run := s.published(t)
	for i := range 3 {
		version, err := l.Sell(t.Context(), ledger.Batch{RunID: run, Locking: i == 1}, nothing)
		require.NoError(t, err)
		require.EqualValues(t, 2+i, version)
		require.EqualValues(t, 2+i, s.version(t, run))
	}
}

func nothing(*ledger.BatchState) (ledger.BatchChanges, error) { return ledger.BatchChanges{}, nil }

// sellLosesToWhoeverCommittedFirst runs a whole sale inside another one's decision: both have read the same map.
func sellLosesToWhoeverCommittedFirst(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := newWorker(t, s.open(t))
	mine, theirs := one("wang"), one("li")
	var o outcome
	decide := c.decide(&o, mine)
	_, err := l.Sell(t.Context(), batch(run, mine), func(state *ledger.BatchState) (ledger.BatchChanges, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, _, err := other.sell(ctx, batch(run, theirs), theirs)
		if s.flavor(t) == sqlledger.SQLite {
			requireCode(t, rail.Unavailable, err) // its transactions come one after the other anyway
		} else {
			require.NoError(t, err)
		}
		return decide(state)
	})
	if s.flavor(t) == sqlledger.SQLite {
		require.NoError(t, err)
		require.EqualValues(t, 0, l.Stats().LostCompareAndSets)
		return
	}
	require.ErrorIs(t, err, ledger.ErrVersionConflict)
	require.EqualValues(t, 1, l.Stats().LostCompareAndSets)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM orders"), "nothing was written")
	require.EqualValues(t, 2, s.version(t, run))

	b := batch(run, mine)
	b.Locking = true
	again, _, err := c.sell(t.Context(), b, mine)
	require.NoError(t, err)
	require.NotEqual(t, 0, again.orders[0].Tickets[0].SeatIndex, "the first seat is gone")
}

func (s *suite) flavor(t *testing.T) sqlledger.Flavor {
	if s.o.DSN == "" {
		return sqlledger.SQLite
	}
	return s.open(t).Flavor()
}

func sellLockingKeepsOthersOut(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := newWorker(t, s.open(t))
	// Each in a transaction of its own: the server ends one that thinks for two seconds.
	for i, locking := range []bool{true, false} {
		version, err := l.Sell(t.Context(), ledger.Batch{RunID: run, Locking: true},
			func(*ledger.BatchState) (ledger.BatchChanges, error) {
				ctx := t.Context()
				if s.flavor(t) == sqlledger.SQLite {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
					defer cancel()
				}
				b := batch(run, one("li"))
				b.Locking = locking
				_, _, err := other.sell(ctx, b, one("li"))
				requireCode(t, rail.Unavailable, err)
				var e *rail.Error
				require.ErrorAs(t, err, &e)
				require.Positive(t, e.RetryAfter)
				return ledger.BatchChanges{}, nil
			})
		require.NoError(t, err)
		require.EqualValues(t, 2+i, version)
	}
	require.EqualValues(t, 3, s.version(t, run))
	c.place(run, one("li"))
}

func sellKnownVersion(t *testing.T, s *suite) {
	_, c, run := s.published(t)
	c.place(run, one("wang"))
	b := batch(run, one("li"))
	for version, unchanged := range map[int64]bool{0: false, 1: false, 2: true, 3: false} {
		b.KnownVersion = version
		no := errors.New("only looking")
		_, err := c.l.Sell(t.Context(), b, func(state *ledger.BatchState) (ledger.BatchChanges, error) {
			require.Equal(t, unchanged, state.Maps == nil)
			require.Equal(t, !unchanged, len(state.Maps) == 2)
			return ledger.BatchChanges{}, no
		})
		require.ErrorIs(t, err, no)
	}
}

func sellReadsStateAndClock(t *testing.T, s *suite) {
	l, _, id := s.published(t)
	want := NewRun(NewTrain("T12"), day)
	_, err := l.SetStatus(t.Context(), id, rail.Suspended, "snow", "an admin")
	require.NoError(t, err)
	want.Status, want.Reason = rail.Suspended, "snow"

	before := time.Now().Add(-time.Second)
	version, err := l.Sell(t.Context(), ledger.Batch{RunID: id},
		func(state *ledger.BatchState) (ledger.BatchChanges, error) {
			require.Equal(t, want.Train.ID, state.Run.Train.ID)
			want.Train = state.Run.Train
			require.Equal(t, want, state.Run)
			require.EqualValues(t, 2, state.Version)
			require.WithinRange(t, state.Now, before, time.Now().Add(time.Second))
			require.Equal(t, time.UTC, state.Now.Location())
			return ledger.BatchChanges{}, nil
		})
	require.NoError(t, err)
	require.EqualValues(t, 3, version)
}

// sellLargeBatch writes more than one statement holds, and looks up more than one query holds.
func sellLargeBatch(t *testing.T, s *suite) {
	l := s.open(t)
	run := NewRun(newTrain("K1", 400), day)
	publish(t, l, run)
	c := newWorker(t, l)
	requests := make([]request, 700)
	for i := range requests {
		requests[i] = one(fmt.Sprint("buyer-", i))
	}
	_, _, err := c.sell(t.Context(), batch(run.ID, requests...), requests...)
	require.NoError(t, err)
	again, _, err := c.sell(t.Context(), batch(run.ID, requests...), requests...)
	require.NoError(t, err)
	require.Len(t, again.state.Replays, 700)
	require.Len(t, again.state.Claims, 700)
	for _, o := range again.orders {
		require.Len(t, o.Tickets, 1)
	}
	m, err := seatmap.Decode(3, 800, again.state.Maps[rail.Second])
	require.NoError(t, err)
	require.Equal(t, 3*700, m.SoldLegs())

	Age(t, s.o)
	ended, _, err := c.sell(t.Context(), ledger.Batch{RunID: run.ID})
	require.NoError(t, err)
	require.Len(t, ended.state.Expired, 700)
	after, _, err := c.sell(t.Context(), ledger.Batch{RunID: run.ID})
	require.NoError(t, err)
	require.Empty(t, after.state.Claims)
}

func sellDuplicates(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	first := c.place(run, one("wang"))
	for cause, change := range map[ledger.Duplicate]func(*ledger.BatchChanges){
		ledger.DuplicateKey: func(c *ledger.BatchChanges) {
			c.Orders[0].Order.Buyer, c.Orders[0].Key = "wang", "key-of-wang"
		},
		ledger.DuplicateNumber: func(c *ledger.BatchChanges) { c.Orders[0].Order.Number = first.Number },
		ledger.DuplicateID: func(c *ledger.BatchChanges) {
			twin := *c.Orders[0].Order
			twin.Number = "another"
			c.Orders = append(c.Orders, ledger.NewOrder{
				Order: &twin, Key: "another-key",
				Documents: c.Orders[0].Documents,
			})
		},
	} {
		// The key is one that would be taken for another's in a careless reading of the server's message.
		r := one("li")
		r.key = "key-for-'orders_number'-orders.number"
		var o outcome
		decide := c.decide(&o, r)
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run},
			func(state *ledger.BatchState) (ledger.BatchChanges, error) {
				changes, err := decide(state)
				change(&changes)
				return changes, err
			})
		var duplicate *ledger.DuplicateError
		require.ErrorAs(t, err, &duplicate, "%s", cause)
		require.Equal(t, cause, duplicate.Cause, "%v", err)
		require.Equal(t, rail.Internal, rail.CodeOf(err))
	}
	require.EqualValues(t, 2, s.version(t, run), "nothing was written")
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM orders"))
	c.place(run, one("li"))
}

func sellForeignOrder(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := NewRun(NewTrain("T14"), day)
	publish(t, l, other)
	var o outcome
	decide := c.decide(&o, one("wang"))
	for _, change := range []func(*rail.Order){
		func(o *rail.Order) { o.RunID = other.ID },
		func(o *rail.Order) { o.ID = rail.NewOrderID(other.ID, 2, "UNIQUE") },
		func(o *rail.Order) { o.ID = rail.NewOrderID(run, 3, "UNIQUE") }, // not the version that the batch makes
	} {
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run},
			func(state *ledger.BatchState) (ledger.BatchChanges, error) {
				changes, err := decide(state)
				change(changes.Orders[0].Order)
				return changes, err
			})
		require.Error(t, err)
	}
	require.Equal(t, 0, s.count(t, "SELECT COUNT(*) FROM orders"))
}

// sellKeysByteByByte shows that no two keys, buyers or documents are taken for one that differ in any byte.
func sellKeysByteByByte(t *testing.T, s *suite) {
	_, c, run := s.published(t)
	var requests []request
	for i, word := range []string{"key-abcd", "KEY-ABCD", "Key-abcd", "key-abcd0", "0123", "123"} {
		requests = append(requests, request{
			buyer: []string{"wang", "Wang", "wang ", "wáng", "0123", "123"}[i], key: word,
			from: 0, to: 1, class: rail.Second, documents: []string{word},
		})
	}
	for _, r := range requests {
		o, _, err := c.sell(t.Context(), batch(run, requests...), r)
		require.NoError(t, err)
		require.NotNil(t, o.orders[0])
		require.Equal(t, r.buyer, o.orders[0].Buyer)
	}
	for i := range requests {
		requests[i].key = "key-abcd" // one key, but of another buyer each
		requests[i].documents = []string{fmt.Sprint("next", i)}
		requests[i].from, requests[i].to = 1, 2
	}
	for i, r := range requests {
		o, _, err := c.sell(t.Context(), batch(run, r), r)
		require.NoError(t, err)
		require.Equal(t, i == 0, len(o.state.Replays) == 1)
		require.Equal(t, r.buyer, o.orders[0].Buyer)
	}
}

// sellKeysOfARun shows that a buyer's key on another run is another purchase, and a key to pay by, of another order,
// another payment: runs may lie on different clusters.
func sellKeysOfARun(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	next := NewRun(NewTrain("T12"), day.AddDays(1))
	publish(t, l, next)
	orders := []*rail.Order{c.place(run, one("wang")), c.place(next.ID, one("wang"))}
	require.NotEqual(t, orders[0].ID, orders[1].ID)
	for _, order := range orders {
		_, paid, err := Pay(t.Context(), l, order.RunID, order.ID, "wang", "pay0001")
		require.NoError(t, err)
		require.True(t, paid)
	}
}

// sellNamesOfEveryScript shows that the longest names of the widest characters come back as they were, and so do
// joiners, marks and variants.
func sellNamesOfEveryScript(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	r := one("wang")
	r.documents = []string{strings.Repeat("D", 32), "D2", "D3"}
	names := []string{strings.Repeat("𠮷", rail.MaxPassengerName), "رضا\u200cیی", "葛\U000E0100城"}
	var o outcome
	decide := c.decide(&o, r)
	_, err := l.Sell(t.Context(), batch(run, r), func(state *ledger.BatchState) (ledger.BatchChanges, error) {
		changes, err := decide(state)
		for i, name := range names {
			changes.Orders[0].Order.Tickets[i].Passenger.Name = name
		}
		return changes, err
	})
	require.NoError(t, err)
	got := read(t, l, o.orders[0].ID)
	require.Equal(t, o.orders[0], got)
	for i, name := range names {
		require.Equal(t, name, got.Tickets[i].Passenger.Name)
	}
}

func sellDeadline(t *testing.T, s *suite) {
	l, _, run := s.published(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := l.Sell(ctx, ledger.Batch{RunID: run}, func(*ledger.BatchState) (ledger.BatchChanges, error) {
		cancel()
		return ledger.BatchChanges{}, nil
	})
	requireCode(t, rail.Unavailable, err)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 1, s.version(t, run), "nothing was written")
	_, err = l.Sell(ctx, ledger.Batch{RunID: run}, nothing)
	requireCode(t, rail.Unavailable, err)
}

// sellManyAtOnce lets buyers loose on a few seats from several ledgers without any lock between them, and holds what
// they were told against what is written.
func sellManyAtOnce(t *testing.T, s *suite) {
	l, _, run := s.published(t)
	const servers, buyers = 3, 8
	var mu sync.Mutex
	answered := map[string]*rail.Order{}
	var wg sync.WaitGroup
	for server := range servers {
		c := newWorker(t, s.open(t))
		for buyer := range buyers {
			wg.Go(func() {
				r := one(fmt.Sprintf("buyer-%d-%d", server, buyer))
				r.from, r.to = buyer%3, 3
				b := batch(run, r)
				for {
					o, _, err := c.sell(t.Context(), b, r)
					if errors.Is(err, ledger.ErrVersionConflict) || rail.CodeOf(err) == rail.Unavailable {
						b.Locking = true
						continue
					}
					if err != nil {
						t.Errorf("%v", err)
						return
					}
					if o.orders[0] != nil {
						mu.Lock()
						answered[o.orders[0].ID] = o.orders[0]
						mu.Unlock()
					}
					return
				}
			})
		}
	}
	wg.Wait()
	checkSnapshot(t, l, run, answered)
}

// checkSnapshot recomputes a run's maps from its live tickets, and finds every answered order.
func checkSnapshot(t *testing.T, l *sqlledger.Ledger, run rail.RunID, answered map[string]*rail.Order) {
	t.Helper()
	snapshots := AuditSnapshots(t, l, "", 1_000)
	for _, b := range snapshots {
		if b.Run.ID != run {
			continue
		}
		found := map[string]bool{}
		maps := map[rail.SeatClass]*seatmap.Map{}
		for class := range b.Maps {
			maps[class] = seatmap.New(b.Run.Train.Legs(), len(b.Run.Train.Formation.Seats(class)))
		}
		for _, o := range b.Live() {
			found[o.ID] = true
			for _, ticket := range o.Tickets {
				require.NoError(t, maps[ticket.SeatClass].Sell(ticket.SeatIndex, o.From, o.To), "sold twice")
			}
		}
		for class, m := range maps {
			require.Equal(t, b.Maps[class], m.Encode(), "the map of %s is not what the tickets say", class)
		}
		for id := range answered {
			require.True(t, found[id], "the answered order %s is lost", id)
		}
		return
	}
	require.Fail(t, "no snapshots", "%s", run)
}

func cancelFrees(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	r := one("wang")
	placed := c.place(run, r)
	again := one("li")
	again.documents = r.documents
	b := batch(run, again)
	refused, _, err := c.sell(t.Context(), b, again)
	require.NoError(t, err)
	require.Nil(t, refused.orders[0], "the document travels already")

	b.Cancels = []ledger.Cancel{{OrderID: placed.ID, Buyer: "wang", Reason: strings.Repeat("因", 2_000)}}
	o, _, err := c.sell(t.Context(), b, again)
	require.NoError(t, err)
	result := o.state.Cancels[0]
	require.True(t, result.Changed)
	require.Equal(t, rail.Cancelled, result.Order.State)
	require.EqualValues(t, 2, result.Order.Version)
	require.Equal(t, o.state.Now, result.Order.EndedAt)
	require.Equal(t, placed.Tickets, result.Order.Tickets)
	require.Equal(t, result.Order, read(t, l, placed.ID))
	require.Equal(t, placed.ID, o.state.Claims[0].OrderID, "a cancellation that is rolled back leaves its claims")
	require.Equal(t, []*rail.Order{result.Order}, o.state.Freed())
	require.NotNil(t, o.orders[0], "a buyer who cancelled may buy again, in the same batch")
	require.Equal(t, placed.Tickets[0].Seat, o.orders[0].Tickets[0].Seat)
	checkSnapshot(t, l, run, map[string]*rail.Order{o.orders[0].ID: nil})

	b.Cancels[0].Reason = "again"
	o, _, err = c.sell(t.Context(), b)
	require.NoError(t, err)
	require.False(t, o.state.Cancels[0].Changed, "cancelling again is harmless")
	require.Equal(t, result.Order, o.state.Cancels[0].Order)
}

func cancelOnlyOnesOwnHolds(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := NewRun(NewTrain("T14"), day)
	publish(t, l, other)
	mine, paid, elsewhere := c.place(run, one("wang")), c.place(run, one("li")), c.place(other.ID, one("wang"))
	_, ok, err := Pay(t.Context(), l, run, paid.ID, "li", "pay0001")
	require.NoError(t, err)
	require.True(t, ok)
	o, _, err := c.sell(t.Context(), ledger.Batch{RunID: run, Cancels: []ledger.Cancel{
		{OrderID: mine.ID, Buyer: "zhao"},
		{OrderID: paid.ID, Buyer: "li"},
		{OrderID: elsewhere.ID, Buyer: "wang"},
		{OrderID: string(run) + "/nothing", Buyer: "wang"},
		{OrderID: "'; DROP TABLE orders; --", Buyer: "wang"},
	}})
	require.NoError(t, err)
	for i, result := range o.state.Cancels {
		require.False(t, result.Changed)
		require.Equal(t, i != 1, result.Order == nil, "%d", i)
	}
	require.Equal(t, rail.Paid, o.state.Cancels[1].Order.State)
	require.Empty(t, o.state.Freed())
	require.Equal(t, rail.OnHold, read(t, l, mine.ID).State)
	require.Equal(t, rail.OnHold, read(t, l, elsewhere.ID).State)
}

func cancelTwiceInOneBatch(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	a, b := c.place(run, one("wang")), c.place(run, one("li"))
	o, _, err := c.sell(t.Context(), ledger.Batch{RunID: run, Locking: true, Cancels: []ledger.Cancel{
		{OrderID: a.ID, Buyer: "wang", Reason: "first"},
		{OrderID: a.ID, Buyer: "wang", Reason: "second"},
		{OrderID: b.ID, Buyer: "li", Reason: "second"},
	}})
	require.NoError(t, err)
	require.Equal(t, []bool{true, false, true}, []bool{
		o.state.Cancels[0].Changed, o.state.Cancels[1].Changed,
		o.state.Cancels[2].Changed,
	})
	require.Equal(t, "first", read(t, l, a.ID).StateReason)
	require.Equal(t, "second", read(t, l, b.ID).StateReason)
	checkSnapshot(t, l, run, nil)
}

func expireFrees(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	r := one("wang")
	old := c.place(run, r)
	kept := c.place(run, one("li"))
	Age(t, s.o, old.ID)
	old = read(t, l, old.ID)

	again := one("zhao")
	again.documents = r.documents
	o, _, err := c.sell(t.Context(), batch(run, again), again)
	require.NoError(t, err)
	require.Len(t, o.state.Expired, 1)
	want := *old
	want.Version = 2
	require.Equal(t, &want, o.state.Expired[0])
	require.NotNil(t, o.orders[0], "the document may travel again")
	require.Equal(t, old.Tickets[0].Seat, o.orders[0].Tickets[0].Seat, "the seat is free again")
	require.Equal(t, &want, read(t, l, old.ID))
	require.Equal(t, "EXPIRED", s.stored(t, old.ID))
	require.Equal(t, rail.OnHold, read(t, l, kept.ID).State)

	o, _, err = c.sell(t.Context(), ledger.Batch{RunID: run})
	require.NoError(t, err)
	require.Empty(t, o.state.Expired, "a hold ends once")
	checkSnapshot(t, l, run, nil)
}

func (s *suite) stored(t *testing.T, id string) string {
	t.Helper()
	var state string
	require.NoError(t, s.db.QueryRowContext(t.Context(), "SELECT state FROM orders WHERE id = ?", id).Scan(&state))
	return state
}

func expireReadsExpiredBeforeTheSweep(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	old := c.place(run, one("wang"))
	Age(t, s.o, old.ID)
	got := read(t, l, old.ID)
	require.Equal(t, rail.Expired, got.State)
	require.Equal(t, got.PayBy, got.EndedAt)
	require.EqualValues(t, 2, got.Version, "another state is another version")
	require.Equal(t, "ON_HOLD", s.stored(t, old.ID))

	// A cancel that comes too late finds it expired, and its seats are freed once.
	o, _, err := c.sell(t.Context(), ledger.Batch{
		RunID:   run,
		Cancels: []ledger.Cancel{{OrderID: old.ID, Buyer: "wang"}},
	})
	require.NoError(t, err)
	require.Equal(t, rail.Expired, o.state.Cancels[0].Order.State)
	require.False(t, o.state.Cancels[0].Changed)
	require.Len(t, o.state.Freed(), 1)
	require.Equal(t, got, o.state.Freed()[0], "it is what the sweep writes")
	require.Equal(t, got, read(t, l, old.ID))
}
