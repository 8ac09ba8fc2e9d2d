package sqlpay_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/pay/sqlpay"
	"interlock/services/rail"
)

// wrapped opens a store whose statements pass through an interceptor.
func wrapped(t *testing.T, o sqlledger.Options, i intercept.Interceptor) *sqlpay.Store {
	t.Helper()
	o.Wrap = func(c driver.Connector) driver.Connector { return intercept.Intercept(c, i) }
	return open(t, o)
}

// create notes a payment of an order.
func create(t *testing.T, s *sqlpay.Store, id string) *pay.Payment {
	t.Helper()
	p, _, err := paytest.Start(t.Context(), s, paytest.NewPayment(id, paytest.Order(1)), time.Minute)
	require.NoError(t, err)
	return p
}

// to is the change of a payment to a state.
func to(p *pay.Payment, state pay.State) pay.Change {
	c := pay.Change{Payment: *p, From: p.State, DueIn: -1}
	c.Payment.State, c.Payment.Version = state, p.Version+1
	return c
}

// heeded tells whether a notice of the bank was written.
func heeded(t *testing.T, s *sqlpay.Store, id string) bool {
	t.Helper()
	before, err := paytest.HeededBefore(t.Context(), s, "bank", id)
	require.NoError(t, err)
	return before
}

// read reads one payment; nil where there is none.
func read(t *testing.T, s *sqlpay.Store, id string) *pay.Payment {
	t.Helper()
	found, err := s.Payments(t.Context(), []string{id})
	require.NoError(t, err)
	return found[0]
}

// TestStore_InDoubt loses the answer to COMMIT, after it took place and before. What is asked for again has one effect,
// and there is one event for each change that took place.
func TestStore_InDoubt(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		const off, sent, kept = 0, 1, 2
		var fault atomic.Int64
		s := wrapped(t, o, func(_ context.Context, q *intercept.Statement) error {
			if !q.Commits() || fault.Load() == off {
				return q.Send()
			}
			if fault.Load() == sent {
				if err := q.Send(); err != nil {
					return err
				}
			}
			return mysql.ErrInvalidConn
		})
		db := database(t, o)
		for _, took := range []int64{sent, kept} {
			id := fmt.Sprintf("p%d", took)
			fault.Store(took)
			_, created, err := paytest.Start(t.Context(), s, paytest.NewPayment(id, paytest.Order(1)), time.Minute)
			require.ErrorIs(t, err, ledger.ErrInDoubt)
			require.False(t, created)
			fault.Store(off)
			require.Equal(t, took == sent, read(t, s, id) != nil)
			p, created, err := paytest.Start(t.Context(), s, paytest.NewPayment(id, paytest.Order(1)), time.Minute)
			require.NoError(t, err)
			require.Equal(t, took == kept, created)

			before := len(events(t, s, db))
			fault.Store(took)
			errs, err := paytest.Change(t.Context(), s, []pay.Change{to(p, pay.Authorised)})
			require.ErrorIs(t, err, ledger.ErrInDoubt)
			require.Nil(t, errs)
			fault.Store(off)
			is := read(t, s, id)
			require.Equal(t, took == sent, is.State == pay.Authorised)
			require.Equal(t, took == sent, len(events(t, s, db)) == before+1, "an event is there with its change")
			errs, err = paytest.Change(t.Context(), s, []pay.Change{to(p, pay.Authorised)})
			require.NoError(t, err)
			require.Equal(t, took == sent, errs[0] != nil, "one that took place is stale now")
			require.Len(t, events(t, s, db), before+1)
			require.EqualValues(t, 2, read(t, s, id).Version)

			fault.Store(took)
			err = paytest.Heed(t.Context(), s, "bank", pay.Notice{ID: id}, []byte("{}"))
			require.ErrorIs(t, err, ledger.ErrInDoubt)
			fault.Store(off)
			require.Equal(t, took == sent, heeded(t, s, id))
			require.NoError(t, paytest.Heed(t.Context(), s, "bank", pay.Notice{ID: id}, []byte("{}")))
			require.True(t, heeded(t, s, id))
		}
		require.EqualValues(t, 6, s.Stats().CommitsInDoubt)
	})
}

// TestUpdate_RolledBack has the outbox refuse a row, which is the last that is written: the payment is as it was.
func TestUpdate_RolledBack(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		s, db := open(t, o), database(t, o)
		p := create(t, s, "p1")
		taken := p.OrderID + ".p1." + strings.TrimPrefix(rail.OrderIDsFrom("", p.Version+1), "/")
		exec(t, db, "INSERT INTO outbox (id, at, events) VALUES (?, 1, 'x')", taken)
		_, err := paytest.Change(t.Context(), s, []pay.Change{to(p, pay.Authorised)})
		var duplicate *ledger.DuplicateError
		require.ErrorAs(t, err, &duplicate)
		require.Equal(t, p, read(t, s, "p1"))
		exec(t, db, "DELETE FROM outbox")
		errs, err := paytest.Change(t.Context(), s, []pay.Change{to(p, pay.Authorised)})
		require.NoError(t, err)
		require.NoError(t, errs[0])
		require.Len(t, events(t, s, db), 1)
	})
}

