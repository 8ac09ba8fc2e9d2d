package sqlnotify

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/notify"
	"interlock/services/rail"
)

// primaryKey is what SQL.By calls the index of a table's primary key.
const primaryKey = "PRIMARY"

// tries is how often a write is tried again that was ended for another to go on.
const tries = 4

// columns are those of a delivery's row.
var (
	names = []string{
		"id", "channel", "kind", "endpoint", "order_id", "run_id", "subject", "told_at", "created_at",
		"state", "version", "tries", "due_at", "answer", "reason", "changed_at",
	}
	// changing are those that a change sets.
	changing = names[9:]
	columns  = strings.Join(names, ", ")
)

func values(d *notify.Delivery) []any {
	return []any{
		d.ID, string(d.Channel), string(d.Kind), d.Endpoint, d.OrderID, string(d.RunID), d.Subject, d.At.UnixMilli(),
		d.CreatedAt.UnixMilli(), string(d.State), d.Version, d.Tries, orNull(d.Due), d.Answer, d.Reason,
		d.ChangedAt.UnixMilli(),
	}
}

func scan(r *sql.Rows) (*notify.Delivery, error) {
	var d notify.Delivery
	var channel, kind, run, state string
	var at, created, changed int64
	var due sql.NullInt64
	err := r.Scan(&d.ID, &channel, &kind, &d.Endpoint, &d.OrderID, &run, &d.Subject, &at, &created, &state, &d.Version,
		&d.Tries, &due, &d.Answer, &d.Reason, &changed)
	d.Channel, d.Kind, d.RunID, d.State = notify.Channel(channel), notify.Kind(kind), rail.RunID(run), notify.State(state)
	d.At, d.CreatedAt, d.ChangedAt, d.Due = fromMillis(at), fromMillis(created), fromMillis(changed), fromNull(due)
	return &d, err
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func fromNull(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return fromMillis(ms.Int64)
}

// Write writes a batch: see notify.Store. It locks the changed rows in one statement, and writes them and the new ones
// in the text that commits.
func (s *Store) Write(ctx context.Context, b notify.Batch) (written notify.Written, err error) {
	if err := b.Check(); err != nil {
		return written, err
	}
	for range tries {
		written, err = s.write(ctx, &b)
		if !sqlledger.IsDeadlock(err) {
			break
		}
	}
	return written, err
}

func (s *Store) write(ctx context.Context, b *notify.Batch) (written notify.Written, err error) {
	err = s.Database.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
		versions, now, err := lock(ctx, x, b.Changes)
		if err != nil {
			return false, err
		}
		written = notify.Written{Errs: make([]error, len(b.Changes))}
		var changed, made []notify.Delivery
		for i := range b.Changes {
			d, dueIn := b.Changes[i].Delivery, b.Changes[i].DueIn
			if version, there := versions[d.ID]; !there || d.Version != version+1 {
				written.Errs[i] = notify.ErrStale
				continue
			}
			versions[d.ID] = d.Version
			d.ChangedAt, d.Due = now, time.Time{}
			if d.State == notify.Pending {
				d.Due = now.Add(dueIn)
			}
			changed = append(changed, d)
		}
		for _, d := range b.New {
			d.Version, d.State, d.Tries, d.CreatedAt, d.ChangedAt, d.Due = 1, notify.Pending, 0, now, now, now
			made = append(made, d)
		}
		insert(x, made, x.OrKeep("id"))
		insert(x, changed, x.OrSet("id", changing...))
		return len(changed)+len(made) > 0, nil
	})
	return written, err
}

