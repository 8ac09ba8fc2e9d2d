package ledgertest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// Feeds that own runs, and a date on which no run has left yet.
var (
	east = ledger.Feed{Name: "East Railway"}
	west = ledger.Feed{Name: "West Railway"}
	// eastTrains are a part of the feed of east.
	eastTrains = ledger.Feed{Name: east.Name, Selection: "trains"}
	ahead      = rail.NewDate(2199, 10, 12)
)

func publishFeed(t *testing.T, l *sqlledger.Ledger, feed ledger.Feed, runs ...*rail.Run) []ledger.Publication {
	t.Helper()
	done, err := l.PublishFeed(t.Context(), feed, runs, "import", false)
	require.NoError(t, err)
	return done
}

// feedRuns are the runs of a feed on a date, a page of one run at a time.
func feedRuns(t *testing.T, l *sqlledger.Ledger, feed string, date rail.Date) []ledger.FeedRun {
	t.Helper()
	var all []ledger.FeedRun
	page := ledger.FeedPage{Feed: feed, Date: date, Limit: 1}
	for {
		runs, err := l.FeedRuns(t.Context(), page)
		require.NoError(t, err)
		if len(runs) == 0 {
			return all
		}
		all, page.After = append(all, runs...), runs[0].ID
	}
}

// drop takes all runs of a feed on a date off sale.
func drop(t *testing.T, l *sqlledger.Ledger, feed string, date rail.Date) []ledger.Dropped {
	t.Helper()
	dropped, _, err := l.Drop(t.Context(), feedRuns(t, l, feed, date), "not in the feed", "import", false)
	require.NoError(t, err)
	return dropped
}

func requireRun(t *testing.T, s *suite, id rail.RunID, feed string, status rail.RunStatus, version int64) {
	t.Helper()
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM runs WHERE id = ? AND feed = ? AND status = ? AND version = ?",
		string(id), feed, string(status), version))
}

// publishFeedOwns publishes runs of two feeds and by hand. Each keeps its own.
func publishFeedOwns(t *testing.T, s *suite) {
	l := s.open(t)
	train, other := NewTrain("T12"), newTrain("T12", 4)
	for _, test := range []struct {
		name          string
		first, second ledger.Feed
		differs       bool
		outcome       ledger.Outcome
		owner         ledger.Feed
	}{
		{"the same feed again", east, east, false, ledger.RunUnchanged, east},
		{"the same feed differs", east, east, true, ledger.RunChanged, east},
		{"another feed has the same", east, west, false, ledger.RunUnchanged, east},
		{"another feed differs", east, west, true, ledger.RunOfAnother, east},
		{"another selection has the same", east, eastTrains, false, ledger.RunMarked, eastTrains},
		{"another selection differs", east, eastTrains, true, ledger.RunChanged, eastTrains},
		{"a person publishes the same", east, ledger.Feed{}, false, ledger.RunUnchanged, east},
		{"a person publishes another", east, ledger.Feed{}, true, ledger.RunChanged, ledger.Feed{}},
		{"a feed has what a person published", ledger.Feed{}, east, false, ledger.RunUnchanged, ledger.Feed{}},
		{"a feed differs from a person", ledger.Feed{}, east, true, ledger.RunOfAnother, ledger.Feed{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.empty(t)
			as := func(feed ledger.Feed, train *rail.Train, validateOnly bool) ledger.Publication {
				runs := []*rail.Run{NewRun(train, day)}
				done, err := l.Publish(t.Context(), runs, "mei", validateOnly)
				if feed.Name != "" {
					done, err = l.PublishFeed(t.Context(), feed, runs, "import", validateOnly)
				}
				require.NoError(t, err)
				return done[0]
			}
			if test.first.Name == "" {
				publish(t, l, NewRun(train, day))
			} else {
				publishFeed(t, l, test.first, NewRun(train, day))
			}
			second := train
			if test.differs {
				second = other
			}
			would := as(test.second, second, true)
			require.Equal(t, test.outcome, would.Outcome)
			require.Equal(t, test.first, would.Feed)
			before := publicationNumber(t, l)
			var done ledger.Publication
			if test.second.Name == "" {
				done = publish(t, l, NewRun(second, day))[0]
			} else {
				done = publishFeed(t, l, test.second, NewRun(second, day))[0]
			}
			require.Equal(t, test.outcome, done.Outcome)
			require.Equal(t, would.Version, done.Version)
			moved := test.outcome == ledger.RunChanged || test.outcome == ledger.RunMarked
			require.Equal(t, moved, publicationNumber(t, l) > before)
			require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM runs WHERE feed = ? AND feed_selection = ?",
				test.owner.Name, test.owner.Selection))
			require.Equal(t, done.Version, s.version(t, done.Run.ID))
		})
	}
	_, err := l.PublishFeed(t.Context(), ledger.Feed{}, []*rail.Run{NewRun(train, day)}, "import", false)
	requireCode(t, rail.Invalid, err)
}

