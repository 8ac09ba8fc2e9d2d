package ledgertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

func touched(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	quiet := NewRun(NewTrain("T14"), day)
	publish(t, l, quiet)
	all, err := l.Touched(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Empty(t, all, "a new run is not touched: its publication has loaded it")
	c.place(run, one("wang"))
	all, err = l.Touched(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, run, all[0].RunID)
	require.EqualValues(t, 2, all[0].Version)
	require.EqualValues(t, 5, all[0].Counts[1])
	some, err := l.Left(t.Context(), []rail.RunID{"X9@2019-10-12", all[0].RunID})
	require.NoError(t, err)
	require.Equal(t, all[:1], some)

	_, err = l.SetStatus(t.Context(), quiet.ID, rail.Suspended, "snow", "an admin")
	require.NoError(t, err)
	all, err = l.Touched(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Len(t, all, 2)
	_, err = s.db.ExecContext(t.Context(), "UPDATE runs SET touched_at = touched_at - 100000 WHERE id = ?", string(run))
	require.NoError(t, err)
	all, err = l.Touched(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, quiet.ID, all[0].RunID)
	require.Equal(t, rail.Suspended, all[0].Status)
}

func availabilitiesPagesAndCounts(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	train := NewTrain("T14")
	for d := range 5 {
		publish(t, l, NewRun(train, day.AddDays(d)))
	}
	r := request{buyer: "wang", key: "key-0001", from: 1, to: 2, class: rail.First, documents: []string{"D1", "D2"}}
	c.place(run, r)
	c.place(run, one("li"))

	var all []*rail.Availability
	for after := rail.RunID(""); ; {
		page, err := l.Availabilities(t.Context(), after, 4)
		require.NoError(t, err)
		all = append(all, page...)
		if len(page) < 4 {
			break
		}
		after = page[len(page)-1].RunID
	}
	require.Len(t, all, 6)
	for i := 1; i < len(all); i++ {
		require.Less(t, all[i-1].RunID, all[i].RunID)
	}
	left := all[0]
	require.Equal(t, run, left.RunID)
	require.EqualValues(t, 3, left.Version)
	// Pairs are (0,1) (0,2) (0,3) (1,2) (1,3) (2,3); classes are FIRST, SECOND.
	require.Equal(t, []rail.SeatClass{rail.First, rail.Second}, NewTrain("T12").Formation.Classes)
	require.Equal(t, []uint16{2, 5, 0, 5, 0, 5, 0, 5, 0, 5, 2, 5}, left.Counts)
	for _, free := range all[1:] {
		require.Equal(t, train.ID, free.TrainID)
		require.EqualValues(t, 1, free.Version)
		require.Equal(t, []uint16{2, 6, 2, 6, 2, 6, 2, 6, 2, 6, 2, 6}, free.Counts)
	}
	require.Same(t, &all[1].Counts[0], &all[2].Counts[0], "what follows from the timetable is made once a train")
}

// availabilitiesDamagedMaps spoils some maps: those runs are named rather than counted, and the others are all there.
func availabilitiesDamagedMaps(t *testing.T, s *suite) {
	l := s.open(t)
	c := newWorker(t, l)
	train := NewTrain("T12")
	var runs []*rail.Run
	for d := range 20 {
		runs = append(runs, NewRun(train, day.AddDays(d)))
	}
	publish(t, l, runs...)
	for _, run := range runs[:15] {
		c.place(run.ID, one("wang"))
	}
	_, err := s.db.ExecContext(t.Context(), "UPDATE seat_maps SET sold = 'xyz' WHERE run_id < ?", string(runs[5].ID))
	require.NoError(t, err)
	ids := func(all []*rail.Availability) (ids []rail.RunID) {
		for _, left := range all {
			require.NotEmpty(t, left.Counts)
			ids = append(ids, left.RunID)
		}
		return ids
	}
	wanted := func(runs []*rail.Run) (ids []rail.RunID) {
		for _, run := range runs {
			ids = append(ids, run.ID)
		}
		return ids
	}

	page, err := l.Availabilities(t.Context(), "", 3)
	for _, run := range runs[:5] {
		require.ErrorContains(t, err, string(run.ID))
	}
	require.Equal(t, wanted(runs[5:8]), ids(page), "a page is as long as it was asked for, if there are so many")
	page, err = l.Availabilities(t.Context(), runs[7].ID, 3)
	require.NoError(t, err)
	require.Equal(t, wanted(runs[8:11]), ids(page))
	all, err := l.Availabilities(t.Context(), "", 100)
	require.ErrorContains(t, err, string(runs[0].ID))
	require.Equal(t, wanted(runs[5:]), ids(all))
	all, err = l.Touched(t.Context(), time.Minute)
	require.ErrorContains(t, err, string(runs[0].ID))
	require.ElementsMatch(t, wanted(runs[5:15]), ids(all))

	_, err = s.db.ExecContext(t.Context(), "UPDATE seat_maps SET sold = 'xyz'")
	require.NoError(t, err)
	all, err = l.Availabilities(t.Context(), "", 100)
	require.ErrorContains(t, err, "5 more runs", "not all of them are named")
	require.Equal(t, wanted(runs[15:]), ids(all))
	_, err = s.db.ExecContext(t.Context(),
		"INSERT INTO seat_maps (run_id, seat_class, sold) SELECT id, 'SECOND', 'xyz' FROM runs WHERE id >= ?",
		string(runs[15].ID))
	require.NoError(t, err)
	all, err = l.Availabilities(t.Context(), "", 100)
	require.ErrorContains(t, err, "10 more runs")
	require.Empty(t, all)
	require.NotNil(t, all, "the ledger can be read, if none of its runs can")
	none, err := l.Availabilities(t.Context(), runs[19].ID, 100)
	require.NoError(t, err)
	require.Empty(t, none)
}

// touchedIsBounded touches more runs than are looked at: the newest are there, in no order of ids.
func touchedIsBounded(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	train := NewTrain("K1")
	var runs []*rail.Run
	for d := range 2_100 {
		runs = append(runs, NewRun(train, day.AddDays(d)))
	}
	publish(t, l, runs...)
	_, err := s.db.ExecContext(t.Context(), "UPDATE runs SET touched_at = ?",
		time.Now().Add(-5*time.Second).UnixMilli())
	require.NoError(t, err)
	c.place(run, one("wang"))
	all, err := l.Touched(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Len(t, all, 2_000)
	require.Equal(t, run, all[0].RunID)
}

func auditOfRuns(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := NewRun(NewTrain("T14"), day)
	publish(t, l, other)
	hold, paid := c.place(run, one("wang")), c.place(run, one("li"))
	cancelled := c.place(run, one("zhao"))
	_, _, err := Pay(t.Context(), l, run, paid.ID, "li", "pay0001")
	require.NoError(t, err)
	_, _, err = c.sell(t.Context(), ledger.Batch{
		RunID:   run,
		Cancels: []ledger.Cancel{{OrderID: cancelled.ID, Buyer: "zhao"}},
	})
	require.NoError(t, err)
	Age(t, s.o, hold.ID)

	snapshots := AuditSnapshots(t, l, "", 10)
	require.Len(t, snapshots, 2)
	require.Equal(t, run, snapshots[0].Run.ID)
	require.EqualValues(t, 5, snapshots[0].Version)
	require.Len(t, snapshots[0].Live(), 2, "a hold past its time has its seat until it is swept")
	ids := []string{}
	for _, o := range snapshots[0].Live() {
		require.Len(t, o.Tickets, 1)
		ids = append(ids, o.ID)
	}
	require.ElementsMatch(t, []string{hold.ID, paid.ID}, ids)
	m, err := seatmap.Decode(3, 6, snapshots[0].Maps[rail.Second])
	require.NoError(t, err)
	require.Equal(t, 6, m.SoldLegs())
	require.Empty(t, snapshots[1].Live())
	require.Empty(t, snapshots[1].Maps)

	snapshots = AuditSnapshots(t, l, run, 1)
	require.Len(t, snapshots, 1)
	require.Equal(t, other.ID, snapshots[0].Run.ID)
	snapshots = AuditSnapshots(t, l, other.ID, 1)
	require.Empty(t, snapshots)
}

// auditOneVersion reads snapshots while a run is sold and sold: a sale in flight must never look like a defect.
func auditOneVersion(t *testing.T, s *suite) {
	l, _, run := s.published(t)
	seller := newWorker(t, s.open(t))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			r := one(fmt.Sprint("buyer-", i))
			o, _, err := seller.sell(t.Context(), batch(run, r), r)
			if err == nil && o.orders[0] != nil {
				_, _, err = seller.sell(t.Context(),
					ledger.Batch{RunID: run, Cancels: []ledger.Cancel{{OrderID: o.orders[0].ID, Buyer: r.buyer}}})
			}
			if err != nil && rail.CodeOf(err) != rail.Unavailable {
				t.Errorf("%v", err)
				return
			}
		}
	})
	for range 50 {
		checkSnapshot(t, l, run, nil)
		left, err := l.Availabilities(t.Context(), "", 10)
		require.NoError(t, err)
		require.Contains(t, []uint16{5, 6}, left[0].Counts[1])
	}
	close(done)
	wg.Wait()
}