// TestUpdate_InOneText writes a group of payments and their events in the text that commits: begun and checked, locked,
// committed.
func TestUpdate_InOneText(t *testing.T) {
	for _, flavor := range flavors[1:] {
		t.Run(flavor.name, func(t *testing.T) {
			var mu sync.Mutex
			var texts []string
			s := wrapped(t, flavor.new(t), func(_ context.Context, q *intercept.Statement) error {
				mu.Lock()
				defer mu.Unlock()
				texts = append(texts, q.Query)
				return q.Send()
			})
			var changes []pay.Change
			for i := range 100 {
				asked := paytest.NewPayment(fmt.Sprintf("p%d", i), paytest.Order(i))
				p, _, err := paytest.Start(t.Context(), s, asked, time.Minute)
				require.NoError(t, err)
				changes = append(changes, to(p, pay.Captured))
			}
			mu.Lock()
			texts = nil
			mu.Unlock()
			errs, err := paytest.Change(t.Context(), s, changes)
			require.NoError(t, err)
			require.Equal(t, make([]error, len(changes)), errs)
			require.Len(t, texts, 3, "%.100q", texts)
			require.True(t, strings.HasPrefix(texts[0], "START TRANSACTION; SELECT "), texts[0])
			require.Contains(t, texts[1], "FOR UPDATE")
			require.Contains(t, texts[2], "INTO payments")
			require.Contains(t, texts[2], "INTO outbox")
			require.Contains(t, texts[2], "; COMMIT")
		})
	}
}

// TestStore_WhatDoesNotFit refuses what a row cannot hold, and writes the others of the group.
func TestStore_WhatDoesNotFit(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		s := open(t, o)
		for name, spoil := range map[string]func(*pay.Payment){
			"no id":               func(p *pay.Payment) { p.ID = "" },
			"a long id":           func(p *pay.Payment) { p.ID = strings.Repeat("i", 65) },
			"a long order's id":   func(p *pay.Payment) { p.OrderID = strings.Repeat("o", 201) },
			"a long reference":    func(p *pay.Payment) { p.Reference = strings.Repeat("r", 256) },
			"a long page":         func(p *pay.Payment) { p.RedirectURL = strings.Repeat("u", 2_049) },
			"a long reason":       func(p *pay.Payment) { p.Reason = strings.Repeat("ü", 1_001) },
			"what is not UTF-8":   func(p *pay.Payment) { p.Reason = "\xff" },
			"a long currency":     func(p *pay.Payment) { p.Amount.Currency = "EURO" },
			"a long provider":     func(p *pay.Payment) { p.Provider = strings.Repeat("p", 33) },
			"a state of nobody's": func(p *pay.Payment) { p.State = pay.State(strings.Repeat("S", 17)) },
		} {
			bad := paytest.NewPayment("bad", paytest.Order(1))
			spoil(bad)
			_, _, err := paytest.Start(t.Context(), s, bad, time.Minute)
			require.Equal(t, rail.Invalid, rail.CodeOf(err), "%s: %v", name, err)
		}
		long := paytest.NewPayment("bad", paytest.Order(1))
		long.Reason = strings.Repeat("r", 1_001)
		written, err := s.Update(t.Context(), pay.Batch{
			Starts: []pay.Start{{Payment: *long}, {Payment: *paytest.NewPayment("good", paytest.Order(1))}},
		})
		require.NoError(t, err)
		require.Equal(t, rail.Invalid, rail.CodeOf(written.Started[0].Err))
		require.True(t, written.Started[1].Created, "the others of its commit are started")
		require.Nil(t, read(t, s, "bad"))
		a, b := create(t, s, "a"), create(t, s, "b")
		bad := to(a, pay.Authorised)
		bad.Payment.RedirectURL = strings.Repeat("u", 2_049)
		errs, err := paytest.Change(t.Context(), s, []pay.Change{bad, to(b, pay.Authorised)})
		require.NoError(t, err)
		require.Equal(t, rail.Invalid, rail.CodeOf(errs[0]))
		require.NoError(t, errs[1])
		require.Equal(t, a, read(t, s, "a"))
		require.Equal(t, pay.Authorised, read(t, s, "b").State)

		for name, n := range map[string]pay.Notice{
			"no id": {}, "a long id": {ID: strings.Repeat("i", 256)},
			"a long payment": {ID: "e", PaymentID: strings.Repeat("p", 65)},
		} {
			err := paytest.Heed(t.Context(), s, "bank", n, nil)
			require.Equal(t, rail.Invalid, rail.CodeOf(err), name)
		}
		err = paytest.Heed(t.Context(), s, "bank", pay.Notice{ID: "e"}, make([]byte, 64<<10+1))
		require.Equal(t, rail.Invalid, rail.CodeOf(err))
		err = paytest.Heed(t.Context(), s, "bank", pay.Notice{ID: "e"}, make([]byte, 64<<10))
		require.NoError(t, err)
		many := make([]string, 1_001)
		_, err = s.Payments(t.Context(), many)
		require.Error(t, err)
		_, err = s.OfOrders(t.Context(), many)
		require.Error(t, err)
		_, err = paytest.Change(t.Context(), s, make([]pay.Change, 1_001))
		require.Error(t, err)
	})
}

