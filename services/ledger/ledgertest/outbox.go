package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

var _ ledger.Outbox = (*sqlledger.Ledger)(nil)

// take takes all rows that wait.
func take(t *testing.T, l *sqlledger.Ledger) []ledger.OutboxRow {
	t.Helper()
	rows, err := l.TakeEvents(t.Context(), "", ledger.MaxTake)
	require.NoError(t, err)
	return rows
}

// taken are the events of all rows that wait, each as its type's last words, subject and version. They are published
// as an entry, and so do not wait any more.
func taken(t *testing.T, l *sqlledger.Ledger, entry int64) []string {
	t.Helper()
	rows := take(t, l)
	mark(t, l, rowIDs(rows), ledger.StreamID{Millis: entry})
	return said(t, rows)
}

// said are the events of rows in short, those of a row sorted: no two of them are about one subject.
func said(t *testing.T, rows []ledger.OutboxRow) []string {
	t.Helper()
	var all []string
	for i := range rows {
		r := &rows[i]
		require.NoError(t, r.Damage)
		subjects := map[string]bool{}
		var row []string
		for _, e := range r.Events {
			require.Equal(t, r.RunID, e.RunID)
			require.Equal(t, r.At, e.Time)
			require.False(t, subjects[e.Subject()])
			subjects[e.Subject()] = true
			row = append(row, event(strings.TrimPrefix(string(e.Type), "interlock."), e.Subject(), e.Version()))
		}
		slices.Sort(row)
		all = append(all, row...)
	}
	return all
}

// mark notes that rows were published as an entry.
func mark(t *testing.T, l *sqlledger.Ledger, ids []string, last ledger.StreamID) {
	t.Helper()
	require.NoError(t, l.MarkPublished(t.Context(), []ledger.Published{{IDs: ids, Last: last}}))
}

func rowIDs(rows []ledger.OutboxRow) []string {
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	return ids
}

func event(kind, subject string, version int64) string {
	return fmt.Sprintf("%s %s %d", kind, subject, version)
}

// outboxOfEachType makes everything true that is told, and sees the row of each commit.
func outboxOfEachType(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	require.Empty(t, taken(t, l, 1), "that a run is on sale is no event")

	buyers := []request{one("wang"), one("li"), one("zhao")}
	sold, version, err := c.sell(t.Context(), batch(run, buyers...), buyers...)
	require.NoError(t, err)
	wang, li, zhao := sold.orders[0], sold.orders[1], sold.orders[2]
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM outbox"), "a row for each batch, and not for each order")
	rows := take(t, l)
	require.ElementsMatch(t, []string{
		event("order.placed", wang.ID, 1), event("order.placed", li.ID, 1), event("order.placed", zhao.ID, 1),
	}, said(t, rows))
	require.Contains(t, rows[0].Events, ledger.Event{
		Type: ledger.EventOrderPlaced, OrderID: wang.ID, OrderVersion: 1, RunID: run, RunVersion: version,
		Time: rows[0].At,
	})
	require.WithinDuration(t, wang.PlacedAt, rows[0].At, 10*time.Second, "by the primary's clock")
	mark(t, l, rowIDs(rows), ledger.StreamID{Millis: 2})

	paid, _, err := Pay(t.Context(), l, run, wang.ID, "wang", "pay0001")
	require.NoError(t, err)
	rows = take(t, l)
	require.Equal(t, []ledger.Event{{
		Type: ledger.EventOrderPaid, OrderID: wang.ID, OrderVersion: paid.Version, RunID: run, RunVersion: version,
		Time: rows[0].At,
	}}, rows[0].Events, "paying moves no run on")
	require.Equal(t, []string{event("order.paid", wang.ID, 2)}, taken(t, l, 3))

	// One batch: a hold that lapsed, one that is cancelled, and a new one.
	Age(t, s.o, zhao.ID)
	sun := one("sun")
	b := batch(run, sun)
	b.Cancels = []ledger.Cancel{{OrderID: li.ID, Buyer: "li"}, {OrderID: li.ID, Buyer: "li"}}
	sold, _, err = c.sell(t.Context(), b, sun)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{
		event("order.expired", zhao.ID, 2), event("order.cancelled", li.ID, 2),
		event("order.placed", sold.orders[0].ID, 1),
	}, taken(t, l, 4))

	_, err = l.SetStatus(t.Context(), run, rail.Suspended, "floods", "an admin")
	require.NoError(t, err)
	require.Equal(t, []string{event("run.suspended", string(run), s.version(t, run))}, taken(t, l, 5))
	_, err = l.SetStatus(t.Context(), run, rail.Published, "dry again", "an admin")
	require.NoError(t, err)
	require.Equal(t, []string{event("run.resumed", string(run), s.version(t, run))}, taken(t, l, 6))

	_, ended, err := l.Withdraw(t.Context(), run, "no train", "an admin", true)
	require.NoError(t, err)
	require.Len(t, ended, 2)
	require.Equal(t, []string{
		event("order.cancelled", wang.ID, 3), event("order.cancelled", sold.orders[0].ID, 2),
		event("run.withdrawn", string(run), s.version(t, run)),
	}, taken(t, l, 7))

	publish(t, l, NewRun(NewTrain("T12"), day))
	require.Equal(t, []string{event("run.resumed", string(run), s.version(t, run))}, taken(t, l, 8),
		"a run that was withdrawn is on sale again")
}

