package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// Ready is nil when the ledger could sell now, else the first reason why not, in words for its operator.
func (l *Ledger) Ready(ctx context.Context) error {
	if err := l.mayBeWritten(ctx); err != nil {
		return err
	}
	err := l.CheckKeys(ctx)
	if errors.Is(err, ErrKeys) {
		return rail.Refuse(rail.Unavailable, "%v", err)
	}
	return err
}

// mayBeWritten is Ready for the primary, its replicas and the schema.
func (l *link) mayBeWritten(ctx context.Context) error {
	p, err := l.primary()
	if err != nil {
		return err
	}
	if err := l.migrated(ctx, p); err != nil {
		return err
	}
	if p.dialect.flavor == SQLite {
		return nil
	}
	if err := l.readsText(ctx, p); err != nil {
		return err
	}
	collation, err := collationOf(ctx, p.background.sql, p.database)
	if err != nil {
		return l.failed(p, err)
	}
	if err := p.dialect.checkCollation(p.database, collation); err != nil {
		return err
	}
	problem, err := p.dialect.wrongColumn(ctx, p.background.sql, p.database)
	if err != nil {
		return l.failed(p, err)
	}
	if problem != "" {
		return l.unready(problem)
	}
	readOnly, err := l.readOnly(ctx, p)
	if err != nil {
		return l.failed(p, err)
	}
	if readOnly {
		return l.unready("the primary is read-only")
	}
	if l.options.Durability != Replicated {
		return nil
	}
	state, err := mysqlcluster.ReadSemiSync(ctx, p.background.sql, l.options.StatementTimeout, p.dialect.semiSync())
	if err != nil {
		return definite(err)
	}
	if problem := state.Problem(); problem != "" {
		return l.unready(problem + "; configure it, or choose the durability local")
	}
	if state.Replicas < 1 {
		return l.unready("no replica is connected that could acknowledge a commit")
	}
	return nil
}

// readsText is nil where the server reads text as it is written here. Each connection was asked when it was new, and
// settings may have changed since then.
func (l *link) readsText(ctx context.Context, p *primary) error {
	var text mysqlcluster.Text
	err := mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout, mysqlcluster.TextQuery, nil,
		func(r *sql.Rows) error { return r.Scan(text.Fields()...) })
	if err != nil {
		return l.failed(p, err)
	}
	if problem := text.Problem(); problem != "" {
		return l.unready(problem)
	}
	return nil
}

// unready is a reason that every client may read: it names no address and no user.
func (l *link) unready(reason string) error {
	return rail.Refuse(rail.Unavailable, "%s: %s", l.name, reason)
}

// migrated names the first migration that was not applied.
func (l *link) migrated(ctx context.Context, p *primary) error {
	var applied sql.NullInt64
	err := mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT MAX(version_id) FROM goose_db_version", nil,
		func(r *sql.Rows) error { return r.Scan(&applied) })
	switch {
	case err == nil:
	case mysqlcluster.ErrorNumber(err) == mysqlcluster.ErNoSuchTable,
		mysqlcluster.ErrorNumber(err) == mysqlcluster.ErUnknownDatabase,
		strings.Contains(err.Error(), "no such table"):
	default:
		return l.failed(p, err)
	}
	files, err := fs.Glob(l.migrations, "*.sql") // in the order of their names
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	for _, file := range files {
		name := path.Base(file)
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if version > applied.Int64 {
			return l.unready("the migration " + name + " is missing: run interlock migrate")
		}
	}
	return nil
}
