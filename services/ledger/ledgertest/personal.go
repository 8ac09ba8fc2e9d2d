package ledgertest

import (
	"context"
	"errors"
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

// soon is a date of a run that is not over.
func soon() rail.Date { return rail.DateIn(time.Now(), time.UTC).AddDays(3) }

// everything is all that a table holds, as text.
func (s *suite) everything(t *testing.T, table string) string {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), "SELECT * FROM "+table)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var all strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new([]byte)
		}
		require.NoError(t, rows.Scan(values...))
		for i := range values {
			fmt.Fprintf(&all, "%s=%s\n", columns[i], *values[i].(*[]byte))
		}
	}
	require.NoError(t, rows.Err())
	return all.String()
}

// ring opens the suite's ledger with other keys.
func (s *suite) ring(t *testing.T, keys ...string) *sqlledger.Ledger {
	t.Helper()
	o := s.o
	o.Keyring = Keyring(t, keys...)
	return Open(t, o)
}

func personalIsSealed(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("zhao"))
	p := placed.Tickets[0].Passenger
	require.Equal(t, "DOCzhao", p.DocumentNumber)
	require.NotEmpty(t, p.Contact.Email)
	require.Equal(t, p, read(t, l, placed.ID).Tickets[0].Passenger)
	list, err := l.Orders(t.Context(), ledger.OrderFilter{Buyer: "zhao", Limit: 1})
	require.NoError(t, err)
	require.Equal(t, p, list[0].Tickets[0].Passenger)
	for _, table := range []string{"orders", "tickets", "personal_keys"} {
		text := s.everything(t, table)
		require.NotEmpty(t, text)
		require.NotContains(t, text, p.Name)
		require.NotContains(t, text, p.Contact.Email)
		if table == "tickets" {
			// What the sale gives as the document's digest is kept as it is; this suite gives the number itself.
			text = strings.ReplaceAll(text, "document="+p.DocumentNumber, "")
		}
		require.NotContains(t, text, p.DocumentNumber)
	}
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM tickets WHERE personal_key = 'old'"))
}