// outboxOfFeeds drops runs of a feed, and has the feed bring them back.
func outboxOfFeeds(t *testing.T, s *suite) {
	l, feed := s.open(t), ledger.Feed{Name: "a feed"}
	c := newWorker(t, l)
	date := rail.NewDate(2100, 1, 1) // Drop leaves alone what has departed.
	runs := []*rail.Run{NewRun(NewTrain("T1"), date), NewRun(NewTrain("T2"), date), NewRun(NewTrain("T3"), date)}
	_, err := l.PublishFeed(t.Context(), feed, runs, "an admin", false)
	require.NoError(t, err)
	sold, lapsed := c.place(runs[1].ID, one("wang")), c.place(runs[2].ID, one("li"))
	Age(t, s.o, lapsed.ID)
	require.Len(t, taken(t, l, 1), 2)

	listed, err := l.FeedRuns(t.Context(), ledger.FeedPage{Feed: feed.Name, Date: date, Limit: 10})
	require.NoError(t, err)
	_, _, err = l.Drop(t.Context(), listed, "not in the feed", "an admin", false)
	require.NoError(t, err)
	require.Equal(t, []string{
		event("run.withdrawn", string(runs[0].ID), 2), event("run.suspended", string(runs[1].ID), 3),
		event("order.expired", lapsed.ID, 2), event("run.withdrawn", string(runs[2].ID), 3),
	}, taken(t, l, 2), "a row for each run")

	_, err = l.PublishFeed(t.Context(), feed, runs, "an admin", false)
	require.NoError(t, err)
	require.Equal(t, []string{
		event("run.resumed", string(runs[0].ID), 3), event("run.resumed", string(runs[1].ID), 4),
		event("run.resumed", string(runs[2].ID), 4),
	}, taken(t, l, 3))
	require.Equal(t, "ON_HOLD", s.stored(t, sold.ID))
}

