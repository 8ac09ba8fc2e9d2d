package sqlledger

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"interlock/services/ledger"
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
	// due tells that orders are past their time. It is a hint: it may miss one that fell due this moment.
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

// scanHead reads the row, and looks at the primary's clock.
func (p *primary) scanHead(h *headRow, r *sql.Rows) error {
	h.found = true
	var now int64
	head := []any{&h.head.version, &h.head.changesBytes}
	err := r.Scan(slices.Concat(head, h.run.fields(), []any{&now, &h.head.due}, h.check.fields())...)
	h.head.server, h.head.now = h.check.server, fromMillis(now)
	if err == nil {
		p.clock.saw(h.head.now)
	}
	return err
}

// headQuery is the first statement of everything that sells: the version, and in the same statement the run's state,
// the primary's clock and the primary check. What is read after it is at least as new as the version, so that the
// compare-and-set vouches for all of it.
func (p *primary) headQuery(durability Durability) string {
	d := p.dialect
	return "SELECT r.version, r.changes_bytes, " + runColumns + ", " + d.nowAfterLocks() + ", " +
		"EXISTS (SELECT 1 FROM orders o" + d.by("orders_due") + " WHERE o.due <= " + d.now() +
		" AND o.run_id = r.id), " +
		p.checkColumns(durability) + " FROM runs r WHERE r.id = ?"
}

// readHead is that statement for a run, with a lock or without, and where its row goes.
func (p *primary) readHead(durability Durability, id rail.RunID, locking bool, into *headRow) query {
	text := p.headQuery(durability)
	if locking {
		text += p.dialect.forUpdate()
	}
	return query{text, []any{string(id)}, func(r *sql.Rows) error { return p.scanHead(into, r) }}
}

// openRun begins a sale's transaction with its first read, the run's. The caller must end it.
func (l *Ledger) openRun(ctx context.Context, batch *ledger.Batch) (*transaction, *runHead, error) {
	p, err := l.primary()
	if err != nil {
		return nil, nil, err
	}
	if t, head, err := l.resume(ctx, p, batch); t != nil || err != nil {
		return t, head, err
	}
	var read headRow
	first := p.readHead(l.options.Durability, batch.RunID, batch.Locking, &read)
	t, err := l.writeReading(ctx, p.pool, first)
	if err != nil {
		return nil, nil, checkFailure(err)
	}
	head, err := t.foundHead(ctx, batch.RunID, &read)
	if err != nil {
		t.end()
		return nil, nil, err
	}
	return t, head, nil
}

// lockHead locks a run, and reads it.
func (t *transaction) lockHead(ctx context.Context, id rail.RunID) (*runHead, error) {
	var read headRow
	if err := t.read(ctx, t.primary.readHead(t.l.options.Durability, id, true, &read)); err != nil {
		return nil, checkFailure(locked(err))
	}
	return t.foundHead(ctx, id, &read)
}

// foundHead is head, and NOT_FOUND where nothing was read.
func (t *transaction) foundHead(ctx context.Context, id rail.RunID, read *headRow) (*runHead, error) {
	if !read.found {
		return nil, t.notFound(ctx, "there is no run %s", id)
	}
	return t.head(ctx, read)
}

// head is what was read, where it may be sold on.
func (t *transaction) head(ctx context.Context, read *headRow) (*runHead, error) {
	if err := t.passes(&read.check); err != nil {
		return nil, err
	}
	runs, err := t.runs(ctx, []runRow{read.run})
	if err != nil {
		return nil, err
	}
	read.head.run = runs[0]
	return &read.head, nil
}

// lockRun locks a run that was read without a lock. ledger.ErrVersionConflict: another transaction has sold on it
// since.
func (t *transaction) lockRun(ctx context.Context, id rail.RunID, version int64) error {
	now := int64(-1)
	err := t.rows(ctx, "SELECT version FROM runs WHERE id = ?"+t.pool.dialect.forUpdate(), []any{string(id)},
		func(r *sql.Rows) error {
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
