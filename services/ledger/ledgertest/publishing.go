package ledgertest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

func publishCreatedUnchangedChanged(t *testing.T, s *suite) {
	l := s.open(t)
	a, b := NewRun(NewTrain("T12"), day), NewRun(NewTrain("T12"), day.AddDays(1))
	done := publish(t, l, a, b)
	for i, run := range []*rail.Run{a, b} {
		require.Equal(t, ledger.RunCreated, done[i].Outcome)
		require.EqualValues(t, 1, done[i].Version)
		require.Equal(t, run, done[i].Run)
	}
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM trains"), "equal trains are kept once")
	for _, p := range publish(t, l, a, b) {
		require.Equal(t, ledger.RunUnchanged, p.Outcome)
		require.EqualValues(t, 1, p.Version)
	}

	later, other := *a, *b
	later.SaleOpensAt = a.SaleOpensAt.Add(time.Millisecond)
	other.Train = newTrain("T12", 4)
	done = publish(t, l, &other, &later, NewRun(NewTrain("T12"), day.AddDays(2)))
	require.Equal(t, []ledger.Outcome{ledger.RunChanged, ledger.RunChanged, ledger.RunCreated},
		[]ledger.Outcome{done[0].Outcome, done[1].Outcome, done[2].Outcome})
	require.EqualValues(t, 2, done[0].Version)
	require.EqualValues(t, 2, s.version(t, other.ID))
	require.Equal(t, 2, s.count(t, "SELECT COUNT(*) FROM formations"))

	changes, err := l.Changes(t.Context(), 0)
	require.NoError(t, err)
	byID := map[rail.RunID]*rail.Run{}
	for _, r := range changes.Runs {
		byID[r.ID] = r
	}
	require.Len(t, byID, 3)
	require.Equal(t, later.SaleOpensAt, byID[later.ID].SaleOpensAt)
	require.Equal(t, other.Train, byID[other.ID].Train, "a train is what was published, to the last fare")

	closing := later
	closing.ClosesBefore = time.Minute
	require.Equal(t, ledger.RunChanged, publish(t, l, &closing)[0].Outcome)

	_, err = l.Publish(t.Context(), []*rail.Run{a, a}, "an admin", false)
	requireCode(t, rail.Invalid, err)
}

func publishRunHasOrders(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	fresh := NewRun(NewTrain("T14"), day)
	change := NewRun(newTrain("T12", 4), day)
	before := publicationNumber(t, l)
	for _, validateOnly := range []bool{true, false} {
		_, err := l.Publish(t.Context(), []*rail.Run{fresh, change}, "an admin", validateOnly)
		requireCode(t, rail.RunHasOrders, err)
		require.ErrorContains(t, err, "T12 on 2019-10-12 has orders")
	}
	require.Equal(t, before, publicationNumber(t, l))
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM runs"), "nothing was written")
	require.Equal(t, ledger.RunUnchanged, publish(t, l, NewRun(NewTrain("T12"), day))[0].Outcome,
		"the same again harms nobody")

	_, _, err := Pay(t.Context(), l, run, placed.ID, "wang", "pay0001")
	require.NoError(t, err)
	_, err = l.Publish(t.Context(), []*rail.Run{change}, "an admin", false)
	requireCode(t, rail.RunHasOrders, err)
}

func publicationNumber(t *testing.T, l *sqlledger.Ledger) int64 {
	t.Helper()
	number, err := l.PublicationNumber(t.Context())
	require.NoError(t, err)
	return number
}

func publishValidateOnly(t *testing.T, s *suite) {
	l, _, run := s.published(t)
	before := publicationNumber(t, l)
	same, change, fresh := NewRun(NewTrain("T12"), day), NewRun(newTrain("T12", 4), day), NewRun(NewTrain("T14"), day)
	for _, test := range []struct {
		run     *rail.Run
		outcome ledger.Outcome
		version int64
	}{{same, ledger.RunUnchanged, 1}, {change, ledger.RunChanged, 2}, {fresh, ledger.RunCreated, 1}} {
		would, err := l.Publish(t.Context(), []*rail.Run{test.run}, "an admin", true)
		require.NoError(t, err)
		require.Equal(t, test.outcome, would[0].Outcome)
		require.Equal(t, test.version, would[0].Version)
	}
	require.Equal(t, before, publicationNumber(t, l))
	require.EqualValues(t, 1, s.version(t, run))
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM runs"))
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM trains"))
}