// publishFeedLeavesOrders changes some runs of which one has an order: that one is left, the others are not.
func publishFeedLeavesOrders(t *testing.T, s *suite) {
	l := s.open(t)
	c := newWorker(t, l)
	busy, free := NewRun(NewTrain("T12"), day), NewRun(NewTrain("T12"), day.AddDays(1))
	lapsed := NewRun(NewTrain("T12"), day.AddDays(2))
	publishFeed(t, l, east, busy, free, lapsed)
	placed := c.place(busy.ID, one("wang"))
	old := c.place(lapsed.ID, one("li"))
	Age(t, s.o, old.ID)
	other := newTrain("T12", 4)
	change := []*rail.Run{
		NewRun(other, day), NewRun(other, day.AddDays(1)), NewRun(other, day.AddDays(2)),
		NewRun(other, day.AddDays(3)),
	}
	want := []ledger.Outcome{ledger.RunHasOrders, ledger.RunChanged, ledger.RunChanged, ledger.RunCreated}
	for _, validateOnly := range []bool{true, false} {
		done, err := l.PublishFeed(t.Context(), east, change, "import", validateOnly)
		require.NoError(t, err)
		var got []ledger.Outcome
		for _, p := range done {
			got = append(got, p.Outcome)
		}
		require.Equal(t, want, got)
		require.EqualValues(t, 2, done[0].Version, "1 published, 2 sold")
	}
	require.Equal(t, placed, read(t, l, placed.ID))
	require.EqualValues(t, 2, s.version(t, busy.ID))
	require.Equal(t, 3, s.count(t, "SELECT COUNT(*) FROM runs WHERE train_id = ?", other.ID))
	require.Equal(t, "EXPIRED", s.stored(t, old.ID))
	checkSnapshot(t, l, busy.ID, map[string]*rail.Order{placed.ID: nil})
}

// publishNamesAllWithOrders refuses a change by hand, and names every run that has orders.
func publishNamesAllWithOrders(t *testing.T, s *suite) {
	l := s.open(t)
	c := newWorker(t, l)
	var runs, changed []*rail.Run
	for d := range 22 {
		runs = append(runs, NewRun(NewTrain("A 999"), day.AddDays(d)))
		changed = append(changed, NewRun(newTrain("A 999", 4), day.AddDays(d)))
	}
	publish(t, l, runs...)
	for i := range 2 {
		c.place(runs[i].ID, one("wang"))
	}
	_, err := l.Publish(t.Context(), changed, "mei", false)
	requireCode(t, rail.RunHasOrders, err)
	require.ErrorContains(t, err, "A 999 on 2019-10-12, A 999 on 2019-10-13 have orders and cannot be changed")
	for _, run := range runs[2:] {
		c.place(run.ID, one("wang"))
	}
	_, err = l.Publish(t.Context(), changed, "mei", false)
	require.ErrorContains(t, err, "A 999 on 2019-10-31, 2 more have orders and cannot be changed", "twenty are named")
}

