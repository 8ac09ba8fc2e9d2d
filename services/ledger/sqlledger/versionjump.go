package sqlledger

import (
	"context"
	"database/sql"
	"fmt"

	"interlock/services/mysqlcluster"
)

// Bounds of a jump.
const (
	// jumpBy is far beyond what a run's version can have moved on since any backup or dead primary.
	jumpBy = 1_000_000
	// jumpPage is how many runs jump in one transaction: few enough that no sale waits for long.
	jumpPage = 1_000
)

// JumpVersions raises every run's version by a million, a page of runs at a time. It leaves alone when they were
// touched: all of them at once would be more than repair looks at, and a rebuild follows.
func (l *Ledger) JumpVersions(ctx context.Context) (int, error) {
	total := 0
	for after := ""; ; {
		last, changed, err := l.jumpPage(ctx, after)
		total += changed
		if err != nil || last == "" {
			return total, err
		}
		after = last
	}
}

func (l *Ledger) jumpPage(ctx context.Context, after string) (last string, changed int, err error) {
	p, err := l.primary()
	if err != nil {
		return "", 0, err
	}
	t, err := l.write(ctx, p.publisher())
	if err != nil {
		return "", 0, err
	}
	defer t.end()
	if err := t.checkPrimary(ctx); err != nil {
		return "", 0, definite(err)
	}
	err = t.rows(ctx, "SELECT id FROM runs WHERE id > ? ORDER BY id LIMIT ?", []any{after, jumpPage},
		func(r *sql.Rows) error {
			return r.Scan(&last)
		})
	if err != nil || last == "" {
		return "", 0, definite(err)
	}
	rows, err := t.exec(ctx, "UPDATE runs SET version = version + ? WHERE id > ? AND id <= ?", jumpBy, after, last)
	if err != nil {
		return "", 0, definite(err)
	}
	if err := t.commit(ctx); err != nil {
		return "", 0, err
	}
	return last, int(rows), nil
}

// JumpVersionsBeforeOpening raises every run's version by a million, as JumpVersions does, on a member that only
// administrators may write to yet. The data source name is an administrator's. It comes before the barrier of an
// opening that accepts a loss, so that nothing is sold under a version that has meant something else.
func JumpVersionsBeforeOpening(ctx context.Context, dsn string) (err error) {
	c, err := parseDSN(dsn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	db, err := openWithout(c, unwrapped)
	if err != nil {
		return err
	}
	defer db.Close()
	runs := mysqlcluster.Quote(c.DBName) + ".runs"
	for after := ""; ; {
		last := ""
		page := "SELECT id FROM " + runs + " WHERE id > ? ORDER BY id LIMIT ?"
		err := mysqlcluster.EachRow(ctx, db, backgroundStatementTimeout, page, []any{after, jumpPage},
			func(r *sql.Rows) error { return r.Scan(&last) })
		if err != nil || last == "" {
			return definite(err)
		}
		limited, cancel := context.WithTimeout(ctx, backgroundStatementTimeout)
		_, err = db.ExecContext(limited, "UPDATE "+runs+
			" SET version = version + ? WHERE id > ? AND id <= ?", jumpBy, after, last)
		cancel()
		if err != nil {
			return fmt.Errorf("ledger: raising versions: %w", err)
		}
		after = last
	}
}