// auditManyRows reads snapshots of runs with more orders and tickets than are read at once, with the ends of pages
// everywhere: in a run, between two, and within an order.
func auditManyRows(t *testing.T, s *suite) {
	l := s.open(t)
	train := NewTrain("T12")
	// Orders of each run in turn, and tickets of each order.
	counts := []struct{ orders, tickets int }{{1_999, 1}, {1, 9}, {0, 0}, {2_500, 3}, {1, 1}}
	var runs []*rail.Run
	for d := range counts {
		runs = append(runs, NewRun(train, day.AddDays(d)))
	}
	publish(t, l, runs...)
	for i, n := range counts {
		s.fill(t, runs[i].ID, train.ID, n.orders, n.tickets)
	}
	for _, limit := range []int{1, 3, 5, 100} {
		var all []*ledger.AuditSnapshot
		for after := rail.RunID(""); ; {
			page := AuditSnapshots(t, l, after, limit)
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1].ID
			all = append(all, page...)
		}
		require.Len(t, all, len(runs))
		for i, b := range all {
			require.Equal(t, runs[i].ID, b.ID)
			require.Len(t, b.Orders, counts[i].orders)
			for k, o := range b.Orders {
				require.Equal(t, fmt.Sprintf("%s/%06d", b.ID, k), o.ID)
				require.Len(t, o.Tickets, counts[i].tickets)
				require.Len(t, o.Documents, counts[i].tickets)
				for n, number := range o.Numbers {
					require.EqualValues(t, n, number)
				}
				require.Same(t, b.Run.Train, o.Train)
			}
		}
	}
	stopped := 0
	for _, err := range l.AuditSnapshots(t.Context(), "", 100) {
		require.NoError(t, err)
		if stopped++; stopped == 2 {
			break
		}
	}
	require.NoError(t, l.Ready(t.Context()), "a reader that stops leaves nothing behind")
}