// dropRuns drops a feed's runs of a date. What has no live order is withdrawn, the rest is suspended, and nothing else
// is touched.
func dropRuns(t *testing.T, s *suite) {
	l := s.open(t)
	c := newWorker(t, l)
	make4 := func(number string) *rail.Run { return NewRun(NewTrain(number), ahead) }
	held, paid, free, lapsed := make4("A 1"), make4("A 2"), make4("A 3"), make4("A 4")
	snowed, hand, wests := make4("A 5"), make4("A 6"), make4("A 7")
	later := NewRun(NewTrain("A 1"), ahead.AddDays(1))
	publishFeed(t, l, east, held, paid, free, lapsed, snowed, later)
	publishFeed(t, l, west, wests)
	publish(t, l, hand)
	hold, bought, old := c.place(held.ID, one("wang")), c.place(paid.ID, one("li")), c.place(lapsed.ID, one("zhao"))
	c.place(snowed.ID, one("qian"))
	_, _, err := Pay(t.Context(), l, paid.ID, bought.ID, "li", "pay0001")
	require.NoError(t, err)
	Age(t, s.o, old.ID)
	_, err = l.SetStatus(t.Context(), snowed.ID, rail.Suspended, "snow", "mei")
	require.NoError(t, err)

	listed := feedRuns(t, l, east.Name, ahead)
	require.Len(t, listed, 5)
	require.Equal(t, ledger.FeedRun{
		ID: held.ID, TrainNumber: "A 1", Date: ahead, Feed: east, Status: rail.Published, Publication: 1,
	}, listed[0])
	require.Equal(t, "A 1 on 2199-10-12", listed[0].Name())
	want := map[rail.RunID]ledger.DropOutcome{
		held.ID: ledger.DropSuspended, paid.ID: ledger.DropSuspended, free.ID: ledger.DropWithdrawn,
		lapsed.ID: ledger.DropWithdrawn, snowed.ID: ledger.DropLeft,
	}
	before := publicationNumber(t, l)
	for _, validateOnly := range []bool{true, false} {
		require.Equal(t, before, publicationNumber(t, l))
		require.Equal(t, "ON_HOLD", s.stored(t, old.ID))
		dropped, ended, err := l.Drop(t.Context(), listed, "not in the feed", "import", validateOnly)
		require.NoError(t, err)
		got := map[rail.RunID]ledger.DropOutcome{}
		for _, d := range dropped {
			got[d.Run.ID] = d.Outcome
			if validateOnly || d.Outcome == ledger.DropLeft {
				require.Nil(t, d.Left)
				continue
			}
			left, err := l.Left(t.Context(), []rail.RunID{d.Run.ID})
			require.NoError(t, err)
			require.Equal(t, left[0], d.Left, "what is answered is what is written")
		}
		require.Equal(t, want, got)
		if !validateOnly {
			require.Equal(t, []*rail.Order{read(t, l, old.ID)}, ended)
		}
	}
	require.Equal(t, before+1, publicationNumber(t, l))
	requireRun(t, s, held.ID, east.Name, rail.Suspended, 3)
	requireRun(t, s, paid.ID, east.Name, rail.Suspended, 3)
	requireRun(t, s, free.ID, east.Name, rail.Withdrawn, 2)
	requireRun(t, s, lapsed.ID, east.Name, rail.Withdrawn, 3)
	requireRun(t, s, later.ID, east.Name, rail.Published, 1)
	requireRun(t, s, wests.ID, west.Name, rail.Published, 1)
	requireRun(t, s, hand.ID, "", rail.Published, 1)
	require.Equal(t, 4, s.count(t, "SELECT COUNT(*) FROM runs WHERE reason = 'not in the feed'"))
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM publications WHERE what = 'DROP' AND who = 'import' AND "+
		"reason = 'not in the feed'"))
	require.Equal(t, rail.OnHold, read(t, l, hold.ID).State)
	require.Equal(t, rail.Paid, read(t, l, bought.ID).State)
	require.Equal(t, "EXPIRED", s.stored(t, old.ID))
	require.Len(t, feedRuns(t, l, east.Name, ahead), 3, "withdrawn runs are not listed")

	again := drop(t, l, east.Name, ahead)
	for _, d := range again {
		require.Equal(t, ledger.DropLeft, d.Outcome)
	}
	require.Equal(t, before+1, publicationNumber(t, l), "again changes nothing")
	_, _, err = c.sell(t.Context(),
		ledger.Batch{RunID: held.ID, Cancels: []ledger.Cancel{{OrderID: hold.ID, Buyer: "wang"}}})
	require.NoError(t, err)
	drop(t, l, east.Name, ahead)
	requireRun(t, s, held.ID, east.Name, rail.Withdrawn, 5) // 4 cancelled
	RequireSold(t, l)
}

