package sqlledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	gosqlite "github.com/glebarez/go-sqlite"
	"github.com/go-sql-driver/mysql"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// MySQL's and MariaDB's error numbers that mean something here alone.
const (
	erTooManyConnections  = 1040
	erServerShutdown      = 1053
	erBadNull             = 1048
	erDuplicateEntry      = 1062
	erRowChanged          = 1020
	erUserConnections     = 1203
	erDeadlock            = 1213
	erDataTruncated       = 1265
	erNoDefault           = 1364
	erWrongValue          = 1366
	erUserLimit           = 1226
	erReadOnlyOption      = 1290
	erQueryInterrupted    = 1317
	erReadOnlyTransaction = 1792
	erReadOnlyMode        = 1836
	erConnectionKilled    = 1927
	erOfflineMode         = 3032
	erRolledBackInCommit  = 3101
	erStatementTimeout    = 3024
	erClientInteraction   = 4031
)

// SQLite's primary result codes that mean something here; the extended code has them in its lowest byte.
const (
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqliteInterrupt  = 9
	sqliteConstraint = 19
)

func sqliteCode(err error) int {
	var e *gosqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// quiet is an error that shows only its number. MySQL puts the values that it complains of into its message, and
// messages go into logs.
type quiet struct{ err error }

func (q quiet) Error() string {
	return fmt.Sprintf("MySQL's error %d, about a value that is not shown", mysqlcluster.ErrorNumber(q.err))
}

func (q quiet) Unwrap() error { return q.err }

// unavailable makes an UNAVAILABLE error: nothing was written, and the caller may try again.
func unavailable(message string, cause error) *rail.Error {
	return &rail.Error{Code: rail.Unavailable, Message: message, RetryAfter: retryAfter, Cause: cause}
}

// definite says what an error from before COMMIT means. Nothing was written in any case: the server rolls back what is
// not committed.
func definite(err error) error {
	var known *rail.Error
	var duplicate *ledger.DuplicateError
	switch {
	case err == nil, errors.As(err, &known), errors.As(err, &duplicate), errors.Is(err, ledger.ErrVersionConflict):
		return err
	}
	switch mysqlcluster.ErrorNumber(err) {
	case 0:
	case mysqlcluster.ErLockWaitTimeout, erDeadlock, erRowChanged:
		return unavailable("somebody else is writing the same rows", err)
	case erReadOnlyOption, erReadOnlyMode, erReadOnlyTransaction, erOfflineMode:
		return unavailable("the database is read-only", err)
	case erTooManyConnections, erUserConnections, erUserLimit:
		return unavailable("the database has no connection free", err)
	case erServerShutdown, erQueryInterrupted, erConnectionKilled, erStatementTimeout, erClientInteraction:
		return unavailable("the database broke the transaction off", err)
	case erDuplicateEntry:
		return &ledger.DuplicateError{Cause: duplicateCause(err.Error()), Err: err}
	default:
		if refusedStatement(err) {
			err = quiet{err}
		}
		return fmt.Errorf("ledger: %w", err)
	}
	switch sqliteCode(err) {
	case sqliteBusy, sqliteLocked:
		return unavailable("somebody else is writing the database", err)
	case sqliteInterrupt:
		return unavailable("the database took too long", err)
	case sqliteConstraint:
		if strings.Contains(err.Error(), "UNIQUE constraint failed") {
			return &ledger.DuplicateError{Cause: duplicateCause(err.Error()), Err: err}
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return unavailable("the database took too long", err)
	}
	if isBroken(err) {
		return unavailable("the database cannot be reached", err)
	}
	return fmt.Errorf("ledger: %w", err)
}

// locked makes ledger.ErrLocked of an error that says that another transaction keeps the row of a run or an order
// locked. Every other error stays as it is. The commit of that transaction may be waiting for its replica.
func locked(err error) error {
	busy := mysqlcluster.ErrorNumber(err) == mysqlcluster.ErLockWaitTimeout
	switch sqliteCode(err) {
	case sqliteBusy, sqliteLocked:
		busy = true
	}
	if !busy {
		return err
	}
	return unavailable("another transaction on the same row is still open", fmt.Errorf("%w: %w", ledger.ErrLocked, err))
}

// isBroken tells whether the connection failed, and not a statement. A server that closes an idle connection leaves a
// message on it, which the next statement takes for its answer (4031).
func isBroken(err error) bool {
	var network net.Error
	return mysqlcluster.ErrorNumber(err) == erClientInteraction ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

// refusedCommit tells whether an error from COMMIT is one of those by which a server says that it did not commit. Every
// other error leaves the commit in doubt: a server that is shut down (1053) or interrupted (1317) while a commit waits
// for its replica has written it.
func refusedCommit(err error) bool {
	switch mysqlcluster.ErrorNumber(err) {
	case erRowChanged, mysqlcluster.ErLockWaitTimeout, erDeadlock, erReadOnlyOption,
		erReadOnlyMode, erRolledBackInCommit:
		return true
	}
	switch sqliteCode(err) {
	case sqliteBusy, sqliteLocked, sqliteConstraint:
		return true
	}
	return false
}

// refusedStatement tells whether an error from a text that ends with COMMIT is from a statement before it, after which
// nothing more of the text was executed. A commit never complains of data or of a constraint, and the question behind
// it neither. The question may complain of SQL or of rights when all is committed: class 42 proves nothing.
func refusedStatement(err error) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Number {
	case erReadOnlyTransaction, erDataTruncated, erNoDefault, erWrongValue: // of no class that says so
		return true
	}
	switch string(e.SQLState[:2]) {
	case "22", "23": // data exception, integrity constraint violation
		return true
	}
	return false
}

// lostCompareAndSet tells whether a run's version was to become NULL.
func lostCompareAndSet(err error) bool {
	return mysqlcluster.ErrorNumber(err) == erBadNull && strings.Contains(err.Error(), "'version'") ||
		sqliteCode(err) == sqliteConstraint && strings.Contains(err.Error(), "NOT NULL constraint failed: runs.version")
}

// duplicateCause finds what is double in what the three flavors say: MySQL names the table and the index
// ('orders.orders_number'), MariaDB the index, SQLite the columns ("orders.number").
func duplicateCause(message string) ledger.Duplicate {
	// What is quoted before the index is data that a buyer may have chosen; the index comes after it.
	if at := strings.LastIndex(message, " for key "); at >= 0 {
		message = message[at:]
	}
	switch {
	case strings.Contains(message, "orders_number"), strings.Contains(message, "orders.number"):
		return ledger.DuplicateNumber
	case strings.Contains(message, "orders_key"), strings.Contains(message, "orders.idempotency_key"):
		return ledger.DuplicateKey
	}
	return ledger.DuplicateID
}
