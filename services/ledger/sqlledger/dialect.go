package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"interlock/services/mysqlcluster"
)

// Flavor is the kind of database the ledger is kept in.
type Flavor string

// The flavors.
const (
	MySQL   Flavor = "MySQL"
	MariaDB Flavor = "MariaDB"
	SQLite  Flavor = "SQLite"
)

// dialect is what differs between the flavors, in one place.
type dialect struct {
	flavor Flavor
	// version is what the server says of itself.
	version string
	// isolation is the session variable of the isolation level: MySQL and new MariaDBs call it transaction_isolation,
	// MariaDB 10.11 knows it as tx_isolation only.
	isolation string
}

// ask tells the dialect of the MySQL or MariaDB behind db.
func ask(ctx context.Context, db *sql.DB) (dialect, error) {
	d := dialect{flavor: MySQL, isolation: "transaction_isolation"}
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&d.version); err != nil {
		return dialect{}, err
	}
	if !strings.Contains(d.version, "MariaDB") {
		return d, nil
	}
	d.flavor = MariaDB
	var name, value string
	err := db.QueryRowContext(ctx, "SHOW VARIABLES LIKE 'transaction_isolation'").Scan(&name, &value)
	if errors.Is(err, sql.ErrNoRows) {
		d.isolation, err = "tx_isolation", nil
	}
	return d, err
}

// now is the server's clock in milliseconds UTC, the same throughout one statement.
func (d dialect) now() string {
	if d.flavor == SQLite {
		return "CAST(ROUND(unixepoch('now', 'subsec') * 1000) AS INTEGER)"
	}
	return "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
}

// nowAfterLocks is the server's clock when the row is read, which is after any wait for its lock.
func (d dialect) nowAfterLocks() string {
	if d.flavor == SQLite {
		return d.now()
	}
	return "CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)"
}

// forUpdate ends a SELECT whose rows no other transaction may change until this one ends. A SQLite transaction that
// writes is alone from the start.
func (d dialect) forUpdate() string {
	if d.flavor == SQLite {
		return ""
	}
	return " FOR UPDATE"
}

// primaryKey is what by calls the index of a table's primary key.
const primaryKey = "PRIMARY"

// by follows a table that is to be read by an index. MySQL and MariaDB choose by statistics, which lag behind a sale:
// for minutes after it began they believe that all orders are one buyer's, and read whole tables. SQLite keeps no
// statistics by itself, and has no name for a primary key.
func (d dialect) by(index string) string {
	switch {
	case d.flavor != SQLite:
		return " FORCE INDEX (" + index + ")"
	case index == primaryKey:
		return ""
	default:
		return " INDEXED BY " + index
	}
}

// deleteByKey begins a DELETE whose rows are found by the primary key: see by. A scan would wait for rows that others
// are about to commit.
func (d dialect) deleteByKey(table string) string {
	if d.flavor == SQLite {
		return "DELETE FROM " + table
	}
	return "DELETE " + table + " FROM " + table + d.by(primaryKey)
}

// orKeep ends an INSERT that leaves a row of the same key as it is, also one that is being written just now. column is
// any of the table's.
func (d dialect) orKeep(column string) string {
	if d.flavor == SQLite {
		return " ON CONFLICT DO NOTHING"
	}
	return " ON DUPLICATE KEY UPDATE " + column + " = " + column
}

// thenTickets joins, to orders called o, their tickets as t: those of each order are looked up.
func (d dialect) thenTickets() string {
	join := " STRAIGHT_JOIN "
	if d.flavor == SQLite {
		join = " CROSS JOIN "
	}
	return join + "tickets t" + d.by(primaryKey) + " ON t.run_id = o.run_id AND t.order_id = o.id "
}

// begin opens a transaction that writes.
func (d dialect) begin() []string {
	if d.flavor == SQLite {
		return []string{"BEGIN IMMEDIATE"}
	}
	return []string{"START TRANSACTION"}
}

// executed is what became of a statement, of which the driver says err. After a statement's time is over, SQLite's
// driver does not execute the rest, not even a COMMIT, and returns no error.
func (d dialect) executed(ctx context.Context, err error) error {
	if err == nil && d.flavor == SQLite {
		return ctx.Err()
	}
	return err
}

// beginSnapshot opens a transaction whose reads all see one moment.
func (d dialect) beginSnapshot() []string {
	if d.flavor == SQLite {
		return []string{"BEGIN"}
	}
	return []string{
		"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
	}
}

// arguments bounds the arguments of one statement.
func (d dialect) arguments() int {
	if d.flavor == SQLite {
		return maxSQLiteArguments
	}
	return maxArguments
}

// keysIn is the condition for n pairs of a buyer and a key. Each form is the one that its planner looks up pair by
// pair.
func (d dialect) keysIn(n int) string {
	if d.flavor == SQLite {
		return "(buyer, idempotency_key) IN (VALUES (?,?)" + strings.Repeat(",(?,?)", n-1) + ")"
	}
	const one = "(buyer = ? AND idempotency_key = ?)"
	return "(" + one + strings.Repeat(" OR "+one, n-1) + ")"
}

// collation compares byte by byte and does not pad.
func (d dialect) collation() string {
	if d.flavor == MariaDB {
		return "utf8mb4_nopad_bin"
	}
	return "utf8mb4_0900_bin"
}

// semiSync is the prefix of the variables and states of semi-synchronous replication on a primary.
func (d dialect) semiSync() string {
	if d.flavor == MariaDB {
		return mysqlcluster.MariaDBSemiSync
	}
	return mysqlcluster.MySQLSemiSync
}

// semiSyncSince asks only for what a commit's answer rests on: whether replication is active, and how often it was
// switched off. On MySQL that takes half of the time of a SHOW; MariaDB has nothing faster.
func (d dialect) semiSyncSince() string {
	if d.flavor == MariaDB {
		return mysqlcluster.SemiSyncStatus(d.semiSync())
	}
	return "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME IN ('" +
		d.semiSync() + "status', '" + d.semiSync() + "no_times')"
}

// checkColumns are three columns: which server this is, whether it is read-only, and whether semi-synchronous
// replication is on.
func (d dialect) checkColumns(durability Durability) string {
	server, readOnly, semiSync := "CAST(@@GLOBAL.server_uuid AS CHAR)", "CAST(@@GLOBAL.read_only AS CHAR)", "'ON'"
	switch d.flavor {
	case SQLite:
		server, readOnly = "''", "'OFF'"
	case MariaDB:
		// it has no other name; members of a cluster each have one of their own
		server = "CAST(@@GLOBAL.server_id AS CHAR)"
	}
	if durability == Replicated {
		semiSync = "CAST(@@GLOBAL." + d.semiSync() + "enabled AS CHAR)"
	}
	return server + ", " + readOnly + ", " + semiSync
}

// applied is the set of transactions that a server has, as text.
func (d dialect) applied() string {
	if d.flavor == MariaDB {
		return "CAST(@@GLOBAL.gtid_current_pos AS CHAR)"
	}
	return "CAST(@@GLOBAL.gtid_executed AS CHAR)"
}

// hasApplied tells whether a server has all of such a set, without waiting for it.
func (d dialect) hasApplied() string {
	if d.flavor == MariaDB {
		return "COALESCE(MASTER_GTID_WAIT(?, 0), -1) = 0"
	}
	return "GTID_SUBSET(?, @@GLOBAL.gtid_executed)"
}