// publishChangedRunHasNoSeatSold changes a run whose orders are all over, one of them by time alone: no old map is left
// to be read as one of the new train.
func publishChangedRunHasNoSeatSold(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	a, b := c.place(run, one("wang")), c.place(run, one("li"))
	_, _, err := c.sell(t.Context(), ledger.Batch{RunID: run, Cancels: []ledger.Cancel{{OrderID: a.ID, Buyer: "wang"}}})
	require.NoError(t, err)
	Age(t, s.o, b.ID)
	version := s.version(t, run)

	done := publish(t, l, NewRun(newTrain("T12", 100), day))
	require.Equal(t, ledger.RunChanged, done[0].Outcome)
	require.Equal(t, version+1, done[0].Version)
	require.Equal(t, "EXPIRED", s.stored(t, b.ID))
	require.Equal(t, 0, s.count(t, "SELECT COUNT(*) FROM seat_maps"))
	require.Equal(t, a.TrainID, read(t, l, a.ID).TrainID, "an order keeps the train it was placed by")
	o, _, err := c.sell(t.Context(), batch(run, one("wang2")), one("wang2"))
	require.NoError(t, err)
	require.Empty(t, o.state.Expired)
	require.NotNil(t, o.orders[0])
	checkSnapshot(t, l, run, map[string]*rail.Order{o.orders[0].ID: nil})
}

func publishKeepsASuspension(t *testing.T, s *suite) {
	l, _, run := s.published(t)
	_, err := l.SetStatus(t.Context(), run, rail.Suspended, "snow", "an admin")
	require.NoError(t, err)
	done := publish(t, l, NewRun(NewTrain("T12"), day))
	require.Equal(t, ledger.RunUnchanged, done[0].Outcome)
	require.Equal(t, rail.Suspended, done[0].Run.Status)
	done = publish(t, l, NewRun(newTrain("T12", 4), day))
	require.Equal(t, ledger.RunChanged, done[0].Outcome)
	require.Equal(t, rail.Suspended, done[0].Run.Status)
	require.Equal(t, 1, s.count(t,
		"SELECT COUNT(*) FROM runs WHERE status = 'SUSPENDED' AND reason = 'snow' AND version = 3"))
}

func publishNumberRises(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	require.EqualValues(t, 1, publicationNumber(t, l))
	publish(t, l, NewRun(NewTrain("T12"), day))
	c.place(run, one("wang"))
	require.EqualValues(t, 1, publicationNumber(t, l))
	_, err := l.SetStatus(t.Context(), run, rail.Suspended, "snow", "mei")
	require.NoError(t, err)
	_, err = l.SetStatus(t.Context(), run, rail.Suspended, "more snow", "mei")
	require.NoError(t, err)
	require.EqualValues(t, 2, publicationNumber(t, l))
	_, err = l.SetStatus(t.Context(), run, rail.Published, "it melted", "mei")
	require.NoError(t, err)
	_, _, err = l.Withdraw(t.Context(), run, "no track", strings.Repeat("梅", 300), true)
	require.NoError(t, err)
	_, _, err = l.Withdraw(t.Context(), run, "no track", "mei", true)
	require.NoError(t, err)
	_, err = l.PutStations(t.Context(), []*rail.Station{{Code: "A", Name: "A", TimeZone: "UTC"}}, "mei")
	require.NoError(t, err)
	require.EqualValues(t, 5, publicationNumber(t, l))

	rows, err := s.db.QueryContext(t.Context(), "SELECT number, what, reason, runs FROM publications ORDER BY number")
	require.NoError(t, err)
	defer rows.Close()
	var got []string
	for rows.Next() {
		var number int
		var what, reason, runs string
		require.NoError(t, rows.Scan(&number, &what, &reason, &runs))
		got = append(got, fmt.Sprint(number, " ", what, " ", reason, " ", strings.TrimSpace(runs)))
	}
	require.NoError(t, rows.Err())
	id := string(run)
	require.Equal(t, []string{
		"1 PUBLISH  " + id, "2 SUSPEND snow " + id, "3 RESUME it melted " + id,
		"4 WITHDRAW no track " + id, "5 STATIONS  ",
	}, got)
	require.Equal(t, 3, s.count(t, "SELECT COUNT(*) FROM publications WHERE who = 'mei' AND at > 1570000000000"))
}

