package sqlledger

import (
	"context"
	"database/sql"

	"interlock/services/ledger"
)

// Changes are the stations and runs published after a publication number: see search.Ledger. All of it is of one
// moment, so that a run that is published again meanwhile is neither missed nor half new.
func (l *Ledger) Changes(ctx context.Context, after int64) (*ledger.TimetableChanges, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	changes, err := t.changes(ctx, after)
	if err != nil {
		return nil, definite(err)
	}
	return changes, nil
}

func (t *transaction) changes(ctx context.Context, after int64) (*ledger.TimetableChanges, error) {
	c := &ledger.TimetableChanges{}
	err := t.rows(ctx, "SELECT value FROM counters WHERE name = 'publication'", nil, func(r *sql.Rows) error {
		return r.Scan(&c.Number)
	})
	if err != nil || c.Number <= after {
		return c, err
	}
	if c.Stations, err = readStations(ctx, t.conn, t.pool, after); err != nil {
		return nil, err
	}
	var rows []runRow
	err = t.rows(ctx, "SELECT "+runColumns+" FROM runs r WHERE r.publication > ?", []any{after},
		func(r *sql.Rows) error {
			var row runRow
			err := r.Scan(row.fields()...)
			rows = append(rows, row)
			return err
		})
	if err != nil {
		return nil, err
	}
	c.Runs, err = t.runs(ctx, rows)
	return c, err
}
