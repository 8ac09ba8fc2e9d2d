package ceiling

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	_ "github.com/go-sql-driver/mysql" // the driver

	"interlock/lab/load"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// Limit is a database to write into.
type Limit struct {
	db        *sql.DB
	formation *rail.Formation
	season    []place
	runs      atomic.Uint64
	// orders counts them: no two have one number, one key or one document.
	orders atomic.Uint64
}

// Open makes the tables, the ledger's own, in a database of its own on the primary.
func Open(ctx context.Context, dsn string) (*Limit, error) {
	l, err := newLimit()
	if err != nil {
		return nil, err
	}
	if err := sqlledger.Migrate(ctx, sqlledger.Options{DSN: dsn}); err != nil {
		return nil, err
	}
	l.db, err = sql.Open("mysql", dsn+"?multiStatements=true")
	return l, err
}

// newLimit chooses what is sold.
func newLimit() (*Limit, error) {
	formation, err := load.Formation()
	if err != nil {
		return nil, err
	}
	return &Limit{formation: formation, season: season(formation, rand.New(rand.NewPCG(1, 1)))}, nil
}

// Close disconnects.
func (l *Limit) Close() error { return l.db.Close() }

// newRun names a run that nobody writes to yet.
func (l *Limit) newRun() string { return fmt.Sprintf("L%d@2030-01-01", l.runs.Add(1)) }