// dropLeavesAlone drops runs that have left, that moved since they were listed, or that are another feed's.
func dropLeavesAlone(t *testing.T, s *suite) {
	l := s.open(t)
	run := func(number string) *rail.Run { return NewRun(NewTrain(number), ahead) }
	left := NewRun(NewTrain("A 1"), day)
	moved, suspended, gone, taken, marked := run("A 2"), run("A 3"), run("A 4"), run("A 5"), run("A 6")
	publishFeed(t, l, east, left, moved, suspended, gone, taken, marked)
	listed := append(feedRuns(t, l, east.Name, day), feedRuns(t, l, east.Name, ahead)...)
	require.Len(t, listed, 6)
	publishFeed(t, l, east, NewRun(newTrain("A 2", 4), ahead))
	_, err := l.SetStatus(t.Context(), suspended.ID, rail.Suspended, "snow", "mei")
	require.NoError(t, err)
	_, _, err = l.Withdraw(t.Context(), gone.ID, "no track", "mei", false)
	require.NoError(t, err)
	publish(t, l, NewRun(newTrain("A 5", 4), ahead))
	publishFeed(t, l, eastTrains, marked)
	listed = append(listed, ledger.FeedRun{ID: "A%207@2199-10-12", TrainNumber: "A 7", Date: ahead, Feed: east})
	before := publicationNumber(t, l)
	for _, validateOnly := range []bool{true, false} {
		dropped, ended, err := l.Drop(t.Context(), listed, "not in the feed", "import", validateOnly)
		require.NoError(t, err)
		require.Empty(t, ended)
		for i, d := range dropped {
			want := ledger.DropMoved
			if d.Run.ID == left.ID {
				want = ledger.DropDeparted
			}
			require.Equal(t, want, d.Outcome, "%d: %s", i, d.Run.ID)
		}
	}
	require.Equal(t, before, publicationNumber(t, l))
	_, _, err = l.Drop(t.Context(), nil, "not in the feed", "import", false)
	require.NoError(t, err)
}

