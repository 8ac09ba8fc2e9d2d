package sqlledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// maxTakenBytes bounds the packed events that are taken at a time, some six thousand: what a relay has in its hands
// must not grow with the batches. A single row may be longer.
const maxTakenBytes = 256 << 10

// outboxIndex is the index that finds rows by their place in the stream.
const outboxIndex = "outbox_stream"

// The conditions for rows that were not published yet, and that were.
const (
	unpublished = "stream_millis = 0 AND stream_seq = 0"
	published   = "stream_millis > 0"
	// notAfter has the arguments of upTo. The first half is what an index can be searched by.
	notAfter = "stream_millis <= ? AND (stream_millis < ? OR stream_seq <= ?)"
)

func upTo(s ledger.StreamID) []any { return []any{s.Millis, s.Millis, s.Seq} }

// TakeEvents takes rows to publish: see ledger.Outbox. A relay that published what it only read could publish what no
// replica has: a primary that was restarted, or thawed, shows it. The commit of this transaction vouches for all that
// stands before it.
func (l *link) TakeEvents(ctx context.Context, from rail.RunID, limit int) ([]ledger.OutboxRow, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	first := ""
	if from != "" {
		first = rail.OrderIDsFrom(from, 0)
	}
	ids, err := p.outboxIDs(ctx, unpublished+" AND id >= ? ORDER BY id", limit, first)
	if err != nil || len(ids) == 0 {
		return nil, l.failed(p, err)
	}
	var rows []ledger.OutboxRow
	err = l.writeOutbox(ctx, p, func(t *transaction) (changed bool, err error) {
		d := t.pool.dialect
		marked, err := t.exec(ctx, "UPDATE outbox"+d.by(primaryKey)+" SET taken = taken + 1 WHERE id IN "+
			marks(len(ids))+" AND "+unpublished, anys(ids)...)
		if err != nil || marked == 0 {
			return false, err
		}
		rows, err = readOutbox(ctx, t.conn, d, t.pool.statement, ids, unpublished)
		slices.SortFunc(rows, byID)
		return true, err
	})
	if err != nil {
		return nil, err // what was read may be what no replica has
	}
	return rows, nil
}

// MarkPublished notes where rows were published: see ledger.Outbox.
func (l *link) MarkPublished(ctx context.Context, published []ledger.Published) error {
	for _, one := range published {
		if one.Last.Millis <= 0 || one.Last.Seq < 0 {
			return fmt.Errorf("ledger: %s is no entry of a stream", one.Last)
		}
	}
	published = slices.DeleteFunc(slices.Clone(published), func(p ledger.Published) bool { return len(p.IDs) == 0 })
	if len(published) == 0 {
		return nil
	}
	p, err := l.primary()
	if err != nil {
		return err
	}
	return l.writeOutbox(ctx, p, func(t *transaction) (changed bool, err error) {
		for _, one := range published {
			marked, err := t.exec(ctx, "UPDATE outbox"+t.pool.dialect.by(primaryKey)+
				" SET stream_millis = ?, stream_seq = ? WHERE id IN "+marks(len(one.IDs))+" AND taken > 0",
				append([]any{one.Last.Millis, one.Last.Seq}, anys(one.IDs)...)...)
			if err != nil {
				return false, err
			}
			changed = changed || marked > 0
		}
		return changed, nil
	})
}

