package ledgertest

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/keyring"
	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// SQLite is a fresh, migrated ledger in a file.
func SQLite(t testing.TB) sqlledger.Options {
	t.Helper()
	o := sqlledger.Options{Path: filepath.Join(t.TempDir(), "ledger.db"), Keyring: Keyring(t)}
	require.NoError(t, sqlledger.Migrate(t.Context(), o))
	noteKey(t, o)
	return o
}

// MySQL is a fresh, migrated ledger on the shared MySQL. The test is skipped where none is installed.
func MySQL(t testing.TB) sqlledger.Options { return server(t, serverstest.MySQL(t)) }

// MariaDB is a fresh, migrated ledger on the shared MariaDB. The test is skipped where none is installed.
func MariaDB(t testing.TB) sqlledger.Options { return server(t, serverstest.MariaDB(t)) }

// server drops the database, which has the server's default collation: migrating makes it again, with the right one.
func server(t testing.TB, dsn string) sqlledger.Options {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	db, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "DROP DATABASE "+c.DBName)
	require.NoError(t, err)
	o := sqlledger.Options{DSN: dsn, Durability: sqlledger.Local, Keyring: Keyring(t)}
	require.NoError(t, sqlledger.Migrate(t.Context(), o))
	noteKey(t, o)
	return o
}

// noteKey does what the first sale would: tests look at what is sent.
func noteKey(t testing.TB, o sqlledger.Options) {
	t.Helper()
	l, err := sqlledger.Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, l.CheckKeys(t.Context()))
	require.NoError(t, l.Close())
}

// PutStations publishes the stations that a train calls at.
func PutStations(t testing.TB, l *sqlledger.Ledger, train *rail.Train) {
	t.Helper()
	var stations []*rail.Station
	for _, call := range train.Calls {
		stations = append(stations, &rail.Station{
			Code: call.Station, Name: string(call.Station),
			TimeZone: train.TimeZone,
		})
	}
	_, err := l.PutStations(t.Context(), stations, "an admin")
	require.NoError(t, err)
}

// Flavor is a database that ledgers are tested on.
type Flavor struct {
	Name string
	// New is a fresh, migrated ledger.
	New func(t testing.TB) sqlledger.Options
}

// Flavors are all of them.
func Flavors() []Flavor {
	return []Flavor{{"SQLite", SQLite}, {"MySQL", MySQL}, {"MariaDB", MariaDB}}
}

// Keys of tests: a ring of any of them, the first of which seals.
const (
	OldKey = "old:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	NewKey = "new:f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f"
)

// Keyring is a ring of keys, of the old one where none is given.
func Keyring(t testing.TB, keys ...string) *keyring.Ring {
	t.Helper()
	if len(keys) == 0 {
		keys = []string{OldKey}
	}
	ring, err := keyring.Parse(keys)
	require.NoError(t, err)
	return ring
}

// Open opens a ledger for the length of a test, with the old key where the options have no keyring.
func Open(t testing.TB, o sqlledger.Options) *sqlledger.Ledger {
	t.Helper()
	if o.Keyring == nil {
		o.Keyring = Keyring(t)
	}
	l, err := sqlledger.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// DB is the ledger's database, to look into or to spoil.
func DB(t testing.TB, o sqlledger.Options) *sql.DB {
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

// Age makes orders, or with none named all of them, an hour older: a hold, or a payment that is under way, is then past
// its time.
func Age(t testing.TB, o sqlledger.Options, ids ...string) {
	t.Helper()
	const (
		hour  = 3_600_000
		older = "UPDATE orders SET placed_at = placed_at - ?, pay_by = pay_by - ?, paying_at = paying_at - ?, " +
			"capture_by = capture_by - ?, paid_at = paid_at - ?"
	)
	db, hours := DB(t, o), []any{hour, hour, hour, hour, hour}
	if len(ids) == 0 {
		_, err := db.ExecContext(t.Context(), older, hours...)
		require.NoError(t, err)
	}
	for _, id := range ids {
		_, err := db.ExecContext(t.Context(), older+" WHERE id = ?", append(slices.Clone(hours), id)...)
		require.NoError(t, err)
	}
}

// AuditSnapshots are what the ledger tells of at most limit runs after one, all at once.
func AuditSnapshots(t testing.TB, l *sqlledger.Ledger, after rail.RunID, limit int) []*ledger.AuditSnapshot {
	t.Helper()
	var all []*ledger.AuditSnapshot
	for snapshot, err := range l.AuditSnapshots(t.Context(), after, limit) {
		require.NoError(t, err)
		all = append(all, snapshot)
	}
	return all
}

// Pay pays an order at once, as DecidePayments does. NOT_FOUND: there is no such order of the buyer.
func Pay(
	ctx context.Context, l *sqlledger.Ledger, run rail.RunID, orderID, buyer, payment string,
) (order *rail.Order, paid bool, err error) {
	outcomes, err := l.DecidePayments(ctx, run, []ledger.PaymentStep{{
		OrderID: orderID, PaymentID: payment, Buyer: buyer, Kind: ledger.PaidAtOnce,
	}})
	switch {
	case err != nil:
		return nil, false, err
	case outcomes[0].Order == nil:
		return nil, false, rail.Refuse(rail.NotFound, "there is no order %s", orderID)
	}
	return outcomes[0].Order, outcomes[0].Counts, nil
}