// outboxOfNothing does what makes nothing true, or what was told before.
func outboxOfNothing(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	wang := c.place(run, one("wang"))
	_, paid, err := Pay(t.Context(), l, run, wang.ID, "wang", "pay0001")
	require.NoError(t, err)
	require.True(t, paid)
	require.Len(t, taken(t, l, 1), 2)

	again := c.place(run, one("wang"))
	require.Equal(t, wang.ID, again.ID, "a replay")
	for _, key := range []string{"pay0001", "pay0002"} {
		_, _, err = Pay(t.Context(), l, run, wang.ID, "wang", key)
		require.NoError(t, err)
	}
	b := batch(run)
	b.Cancels = []ledger.Cancel{{OrderID: wang.ID, Buyer: "wang"}}
	_, _, err = c.sell(t.Context(), b)
	require.NoError(t, err, "a paid order is not cancelled")
	_, err = l.Correct(t.Context(), ledger.Correction{OrderID: wang.ID, Name: "王", By: "an admin", Reason: "a slip"})
	require.NoError(t, err)
	_, err = l.SetStatus(t.Context(), run, rail.Published, "it is", "an admin")
	require.NoError(t, err)
	_, _, err = l.Withdraw(t.Context(), run, "no train", "an admin", false)
	requireCode(t, rail.RunHasOrders, err)
	boom := fmt.Errorf("boom")
	var o outcome
	_, err = l.Sell(t.Context(), batch(run, one("li")), func(state *ledger.BatchState) (ledger.BatchChanges, error) {
		_, err := c.decide(&o, one("li"))(state)
		require.NoError(t, err)
		return ledger.BatchChanges{}, boom
	})
	require.ErrorIs(t, err, boom)
	require.Empty(t, take(t, l))
}

// outboxOfLosers writes nothing for a batch that lost its compare-and-set.
func outboxOfLosers(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	if s.flavor(t) == sqlledger.SQLite {
		t.Skip("its transactions come one after the other")
	}
	var lost outcome
	var won *rail.Order
	_, err := l.Sell(t.Context(), batch(run, one("li")), func(state *ledger.BatchState) (ledger.BatchChanges, error) {
		won = c.place(run, one("wang"))
		return c.decide(&lost, one("li"))(state)
	})
	require.ErrorIs(t, err, ledger.ErrVersionConflict)
	require.Equal(t, []string{event("order.placed", won.ID, 1)}, said(t, take(t, l)))
}

// outboxInOrder has the events of each order in the order of their versions, whatever order their rows were written in
// and whatever the clock said.
func outboxInOrder(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := NewRun(NewTrain("T2"), day)
	publish(t, l, other)
	wang, li := c.place(run, one("wang")), c.place(run, one("li"))
	elsewhere := c.place(other.ID, one("wang"))
	for _, o := range []*rail.Order{wang, li, elsewhere} {
		_, paid, err := Pay(t.Context(), l, o.RunID, o.ID, o.Buyer, "pay0001")
		require.NoError(t, err)
		require.True(t, paid)
	}
	_, _, err := l.Withdraw(t.Context(), run, "no train", "an admin", true)
	require.NoError(t, err)
	s.exec(t, "UPDATE outbox SET at = 9000 - LENGTH(id)")
	want := []string{
		event("order.placed", wang.ID, 1), event("order.paid", wang.ID, 2),
		event("order.placed", li.ID, 1), event("order.paid", li.ID, 2),
		event("order.cancelled", wang.ID, 3), event("order.cancelled", li.ID, 3),
		event("run.withdrawn", string(run), s.version(t, run)),
		event("order.placed", elsewhere.ID, 1), event("order.paid", elsewhere.ID, 2),
	}
	require.Equal(t, want, said(t, take(t, l)))

	rows, err := l.TakeEvents(t.Context(), other.ID, ledger.MaxTake)
	require.NoError(t, err)
	require.Equal(t, want[7:], said(t, rows), "from a run on")
	var paged []string
	for from := rail.RunID(""); ; {
		rows, err := l.TakeEvents(t.Context(), from, 2)
		require.NoError(t, err)
		if len(rows) == 0 {
			break
		}
		require.LessOrEqual(t, len(rows), 2)
		mark(t, l, rowIDs(rows), ledger.StreamID{Millis: int64(len(paged) + 1)})
		paged = append(paged, said(t, rows)...)
	}
	require.Equal(t, want, paged)
}

