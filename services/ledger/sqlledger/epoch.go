package sqlledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"interlock/services/mysqlcluster"
)

// JumpVersionsBeforeOpening raises every run's version by a million, as JumpVersions does, on a member that is still read-only to all but
// administrators, through whose data source name it comes: between the barrier of an opening that accepts a loss and its
// end, so that nothing is sold in between under a version that has meant something else.
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
		err := mysqlcluster.EachRow(ctx, db, backgroundStatementTimeout, page, []any{after, jumpPage}, func(r *sql.Rows) error { return r.Scan(&last) })
		if err != nil || last == "" {
			return definite(err)
		}
		limited, cancel := context.WithTimeout(ctx, backgroundStatementTimeout)
		_, err = db.ExecContext(limited, "UPDATE "+runs+" SET version = version + ? WHERE id > ? AND id <= ?", jumpBy, after, last)
		cancel()
		if err != nil {
			return fmt.Errorf("ledger: raising versions: %w", err)
		}
		after = last
	}
}

// unwrapped leaves connectors as they are.
func unwrapped(c driver.Connector) driver.Connector { return c }
