package sqlledger

import (
	"context"
	"errors"
	"sync/atomic"

	"interlock/services/rail"
)

// Ledger is the ledger, behind whichever server is its primary.
type Ledger struct {
	link
	pipeline pipeline
	// payments has a place for each payment that may be under way, readers one for each read of orders on the
	// background pool. Without them, a worker would never get a connection among thousands of payments that wait for
	// one in database/sql.
	payments, readers chan struct{}
	// sealing says that the keyring was checked against the ledger's keys, and may seal.
	sealing atomic.Bool
}

// ledgerName is what messages call the ledger's database.
const ledgerName = "ledger"

// Open connects to the ledger. It does not look whether the schema is there: Ready does. That a cluster has no primary
// just now is no error: everything is UNAVAILABLE until it has one.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	if o.Keyring == nil {
		return nil, errors.New("ledger: no keyring to seal personal data with")
	}
	l := &Ledger{
		link: link{
			options: o, name: ledgerName, migrations: migrationFiles(),
			trains: newWeakCache[rail.Train](), formations: newWeakCache[rail.Formation](),
		},
		pipeline: pipeline{keepFor: o.PipelinedFor, begun: map[rail.RunID]*pipelined{}},
	}
	connections, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	l.payments = make(chan struct{}, max(1, connections/paymentsShare))
	l.readers = make(chan struct{}, maxReaders)
	return l, nil
}

// Close closes every connection.
func (l *Ledger) Close() error {
	l.pipeline.close()
	return l.close()
}