// fill writes orders of a run, each with some tickets, that only look like orders.
func (s *suite) fill(t *testing.T, run rail.RunID, train string, orders, tickets int) {
	t.Helper()
	tx, err := s.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	for k := range orders {
		id := fmt.Sprintf("%s/%06d", run, k)
		_, err := tx.ExecContext(t.Context(),
			"INSERT INTO orders (run_id, id, number, buyer, idempotency_key, body_hash, version, state, state_reason, "+
				"train_id, from_call, to_call, total_minor, currency, placed_at, pay_by, pay_attempts, "+
				"placed_run_version) "+
				"VALUES (?, ?, ?, 'wang', ?, 'x', 1, 'ON_HOLD', '', ?, 0, 3, 1, 'CNY', 1, 2, 0, 2)", string(run), id,
			fmt.Sprint(run[len(run)-2:], "-", k), id, train)
		require.NoError(t, err)
		for n := range tickets {
			_, err := tx.ExecContext(t.Context(),
				"INSERT INTO tickets (run_id, order_id, n, seat_class, seat_index, coach, seat, "+
					"price_minor, currency, "+
					"document) VALUES (?, ?, ?, 'SECOND', 0, '1', '1A', 1, 'CNY', 'x')", string(run), id, n)
			require.NoError(t, err)
		}
	}
	require.NoError(t, tx.Commit())
}

// auditStrays has orders, tickets and more of runs that there are not: before, between and after those that there are.
func auditStrays(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	for _, stray := range []rail.RunID{"A@2019-10-12", "T12@2019-10-13", "\u00e9"} {
		s.fill(t, stray, "no train", 1, 1)
	}
	s.exec(t, "UPDATE tickets SET order_id = 'x' WHERE order_id = ?", placed.ID)
	s.exec(t, "DELETE FROM orders WHERE run_id = 'T12@2019-10-13'")
	s.exec(t, "INSERT INTO seat_maps (run_id, seat_class, sold) VALUES ('T99@2019-10-12', 'SECOND', 'x')")
	s.exec(t, "INSERT INTO asked_documents (run_id, buyer, document, at) VALUES ('T98@2019-10-12', 'wang', 'x', 1)")

	for _, limit := range []int{1, 100} {
		var all []*ledger.AuditSnapshot
		for after := rail.RunID(""); ; {
			page := AuditSnapshots(t, l, after, limit)
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1].ID
			all = append(all, page...)
		}
		require.Len(t, all, 4)
		for i, id := range []rail.RunID{"A@2019-10-12", run, "T12@2019-10-13", "\u00e9"} {
			require.Equal(t, id, all[i].ID)
			require.Equal(t, id != run, all[i].Missing)
			require.Equal(t, id == run, all[i].Run != nil)
		}
		require.Len(t, all[1].Orders, 2)
		require.Equal(t, []bool{false, true}, []bool{all[1].Orders[0].Missing, all[1].Orders[1].Missing})
		require.Empty(t, all[1].Orders[0].Tickets)
		require.Equal(t, "x", all[1].Orders[1].ID)
		require.Len(t, all[1].Orders[1].Tickets, 1)
		require.True(t, all[2].Orders[0].Missing)
	}
	strays, err := l.Strays(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []ledger.Stray{
		{Table: "seat_maps", RunID: "T99@2019-10-12"},
		{Table: "asked_documents", RunID: "T98@2019-10-12"},
	}, strays)
}