// publishLargeBatch publishes more than one statement holds, from two servers at once: all of it is there once.
func publishLargeBatch(t *testing.T, s *suite) {
	l := s.open(t)
	var runs []*rail.Run
	for n := range 40 {
		train := NewTrain(fmt.Sprint("K", n))
		for d := range 50 {
			runs = append(runs, NewRun(train, day.AddDays(d)))
		}
	}
	var wg sync.WaitGroup
	outcomes := make([]map[ledger.Outcome]int, 2)
	for i := range outcomes {
		wg.Go(func() {
			outcomes[i] = map[ledger.Outcome]int{}
			done, err := l.Publish(t.Context(), runs, "an admin", false)
			if err != nil {
				t.Errorf("%v", err)
			}
			for _, p := range done {
				outcomes[i][p.Outcome]++
			}
		})
	}
	wg.Wait()
	require.ElementsMatch(t, []map[ledger.Outcome]int{
		{ledger.RunCreated: 2_000},
		{ledger.RunUnchanged: 2_000},
	}, outcomes)
	require.EqualValues(t, 1, publicationNumber(t, l))
	changes, err := l.Changes(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, changes.Runs, 2_000)
	trains := map[*rail.Train]bool{}
	for _, r := range changes.Runs {
		trains[r.Train] = true
	}
	require.Len(t, trains, 40, "runs that share a train share one")
}

func stationsPutAndChange(t *testing.T, s *suite) {
	l := s.open(t)
	lat, lon := 39.865, 116.379
	var stations []*rail.Station
	for _, code := range []string{"VNP", "vnp", "Vnp", "VNP1", "0123", "123", "北京南", "a b"} {
		stations = append(stations, &rail.Station{
			Code: rail.StationCode(code), Name: "北京南 " + code, TimeZone: "Asia/Shanghai",
			Latitude: &lat, Longitude: &lon,
			Names: map[string]string{"zh-Latn": "Beijingnan", "en": "Beijing South"},
		})
	}
	changed, err := l.PutStations(t.Context(), stations, "an admin")
	require.NoError(t, err)
	require.Equal(t, len(stations), changed)
	got, err := l.Stations(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, stations, got)

	changed, err = l.PutStations(t.Context(), stations, "an admin")
	require.NoError(t, err)
	require.Equal(t, 0, changed)
	require.EqualValues(t, 1, publicationNumber(t, l))

	moved := *stations[1]
	moved.Name = "Peking-Süd"
	stations[1] = &moved
	changed, err = l.PutStations(t.Context(), stations, "an admin")
	require.NoError(t, err)
	require.Equal(t, 1, changed)
	since, err := l.Changes(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, &ledger.TimetableChanges{Number: 2, Stations: []*rail.Station{&moved}, Runs: []*rail.Run{}}, since)
}

func setStatus(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	c.place(run, one("wang"))
	left, err := l.SetStatus(t.Context(), run, rail.Suspended, "snow", "an admin")
	require.NoError(t, err)
	require.Equal(t, rail.Suspended, left.Status)
	require.EqualValues(t, 3, left.Version)
	require.EqualValues(t, 3, s.version(t, run))
	require.Equal(t, []uint16{2, 5}, left.Counts[:2], "one second-class seat of six is sold")

	same, err := l.SetStatus(t.Context(), run, rail.Suspended, "more snow", "an admin")
	require.NoError(t, err)
	require.Equal(t, left, same)

	left, err = l.SetStatus(t.Context(), run, rail.Published, "it melted", "an admin")
	require.NoError(t, err)
	require.Equal(t, rail.Published, left.Status)
	require.EqualValues(t, 4, left.Version)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM runs WHERE status = 'PUBLISHED' AND reason = ''"))

	_, err = l.SetStatus(t.Context(), "T13@2019-10-12", rail.Suspended, "snow", "an admin")
	requireCode(t, rail.NotFound, err)
	_, _, err = l.Withdraw(t.Context(), run, "no track", "an admin", true)
	require.NoError(t, err)
	for _, status := range []rail.RunStatus{rail.Suspended, rail.Published} {
		_, err = l.SetStatus(t.Context(), run, status, "again", "an admin")
		requireCode(t, rail.WrongState, err)
	}
	_, err = l.SetStatus(t.Context(), run, rail.Withdrawn, "again", "an admin")
	requireCode(t, rail.Invalid, err)
}

