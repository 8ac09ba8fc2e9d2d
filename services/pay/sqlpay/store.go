// Package sqlpay keeps payments in MySQL, MariaDB or SQLite, in a database on the ledger's terms: each change rests on
// an acknowledged commit, and its event is written by that commit.
//
// Locks are taken in one order: orders' rows by their ids, then payments by theirs, then what the commit's text
// inserts: new payments, notices and events. A start locks the order's, a change the payment's.
package sqlpay

import (
	"cmp"
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
)

//go:embed migrations/*.sql
var embedded embed.FS

// schema is what the payments' database is made of.
func schema() sqlledger.Schema {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the name is a valid one
	}
	return sqlledger.Schema{Name: "payments' database", Migrations: files}
}

// Store keeps payments. It may be used by many goroutines.
type Store struct {
	*sqlledger.Database
	log  *slog.Logger
	end  context.CancelFunc
	done sync.WaitGroup
}

var _ pay.Store = (*Store)(nil)

// Migrate brings the schema up to date, and makes the database where it is not there.
func Migrate(ctx context.Context, o sqlledger.Options) error {
	return sqlledger.MigrateDatabase(ctx, o, schema())
}

// Open connects to the payments' database: see sqlledger.OpenDatabase. The options' Log is told of what fails in the
// background, too.
func Open(ctx context.Context, o sqlledger.Options) (*Store, error) {
	d, err := sqlledger.OpenDatabase(ctx, o, schema())
	if err != nil {
		return nil, err
	}
	s := &Store{Database: d, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	life, end := context.WithCancel(context.Background())
	s.end = end
	s.done.Go(func() { s.forget(life) })
	return s, nil
}

// Close ends what runs in the background, and closes every connection.
func (s *Store) Close() error {
	s.end()
	s.done.Wait()
	return s.Database.Close()
}

// forgetInterval is how often notices that are too old are looked for.
const forgetInterval = time.Hour

// forget removes old notices until ctx ends.
func (s *Store) forget(ctx context.Context) {
	for pause.For(ctx, forgetInterval) {
		for {
			removed, err := s.ForgetNotices(ctx, noticesPage)
			if err != nil && ctx.Err() == nil {
				s.log.Warn("old webhooks could not be removed", "error", err)
			}
			if err != nil || removed < noticesPage {
				break
			}
		}
	}
}
