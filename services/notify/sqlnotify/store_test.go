package sqlnotify_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/keyring"
	"interlock/services/ledger/sqlledger"
	"interlock/services/notify/notifytest"
	"interlock/services/notify/sqlnotify"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// flavors are the databases that deliveries are tested on. Each New is a fresh one.
var flavors = []struct {
	name string
	new  func(t *testing.T) sqlledger.Options
}{
	{"SQLite", func(t *testing.T) sqlledger.Options {
		return sqlledger.Options{Path: filepath.Join(t.TempDir(), "notify.db")}
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
	return sqlledger.Options{DSN: dsn, Durability: sqlledger.Local}
}

func open(t *testing.T, o sqlledger.Options) *sqlnotify.Store {
	t.Helper()
	keys, err := keyring.Parse([]string{"one:" + strings.Repeat("0f", 32)})
	require.NoError(t, err)
	o.Keyring = keys
	s, err := sqlnotify.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Ready(t.Context()))
	return s
}

// database is what is behind a store, to look into.
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

// age makes all that is kept older.
func age(t *testing.T, db *sql.DB, by time.Duration) {
	t.Helper()
	ms := by.Milliseconds()
	exec(t, db, "UPDATE deliveries SET created_at = created_at - ?, changed_at = changed_at - ?, due_at = due_at - ?",
		ms, ms, ms)
	exec(t, db, "UPDATE endpoints SET created_at = created_at - ?, changed_at = changed_at - ?", ms, ms)
}

// TestStore_Conformance is the one suite, on every database. A test finds it empty.
func TestStore_Conformance(t *testing.T) {
	for _, flavor := range flavors {
		t.Run(flavor.name, func(t *testing.T) {
			o := flavor.new(t)
			require.NoError(t, sqlnotify.Migrate(t.Context(), o))
			db := database(t, o)
			notifytest.RunStore(t, func(t *testing.T) notifytest.Kept {
				exec(t, db, "DELETE FROM deliveries")
				exec(t, db, "DELETE FROM endpoints")
				return notifytest.Kept{
					Store: open(t, o), Age: func(t *testing.T, by time.Duration) { age(t, db, by) },
				}
			})
		})
	}
}

// TestEndpoints_SecretsAreSealed looks for an endpoint's secret in the row, and exchanges two rows' secrets.
func TestEndpoints_SecretsAreSealed(t *testing.T) {
	o := flavors[0].new(t)
	require.NoError(t, sqlnotify.Migrate(t.Context(), o))
	s, db := open(t, o), database(t, o)
	require.NoError(t, s.PutEndpoint(t.Context(), notifytest.Endpoint("a")))
	require.NoError(t, s.PutEndpoint(t.Context(), notifytest.Endpoint("b")))
	var sealed []byte
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT secrets FROM endpoints WHERE id = 'a'").Scan(&sealed))
	require.NotContains(t, string(sealed), "whsec")
	exec(t, db, "UPDATE endpoints SET secrets = ? WHERE id = 'b'", sealed)
	all, err := s.Endpoints(t.Context())
	require.NoError(t, err)
	require.True(t, all[0].Enabled)
	require.False(t, all[1].Enabled, "it keeps no others from being told")
	require.Empty(t, all[1].Secrets)
	require.Contains(t, all[1].DisabledWhy, "cannot be opened")
}

// TestReseal changes the key while another process still seals with the old one.
func TestReseal(t *testing.T) {
	o := flavors[0].new(t)
	require.NoError(t, sqlnotify.Migrate(t.Context(), o))
	old := open(t, o)
	require.NoError(t, old.PutEndpoint(t.Context(), notifytest.Endpoint("a")))
	keys, err := keyring.Parse([]string{"two:" + strings.Repeat("1f", 32), "one:" + strings.Repeat("0f", 32)})
	require.NoError(t, err)
	o.Keyring = keys
	both, err := sqlnotify.Open(t.Context(), o)
	require.NoError(t, err)
	defer both.Close()
	require.NoError(t, both.PutEndpoint(t.Context(), notifytest.Endpoint("b")))
	done, err := both.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, sqlnotify.Resealed{Endpoints: 2, Sealed: 1}, done)
	done, err = both.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, sqlnotify.Resealed{Endpoints: 2}, done)
	if o.Keyring, err = keyring.Parse([]string{"two:" + strings.Repeat("1f", 32)}); err == nil {
		var alone *sqlnotify.Store
		alone, err = sqlnotify.Open(t.Context(), o)
		require.NoError(t, err)
		defer alone.Close()
		all, err := alone.Endpoints(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.True(t, all[0].Enabled && all[1].Enabled)
	}
	require.NoError(t, err)
}