// setStatusAgainstSell suspends a run while a sale has read that it is open: the sale must not go through.
func setStatusAgainstSell(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	if s.o.DSN == "" {
		t.Skip("in SQLite the suspension waits for the sale")
	}
	admin := s.open(t)
	var o outcome
	decide := c.decide(&o, one("wang"))
	_, err := l.Sell(t.Context(), ledger.Batch{RunID: run},
		func(state *ledger.BatchState) (ledger.BatchChanges, error) {
			require.Equal(t, rail.Published, state.Run.Status)
			_, err := admin.SetStatus(t.Context(), run, rail.Suspended, "snow", "an admin")
			require.NoError(t, err)
			return decide(state)
		})
	require.ErrorIs(t, err, ledger.ErrVersionConflict)
	require.Equal(t, 0, s.count(t, "SELECT COUNT(*) FROM orders"))
}

func withdraw(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	hold, paid, old := c.place(run, one("wang")), c.place(run, one("li")), c.place(run, one("zhao"))
	_, _, err := Pay(t.Context(), l, run, paid.ID, "li", "pay0001")
	require.NoError(t, err)
	Age(t, s.o, old.ID)

	_, _, err = l.Withdraw(t.Context(), run, "no track", "an admin", false)
	requireCode(t, rail.RunHasOrders, err)
	require.EqualValues(t, 4, s.version(t, run))
	require.Equal(t, "ON_HOLD", s.stored(t, old.ID), "nothing was written")

	left, ended, err := l.Withdraw(t.Context(), run, "no track", "an admin", true)
	require.NoError(t, err)
	require.Equal(t, rail.Withdrawn, left.Status)
	require.EqualValues(t, 5, left.Version)
	require.Equal(t, []uint16{2, 6}, left.Counts[:2], "every seat is free")
	require.ElementsMatch(t, []*rail.Order{read(t, l, hold.ID), read(t, l, paid.ID), read(t, l, old.ID)}, ended,
		"everyone who watches one of them is told")
	require.False(t, read(t, l, paid.ID).PaidAt.IsZero())
	require.True(t, read(t, l, hold.ID).PaidAt.IsZero())
	for _, o := range []*rail.Order{hold, paid} {
		got := read(t, l, o.ID)
		require.Equal(t, rail.Cancelled, got.State)
		require.Equal(t, "no track", got.StateReason)
		require.False(t, got.EndedAt.IsZero())
	}
	require.EqualValues(t, 2, read(t, l, hold.ID).Version)
	require.EqualValues(t, 3, read(t, l, paid.ID).Version)
	require.Equal(t, "EXPIRED", s.stored(t, old.ID), "a hold past its time was not cancelled by this")
	require.Equal(t, 0, s.count(t, "SELECT COUNT(*) FROM seat_maps"))

	_, ok, err := Pay(t.Context(), l, run, hold.ID, "wang", "pay0002")
	require.NoError(t, err)
	require.False(t, ok)
	for _, cancelOrders := range []bool{true, false} {
		again, cancelled, err := l.Withdraw(t.Context(), run, "again", "an admin", cancelOrders)
		require.NoError(t, err)
		require.Equal(t, left, again)
		require.ElementsMatch(t, []*rail.Order{read(t, l, hold.ID), read(t, l, paid.ID)}, cancelled,
			"the answer may have got lost")
	}
	_, _, err = l.Withdraw(t.Context(), "T13@2019-10-12", "no track", "an admin", true)
	requireCode(t, rail.NotFound, err)
}

