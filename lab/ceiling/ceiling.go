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
	"interlock/services/seatmap"
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

// newRun names a new run.
func (d *Database) newRun() string { return fmt.Sprintf("L%d@2030-01-01", d.runs.Add(1)) }

// place is a trip and the seat that was chosen for it.
type place struct {
	load.Trip
	seat int
}

// season are the places of one run that a sale sells, in their order, until the load would move on to a fresh run.
func season(formation *rail.Formation, random *rand.Rand) []place {
	maps := newMaps()
	var layouts [len(load.Classes)]*seatmap.Layout
	for i, class := range load.Classes {
		layouts[i] = seatmap.NewLayout(formation, class)
	}
	var all []place
	whole := len(load.Classes) * load.SeatsPerClass * (load.Calls - 1)
	for sold := 0; sold*100 < whole*load.MoveOnPercent; {
		t := load.RandomTrip(random)
		if seats, ok := maps[t.Class].Allocate(layouts[t.Class], t.From, t.To, []rail.Wish{{}}); ok {
			all = append(all, place{t, seats[0]})
			sold += t.To - t.From
		}
	}
	return all
}

// newMaps are those of a fresh run.
func newMaps() (maps [len(load.Classes)]*seatmap.Map) {
	for i := range maps {
		maps[i] = seatmap.New(load.Calls-1, load.SeatsPerClass)
	}
	return maps
}
