package sqlledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"time"

	gormsqlite "github.com/glebarez/sqlite"
)

// private is the mode of a SQLite file: other users of the machine may not read or write it.
const private = 0o600

// makePrivate makes a SQLite file where there is none, and takes the rights of others away from one that is there, and
// from the files that SQLite has made beside it. Those that it makes later get the mode of the file itself.
func makePrivate(path string) error {
	// One that is there is not opened: to close it again would take SQLite's locks from this process's connections.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, private)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("ledger: %w", err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		info, err := os.Stat(name)
		// Windows has no such permissions and always shows 0666.
		if errors.Is(err, fs.ErrNotExist) || err == nil &&
			(info.Mode().Perm()&^private == 0 || runtime.GOOS == "windows") {
			continue
		}
		if err == nil {
			err = os.Chmod(name, private)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // -wal and -shm go when the last connection closes
			return fmt.Errorf("ledger: others may read the ledger: %w", err)
		}
	}
	return nil
}

// openFile opens SQLite. One connection writes: writers wait for each other in this process's own queue, which keeps
// deadlines, and not in SQLite's, which polls.
func openFile(o *Options) (_ *primary, err error) {
	if err := makePrivate(o.Path); err != nil {
		return nil, err
	}
	p := &primary{dialect: dialect{flavor: SQLite}, place: o.Path, breaker: breaker{clock: o.Clock}}
	p.life, p.leave = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	open := func(busy, statement time.Duration) (*pool, error) {
		connector, err := newSQLiteConnector(o.Path, busy)
		if err != nil {
			return nil, err
		}
		made, err := newPool(p.dialect, o.wrapped(connector), statement)
		if err != nil {
			return nil, err
		}
		made.primary = p
		return made, nil
	}
	if p.pool, err = open(sqliteBusyStep, o.StatementTimeout); err != nil {
		return nil, err
	}
	p.pool.sql.SetMaxOpenConns(1)
	if p.background, err = open(o.StatementTimeout, backgroundStatementTimeout); err != nil {
		return nil, err
	}
	p.background.sql.SetMaxOpenConns(backgroundConnections)
	p.background.sql.SetMaxIdleConns(backgroundConnections)
	p.lists.Store(p.background)
	if p.dialect.version, err = readFile(p.background.sql); err != nil {
		return nil, err
	}
	p.pool.dialect, p.background.dialect = p.dialect, p.dialect
	return p, nil
}

// readFile is SQLite's version. A file whose text is not UTF-8 is an error: it was made elsewhere, and compares by
// other bytes than are written here.
func readFile(db *sql.DB) (version string, err error) {
	var encoding string
	if err := db.QueryRow("SELECT sqlite_version(), encoding FROM pragma_encoding").Scan(&version,
		&encoding); err != nil {
		return "", definite(err)
	}
	if encoding != "UTF-8" {
		return "", fmt.Errorf("ledger: the file holds text as %s: "+
			"it needs UTF-8, as interlock migrate makes it", encoding)
	}
	return version, nil
}

// sqliteConnector opens connections to one file.
type sqliteConnector struct {
	dsn    string
	driver driver.Driver
}

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }

func (c sqliteConnector) Driver() driver.Driver { return c.driver }

// newSQLiteConnector sets each connection to: a write-ahead log, so that readers and the writer do not wait for each
// other; a flush with every commit, because an answered order must outlive a power cut; and to wait for another process
// that writes, for at most wait.
func newSQLiteConnector(path string, wait time.Duration) (driver.Connector, error) {
	db, err := sql.Open(gormsqlite.DriverName, "")
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer db.Close()
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() +
		fmt.Sprintf("?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate",
			wait.Milliseconds())
	return sqliteConnector{dsn, db.Driver()}, nil
}