// TestForgetNotices removes webhooks older than 30 days, and no others.
func TestForgetNotices(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		s, db := open(t, o), database(t, o)
		note := func(id string) {
			t.Helper()
			require.NoError(t, paytest.Heed(t.Context(), s, "bank", pay.Notice{ID: id}, []byte("{}")))
		}
		for i := range 5 {
			note(fmt.Sprintf("old%d", i))
		}
		age(t, db, 30*24*time.Hour-time.Minute)
		note("new")
		removed, err := s.ForgetNotices(t.Context(), 100)
		require.NoError(t, err)
		require.Zero(t, removed)
		age(t, db, time.Minute)
		for _, want := range []int{3, 2, 0} {
			removed, err = s.ForgetNotices(t.Context(), 3)
			require.NoError(t, err)
			require.Equal(t, want, removed)
		}
		require.Equal(t, 1, count(t, db, "SELECT COUNT(*) FROM payment_notices"))
		require.False(t, heeded(t, s, "old0"), "one that has left is a new one")
		require.True(t, heeded(t, s, "new"))
	})
}

// TestOutbox has a relay's calls do on the payments' outbox what they do on the ledger's.
func TestOutbox(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		s, db := open(t, o), database(t, o)
		ctx := t.Context()
		var want []string
		for i := range 3 {
			p := create(t, s, fmt.Sprintf("p%d", i))
			for _, state := range []pay.State{pay.Authorised, pay.Captured} {
				errs, err := paytest.Change(ctx, s, []pay.Change{to(p, state)})
				require.NoError(t, err)
				require.NoError(t, errs[0])
				p = read(t, s, p.ID)
				want = append(want, fmt.Sprintf("%s.%d", p.ID, p.Version))
			}
		}
		rows, err := s.TakeEvents(ctx, "", 4)
		require.NoError(t, err)
		require.Len(t, rows, 4)
		backlog, err := s.Backlog(ctx)
		require.NoError(t, err)
		require.Equal(t, 6, backlog.Unpublished)
		rows, err = s.TakeEvents(ctx, "", ledger.MaxTake)
		require.NoError(t, err)
		var got, ids []string
		for _, r := range rows {
			require.NoError(t, r.Damage)
			require.Len(t, r.Events, 1)
			got, ids = append(got, r.Events[0].ID()), append(ids, r.ID)
		}
		require.Equal(t, want, got, "in the order of each payment's versions")
		entry := ledger.StreamID{Millis: 7, Seq: 1}
		require.NoError(t, s.MarkPublished(ctx, []ledger.Published{{IDs: ids[:4], Last: entry}}))
		last, err := s.LastPublished(ctx)
		require.NoError(t, err)
		require.Equal(t, entry, last)
		rows, err = s.PublishedEvents(ctx, ledger.OutboxPlace{}, entry, 10)
		require.NoError(t, err)
		require.Len(t, rows, 4)
		removed, err := s.RemovePublished(ctx, entry, 3)
		require.NoError(t, err)
		require.Equal(t, 3, removed)
		age(t, db, ledger.MaxEventAge)
		old, err := s.RemoveOld(ctx, ledger.MaxEventAge, 10)
		require.NoError(t, err)
		require.Equal(t, ledger.Removed{Unpublished: 2, Published: 1}, old)

		require.NoError(t, s.KeepEventsFor(ctx, "sale"))
		groups, err := s.EventGroups(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"sale"}, groups)
		was, err := s.ForgetEventGroup(ctx, "sale")
		require.NoError(t, err)
		require.True(t, was)
	})
}

// TestReady names what is missing, and has many processes migrate at once.
func TestReady(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		s, db := open(t, o), database(t, o)
		require.NoError(t, s.Ready(t.Context()))
		exec(t, db, "DELETE FROM goose_db_version WHERE version_id > 2")
		require.ErrorContains(t, s.Ready(t.Context()), "payments' database: the migration 00003_outbox.sql is missing")
		for _, table := range []string{
			"payments", "payment_orders", "payment_notices", "outbox", "event_groups", "cluster", "cluster_members",
			"goose_db_version",
		} {
			exec(t, db, "DROP TABLE "+table)
		}
		require.ErrorContains(t, s.Ready(t.Context()), "00002_cluster.sql is missing")
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { assert.NoError(t, sqlpay.Migrate(t.Context(), o)) })
		}
		all.Wait()
		require.NoError(t, s.Ready(t.Context()))
		create(t, s, "p1")
	})
}
