package sqlledger

import (
	"context"
	"database/sql"

	"interlock/services/mysqlcluster"
)

// EventGroups are the names of the groups that events are kept for, sorted. They are read from the primary.
func (l *link) EventGroups(ctx context.Context) ([]string, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	var names []string
	err = mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT name FROM event_groups ORDER BY name", nil, func(r *sql.Rows) error {
			var name string
			err := r.Scan(&name)
			names = append(names, name)
			return err
		})
	return names, l.failed(p, err)
}

// KeepEventsFor adds a group that events are kept for. One that is there stays as it is.
func (l *link) KeepEventsFor(ctx context.Context, group string) error {
	p, err := l.primary()
	if err != nil {
		return err
	}
	return l.writeOutbox(ctx, p, func(t *transaction) (changed bool, err error) {
		added, err := t.exec(ctx, "INSERT INTO event_groups (name, since) VALUES (?, "+t.pool.dialect.now()+")"+
			t.pool.dialect.orKeep("name"), group)
		return added > 0, err
	})
}

// ForgetEventGroup takes a group away that events are kept for, and tells whether it was there.
func (l *link) ForgetEventGroup(ctx context.Context, group string) (was bool, err error) {
	p, err := l.primary()
	if err != nil {
		return false, err
	}
	err = l.writeOutbox(ctx, p, func(t *transaction) (changed bool, err error) {
		removed, err := t.exec(ctx, "DELETE FROM event_groups WHERE name = ?", group)
		was = removed > 0
		return was, err
	})
	return was && err == nil, err
}
