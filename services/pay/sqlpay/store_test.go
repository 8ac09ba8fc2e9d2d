package sqlpay_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/pay/paytest"
	"interlock/services/pay/sqlpay"
)

var _ ledger.Outbox = (*sqlpay.Store)(nil)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// flavors are the databases that payments are tested on. Each New is a fresh, migrated one.
var flavors = []struct {
	name string
	new  func(t *testing.T) sqlledger.Options
}{
	{"SQLite", func(t *testing.T) sqlledger.Options {
		return migrated(t, sqlledger.Options{Path: filepath.Join(t.TempDir(), "pay.db")})
	}},
	{"MySQL", func(t *testing.T) sqlledger.Options { return server(t, serverstest.MySQL(t)) }},
	{"MariaDB", func(t *testing.T) sqlledger.Options { return server(t, serverstest.MariaDB(t)) }},
}

// server drops the database, which has the server's own collation: migrating makes it again, with the right one.
func server(t *testing.T, dsn string) sqlledger.Options {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	db, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "DROP DATABASE "+c.DBName)
	require.NoError(t, err)
	return migrated(t, sqlledger.Options{DSN: dsn, Durability: sqlledger.Local})
}

func migrated(t *testing.T, o sqlledger.Options) sqlledger.Options {
	t.Helper()
	require.NoError(t, sqlpay.Migrate(t.Context(), o))
	return o
}

func onEach(t *testing.T, run func(t *testing.T, o sqlledger.Options)) {
	for _, flavor := range flavors {
		t.Run(flavor.name, func(t *testing.T) { run(t, flavor.new(t)) })
	}
}

func open(t *testing.T, o sqlledger.Options) *sqlpay.Store {
	t.Helper()
	s, err := sqlpay.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// database is what is behind a store, to look into or to spoil.
func database(t *testing.T, o sqlledger.Options) *sql.DB {
	t.Helper()
	name, dsn := "mysql", o.DSN
	if dsn == "" {
		name, dsn = "sqlite", "file:"+o.Path+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(name, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func exec(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err, statement)
}

func count(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}

// age makes all that is kept older.
func age(t *testing.T, db *sql.DB, by time.Duration) {
	t.Helper()
	ms := by.Milliseconds()
	exec(t, db, "UPDATE payments SET created_at = created_at - ?, changed_at = changed_at - ?, due_at = due_at - ?, "+
		"pay_by = pay_by - ?, capture_by = capture_by - ?", ms, ms, ms, ms, ms)
	exec(t, db, "UPDATE payment_notices SET at = at - ?", ms)
	exec(t, db, "UPDATE outbox SET at = at - ?", ms)
}

// events are those that wait to be published. They are taken as a relay takes them, page by page, and put back.
func events(t *testing.T, s *sqlpay.Store, db *sql.DB) (all []ledger.Event) {
	t.Helper()
	for {
		rows, err := s.TakeEvents(t.Context(), "", ledger.MaxTake)
		require.NoError(t, err)
		if len(rows) == 0 {
			exec(t, db, "UPDATE outbox SET stream_millis = 0, stream_seq = 0")
			return all
		}
		var ids []string
		for _, r := range rows {
			require.NoError(t, r.Damage)
			all, ids = append(all, r.Events...), append(ids, r.ID)
		}
		require.NoError(t, s.MarkPublished(t.Context(),
			[]ledger.Published{{IDs: ids, Last: ledger.StreamID{Millis: 1}}}))
	}
}

// TestStore_Conformance is the one suite, on every database. A test finds it empty.
func TestStore_Conformance(t *testing.T) {
	for _, flavor := range flavors {
		t.Run(flavor.name, func(t *testing.T) {
			o := flavor.new(t)
			db := database(t, o)
			paytest.RunStore(t, paytest.Keeper{New: func(t *testing.T) paytest.Kept {
				for _, table := range []string{"payments", "payment_orders", "payment_notices", "outbox"} {
					exec(t, db, "DELETE FROM "+table)
				}
				s := open(t, o)
				return paytest.Kept{
					Store:  s,
					Events: func(t *testing.T) []ledger.Event { return events(t, s, db) },
					Age:    func(t *testing.T, by time.Duration) { age(t, db, by) },
				}
			}})
		})
	}
}