// outboxTakenAgain takes rows anew until they are published: who took them may have died.
func outboxTakenAgain(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := s.open(t)
	c.place(run, one("wang"))
	for i := range 3 {
		rows := take(t, []*sqlledger.Ledger{l, other}[i%2])
		require.Len(t, rows, 1)
		require.EqualValues(t, i+1, rows[0].Taken)
		require.True(t, rows[0].Stream.IsZero())
	}
	late := c.place(run, one("li"))
	rows := take(t, other)
	require.Len(t, rows, 2, "what another took comes before what is new: it may not have published it")
	require.EqualValues(t, 1, rows[1].Taken)

	require.Error(t, l.MarkPublished(t.Context(), []ledger.Published{
		{IDs: rowIDs(rows[:1]), Last: ledger.StreamID{Millis: 7}}, {IDs: rowIDs(rows[1:])},
	}))
	require.Len(t, take(t, l), 2, "none where one has no place")
	mark(t, l, nil, ledger.StreamID{Millis: 7})
	mark(t, l, rowIDs(rows[:1]), ledger.StreamID{Millis: 7})
	require.Equal(t, []string{event("order.placed", late.ID, 1)}, said(t, take(t, l)))
	c.place(run, one("zhao"))
	s.exec(t, "UPDATE outbox SET taken = 0 WHERE stream_millis = 0")
	mark(t, l, []string{rail.OrderIDsFrom(run, s.version(t, run)), "gone"}, ledger.StreamID{Millis: 8})
	require.Len(t, take(t, l), 2, "what was not taken was not published")
	mark(t, l, rowIDs(take(t, l)), ledger.StreamID{Millis: 9})
	require.Empty(t, take(t, l))
}

// outboxPublished reads, moves and removes what was published.
func outboxPublished(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	last, err := l.LastPublished(t.Context())
	require.NoError(t, err)
	require.True(t, last.IsZero())
	var ids []string
	for i := range 6 {
		c.place(run, one(fmt.Sprint("buyer-", i)))
		rows := take(t, l)
		require.Len(t, rows, 1)
		// Two at each entry; and the order of entries is not that of the ids.
		at := ledger.StreamID{Millis: 10, Seq: int64(2 - i/2)}
		mark(t, l, rowIDs(rows), at)
		ids = append(ids, rows[0].ID)
	}
	want := []string{ids[4], ids[5], ids[2], ids[3], ids[0], ids[1]}
	waiting := c.place(run, request{
		buyer: "wang", key: "key-0001", from: 0, to: 3, class: rail.First,
		documents: []string{"D9"},
	})
	last, err = l.LastPublished(t.Context())
	require.NoError(t, err)
	require.Equal(t, ledger.StreamID{Millis: 10, Seq: 2}, last)

	var paged []string
	for after := (ledger.OutboxPlace{}); ; {
		rows, err := l.PublishedEvents(t.Context(), after, last, 1)
		require.NoError(t, err)
		if len(rows) == 0 {
			break
		}
		require.Len(t, rows[0].Events, 1)
		paged, after = append(paged, rows[0].ID), rows[0].Place()
	}
	require.Equal(t, want, paged, "in the order of the stream")
	rows, err := l.PublishedEvents(t.Context(), ledger.OutboxPlace{}, ledger.StreamID{Millis: 10, Seq: 1}, 10)
	require.NoError(t, err)
	require.Equal(t, want[:4], rowIDs(rows))
	rows, err = l.PublishedEvents(t.Context(), ledger.OutboxPlace{}, ledger.StreamID{Millis: 9, Seq: 9}, 10)
	require.NoError(t, err)
	require.Empty(t, rows)

	// The stream was lost: all is published anew, behind what was there.
	for {
		rows, err := l.PublishedEvents(t.Context(), ledger.OutboxPlace{}, last, 4)
		require.NoError(t, err)
		if len(rows) == 0 {
			break
		}
		half := len(rows) / 2
		require.NoError(t, l.MarkPublished(t.Context(), []ledger.Published{
			{IDs: rowIDs(rows[half:]), Last: ledger.StreamID{Millis: 11, Seq: int64(2 * len(rows))}},
			{IDs: []string{"gone"}, Last: ledger.StreamID{Millis: 12}},
			{IDs: rowIDs(rows[:half]), Last: ledger.StreamID{Millis: 11, Seq: int64(len(rows))}},
		}))
	}
	rows, err = l.PublishedEvents(t.Context(), ledger.OutboxPlace{}, ledger.StreamID{Millis: 11, Seq: 9}, 10)
	require.NoError(t, err)
	require.Equal(t, []string{want[4], want[5], want[0], want[1], want[2], want[3]}, rowIDs(rows), "each at its place")

	upTo := ledger.StreamID{Millis: 11, Seq: 8}
	var repeated []string
	for after := ""; ; {
		rows, err := l.EventsToRepeat(t.Context(), after, upTo, 3)
		require.NoError(t, err)
		if len(rows) == 0 {
			break
		}
		require.LessOrEqual(t, len(rows), 3)
		require.Len(t, rows[0].Events, 1)
		repeated, after = append(repeated, rowIDs(rows)...), rows[len(rows)-1].ID
	}
	require.Equal(t, ids, repeated, "in the order of their ids, whatever their places")
	rows, err = l.EventsToRepeat(t.Context(), "", ledger.StreamID{Millis: 11, Seq: 4}, 10)
	require.NoError(t, err)
	require.Equal(t, []string{ids[0], ids[1], ids[4], ids[5]}, rowIDs(rows), "not what was published after it")

	removed, err := l.RemovePublished(t.Context(), last, 10)
	require.NoError(t, err)
	require.Zero(t, removed, "none is that old by now")
	for _, n := range []int{1, 1, 4, 0} {
		removed, err := l.RemovePublished(t.Context(), upTo, max(1, n))
		require.NoError(t, err)
		require.Equal(t, n, removed)
	}
	require.Equal(t, []string{event("order.placed", waiting.ID, 1)}, said(t, take(t, l)), "what waits stays")
}

