package sqlledger

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"interlock/services/rail"
)

// runHead is a run as a transaction finds it.
type runHead struct {
	run     *rail.Run
	version int64
	// changesBytes is how much of what is sold is not in the maps, noMaps where there are none.
	changesBytes int64
	// server is which one it is, now its clock.
	server string
	now    time.Time
	// due tells that holds are past their time. It is a hint: it may miss one that fell due this moment.
	due bool
}

// next is the moment that a transaction which read the run so may make.
func (h *runHead) next() moment { return moment{run: h.run.ID, version: h.version + 1, now: h.now} }

// headRow is a run's row as the first statement of everything that sells reads it.
type headRow struct {
	found bool
	head  runHead
	run   runRow
	check primaryCheck
}

// scan reads the row, and looks at the clock.
func (t *transaction) scan(h *headRow, r *sql.Rows) error {
	h.found = true
	var now int64
	err := r.Scan(slices.Concat([]any{&h.head.version, &h.head.changesBytes}, h.run.fields(), []any{&now, &h.head.due}, h.check.fields())...)
	h.head.server, h.head.now = h.check.server, fromMillis(now)
	if err == nil {
		t.primary.clock.saw(h.head.now)
	}
	return err
}

// headQuery is the first statement of everything that sells: the version, and in the same statement the run's state, the
// primary's clock and whether it may be written. Whatever is read after it is at least as new as the version, so that the
// compare-and-set vouches for all of it.
func (t *transaction) headQuery() string {
	d := t.pool.dialect
	return "SELECT r.version, r.changes_bytes, " + runColumns + ", " + d.nowAfterLocks() + ", " +
		"EXISTS (SELECT 1 FROM orders o WHERE o.state = 'ON_HOLD' AND o.pay_by <= " + d.now() + " AND o.run_id = r.id), " +
		t.primary.primaryCheck(t.l.options.Durability) + " FROM runs r WHERE r.id = ?"
}

// readRun sends the first statement.
func (t *transaction) readRun(ctx context.Context, id rail.RunID, locking bool) (*runHead, error) {
	query := t.headQuery()
	if locking {
		query += t.pool.dialect.forUpdate()
	}
	var read headRow
	if err := t.rows(ctx, query, []any{string(id)}, func(r *sql.Rows) error { return t.scan(&read, r) }); err != nil {
		return nil, checkFailure(locked(err))
	}
	if !read.found {
		return nil, t.notFound(ctx, "there is no run %s", id)
	}
	return t.head(ctx, &read)
}

// head is what was read, where it may be sold on.
func (t *transaction) head(ctx context.Context, read *headRow) (*runHead, error) {
	if err := t.admits(&read.check); err != nil {
		return nil, err
	}
	runs, err := t.runs(ctx, []runRow{read.run})
	if err != nil {
		return nil, err
	}
	read.head.run = runs[0]
	return &read.head, nil
}

// lockRun locks a run that was read without a lock, unless somebody else has sold on it since.
func (t *transaction) lockRun(ctx context.Context, id rail.RunID, version int64) error {
	now := int64(-1)
	err := t.rows(ctx, "SELECT version FROM runs WHERE id = ?"+t.pool.dialect.forUpdate(), []any{string(id)}, func(r *sql.Rows) error {
		return r.Scan(&now)
	})
	if err != nil {
		return locked(err)
	}
	if now != version {
		return t.l.lost()
	}
	return nil
}