// damagedTrains has runs whose trains are missing or not what they are named: each is told as such, and the others are
// all there.
func damagedTrains(t *testing.T, s *suite) {
	l := s.open(t)
	var runs []*rail.Run
	for i := range 6 {
		runs = append(runs, NewRun(NewTrain(fmt.Sprint("T", 10+i)), day))
	}
	publish(t, l, runs...)
	s.exec(t, "UPDATE runs SET train_id = 'x' WHERE id = ?", string(runs[0].ID))
	s.exec(t, "UPDATE trains SET document = '{}' WHERE id = ?", runs[2].Train.ID)
	s.exec(t, "UPDATE runs SET service_date = 'x' WHERE id = ?", string(runs[4].ID))
	s.exec(t, "UPDATE runs SET touched_at = ?", time.Now().UnixMilli())
	l = s.open(t) // which has read none of them yet
	healthy := []rail.RunID{runs[1].ID, runs[3].ID, runs[5].ID}
	check := func(left []*rail.Availability, err error) {
		t.Helper()
		var ids []rail.RunID
		for _, a := range left {
			ids = append(ids, a.RunID)
		}
		require.ElementsMatch(t, healthy, ids)
		for _, damaged := range []int{0, 2, 4} {
			require.ErrorContains(t, err, string(runs[damaged].ID))
		}
	}
	left, err := l.Availabilities(t.Context(), "", 3)
	check(left, err)
	left, err = l.Availabilities(t.Context(), "", 100)
	check(left, err)
	left, err = l.Touched(t.Context(), time.Minute)
	check(left, err)
	left, err = l.Left(t.Context(), []rail.RunID{
		runs[0].ID, runs[1].ID, runs[2].ID,
		runs[3].ID, runs[4].ID, runs[5].ID,
	})
	check(left, err)
	for i, b := range AuditSnapshots(t, l, "", 100) {
		require.Equal(t, runs[i].ID, b.ID)
		require.Equal(t, i%2 == 1, b.Run != nil)
		require.Equal(t, i%2 == 0, b.Problem != nil)
	}
	_, err = l.Train(t.Context(), runs[2].Train.ID)
	require.ErrorContains(t, err, runs[2].Train.ID)
}

func jumpVersions(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	c.place(run, one("wang"))
	var runs []*rail.Run
	train := NewTrain("K1")
	for d := range 1_500 {
		runs = append(runs, NewRun(train, day.AddDays(d)))
	}
	publish(t, l, runs...)
	jumped, err := l.JumpVersions(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1_501, jumped)
	require.EqualValues(t, 1_000_002, s.version(t, run))
	require.Equal(t, 1_500, s.count(t, "SELECT COUNT(*) FROM runs WHERE version = 1000001"))
	b := batch(run, one("li"))
	b.KnownVersion = 2
	o, version, err := c.sell(t.Context(), b, one("li"))
	require.NoError(t, err)
	require.NotEmpty(t, o.state.Maps)
	require.EqualValues(t, 1_000_003, version)
}

func ready(t *testing.T, s *suite) {
	l := s.open(t)
	require.NoError(t, l.Ready(t.Context()))
	status, err := l.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, l.Flavor(), status.Flavor)
	require.Equal(t, sqlledger.Local, status.Durability)
	require.NotEmpty(t, status.Version)
	require.NotContains(t, status.Place, "root")
	require.False(t, status.ReadOnly)

	applied := s.count(t, "SELECT MAX(version_id) FROM goose_db_version")
	_, err = s.db.ExecContext(t.Context(), "DELETE FROM goose_db_version WHERE version_id > 0")
	require.NoError(t, err)
	require.ErrorContains(t, l.Ready(t.Context()), "00001_ledger.sql")
	_, err = s.db.ExecContext(t.Context(),
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, 1)", applied)
	require.NoError(t, err)
	require.NoError(t, l.Ready(t.Context()))
}

func migrateManyAtOnce(t *testing.T, s *suite) {
	for _, statement := range []string{
		"asked_documents", "tickets", "orders", "order_records", "personal_keys", "refunds", "changes",
		"seat_changes", "seat_maps", "cluster", "cluster_members", "runs", "trains", "formations", "stations",
		"publications", "counters", "outbox", "event_groups", "goose_db_version",
	} {
		_, err := s.db.ExecContext(t.Context(), "DROP TABLE "+statement)
		require.NoError(t, err)
	}
	l := s.open(t)
	require.ErrorContains(t, l.Ready(t.Context()), "00001_ledger.sql")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := sqlledger.Migrate(t.Context(), s.o); err != nil {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, l.Ready(t.Context()))
	publish(t, l, NewRun(NewTrain("T12"), day))
}
