package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
)

// Database is the database of another service, kept on the ledger's terms: the primary is found and checked as the
// ledger's is, and a commit counts only once it was acknowledged. It has an outbox and groups of its own. Its tables
// besides are the service's business.
type Database struct{ link }

// Schema is what a service's database is made of.
type Schema struct {
	// Name is what messages call the database, such as "payments' database".
	Name string
	// Migrations are the service's own, goose's, in the files *.sql of the root, with numbers above 100. Those of the
	// cluster, the outbox and its groups are the ledger's, and come with them. So a supervisor may look after a
	// database that is on members of its own: it takes it for a ledger's, and makes the rest of the ledger's tables
	// there.
	Migrations fs.FS
}

// migrationsOfAll are those of the ledger's migrations that every database has.
var migrationsOfAll = []string{"00002_cluster.sql", "00003_outbox.sql", "00004_event_groups.sql"}

// schemaFiles are the migrations of a service's database, as one file system.
type schemaFiles struct{ own, all fs.FS }

// Glob implements fs.GlobFS.
func (f schemaFiles) Glob(pattern string) ([]string, error) {
	names, err := fs.Glob(f.own, pattern)
	if err != nil {
		return nil, err
	}
	for _, name := range migrationsOfAll {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Open implements fs.FS.
func (f schemaFiles) Open(name string) (fs.File, error) {
	if slices.Contains(migrationsOfAll, name) {
		return f.all.Open(name)
	}
	return f.own.Open(name)
}

// files are all migrations of the schema.
func (s *Schema) files() (fs.FS, error) {
	if s.Name == "" || s.Migrations == nil {
		return nil, errors.New("ledger: a database needs a name and migrations")
	}
	return schemaFiles{s.Migrations, migrationFiles()}, nil
}

// OpenDatabase connects to a service's database. It does not look whether the schema is there: Ready does. The options
// need no keyring. That a cluster has no primary just now is no error: everything is UNAVAILABLE until it has one.
func OpenDatabase(ctx context.Context, o Options, s Schema) (*Database, error) {
	files, err := s.files()
	if err = errors.Join(err, o.fill()); err != nil {
		return nil, err
	}
	d := &Database{link{options: o, name: s.Name, migrations: files}}
	if _, err := d.open(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// MigrateDatabase brings the schema up to date, and makes the database where it is not there. Any number of processes
// may call it at the same time.
func MigrateDatabase(ctx context.Context, o Options, s Schema) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	return migrate(ctx, o, files)
}

// Close closes every connection.
func (d *Database) Close() error { return d.close() }

// Ready is nil when the database could be written now, else the first reason why not, in words for its operator.
func (d *Database) Ready(ctx context.Context) error { return d.mayBeWritten(ctx) }

// Tx is a transaction of a Database.
type Tx struct {
	SQL
	t *transaction
	// began is the primary's clock at the begin.
	began time.Time
	last  []statement
}

// SQL is what differs between the flavors in the text of a statement.
type SQL struct{ d dialect }

// Now is the server's clock in milliseconds since 1970 UTC, the same throughout one statement.
func (s SQL) Now() string { return s.d.now() }

// NowAfterLocks is the clock when a row is read: after any wait for its lock.
func (s SQL) NowAfterLocks() string { return s.d.nowAfterLocks() }

// ForUpdate ends a SELECT whose rows no other transaction may change until this one ends.
func (s SQL) ForUpdate() string { return s.d.forUpdate() }

// By follows a table that is to be read by an index; "PRIMARY" is the primary key's. Statistics of a table that grows
// fast say little, and servers choose by them.
func (s SQL) By(index string) string { return s.d.by(index) }

// DeleteByKey begins a DELETE whose rows are found by the primary key.
func (s SQL) DeleteByKey(table string) string { return s.d.deleteByKey(table) }

// OrKeep ends an INSERT that leaves a row of the same key as it is. column is any of the table's.
func (s SQL) OrKeep(column string) string { return s.d.orKeep(column) }

// OrChange ends an INSERT that changes a row that has the key already, by what follows SET.
func (s SQL) OrChange(key, set string) string {
	if s.d.flavor == SQLite {
		return " ON CONFLICT (" + key + ") DO UPDATE SET " + set
	}
	return " ON DUPLICATE KEY UPDATE " + set
}

// OrSet ends an INSERT that sets columns of a row that has the key already to what the INSERT has for them.
func (s SQL) OrSet(key string, columns ...string) string {
	head, given := "", "excluded.%s"
	switch s.d.flavor {
	case MySQL:
		head = " AS excluded"
	case MariaDB:
		given = "VALUES(%s)"
	case SQLite:
	}
	set := make([]string, len(columns))
	for i, c := range columns {
		set[i] = c + " = " + fmt.Sprintf(given, c)
	}
	return head + s.OrChange(key, strings.Join(set, ", "))
}

// Arguments bounds the arguments of one statement.
func (s SQL) Arguments() int { return s.d.arguments() }

// Marks is "(?,?,?)" for n arguments.
func Marks(n int) string { return marks(n) }

// Write runs a transaction on the primary, and commits it where do says that it has changed something. It checks the
// primary in the transaction. do is called once. Its error is the answer, and so are those of Tx as they are:
// UNAVAILABLE and ledger.DuplicateError say that nothing was written, ledger.ErrInDoubt that it may have been.
func (d *Database) Write(ctx context.Context, do func(context.Context, *Tx) (changed bool, err error)) error {
	p, err := d.primary()
	if err != nil {
		return err
	}
	t, began, err := d.writeChecked(ctx, p.pool)
	if err != nil {
		return err
	}
	defer t.end()
	tx := &Tx{SQL: SQL{p.dialect}, t: t, began: began}
	changed, err := do(ctx, tx)
	if err != nil || !changed {
		return definite(locked(err))
	}
	return t.commit(ctx, tx.last...)
}

// IsDeadlock tells whether an error says that a transaction was ended for another to go on. Nothing of it was written.
func IsDeadlock(err error) bool { return mysqlcluster.ErrorNumber(err) == erDeadlock }

// writeChecked begins a transaction that may commit with the primary check, and reads the primary's clock.
func (l *link) writeChecked(ctx context.Context, on *pool) (*transaction, time.Time, error) {
	var check primaryCheck
	var now int64
	first := query{
		text: "SELECT " + on.primary.checkColumns(l.options.Durability) + ", " + on.dialect.now(),
		scan: func(r *sql.Rows) error { return r.Scan(append(check.fields(), &now)...) },
	}
	t, err := l.writeReading(ctx, on, first)
	if err != nil {
		return nil, time.Time{}, checkFailure(err)
	}
	if err = t.passes(&check); err == nil {
		err = t.lookAtSemiSync(ctx, check.server)
	}
	if err != nil {
		t.end()
		return nil, time.Time{}, definite(err)
	}
	return t, fromMillis(now), nil
}

// Began is the primary's clock when the transaction began.
func (x *Tx) Began() time.Time { return x.began }

// Exec runs a statement at once, and returns how many rows it changed.
func (x *Tx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	return x.t.exec(ctx, text, args...)
}

// Rows runs a query and calls scan for each row.
func (x *Tx) Rows(ctx context.Context, text string, args []any, scan func(*sql.Rows) error) error {
	return x.t.rows(ctx, text, args, scan)
}

// AtCommit has a statement sent with the commit, in the order of the calls, where the server takes several at once.
// bytes is about how long its arguments are.
func (x *Tx) AtCommit(bytes int, text string, args ...any) {
	x.last = append(x.last, statement{text: text, args: args, bytes: bytes})
}

// Note has an event of a payment told: the commit writes it into the outbox. Its RunID and RunVersion are those that
// the order's id names. An error says that the event names no order or no payment.
func (x *Tx) Note(e ledger.Event) error { return x.t.notePayment(e) }

// Read runs a query on the primary and calls scan for each row. query makes its text. What it reads may rest on a
// commit that no replica has acknowledged: what is done because of it begins with a Write.
func (d *Database) Read(
	ctx context.Context, query func(SQL) (text string, args []any), scan func(*sql.Rows) error,
) error {
	p, err := d.primary()
	if err != nil {
		return err
	}
	text, args := query(SQL{p.dialect})
	return d.failed(p, mysqlcluster.EachRow(ctx, p.background.sql, d.options.StatementTimeout, text, args, scan))
}

// Vouched is nil where a server that has found nothing is still the primary: a former one does not know the rows of
// the next.
func (d *Database) Vouched(ctx context.Context) error {
	p, err := d.primary()
	if err != nil {
		return err
	}
	return d.vouched(ctx, p.background)
}

var _ ledger.Outbox = (*Database)(nil)