func withdrawThenPublish(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	c.place(run, one("wang"))
	_, _, err := l.Withdraw(t.Context(), run, "no track", "an admin", true)
	require.NoError(t, err)
	o, _, err := c.sell(t.Context(), ledger.Batch{RunID: run})
	require.NoError(t, err)
	require.Equal(t, rail.Withdrawn, o.state.Run.Status)
	require.Equal(t, "no track", o.state.Run.Reason)
	changes, err := l.Changes(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, rail.Withdrawn, changes.Runs[0].Status, "a withdrawn run stays readable")

	done := publish(t, l, NewRun(NewTrain("T12"), day))
	require.Equal(t, ledger.RunChanged, done[0].Outcome)
	require.EqualValues(t, 5, done[0].Version, "1 published, 2 sold, 3 withdrawn, 4 looked at")
	require.Equal(t, rail.Published, done[0].Run.Status)
	placed := c.place(run, one("wang2"))
	require.EqualValues(t, 6, s.version(t, run))
	for range 2 {
		_, ended, err := l.Withdraw(t.Context(), run, "no track", "an admin", true)
		require.NoError(t, err)
		require.Equal(t, []*rail.Order{read(t, l, placed.ID)}, ended,
			"the first withdrawal's orders are not this one's")
	}
}

// damagedMap spoils the seat map of one run: that run can be taken off sale all the same.
func damagedMap(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	_, err := s.db.ExecContext(t.Context(), "UPDATE seat_maps SET sold = 'xyz'")
	require.NoError(t, err)
	for range 2 {
		left, err := l.SetStatus(t.Context(), run, rail.Suspended, "damaged", "an admin")
		require.NoError(t, err)
		require.Equal(t, &rail.Availability{
			RunID: run, TrainID: placed.TrainID, Version: 3,
			Status: rail.Suspended,
		}, left, "without counts")
	}
	left, ended, err := l.Withdraw(t.Context(), run, "damaged", "an admin", true)
	require.NoError(t, err)
	require.Equal(t, []uint16{2, 6}, left.Counts[:2])
	require.EqualValues(t, 4, left.Version)
	require.Equal(t, rail.Withdrawn, left.Status)
	require.Len(t, ended, 1)
}

func changesSinceANumber(t *testing.T, s *suite) {
	l := s.open(t)
	none, err := l.Changes(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, &ledger.TimetableChanges{}, none)
	a, b := NewRun(NewTrain("T12"), day), NewRun(NewTrain("T14"), day)
	publish(t, l, a)
	publish(t, l, b)
	_, err = l.SetStatus(t.Context(), a.ID, rail.Suspended, "snow", "an admin")
	require.NoError(t, err)
	for after, want := range map[int64][]rail.RunID{0: {a.ID, b.ID}, 1: {a.ID, b.ID}, 2: {a.ID}, 3: nil, 99: nil} {
		changes, err := l.Changes(t.Context(), after)
		require.NoError(t, err)
		require.EqualValues(t, 3, changes.Number)
		var got []rail.RunID
		for _, r := range changes.Runs {
			got = append(got, r.ID)
		}
		require.ElementsMatch(t, want, got, "after %d", after)
	}
	changes, err := l.Changes(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, rail.Suspended, changes.Runs[0].Status)
	require.Equal(t, "snow", changes.Runs[0].Reason)
	require.Equal(t, day, changes.Runs[0].Date)
}

func trainSharedAndUnknown(t *testing.T, s *suite) {
	l, _, run := s.published(t)
	want := NewTrain("T12")
	got, err := l.Train(t.Context(), want.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
	changes, err := l.Changes(t.Context(), 0)
	require.NoError(t, err)
	require.Same(t, got, changes.Runs[0].Train, "a train is decoded once, for all")
	_, err = l.Sell(t.Context(), ledger.Batch{RunID: run}, func(state *ledger.BatchState) (ledger.BatchChanges, error) {
		require.Same(t, got, state.Run.Train)
		return ledger.BatchChanges{}, nil
	})
	require.NoError(t, err)
	_, err = l.Train(t.Context(), "nothing")
	requireCode(t, rail.NotFound, err)

	// A train that was changed behind its digest must not be sold from.
	_, err = s.db.ExecContext(t.Context(),
		"UPDATE trains SET document = REPLACE(document, 'Asia/Shanghai', 'Asia/Shanghao')")
	require.NoError(t, err)
	fresh := s.open(t)
	_, err = fresh.Train(t.Context(), want.ID)
	requireCode(t, rail.Internal, err)
	_, err = fresh.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
	requireCode(t, rail.Internal, err)
}
