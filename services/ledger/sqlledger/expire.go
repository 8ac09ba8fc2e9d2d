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

// maxExpired bounds the holds that one batch ends, so that a run that was forgotten for long is cleared in steps that
// keep no buyer waiting; the next batch takes the next.
const maxExpired = 1_000

// moment is a point in the history of a run's seats: the version that a transaction is about to make, and the time by
// the primary's clock.
type moment struct {
	run     rail.RunID
	version int64
	now     time.Time
}

// lockOrders locks orders of a run by their ids and reads them as they are now. It looks them up by the primary key
// alone: a transaction that locks orders by another index can wait in a circle with a payment.
func (t *transaction) lockOrders(ctx context.Context, run rail.RunID, ids []string) ([]entry, error) {
	var all []entry
	for chunk := range slices.Chunk(ids, maxIDs) {
		if lock := t.pool.dialect.forUpdate(); lock != "" {
			query := "SELECT id FROM orders WHERE run_id = ? AND id IN " + marks(len(chunk)) + lock
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

// expire ends the holds of a run that are past their time, and answers those it ended. The run is locked by now.
func (t *transaction) expire(ctx context.Context, at moment) ([]*rail.Order, error) {
	var ids []string
	err := t.rows(ctx, "SELECT id FROM orders WHERE state = 'ON_HOLD' AND pay_by <= ? AND run_id = ? "+
		"ORDER BY pay_by LIMIT ?",
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
	var ended []*rail.Order
	for _, e := range entries {
		// A payment may have come between the two reads.
		if rail.OrderState(e.row.State) == rail.OnHold && e.row.PayBy <= at.now.UnixMilli() {
			e.order.State, e.order.EndedAt, e.order.Version = rail.Expired, e.order.PayBy, e.row.Version+1
			ended = append(ended, e.order)
		}
	}
	slices.SortFunc(ended, func(a, b *rail.Order) int { return cmp.Compare(a.ID, b.ID) })
	return ended, t.endOrders(ctx, at, ledger.EventOrderExpired, ended, "state = 'EXPIRED', ended_at = pay_by",
		"= 'ON_HOLD'")
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
			marks(len(ids))+" AND "+stateOfFound+" "+state, slices.Concat(args, []any{at.version}, which)...)
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

// DueRuns are runs with holds past their time, at most limit.
func (l *Ledger) DueRuns(ctx context.Context, limit int) ([]rail.RunID, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	var ids []rail.RunID
	err = mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT DISTINCT run_id FROM orders WHERE state = 'ON_HOLD' AND pay_by <= "+
			p.dialect.now()+" LIMIT ?", []any{limit}, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, rail.RunID(id))
			return err
		})
	return ids, l.failed(p, err)
}