// lock locks the rows of the changes, in the order of their ids, and reads their versions. now is the clock after that.
func lock(ctx context.Context, x *sqlledger.Tx, changes []notify.Change) (
	versions map[string]int64, now time.Time, err error,
) {
	versions, now = map[string]int64{}, x.Began()
	if len(changes) == 0 {
		return versions, now, nil
	}
	ids := make([]string, len(changes))
	for i := range changes {
		ids[i] = changes[i].Delivery.ID
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	err = x.Rows(ctx, "SELECT id, version, "+x.NowAfterLocks()+" FROM deliveries"+x.By(primaryKey)+
		" WHERE id IN "+sqlledger.Marks(len(ids))+" ORDER BY id"+x.ForUpdate(), anys(ids),
		func(r *sql.Rows) error {
			var id string
			var version, ms int64
			err := r.Scan(&id, &version, &ms)
			versions[id] = version
			if at := fromMillis(ms); at.After(now) {
				now = at
			}
			return err
		})
	return versions, now, err
}

// insert writes rows in the order of their ids. tail ends each statement.
func insert(x *sqlledger.Tx, rows []notify.Delivery, tail string) {
	slices.SortStableFunc(rows, func(a, b notify.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	for chunk := range slices.Chunk(rows, x.Arguments()/len(names)) {
		var args []any
		bytes := 0
		for i := range chunk {
			args = append(args, values(&chunk[i])...)
			bytes += len(chunk[i].ID) + len(chunk[i].OrderID) + len(chunk[i].RunID) + len(chunk[i].Reason)
		}
		one := sqlledger.Marks(len(names))
		x.AtCommit(bytes, fmt.Sprintf("INSERT INTO deliveries (%s) VALUES %s%s%s", columns, one,
			strings.Repeat(","+one, len(chunk)-1), tail), args...)
	}
}

// Due are deliveries that are due: see notify.Store. It reads each queue from its own part of the index, whatever waits
// in the others.
func (s *Store) Due(ctx context.Context, queues []notify.Queue) ([]*notify.Delivery, error) {
	if len(queues) > notify.MaxEndpoints+1 {
		return nil, fmt.Errorf("sqlnotify: %d queues are more than the %d that are read at a time", len(queues),
			notify.MaxEndpoints+1)
	}
	if len(queues) == 0 {
		return nil, nil
	}
	return s.read(ctx, func(x sqlledger.SQL) (string, []any) {
		parts, args := make([]string, len(queues)), make([]any, 0, 2*len(queues))
		for i, q := range queues {
			parts[i] = fmt.Sprintf("SELECT * FROM (SELECT %s FROM deliveries%s WHERE endpoint = ? AND due_at <= %s "+
				"ORDER BY due_at, id LIMIT ?) AS q%d", columns, x.By("deliveries_due"), x.Now(), i)
			args = append(args, q.Endpoint, bounded(q.Limit))
		}
		return strings.Join(parts, " UNION ALL ") + " ORDER BY due_at, id", args
	})
}

// Deliveries reads deliveries by their ids: see notify.Store.
func (s *Store) Deliveries(ctx context.Context, ids []string) ([]*notify.Delivery, error) {
	if len(ids) > notify.MaxItems {
		return nil, fmt.Errorf("sqlnotify: %d deliveries are more than the %d that are read at a time", len(ids),
			notify.MaxItems)
	}
	all := make([]*notify.Delivery, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	found, err := s.read(ctx, func(x sqlledger.SQL) (string, []any) {
		return "SELECT " + columns + " FROM deliveries WHERE id IN " + sqlledger.Marks(len(ids)), anys(ids)
	})
	if err != nil {
		return nil, err
	}
	for _, d := range found {
		for i, id := range ids {
			if id == d.ID {
				all[i] = d
			}
		}
	}
	if slices.Contains(all, nil) {
		return all, s.Vouched(ctx)
	}
	return all, nil
}

// List lists deliveries, the newest first: see notify.Store.
func (s *Store) List(ctx context.Context, f notify.Filter) ([]*notify.Delivery, error) {
	index, condition, args := "deliveries_created", "", []any(nil)
	switch {
	case f.OrderID != "":
		index, condition, args = "deliveries_order", " AND order_id = ?", []any{f.OrderID}
	case f.Endpoint != "":
		index, condition, args = "deliveries_endpoint", " AND endpoint = ?", []any{f.Endpoint}
	}
	if f.OrderID != "" && f.Endpoint != "" {
		condition, args = condition+" AND endpoint = ?", append(args, f.Endpoint)
	}
	if len(f.States) > 0 {
		condition += " AND state IN " + sqlledger.Marks(len(f.States))
		for _, state := range f.States {
			args = append(args, string(state))
		}
	}
	if f.After != (notify.Place{}) {
		at := f.After.CreatedAt.UnixMilli()
		condition, args = condition+" AND created_at <= ? AND (created_at < ? OR id < ?)", append(args, at, at, f.After.ID)
	}
	return s.read(ctx, func(x sqlledger.SQL) (string, []any) {
		return "SELECT " + columns + " FROM deliveries" + x.By(index) + " WHERE 1 = 1" + condition +
			" ORDER BY created_at DESC, id DESC LIMIT ?", append(args, bounded(f.Limit))
	})
}

// Forget removes old deliveries that ended: see notify.Store.
func (s *Store) Forget(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	var ids []string
	for _, state := range notify.States {
		if state == notify.Pending || len(ids) >= limit {
			continue
		}
		more, err := s.ids(ctx, func(x sqlledger.SQL) (string, []any) {
			return "SELECT id FROM deliveries" + x.By("deliveries_state") +
					" WHERE state = ? AND changed_at < ? ORDER BY changed_at LIMIT ?",
				[]any{string(state), before.UnixMilli(), bounded(limit - len(ids))}
		})
		if err != nil {
			return 0, err
		}
		ids = append(ids, more...)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	slices.Sort(ids)
	err = s.Database.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
		n, err := x.Exec(ctx, x.DeleteByKey("deliveries")+" WHERE id IN "+sqlledger.Marks(len(ids))+
			" AND due_at IS NULL AND changed_at < ?", append(anys(ids), before.UnixMilli())...)
		removed = int(n)
		return n > 0, err
	})
	return removed, err
}

// Skip ends deliveries to an endpoint: see notify.Store.
func (s *Store) Skip(ctx context.Context, endpoint, reason string, limit int) (int, error) {
	return s.end(ctx, notify.Skipped, reason, func(x sqlledger.SQL) (string, []any) {
		return "SELECT id FROM deliveries" + x.By("deliveries_due") +
			" WHERE endpoint = ? AND due_at IS NOT NULL ORDER BY due_at LIMIT ?", []any{endpoint, bounded(limit)}
	})
}

// GiveUp ends deliveries that wait for too long: see notify.Store.
func (s *Store) GiveUp(ctx context.Context, since time.Time, reason string, limit int) (int, error) {
	return s.end(ctx, notify.GivenUp, reason, func(x sqlledger.SQL) (string, []any) {
		return "SELECT id FROM deliveries" + x.By("deliveries_state") + " WHERE state = ? AND changed_at < ? AND due_at <= " +
			x.Now() + " ORDER BY changed_at LIMIT ?", []any{string(notify.Pending), since.UnixMilli(), bounded(limit)}
	})
}

// end ends the deliveries that a query finds and that are pending still.
func (s *Store) end(
	ctx context.Context, state notify.State, reason string, query func(sqlledger.SQL) (string, []any),
) (ended int, err error) {
	ids, err := s.ids(ctx, query)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	slices.Sort(ids)
	err = s.Database.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
		n, err := x.Exec(ctx, "UPDATE deliveries SET state = ?, reason = ?, due_at = NULL, version = version + 1, "+
			"changed_at = "+x.Now()+" WHERE id IN "+sqlledger.Marks(len(ids))+" AND due_at IS NOT NULL",
			append([]any{string(state), reason}, anys(ids)...)...)
		ended = int(n)
		return n > 0, err
	})
	return ended, err
}

func (s *Store) ids(ctx context.Context, query func(sqlledger.SQL) (string, []any)) (ids []string, err error) {
	err = s.Read(ctx, query, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// bounded is a limit within the bounds on one.
func bounded(limit int) int { return max(1, min(limit, notify.MaxItems)) }

func (s *Store) read(
	ctx context.Context, query func(sqlledger.SQL) (string, []any),
) (all []*notify.Delivery, err error) {
	err = s.Read(ctx, query, func(r *sql.Rows) error {
		d, err := scan(r)
		all = append(all, d)
		return err
	})
	return all, err
}

func anys(values []string) []any {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return args
}
