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

// Database is a database to write into.
type Database struct {
	db        *sql.DB
	formation *rail.Formation
	season    []place
	runs      atomic.Uint64
	// orders counts them: no two have one number, one key or one document.
	orders atomic.Uint64
}

// Open makes the tables, the ledger's own, in a database of its own on the primary.
func Open(ctx context.Context, dsn string) (*Database, error) {
	d, err := newDatabase()
	if err != nil {
		return nil, err
	}
	if err := sqlledger.Migrate(ctx, sqlledger.Options{DSN: dsn}); err != nil {
		return nil, err
	}
	d.db, err = sql.Open("mysql", dsn+"?multiStatements=true")
	return d, err
}

// newDatabase chooses what is sold.
func newDatabase() (*Database, error) {
	formation, err := load.Formation()
	if err != nil {
		return nil, err
	}
	return &Database{formation: formation, season: season(formation, rand.New(rand.NewPCG(1, 1)))}, nil
}

// Close disconnects.
func (d *Database) Close() error { return d.db.Close() }

// newRun names a run that nobody writes to yet.
func (d *Database) newRun() string { return fmt.Sprintf("L%d@2030-01-01", d.runs.Add(1)) }