// personalOpensInItsRowOnly exchanges two passengers by hand: neither is shown to the other's buyer, and everything
// else of their orders goes on.
func personalOpensInItsRowOnly(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	wang, li, zhao := c.place(run, one("wang")), c.place(run, one("li")), c.place(run, one("zhao"))
	// Which of the two is exchanged for which does not matter: MySQL does not read the table that it changes.
	var sealed []byte
	require.NoError(t, s.db.QueryRowContext(t.Context(),
		"SELECT personal FROM tickets WHERE order_id = ?", li.ID).Scan(&sealed))
	_, err := s.db.ExecContext(t.Context(), "UPDATE tickets SET personal = ? WHERE order_id = ?", sealed, wang.ID)
	require.NoError(t, err)
	o := read(t, l, wang.ID)
	require.Zero(t, o.Tickets[0].Passenger)
	require.ErrorContains(t, o.Tickets[0].Sealed, wang.ID)
	require.NotContains(t, o.Tickets[0].Sealed.Error(), "王")
	require.Equal(t, wang.Tickets[0].Seat, o.Tickets[0].Seat)
	require.NoError(t, read(t, l, li.ID).Tickets[0].Sealed)
	list, err := l.Orders(t.Context(), ledger.OrderFilter{RunID: run, Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 3, "one that cannot be opened hides no other")

	snapshots := AuditSnapshots(t, l, "", 10)
	require.Len(t, snapshots[0].Personal, 1)
	require.Equal(t, wang.Number, snapshots[0].Personal[0].OrderNumber)
	_, _, err = Pay(t.Context(), l, run, zhao.ID, "zhao", "pay0001")
	require.NoError(t, err)
	done, _, err := c.sell(t.Context(), ledger.Batch{
		RunID:   run,
		Cancels: []ledger.Cancel{{OrderID: wang.ID, Buyer: "wang"}},
	})
	require.NoError(t, err)
	require.True(t, done.state.Cancels[0].Changed, "the seat can be given back all the same")
	checkSnapshot(t, l, run, nil)
}

func keysWrongOrMissing(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	impostor := strings.Replace(OldKey, "old:00", "old:ff", 1)
	for name, keys := range map[string][]string{
		"missing":           {NewKey},
		"another":           {impostor},
		"another behind it": {NewKey, impostor},
	} {
		wrong := s.ring(t, keys...)
		require.ErrorIs(t, wrong.CheckKeys(t.Context()), sqlledger.ErrKeys, name)
		require.ErrorIs(t, wrong.KeysFit(t.Context()), sqlledger.ErrKeys, name)
		requireCode(t, rail.Unavailable, wrong.Ready(t.Context()))
		require.ErrorContains(t, wrong.Ready(t.Context()), "old", name)
		sells := newWorker(t, wrong)
		_, _, err := sells.sell(t.Context(), batch(run, one("li")), one("li"))
		requireCode(t, rail.Unavailable, err)
		_, err = wrong.Correct(t.Context(), ledger.Correction{
			OrderID: placed.ID, Name: "李",
			By: "boss", Reason: "typing",
		})
		requireCode(t, rail.Unavailable, err)
		_, err = wrong.Reseal(t.Context(), "")
		requireCode(t, rail.Unavailable, err)
		require.NotContains(t, wrong.Ready(t.Context()).Error(), "0102030405", "no secret is told")
	}
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM orders"), "nothing was written")
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM personal_keys"))
	require.NoError(t, l.Ready(t.Context()))

	// A server with a key that another one does not have makes that one say so, before it meets a row that it cannot
	// read.
	require.NoError(t, s.ring(t, NewKey, OldKey).CheckKeys(t.Context()))
	require.ErrorContains(t, l.Ready(t.Context()), "new")
	require.NoError(t, s.ring(t, OldKey, NewKey).Ready(t.Context()))
}

func keysNotedBySeveralAtOnce(t *testing.T, s *suite) {
	var all sync.WaitGroup
	for _, l := range []*sqlledger.Ledger{s.open(t), s.open(t), s.open(t), s.open(t)} {
		all.Go(func() {
			for {
				err := l.CheckKeys(t.Context())
				if rail.CodeOf(err) == rail.Unavailable {
					continue // SQLite has one writer
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM personal_keys WHERE retired_at IS NULL"))
}

// reseal goes through all tickets until one round finds nothing more.
func reseal(ctx context.Context, l *sqlledger.Ledger) (sealed, rounds int, err error) {
	for {
		round, next := 0, ""
		for {
			page, err := l.Reseal(ctx, next)
			if rail.CodeOf(err) == rail.Unavailable {
				continue
			}
			if err != nil {
				return sealed, rounds, err
			}
			round += page.Sealed
			if next = page.Next; next == "" {
				break
			}
		}
		sealed, rounds = sealed+round, rounds+1
		if round == 0 {
			return sealed, rounds, nil
		}
	}
}

// keysRotateWhileSelling is the way from one key to another, with servers that sell all the time: first all can open
// with the new key, then all seal with it, then what is there is sealed anew, then the old one is gone.
func keysRotateWhileSelling(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	wide := NewRun(newTrain("K9", 200), day)
	publish(t, l, wide)
	var orders []*rail.Order
	// More than a page, of several tickets each.
	for i := range 140 {
		r := request{buyer: fmt.Sprint("b", i), key: fmt.Sprint("key-", i), to: 1, class: rail.Second}
		for k := range 4 {
			r.documents = append(r.documents, fmt.Sprintf("D%d-%d", i, k))
		}
		id := wide.ID
		if i%70 == 0 {
			id, r.documents = run, r.documents[:1]
		}
		r.from, r.to = i%3, i%3+1
		orders = append(orders, c.place(id, r))
	}
	old, next := s.ring(t, OldKey, NewKey), s.ring(t, NewKey, OldKey)
	require.NoError(t, old.CheckKeys(t.Context()))
	require.NoError(t, next.CheckKeys(t.Context()))

	seller, stop := newWorker(t, next), make(chan struct{})
	var selling sync.WaitGroup
	var sold []*rail.Order
	selling.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			r := request{
				buyer: "x", key: fmt.Sprint("key-x", i), from: i % 3, to: i%3 + 1, class: rail.Second,
				documents: []string{fmt.Sprint("X", i)},
			}
			done, _, err := seller.sell(t.Context(), batch(wide.ID, r), r)
			if rail.CodeOf(err) == rail.Unavailable {
				continue
			}
			if err != nil {
				t.Errorf("%v", err)
				return
			}
			if done.orders[0] == nil {
				return // sold out
			}
			sold = append(sold, done.orders[0])
		}
	})
	sealed, rounds, err := reseal(t.Context(), next)
	close(stop)
	selling.Wait()
	require.NoError(t, err)
	require.Equal(t, 2+138*4, sealed)
	require.GreaterOrEqual(t, rounds, 2)
	require.NoError(t, next.RetireKeys(t.Context()))
	require.Zero(t, s.count(t, "SELECT COUNT(*) FROM tickets WHERE personal_key <> 'new'"))

	alone := s.ring(t, NewKey)
	require.NoError(t, alone.Ready(t.Context()), "the old key is not needed any more")
	for _, o := range append(orders, sold...) {
		now := read(t, alone, o.ID)
		require.Equal(t, o.Tickets, now.Tickets)
	}
	// A server that still seals with the old key notes it again, and servers without that key are not ready.
	require.NoError(t, old.CheckKeys(t.Context()))
	require.ErrorContains(t, alone.Ready(t.Context()), "old")
	sealed, _, err = reseal(t.Context(), next)
	require.NoError(t, err)
	require.Zero(t, sealed)
}

// resealLosesToACorrection changes a ticket between the reading and the writing of a page: what came later stays.
func resealLosesToACorrection(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	kept, corrected, erased := c.place(run, one("wang")), c.place(run, one("li")), c.place(run, one("zhao"))
	require.NoError(t, s.ring(t, NewKey, OldKey).CheckKeys(t.Context()))
	o := s.o
	o.Keyring = Keyring(t, NewKey, OldKey)
	_, err := l.Correct(t.Context(), ledger.Correction{
		OrderID: corrected.ID, Name: "before",
		By: "boss", Reason: "typing",
	})
	require.NoError(t, err)
	other := s.ring(t, OldKey, NewKey)
	done := false
	o.Keyring = &hook{Keyring: o.Keyring, before: func() {
		if done {
			return
		}
		done = true
		_, err := other.Correct(t.Context(), ledger.Correction{
			OrderID: corrected.ID, Name: "after",
			By: "boss", Reason: "typing",
		})
		require.NoError(t, err)
		n, err := other.ForgetBuyer(t.Context(), "zhao", run)
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}}
	_, err = Open(t, o).Reseal(t.Context(), "")
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, "after", read(t, other, corrected.ID).Tickets[0].Passenger.Name)
	require.Zero(t, read(t, other, erased.ID).Tickets[0].Passenger)
	require.Equal(t, kept.Tickets, read(t, other, kept.ID).Tickets)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM tickets WHERE personal_key = 'new'"))
}

// hook is called before a ticket is opened.
type hook struct {
	sqlledger.Keyring
	before func()
}

func (h *hook) Open(key string, sealed, place []byte) ([]byte, error) {
	if strings.HasPrefix(string(place), "ticket ") {
		h.before()
	}
	return h.Keyring.Open(key, sealed, place)
}

// forget forgets until nothing is left, and answers how many orders and runs that were.
func forget(t *testing.T, l *sqlledger.Ledger, over time.Duration) (orders, runs int) {
	t.Helper()
	for {
		o, r, err := l.ForgetOver(t.Context(), over)
		require.NoError(t, err)
		if o+r == 0 {
			return orders, runs
		}
		orders, runs = orders+o, runs+r
	}
}

func forgetRunsThatAreOver(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	train := NewTrain("T14")
	coming, empty := NewRun(train, soon()), NewRun(train, day)
	publish(t, l, coming, empty)
	paid, held, later := c.place(run, one("wang")), c.place(run, one("li")), c.place(coming.ID, one("wang"))
	cancelled := c.place(run, one("zhao"))
	_, _, err := Pay(t.Context(), l, run, paid.ID, "wang", "pay0001")
	require.NoError(t, err)
	_, _, err = c.sell(t.Context(), ledger.Batch{
		RunID:   run,
		Cancels: []ledger.Cancel{{OrderID: cancelled.ID, Buyer: "zhao", Reason: "王 is ill"}},
	})
	require.NoError(t, err)
	before := read(t, l, paid.ID)
	snapshots := AuditSnapshots(t, l, "", 10)

	orders, runs := forget(t, l, 100*365*24*time.Hour)
	require.Zero(t, orders+runs, "nothing has been over for so long")
	orders, runs = forget(t, l, 100*24*time.Hour)
	require.Equal(t, []int{3, 2}, []int{orders, runs})
	orders, runs = forget(t, l, 100*24*time.Hour)
	require.Zero(t, orders+runs, "once is enough")

	after := read(t, l, paid.ID)
	require.NotZero(t, after.ErasedAt)
	require.Zero(t, after.Tickets[0].Passenger)
	require.NoError(t, after.Tickets[0].Sealed)
	require.Equal(t, before.Version+1, after.Version)
	require.Equal(t, []any{
		before.Total, before.State, before.Buyer, before.Tickets[0].Seat,
		before.Tickets[0].Price, before.PaidAt,
	},
		[]any{after.Total, after.State, after.Buyer, after.Tickets[0].Seat, after.Tickets[0].Price, after.PaidAt},
		"seats, money and buyers stay")
	require.Empty(t, read(t, l, cancelled.ID).StateReason, "a reason that was typed may name a person")
	require.NotZero(t, read(t, l, held.ID).ErasedAt)
	require.Zero(t, read(t, l, later.ID).ErasedAt)
	require.Equal(t, later.Tickets, read(t, l, later.ID).Tickets)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM tickets WHERE personal IS NOT NULL"))
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM tickets WHERE personal_key IS NOT NULL OR document <> ''"))
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM orders WHERE body_hash <> ''"))

	now := AuditSnapshots(t, l, "", 10)
	for i := range now {
		require.Empty(t, now[i].Personal)
		require.Len(t, now[i].Live(), len(snapshots[i].Live()))
		require.Equal(t, snapshots[i].Maps, now[i].Maps)
		require.Equal(t, snapshots[i].Version, now[i].Version)
	}
	checkSnapshot(t, l, run, nil)
	_, err = l.Correct(t.Context(), ledger.Correction{OrderID: paid.ID, Name: "王", By: "boss", Reason: "typing"})
	requireCode(t, rail.WrongState, err)
	// A hold that was not swept ends as ever.
	Age(t, s.o, held.ID)
	done, _, err := c.sell(t.Context(), ledger.Batch{RunID: run})
	require.NoError(t, err)
	require.Len(t, done.state.Expired, 1)
}

// forgetPassesBy forgets passengers of runs behind those that are not over yet, and behind one that cannot be read.
func forgetPassesBy(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	damaged := NewRun(NewTrain("C1"), day)
	runs := []*rail.Run{damaged}
	for i := range 101 { // more than one step looks at together
		train := NewTrain(fmt.Sprint("K", i))
		calls := slices.Clone(train.Calls)
		calls[len(calls)-1].ArrivalSeconds += 100 * 3600
		runs = append(runs, NewRun(rail.NewTrain(train.Number, train.Kind, train.TimeZone, calls,
			train.Formation, train.Fares), day))
	}
	nowhere := NewTrain("E1")
	publish(t, l, append(runs, NewRun(rail.NewTrain("E1", "G", nowhere.TimeZone, nil, nowhere.Formation,
		nowhere.Fares), day))...)
	short, long, unread := c.place(run, one("wang")), c.place(runs[1].ID, one("wang")), c.place(damaged.ID, one("wang"))
	s.exec(t, "UPDATE runs SET train_id = 'x' WHERE id = ?", string(damaged.ID))
	over := time.Since(time.Date(2019, 10, 13, 12, 0, 0, 0, time.UTC))
	for range 2 { // its order, and then the run itself
		orders, marked, err := l.ForgetOver(t.Context(), over)
		require.NoError(t, err)
		require.Equal(t, 1, orders+marked)
	}
	_, _, err := l.ForgetOver(t.Context(), over)
	require.ErrorContains(t, err, string(damaged.ID), "it is told that something is left")
	require.NotZero(t, read(t, l, short.ID).ErasedAt)
	require.Zero(t, read(t, l, long.ID).ErasedAt)
	require.Zero(t, read(t, l, unread.ID).ErasedAt)

	found, err := l.BuyerRuns(t.Context(), "wang", "", 10)
	require.NoError(t, err)
	require.ElementsMatch(t, []ledger.BuyerRun{
		{Run: run, Orders: 1, Over: true},
		{Run: runs[1].ID, Orders: 1, Passengers: 1, Over: true},
		{Run: damaged.ID, Orders: 1, Passengers: 1},
	}, found, "nobody knows of that run whether it is over")
	_, err = l.ForgetBuyer(t.Context(), "wang", damaged.ID)
	require.ErrorContains(t, err, string(damaged.ID))
	n, err := l.ForgetBuyer(t.Context(), "wang", run)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func forgetABuyer(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	coming := NewRun(NewTrain("T14"), soon())
	publish(t, l, coming)
	first, others, later := c.place(run, one("wang")), c.place(run, one("li")), c.place(coming.ID, one("wang"))
	second := one("wang")
	second.key, second.documents = "key-again", []string{"DOCagain"}
	again := c.place(run, second)
	_, _, err := Pay(t.Context(), l, run, first.ID, "wang", "pay0001")
	require.NoError(t, err)

	found, err := l.BuyerRuns(t.Context(), "wang", "", 10)
	require.NoError(t, err)
	require.ElementsMatch(t, []ledger.BuyerRun{
		{Run: run, Orders: 2, Passengers: 2, Over: true}, {Run: coming.ID, Orders: 1, Passengers: 1},
	}, found)
	one, err := l.BuyerRuns(t.Context(), "wang", "", 1)
	require.NoError(t, err)
	rest, err := l.BuyerRuns(t.Context(), "wang", one[0].Run, 10)
	require.NoError(t, err)
	require.Equal(t, found, append(one, rest...))

	_, err = l.ForgetBuyer(t.Context(), "wang", coming.ID)
	requireCode(t, rail.WrongState, err)
	_, err = l.ForgetBuyer(t.Context(), "wang", "T99@2019-10-12")
	requireCode(t, rail.NotFound, err)
	n, err := l.ForgetBuyer(t.Context(), "nobody", run)
	require.NoError(t, err)
	require.Zero(t, n)
	// Passengers that were forgotten with their run are no reason to keep the buyer.
	for _, n := range []int{2, 0, 0} {
		done, err := l.ForgetBuyer(t.Context(), "wang", run)
		require.NoError(t, err)
		require.Equal(t, n, done)
	}
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM orders WHERE buyer = 'wang'"))
	seen := map[string]bool{}
	for _, id := range []string{first.ID, again.ID} {
		o := read(t, l, id)
		require.NotContains(t, o.Buyer, "wang")
		require.False(t, seen[o.Buyer], "what was one buyer's is not seen to be any more")
		seen[o.Buyer] = true
		require.Zero(t, o.Tickets[0].Passenger)
		for _, viewer := range []string{"wang", o.Number, o.Buyer[1:]} {
			require.False(t, (&rail.Viewer{Subject: viewer, Roles: []rail.Role{rail.RolePassenger}}).MaySee(o))
		}
	}
	require.Equal(t, rail.Paid, read(t, l, first.ID).State)
	require.Equal(t, others.Tickets, read(t, l, others.ID).Tickets)
	require.Equal(t, later.Tickets, read(t, l, later.ID).Tickets)
	checkSnapshot(t, l, run, nil)

	orders, _ := forget(t, l, 24*time.Hour)
	require.Equal(t, 1, orders, "li's")
	n, err = l.ForgetBuyer(t.Context(), "li", run)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NotEqual(t, "li", read(t, l, others.ID).Buyer)
}

// forgetLeavesRetriesTheirOrders asks again with a key whose request was forgotten.
func forgetLeavesRetriesTheirOrders(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	forget(t, l, 24*time.Hour)
	done, _, err := c.sell(t.Context(), batch(run, one("wang")), one("wang"))
	require.NoError(t, err)
	replay := done.state.Replays[ledger.OrderKey{Buyer: "wang", Key: one("wang").key}]
	require.Equal(t, placed.ID, replay.Order.ID)
	require.Empty(t, replay.BodyHash, "which is any request's")
}

// auditPersonalDefects plants what may be wrong with passengers, one thing after the other.
func auditPersonalDefects(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	coming := NewRun(NewTrain("T14"), soon())
	publish(t, l, coming)
	alive, later := c.place(run, one("wang")), c.place(coming.ID, one("li"))
	exec := func(statement string, args ...any) {
		t.Helper()
		_, err := s.db.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	problems := func() (all []string) {
		t.Helper()
		snapshots := AuditSnapshots(t, l, "", 10)
		for _, b := range snapshots {
			for _, d := range b.Personal {
				require.Contains(t, []string{alive.Number, later.Number}, d.OrderNumber)
				require.Equal(t, 1, d.Ticket)
				require.NotContains(t, d.Problem, "王")
				all = append(all, d.Problem)
			}
		}
		return all
	}
	finds := func(part string) {
		t.Helper()
		found := problems()
		require.Len(t, found, 1)
		require.Contains(t, found[0], part)
	}
	require.Empty(t, problems())
	var sealed []byte
	require.NoError(t, s.db.QueryRowContext(t.Context(),
		"SELECT personal FROM tickets WHERE order_id = ?", alive.ID).Scan(&sealed))

	exec("UPDATE tickets SET personal = NULL, personal_key = NULL WHERE order_id = ?", alive.ID)
	finds("missing, and the order was not erased")
	exec("UPDATE tickets SET personal = ?, personal_key = 'lost' WHERE order_id = ?", sealed, alive.ID)
	finds("cannot be opened")
	exec("UPDATE tickets SET personal_key = 'old' WHERE order_id = ?", alive.ID)
	require.Empty(t, problems())
	exec("UPDATE orders SET body_hash = '' WHERE id = ?", alive.ID)
	finds("the digest of the request is missing")
	exec("UPDATE orders SET body_hash = 'h' WHERE id = ?", alive.ID)
	exec("UPDATE runs SET erased_at = touched_at WHERE id = ?", string(run))
	finds("of the run were forgotten")
	exec("UPDATE runs SET erased_at = NULL")

	forget(t, l, 24*time.Hour)
	require.Empty(t, problems())
	exec("UPDATE tickets SET personal = ?, personal_key = 'old' WHERE order_id = ?", sealed, alive.ID)
	finds("its passenger is still there")
	exec("UPDATE tickets SET personal = NULL, personal_key = NULL, document = 'D' WHERE order_id = ?", alive.ID)
	finds("the digest of its document is still there")
	exec("UPDATE tickets SET document = '' WHERE order_id = ?", alive.ID)
	exec("UPDATE orders SET body_hash = 'h' WHERE id = ?", alive.ID)
	finds("the digest of its request is still there")
	exec("UPDATE orders SET body_hash = '' WHERE id = ?", alive.ID)
	exec("UPDATE orders SET body_hash = '', erased_at = placed_at WHERE id = ?", later.ID)
	exec("UPDATE tickets SET personal = NULL, personal_key = NULL, document = '' WHERE order_id = ?", later.ID)
	finds("before its run was over")
}

func cancelByAnAdmin(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	held, paid := c.place(run, one("wang")), c.place(run, one("li"))
	_, _, err := Pay(t.Context(), l, run, paid.ID, "li", "pay0001")
	require.NoError(t, err)
	cancel := func(id string) ledger.CancelResult {
		t.Helper()
		done, _, err := c.sell(t.Context(), ledger.Batch{
			RunID:   run,
			Cancels: []ledger.Cancel{{OrderID: id, By: "boss", Reason: "hoarding"}},
		})
		require.NoError(t, err)
		return done.state.Cancels[0]
	}
	require.Nil(t, cancel(string(run)+"/nothing").Order)
	require.Equal(t, rail.Paid, cancel(paid.ID).Order.State)
	require.Zero(t, s.count(t, "SELECT COUNT(*) FROM order_records"))
	first := cancel(held.ID)
	require.True(t, first.Changed)
	require.Equal(t, "hoarding", first.Order.StateReason)
	require.False(t, cancel(held.ID).Changed)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM order_records"))
	require.Equal(t, 1, s.count(t,
		"SELECT COUNT(*) FROM order_records WHERE run_id = ? AND order_id = ? AND version = ? AND at > 0 AND who = "+
			"'boss' AND what = 'cancel' AND reason = 'hoarding'",
		string(run), held.ID, first.Order.Version))
	checkSnapshot(t, l, run, nil)
	c.place(run, one("wang2"))
	forget(t, l, 24*time.Hour)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM order_records WHERE who = 'boss' AND reason = ''"))
}

func correct(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	r := one("wang")
	r.documents = []string{"DOC1", "DOC2"}
	placed := c.place(run, r)
	version := s.version(t, run)
	correction := ledger.Correction{OrderID: placed.ID, Ticket: 1, Name: "欧阳 O'Brien", By: "boss", Reason: "typing"}
	for i, pay := range []bool{false, true} {
		if pay {
			_, _, err := Pay(t.Context(), l, run, placed.ID, "wang", "pay0001")
			require.NoError(t, err)
		}
		before := read(t, l, placed.ID)
		told, err := l.Correct(t.Context(), correction)
		require.NoError(t, err)
		now := read(t, l, placed.ID)
		require.Equal(t, now, told)
		require.Equal(t, before.Version+1, now.Version)
		wanted := *before
		wanted.Version++
		wanted.Tickets = append([]rail.Ticket(nil), before.Tickets...)
		wanted.Tickets[1].Passenger.Name = correction.Name
		require.Equal(t, &wanted, now, "nothing else has changed")
		require.Equal(t, i+1, s.count(t,
			"SELECT COUNT(*) FROM order_records WHERE order_id = ? AND who = 'boss' AND what = 'correct name' AND "+
				"reason = 'typing'", placed.ID))
	}
	require.Equal(t, version, s.version(t, run), "no seat was touched")
	require.NotContains(t, s.everything(t, "order_records")+s.everything(t, "tickets"), "Brien")
	checkSnapshot(t, l, run, nil)

	for _, ticket := range []int{-1, 2} {
		wrong := correction
		wrong.Ticket = ticket
		_, err := l.Correct(t.Context(), wrong)
		requireCode(t, rail.NotFound, err)
	}
	for _, id := range []string{"", "nothing", string(run) + "/nothing", "T99@2019-10-12/x"} {
		wrong := correction
		wrong.OrderID = id
		_, err := l.Correct(t.Context(), wrong)
		requireCode(t, rail.NotFound, err)
	}
	require.Equal(t, int64(4), read(t, l, placed.ID).Version, "what was refused has changed nothing")
	held := c.place(run, one("zhao"))
	Age(t, s.o, held.ID)
	_, err := l.Correct(t.Context(), ledger.Correction{OrderID: held.ID, Name: "x", By: "boss", Reason: "typing"})
	requireCode(t, rail.WrongState, err)
	require.False(t, errors.Is(err, ledger.ErrInDoubt))
	require.Equal(t, 2, s.count(t, "SELECT COUNT(*) FROM order_records"))
}

// correctChanging corrects names of tickets that are or were being changed. A change takes the name over to another
// order, so until it is over there is no saying which ticket is good.
func correctChanging(t *testing.T, s *suite) {
	l, c, run := s.soldBeside(t)
	for state, allowed := range map[rail.ChangeState]bool{
		rail.ChangeOpen: false, rail.ChangeEnded: true, rail.ChangeDone: false,
	} {
		changed := paidParty(t, l, c, run, "buyer of "+string(state), 2)
		_, err := c.change(run, changed.ID, begin(run))
		require.NoError(t, err)
		if state != rail.ChangeOpen {
			_, err = c.change(run, changed.ID, finish(state))
			require.NoError(t, err)
		}
		before := read(t, l, changed.ID)
		correction := ledger.Correction{OrderID: changed.ID, Name: "x", By: "boss", Reason: "typing"}
		if _, err = l.Correct(t.Context(), correction); !allowed {
			requireCode(t, rail.WrongState, err)
			require.Equal(t, before, read(t, l, changed.ID), state)
		} else {
			require.NoError(t, err)
		}
		correction.Ticket = 1
		_, err = l.Correct(t.Context(), correction)
		require.NoError(t, err, "the other ticket is none the worse")
	}
}