// dropAndReturn drops a run, lets a person decide about it or not, and publishes it with its feed again.
func dropAndReturn(t *testing.T, s *suite) {
	var l *sqlledger.Ledger
	suspend := func(t *testing.T, id rail.RunID) {
		_, err := l.SetStatus(t.Context(), id, rail.Suspended, "snow", "mei")
		require.NoError(t, err)
	}
	resume := func(t *testing.T, id rail.RunID) {
		_, err := l.SetStatus(t.Context(), id, rail.Published, "sun", "mei")
		require.NoError(t, err)
	}
	withdraw := func(t *testing.T, id rail.RunID) {
		_, _, err := l.Withdraw(t.Context(), id, "no track", "mei", true)
		require.NoError(t, err)
	}
	for _, test := range []struct {
		name    string
		ordered bool
		before  func(t *testing.T, id rail.RunID)
		after   func(t *testing.T, id rail.RunID)
		feed    ledger.Feed
		rows    int
		outcome ledger.Outcome
		status  rail.RunStatus
	}{
		{"withdrawn by it", false, nil, nil, east, 3, ledger.RunChanged, rail.Published},
		{"withdrawn by it, another feed takes it over", false, nil, nil, west, 4, ledger.RunChanged, rail.Published},
		{"withdrawn by it, then by a person", false, nil, withdraw, east, 3, ledger.RunStaysWithdrawn, rail.Withdrawn},
		{"withdrawn by a person", false, withdraw, nil, east, 3, ledger.RunStaysWithdrawn, rail.Withdrawn},
		{"suspended by a person, without orders", false, suspend, nil, east, 3, ledger.RunUnchanged, rail.Suspended},
		{"suspended by it", true, nil, nil, east, 3, ledger.RunResumed, rail.Published},
		{"suspended by it, and differs", true, nil, nil, east, 4, ledger.RunHasOrders, rail.Suspended},
		{"suspended by it, in another selection", true, nil, nil, eastTrains, 3, ledger.RunResumed, rail.Published},
		{"suspended by it, another feed has the same", true, nil, nil, west, 3, ledger.RunUnchanged, rail.Suspended},
		{"suspended by it, then by a person", true, nil, suspend, east, 3, ledger.RunUnchanged, rail.Suspended},
		{"suspended by a person", true, suspend, nil, east, 3, ledger.RunUnchanged, rail.Suspended},
		{"suspended by it, resumed by a person", true, nil, resume, east, 3, ledger.RunUnchanged, rail.Published},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.empty(t)
			l = s.open(t)
			c := newWorker(t, l)
			run := NewRun(NewTrain("T12"), ahead)
			publishFeed(t, l, east, run)
			var placed *rail.Order
			if test.ordered {
				placed = c.place(run.ID, one("wang"))
			}
			if test.before != nil {
				test.before(t, run.ID)
			}
			drop(t, l, east.Name, ahead)
			if test.after != nil {
				test.after(t, run.ID)
			}
			back := NewRun(newTrain("T12", test.rows), ahead)
			before := s.version(t, run.ID)
			for _, validateOnly := range []bool{true, false} {
				done, err := l.PublishFeed(t.Context(), test.feed, []*rail.Run{back}, "import", validateOnly)
				require.NoError(t, err)
				require.Equal(t, test.outcome, done[0].Outcome)
				require.Equal(t, test.status, done[0].Run.Status)
				if test.outcome == ledger.RunResumed && !validateOnly {
					left, err := l.Left(t.Context(), []rail.RunID{run.ID})
					require.NoError(t, err)
					require.Equal(t, left[0], done[0].Left)
					require.Equal(t, []uint16{2, 5}, left[0].Counts[:2], "its seat stays sold")
				}
			}
			require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM runs WHERE status = ?", string(test.status)))
			changed := test.outcome == ledger.RunChanged || test.outcome == ledger.RunResumed
			require.Equal(t, changed, s.version(t, run.ID) > before)
			if placed != nil {
				require.Equal(t, placed, read(t, l, placed.ID))
				RequireSold(t, l)
			}
		})
	}
}

// dropAgainstSell drops runs while buyers buy: no run is withdrawn with a live order, and none is left on sale.
func dropAgainstSell(t *testing.T, s *suite) {
	l := s.open(t)
	const runs = 12
	var published []*rail.Run
	for i := range runs {
		published = append(published, NewRun(NewTrain(fmt.Sprint("A ", i)), ahead))
	}
	publishFeed(t, l, east, published...)
	listed := feedRuns(t, l, east.Name, ahead)
	var all sync.WaitGroup
	for i, run := range published {
		all.Go(func() {
			c := newWorker(t, l)
			var o outcome
			_, err := l.Sell(t.Context(), batch(run.ID, one("wang")),
				func(state *ledger.BatchState) (ledger.BatchChanges, error) {
					if state.Run.Status != rail.Published {
						return ledger.BatchChanges{}, nil
					}
					return c.decide(&o, one(fmt.Sprint("wang", i)))(state)
				})
			_ = err // It may have lost to the drop.
		})
	}
	all.Go(func() {
		for {
			_, _, err := l.Drop(t.Context(), listed, "not in the feed", "import", false)
			if err == nil || rail.CodeOf(err) != rail.Unavailable {
				if err != nil {
					t.Errorf("%v", err)
				}
				return
			}
		}
	})
	all.Wait()
	require.Equal(t, 0, s.count(t, "SELECT COUNT(*) FROM runs WHERE status = 'PUBLISHED'"))
	require.Equal(t, 0, s.count(t, "SELECT COUNT(*) FROM orders o JOIN runs r ON r.id = o.run_id "+
		"WHERE r.status = 'WITHDRAWN' AND o.state = 'ON_HOLD'"))
	require.Equal(t, s.count(t, "SELECT COUNT(*) FROM orders"),
		s.count(t, "SELECT COUNT(*) FROM runs WHERE status = 'SUSPENDED'"))
}
