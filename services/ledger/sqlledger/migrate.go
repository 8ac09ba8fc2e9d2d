package sqlledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"interlock/services/mysqlcluster"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var embedded embed.FS

// migrationFiles are the ledger's own migrations.
func migrationFiles() fs.FS {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the name is a valid one
	}
	return files
}

// Bounds of a migration.
const (
	// migrateTimeout bounds one whole migration; a table of tens of millions of rows takes a while.
	migrateTimeout = 30 * time.Minute
	// migrateLockSeconds is how long to wait for another process that migrates the same database.
	migrateLockSeconds = 300
	// maxLockName is how many characters a lock's name may have.
	maxLockName = 64
	// migrateTries is how often SQLite, which has no lock but its own, is tried to be migrated beside another process:
	// the second one finds the work done.
	migrateTries = 5
)

// Migrate brings the schema up to date, and makes the database where it is not there. Any number of processes may call
// it at the same time.
func Migrate(ctx context.Context, o Options) error { return migrate(ctx, o, migrationFiles()) }

// migrate applies the migrations that a database lacks.
func migrate(ctx context.Context, o Options, files fs.FS) error {
	if err := o.fill(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	if len(o.Members) > 0 {
		found, err := find(ctx, &o, "")
		if err != nil {
			return err
		}
		o.DSN = found.DSN
	}
	if o.DSN == "" {
		return migrateFile(ctx, o, files)
	}
	return migrateServer(ctx, o, files)
}

// migrations is goose on a database.
func migrations(d goose.Dialect, db *sql.DB, files fs.FS) (*goose.Provider, error) {
	p, err := goose.NewProvider(d, db, files, goose.WithLogger(goose.NopLogger()),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return p, nil
}

func migrateFile(ctx context.Context, o Options, files fs.FS) error {
	if err := makePrivate(o.Path); err != nil {
		return err
	}
	connector, err := newSQLiteConnector(o.Path, backgroundStatementTimeout)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := readFile(db); err != nil {
		return err
	}
	p, err := migrations(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	for range migrateTries {
		if _, err = p.Up(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	return migrationFailure(err)
}

func migrateServer(ctx context.Context, o Options, files fs.FS) (err error) {
	d, err := askServer(ctx, o.DSN, o.wrapped)
	if err != nil {
		return err
	}
	c, err := parseDSN(o.DSN)
	if err != nil {
		return err
	}
	if c.DBName == "" {
		return errors.New("ledger: the data source name names no database")
	}
	outside, err := openWithout(c, o.wrapped)
	if err != nil {
		return err
	}
	defer outside.Close()

	// The lock belongs to this connection, and ends with it.
	lock, err := outside.Conn(ctx)
	if err != nil {
		return definite(err)
	}
	defer lock.Close()
	var got sql.NullInt64
	name := clip("interlock:"+c.DBName, maxLockName)
	if err := lock.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", name, migrateLockSeconds).Scan(&got); err != nil {
		return definite(err)
	}
	if got.Int64 != 1 {
		return errors.New("ledger: another process is migrating the database")
	}
	if err := makeDatabase(ctx, d, lock, c.DBName); err != nil {
		return err
	}
	c.ParseTime = true // goose reads when a migration was applied
	connector, err := d.connector(c, session{int(migrateTimeout / time.Second), migrateLockSeconds, false})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	db := sql.OpenDB(o.wrapped(connector))
	defer db.Close()
	p, err := migrations(goose.DialectMySQL, db, files)
	if err != nil {
		return err
	}
	if _, err = p.Up(ctx); err != nil {
		return migrationFailure(err)
	}
	problem, err := d.wrongColumn(ctx, db, c.DBName)
	if err == nil && problem != "" {
		err = errors.New(problem)
	}
	return migrationFailure(err)
}

func migrationFailure(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("ledger: migrating: %w", err)
}

// makeDatabase creates a database that compares byte by byte, or makes sure that the one which is there does. On any
// other, two keys that differ could be one, and 'key' and 'key ' would be.
func makeDatabase(ctx context.Context, d dialect, on *sql.Conn, name string) error {
	has, err := collationOf(ctx, on, name)
	if err != nil {
		return definite(err)
	}
	if has == "" {
		_, err := on.ExecContext(ctx, "CREATE DATABASE "+mysqlcluster.Quote(name)+
			" CHARACTER SET utf8mb4 COLLATE "+d.collation())
		return definite(err)
	}
	return d.checkCollation(name, has)
}

// collationOf is the collation of a database; "" where there is none, or none that this user may see.
func collationOf(ctx context.Context, on mysqlcluster.Querier, name string) (collation string, err error) {
	err = mysqlcluster.EachRow(ctx, on, backgroundStatementTimeout,
		"SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", []any{name},
		func(r *sql.Rows) error { return r.Scan(&collation) })
	return collation, err
}

func (d dialect) checkCollation(database, has string) error {
	if has == d.collation() {
		return nil
	}
	return fmt.Errorf("ledger: the database %s has the collation %s, which takes different keys for equal: "+
		"it needs %s "+
		"(drop it while it is empty, and it is made right; or ALTER DATABASE %s COLLATE %s before there are tables)",
		database, has, d.collation(), database, d.collation())
}

// wrongColumn says which column does not compare as the database does, "" where all do: its table was made before the
// database's collation was changed.
func (d dialect) wrongColumn(
	ctx context.Context, on mysqlcluster.Querier, database string,
) (problem string, err error) {
	const query = "SELECT TABLE_NAME, COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS " +
		"WHERE TABLE_SCHEMA = ? AND COLLATION_NAME <> ? ORDER BY TABLE_NAME, ORDINAL_POSITION LIMIT 1"
	err = mysqlcluster.EachRow(ctx, on, backgroundStatementTimeout, query, []any{database, d.collation()},
		func(r *sql.Rows) error {
			var table, column, has string
			err := r.Scan(&table, &column, &has)
			problem = fmt.Sprintf("the column %s.%s has the collation %s: "+
				"it needs %s (ALTER TABLE %s CONVERT TO CHARACTER SET "+
				"utf8mb4 COLLATE %s)", table, column, has, d.collation(), mysqlcluster.Quote(table), d.collation())
			return err
		})
	return problem, err
}
