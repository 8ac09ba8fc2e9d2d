package sqlledger

import (
	"context"
	"database/sql"
	"iter"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// OutboxRows are all rows of the outbox: see audit.Ledger.
func (l *Ledger) OutboxRows(ctx context.Context) iter.Seq2[*ledger.WrittenOutboxRow, error] {
	return paged(ctx, l, "",
		func(t *transaction, after string) ([]*ledger.WrittenOutboxRow, error) {
			return t.outboxPage(ctx, after)
		},
		func(w *ledger.WrittenOutboxRow) string { return w.ID })
}

// outboxPage reads the rows after an id, and what their events are about. A transaction that reads at one moment sees a
// row with all that its commit wrote.
func (t *transaction) outboxPage(ctx context.Context, after string) ([]*ledger.WrittenOutboxRow, error) {
	now, err := t.clock(ctx)
	if err != nil {
		return nil, err
	}
	d := t.pool.dialect
	ids, err := outboxIDs(ctx, t.conn, t.pool.statement, d.by(primaryKey), "id > ? ORDER BY id", ledger.MaxTake, after)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	rows, err := readOutbox(ctx, t.conn, d, t.pool.statement, ids, "TRUE")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, byID)
	all := make([]*ledger.WrittenOutboxRow, len(rows))
	for i := range rows {
		all[i] = &ledger.WrittenOutboxRow{OutboxRow: rows[i], Now: now, Orders: map[string]*ledger.OrderCourse{}}
	}
	if err := t.outboxRuns(ctx, all); err != nil {
		return nil, err
	}
	return all, t.outboxOrders(ctx, all)
}

// outboxRuns says which versions and statuses the rows' runs have.
func (t *transaction) outboxRuns(ctx context.Context, all []*ledger.WrittenOutboxRow) error {
	type run struct {
		version int64
		status  string
	}
	var ids []string
	for _, w := range all {
		ids = append(ids, string(w.RunID))
	}
	runs := map[string]run{}
	err := t.rows(ctx, "SELECT id, version, status FROM runs WHERE id IN "+marks(len(ids)), anys(ids),
		func(r *sql.Rows) error {
			var id string
			var is run
			err := r.Scan(&id, &is.version, &is.status)
			runs[id] = is
			return err
		})
	for _, w := range all {
		is := runs[string(w.RunID)]
		w.RunVersion, w.RunStatus = is.version, rail.RunStatus(is.status)
	}
	return err
}

// outboxOrders says what became of the rows' orders.
func (t *transaction) outboxOrders(ctx context.Context, all []*ledger.WrittenOutboxRow) error {
	for _, w := range all {
		var ids []string
		for i := range w.Events {
			if w.Events[i].OrderID != "" {
				ids = append(ids, w.Events[i].OrderID)
			}
		}
		for chunk := range slices.Chunk(ids, maxIDs) {
			err := t.rows(ctx, "SELECT id, version, state, paid_at IS NOT NULL, placed_run_version, "+
				"COALESCE(ended_run_version, 0) FROM orders WHERE run_id = ? AND id IN "+marks(len(chunk)),
				append([]any{string(w.RunID)}, anys(chunk)...), func(r *sql.Rows) error {
					var id, state string
					var o ledger.OrderCourse
					err := r.Scan(&id, &o.Version, &state, &o.Paid, &o.PlacedRunVersion, &o.EndedRunVersion)
					o.State = rail.OrderState(state)
					w.Orders[id] = &o
					return err
				})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
