// Package sqlnotify keeps deliveries and endpoints of webhooks in MySQL, MariaDB or SQLite, in a database on the
// ledger's terms: each change rests on an acknowledged commit.
//
// Locks are taken in one order: deliveries' rows by their ids, then endpoints', then what the commit's text inserts.
package sqlnotify

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/notify"
)

//go:embed migrations/*.sql
var embedded embed.FS

// schema is what the notifications' database is made of.
func schema() sqlledger.Schema {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the name is a valid one
	}
	return sqlledger.Schema{Name: "notifications' database", Migrations: files}
}

// Store is a notify.Store. It may be used by many goroutines.
type Store struct {
	*sqlledger.Database
	keys sqlledger.Keyring
}

var _ notify.Store = (*Store)(nil)

// Migrate brings the schema up to date, and makes the database where it is not there.
func Migrate(ctx context.Context, o sqlledger.Options) error {
	return sqlledger.MigrateDatabase(ctx, o, schema())
}

// Open connects to the notifications' database: see sqlledger.OpenDatabase. The options' Keyring seals the secrets of
// endpoints.
func Open(ctx context.Context, o sqlledger.Options) (*Store, error) {
	d, err := sqlledger.OpenDatabase(ctx, o, schema())
	if err != nil {
		return nil, err
	}
	return &Store{Database: d, keys: o.Keyring}, nil
}

// Now is the primary's clock.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	err = s.Read(ctx, func(x sqlledger.SQL) (string, []any) { return "SELECT " + x.Now(), nil },
		func(r *sql.Rows) error {
			var ms int64
			err := r.Scan(&ms)
			now = fromMillis(ms)
			return err
		})
	return now, err
}