// outboxAges counts what waits, and removes what is too old.
func outboxAges(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	b, err := l.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, ledger.Backlog{}, b)
	for i := range 4 {
		c.place(run, one(fmt.Sprint("buyer-", i)))
	}
	rows := take(t, l)
	mark(t, l, rowIDs(rows[2:]), ledger.StreamID{Millis: 7})
	for i, hours := range []int{5, 3, 4, 1} {
		s.exec(t, "UPDATE outbox SET at = at - ? WHERE id = ?", hours*3_600_000, rows[i].ID)
	}
	b, err = l.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{2, 2}, []int{b.Unpublished, b.Published})
	require.InDelta(t, 5*time.Hour, b.OldestUnpublished, float64(time.Minute))
	require.InDelta(t, 4*time.Hour, b.OldestPublished, float64(time.Minute))

	removed, err := l.RemoveOld(t.Context(), 6*time.Hour, 10)
	require.NoError(t, err)
	require.Zero(t, removed)
	removed, err = l.RemoveOld(t.Context(), 150*time.Minute, 10)
	require.NoError(t, err)
	require.Equal(t, ledger.Removed{Unpublished: 2, Published: 1}, removed)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM outbox"))
}

// outboxIsBounded takes a few rows of very many events at a time, and each of them some day.
func outboxIsBounded(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := c.place(run, one("wang"))
	s.exec(t, "DELETE FROM outbox")
	// 300,000 bytes of the same event, thrice.
	one := append([]byte{'c', 2, byte(len(o.ID) - len(run) - 1)}, o.ID[len(run)+1:]...)
	for v := range 3 {
		s.exec(t, "INSERT INTO outbox (id, at, events) VALUES (?, 1, ?)", rail.OrderIDsFrom(run, int64(9+v)),
			slices.Repeat(one, 300_000/len(one)))
	}
	for range 3 {
		rows := take(t, l)
		require.Len(t, rows, 1)
		require.Len(t, rows[0].Events, 300_000/len(one))
		require.Equal(t, o.ID, rows[0].Events[7].OrderID)
		mark(t, l, rowIDs(rows), ledger.StreamID{Millis: 7})
	}
	require.Empty(t, take(t, l))
}

