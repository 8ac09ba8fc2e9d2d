package sqlledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// maxExpired bounds the orders past their time that one batch ends, so that a run that was forgotten for long is
// cleared in steps that keep no buyer waiting; the next batch takes the next.
const maxExpired = 1_000

// moment is a point in the history of a run's seats: the version that a transaction is about to make, and the time by
// the primary's clock.
type moment struct {
	run     rail.RunID
	version int64
	now     time.Time
}

// lockOrders locks orders of a run by their ids and reads them as they are now. It goes through the primary key, in the
// order of the ids: a transaction that locks orders in another order can wait in a circle with one that decides
// payments.
func (t *transaction) lockOrders(ctx context.Context, run rail.RunID, ids []string) ([]entry, error) {
	var all []entry
	ids = slices.Sorted(slices.Values(ids))
	for chunk := range slices.Chunk(ids, maxIDs) {
		if lock := t.pool.dialect.forUpdate(); lock != "" {
			query := "SELECT id FROM orders" + t.pool.dialect.by(primaryKey) + " WHERE run_id = ? AND id IN " +
				marks(len(chunk)) + " ORDER BY id" + lock
			args := append([]any{string(run)}, anys(chunk)...)
			if err := t.rows(ctx, query, args, func(*sql.Rows) error { return nil }); err != nil {
				return nil, err
			}
		}
		entries, err := t.orders(ctx,
			func(g *gorm.DB) *gorm.DB { return g.Where("run_id = ? AND id IN ?", string(run), chunk) })
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

// expire ends the orders of a run whose time is over: holds that were not paid, and payments that did not come. It
// answers those it ended. The run is locked by now.
func (t *transaction) expire(ctx context.Context, at moment) ([]*rail.Order, error) {
	var ids []string
	err := t.rows(ctx, "SELECT id FROM orders"+t.pool.dialect.by("orders_due")+
		" WHERE due <= ? AND run_id = ? ORDER BY due LIMIT ?",
		[]any{at.now.UnixMilli(), string(at.run), maxExpired}, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	entries, err := t.lockOrders(ctx, at.run, ids)
	if err != nil {
		return nil, err
	}
	var expired, unpaid []*rail.Order
	for _, e := range entries {
		if !e.row.isDue(at.now.UnixMilli()) {
			continue // A payment may have come between the two reads.
		}
		e.row.lapse(e.order)
		if e.order.State == rail.Expired {
			expired = append(expired, e.order)
		} else {
			unpaid = append(unpaid, e.order)
		}
	}
	ended := slices.Concat(expired, unpaid)
	slices.SortFunc(ended, func(a, b *rail.Order) int { return cmp.Compare(a.ID, b.ID) })
	err = t.endOrders(ctx, at, ledger.EventOrderExpired, expired, "state = 'EXPIRED', ended_at = pay_by",
		" = 'ON_HOLD'")
	if err != nil {
		return nil, err
	}
	return ended, t.endOrders(ctx, at, ledger.EventOrderCancelled, unpaid,
		"state = 'CANCELLED', state_reason = ?, ended_at = capture_by", " = 'PAYING'", ledger.PaymentNotCompleted)
}

// endOrders ends orders of a run by a conditional update, and their tickets with them. The orders are locked, so that
// the condition on their state holds for each of them; if it should not, nothing may be freed. The orders have their
// new versions by now, with which it notes how they ended.
func (t *transaction) endOrders(
	ctx context.Context, at moment, how ledger.EventType, orders []*rail.Order, set, state string, args ...any,
) error {
	for chunk := range slices.Chunk(orders, maxIDs) {
		ids := make([]any, len(chunk))
		for i, o := range chunk {
			ids[i] = o.ID
		}
		which := append([]any{string(at.run)}, ids...)
		changed, err := t.exec(ctx, "UPDATE orders SET "+set+
			", version = version + 1, ended_run_version = ? WHERE run_id = ? AND id IN "+
			marks(len(ids))+" AND state"+state, slices.Concat(args, []any{at.version}, which)...)
		if err != nil {
			return err
		}
		if changed != int64(len(chunk)) {
			return fmt.Errorf("ledger: of %d orders of %s that are to end only %d did", len(chunk), at.run, changed)
		}
	}
	t.noteOrders(how, at, orders...)
	return nil
}

// DueRuns are runs with orders past their time, at most limit: holds, and payments that did not come.
func (l *Ledger) DueRuns(ctx context.Context, limit int) ([]rail.RunID, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	var ids []rail.RunID
	err = mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT DISTINCT run_id FROM orders"+p.dialect.by("orders_due")+" WHERE due <= "+
			p.dialect.now()+" LIMIT ?", []any{limit}, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, rail.RunID(id))
			return err
		})
	return ids, l.failed(p, err)
}