// PublishedEvents reads rows that were published: see ledger.Outbox.
func (l *link) PublishedEvents(
	ctx context.Context, after ledger.OutboxPlace, last ledger.StreamID, limit int,
) ([]ledger.OutboxRow, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	s := after.Stream
	ids, err := p.outboxIDs(ctx, published+" AND stream_millis >= ? AND (stream_millis > ? OR stream_seq > ? OR "+
		"stream_seq = ? AND id > ?) AND "+notAfter+" ORDER BY stream_millis, stream_seq, id", limit,
		append([]any{s.Millis, s.Millis, s.Seq, s.Seq, after.ID}, upTo(last)...)...)
	if err != nil || len(ids) == 0 {
		return nil, l.failed(p, err)
	}
	rows, err := readOutbox(ctx, p.background.sql, p.dialect, l.options.StatementTimeout, ids, published)
	slices.SortFunc(rows, func(a, b ledger.OutboxRow) int {
		if order := a.Stream.Compare(b.Stream); order != 0 {
			return order
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return rows, l.failed(p, err)
}

// EventsToRepeat reads rows that are to be published again: see ledger.Outbox.
func (l *link) EventsToRepeat(
	ctx context.Context, after string, last ledger.StreamID, limit int,
) ([]ledger.OutboxRow, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	on := p.background
	ids, err := outboxIDs(ctx, on.sql, on.statement, p.dialect.by(primaryKey),
		"id > ? AND "+published+" AND "+notAfter+" ORDER BY id", limit, append([]any{after}, upTo(last)...)...)
	if err != nil || len(ids) == 0 {
		return nil, l.failed(p, err)
	}
	rows, err := readOutbox(ctx, on.sql, p.dialect, on.statement, ids, published)
	slices.SortFunc(rows, byID)
	return rows, l.failed(p, err)
}

// LastPublished is the last entry that a row was published as: see ledger.Outbox.
func (l *link) LastPublished(ctx context.Context) (last ledger.StreamID, err error) {
	p, err := l.primary()
	if err != nil {
		return last, err
	}
	err = mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT stream_millis, stream_seq FROM outbox"+p.dialect.by(outboxIndex)+
			" ORDER BY stream_millis DESC, stream_seq DESC LIMIT 1", nil,
		func(r *sql.Rows) error { return r.Scan(&last.Millis, &last.Seq) })
	return last, l.failed(p, err)
}

// RemovePublished removes rows that all have acknowledged: see ledger.Outbox.
func (l *link) RemovePublished(ctx context.Context, last ledger.StreamID, limit int) (removed int, err error) {
	p, err := l.primary()
	if err != nil {
		return 0, err
	}
	condition := published + " AND " + notAfter
	ids, err := p.outboxIDs(ctx, condition+" ORDER BY stream_millis, stream_seq, id", limit, upTo(last)...)
	if err != nil || len(ids) == 0 {
		return 0, l.failed(p, err)
	}
	err = l.writeOutbox(ctx, p, func(t *transaction) (changed bool, err error) {
		removed, err = t.removeRows(ctx, ids, condition, upTo(last)...)
		return removed > 0, err
	})
	return removed, err
}

// RemoveOld removes rows because of their age: see ledger.Outbox.
func (l *link) RemoveOld(ctx context.Context, age time.Duration, limit int) (removed ledger.Removed, err error) {
	p, err := l.primary()
	if err != nil {
		return removed, err
	}
	old := "at <= " + p.dialect.now() + " - ?"
	ids, err := p.outboxIDs(ctx, old, limit, age.Milliseconds())
	if err != nil || len(ids) == 0 {
		return removed, l.failed(p, err)
	}
	err = l.writeOutbox(ctx, p, func(t *transaction) (changed bool, err error) {
		if removed.Unpublished, err = t.removeRows(ctx, ids, unpublished); err != nil {
			return false, err
		}
		removed.Published, err = t.removeRows(ctx, ids, published)
		return removed.Unpublished+removed.Published > 0, err
	})
	return removed, err
}

// Backlog counts what the outbox holds: see ledger.Outbox.
func (l *link) Backlog(ctx context.Context) (b ledger.Backlog, err error) {
	p, err := l.primary()
	if err != nil {
		return b, err
	}
	count := func(condition string, n *int, oldest *time.Duration) error {
		now := p.dialect.now()
		return mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
			"SELECT COUNT(*), "+now+" - COALESCE(MIN(o.at), "+now+") FROM (SELECT at FROM outbox"+
				p.dialect.by(outboxIndex)+" WHERE "+condition+" LIMIT ?) o", []any{ledger.MaxBacklog},
			func(r *sql.Rows) error {
				var millis int64
				err := r.Scan(n, &millis)
				*oldest = max(0, time.Duration(millis)*time.Millisecond)
				return err
			})
	}
	if err = count(unpublished, &b.Unpublished, &b.OldestUnpublished); err == nil {
		err = count(published, &b.Published, &b.OldestPublished)
	}
	return b, l.failed(p, err)
}

// byID sorts rows by their ids.
func byID(a, b ledger.OutboxRow) int { return cmp.Compare(a.ID, b.ID) }

// outboxIDs finds rows by a condition and in its order.
func (p *primary) outboxIDs(ctx context.Context, condition string, limit int, args ...any) ([]string, error) {
	on := p.background
	return outboxIDs(ctx, on.sql, on.statement, p.dialect.by(outboxIndex), condition, limit, args...)
}

// outboxIDs finds rows by an index and a condition, in its order: as many as limit and maxTakenBytes allow, at least
// one.
func outboxIDs(
	ctx context.Context, on mysqlcluster.Querier, patience time.Duration, by, condition string, limit int, args ...any,
) ([]string, error) {
	var ids []string
	bytes, full := 0, false
	err := mysqlcluster.EachRow(ctx, on, patience,
		"SELECT id, LENGTH(events) FROM outbox"+by+" WHERE "+condition+" LIMIT ?",
		append(slices.Clone(args), max(1, min(limit, ledger.MaxTake))), func(r *sql.Rows) error {
			var id string
			var length int
			err := r.Scan(&id, &length)
			bytes += length
			if full = full || len(ids) > 0 && bytes > maxTakenBytes; !full {
				ids = append(ids, id)
			}
			return err
		})
	return ids, err
}

// readOutbox reads those of some rows that a condition is true of, in no order.
func readOutbox(
	ctx context.Context, on mysqlcluster.Querier, d dialect, limit time.Duration, ids []string, condition string,
) ([]ledger.OutboxRow, error) {
	var rows []ledger.OutboxRow
	err := mysqlcluster.EachRow(ctx, on, limit, "SELECT id, at, events, taken, stream_millis, stream_seq FROM outbox"+
		d.by(primaryKey)+" WHERE id IN "+marks(len(ids))+" AND "+condition, anys(ids), func(r *sql.Rows) error {
		var row ledger.OutboxRow
		var at int64
		var packed []byte
		if err := r.Scan(&row.ID, &at, &packed, &row.Taken, &row.Stream.Millis, &row.Stream.Seq); err != nil {
			return err
		}
		row.At = fromMillis(at)
		row.RunID, row.Events, row.Damage = unpackEvents(row.ID, row.At, packed)
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// removeRows removes those of some rows that a condition is true of.
func (t *transaction) removeRows(ctx context.Context, ids []string, condition string, args ...any) (int, error) {
	n, err := t.exec(ctx, t.pool.dialect.deleteByKey("outbox")+" WHERE id IN "+marks(len(ids))+" AND "+condition,
		append(anys(ids), args...)...)
	return int(n), err
}

// writeOutbox runs a transaction on the outbox, and commits it as a sale's where it has changed something.
func (l *link) writeOutbox(ctx context.Context, p *primary, do func(*transaction) (changed bool, err error)) error {
	t, err := l.write(ctx, p.publisher())
	if err != nil {
		return err
	}
	defer t.end()
	if err := t.checkPrimary(ctx); err != nil {
		return definite(err)
	}
	changed, err := do(t)
	if err != nil || !changed {
		return definite(locked(err))
	}
	return t.commit(ctx)
}