// outboxDamaged shows rows that only a hand can write as what they are, beside those that can be read.
func outboxDamaged(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := c.place(run, one("wang"))
	for i, packed := range []string{
		"", "?\x01\x00", "o", "o\x01", "o\x01\x05abcd", "o\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00",
	} {
		s.exec(t, "INSERT INTO outbox (id, at, events) VALUES (?, 1, ?)", rail.OrderIDsFrom(run, int64(10+i)),
			[]byte(packed))
	}
	for _, id := range []string{
		"T12@2019-10-12", "T12@2019-10-12/00000", "T12/0000000001", "T12@2019-10-12/000000000z",
	} {
		s.exec(t, "INSERT INTO outbox (id, at, events) VALUES (?, 1, ?)", id, []byte("s\x00\x00"))
	}
	rows := take(t, l)
	require.Len(t, rows, 11)
	for _, r := range rows {
		if r.ID == rail.OrderIDsFrom(run, 2) {
			require.Equal(t, []string{event("order.placed", o.ID, 1)}, said(t, []ledger.OutboxRow{r}))
			continue
		}
		require.ErrorContains(t, r.Damage, r.ID)
		require.Empty(t, r.Events, r.ID)
	}
}

// outboxSeveralRelays has relays take and publish at once while orders are placed, paid and cancelled. Each event is
// published, and those of each order and run for the first time in their order.
func outboxSeveralRelays(t *testing.T, s *suite) {
	l := s.open(t)
	c := newWorker(t, l)
	var mu sync.Mutex
	var stream []ledger.OutboxRow
	publishRows := func(rows []ledger.OutboxRow) (last ledger.StreamID) {
		mu.Lock()
		defer mu.Unlock()
		stream = append(stream, rows...)
		return ledger.StreamID{Millis: int64(len(stream))}
	}
	all := make(chan struct{})
	var relays sync.WaitGroup
	for range 3 {
		relay := s.open(t)
		relays.Go(func() {
			for last := false; ; {
				rows, err := relay.TakeEvents(t.Context(), "", 3)
				if err == nil && len(rows) > 0 {
					err = relay.MarkPublished(t.Context(),
						[]ledger.Published{{IDs: rowIDs(rows), Last: publishRows(rows)}})
				}
				if err != nil && rail.CodeOf(err) != rail.Unavailable {
					t.Errorf("%v", err)
					return
				}
				if last && err == nil && len(rows) == 0 {
					return
				}
				select {
				case <-all:
					last = true
				default:
				}
			}
		})
	}
	patiently := func(do func() error) {
		t.Helper()
		err := do()
		for rail.CodeOf(err) == rail.Unavailable {
			err = do()
		}
		require.NoError(t, err)
	}
	want := map[string][]string{}
	for i := range 20 {
		run, r := NewRun(NewTrain(fmt.Sprint("K", i)), day), one("wang")
		patiently(func() error {
			_, err := l.Publish(t.Context(), []*rail.Run{run}, "an admin", false)
			return err
		})
		var sold outcome
		patiently(func() (err error) {
			sold, _, err = c.sell(t.Context(), batch(run.ID, r), r)
			return err
		})
		o := sold.orders[0]
		want[o.ID] = []string{event("order.placed", o.ID, 1)}
		if i%2 == 0 {
			patiently(func() error {
				_, _, err := Pay(t.Context(), l, run.ID, o.ID, o.Buyer, "pay0001")
				return err
			})
			want[o.ID] = append(want[o.ID], event("order.paid", o.ID, 2))
		}
		patiently(func() error {
			_, _, err := l.Withdraw(t.Context(), run.ID, "no train", "an admin", true)
			return err
		})
		want[o.ID] = append(want[o.ID], event("order.cancelled", o.ID, int64(len(want[o.ID])+1)))
		want[string(run.ID)] = []string{event("run.withdrawn", string(run.ID), 3)}
	}
	close(all)
	relays.Wait()
	first := map[string][]string{}
	seen := map[string]bool{}
	for _, e := range said(t, stream) {
		if !seen[e] {
			seen[e] = true
			subject := strings.Fields(e)[1]
			first[subject] = append(first[subject], e)
		}
	}
	require.Equal(t, want, first)
}
