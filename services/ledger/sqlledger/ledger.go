package sqlledger

import (
	"context"
	"errors"
	"sync/atomic"

	"interlock/services/rail"
)

// Ledger is the ledger, behind whichever server is its primary.
type Ledger struct {
	options Options
	// only is the one primary there is; nil where cluster finds it.
	only       *primary
	cluster    *cluster
	trains     *weakCache[rail.Train]
	formations *weakCache[rail.Formation]
	pipeline   pipeline
	// payments has a place for each payment that may be under way, readers one for each read of orders on the
	// background pool. Without them, a worker would never get a connection among thousands of payments that wait for
	// one in database/sql.
	payments, readers chan struct{}
	// sealing says that the keyring was checked against the ledger's keys, and may seal.
	sealing atomic.Bool

	commits           atomic.Int64
	commitsInDoubt    atomic.Int64
	lostCompareAndSet atomic.Int64
	listsOnPrimary    atomic.Int64
}

// Stats counts what happened since the ledger was opened.
type Stats struct {
	// Commits were acknowledged. The outcome of CommitsInDoubt was unknown.
	Commits, CommitsInDoubt int64
	// LostCompareAndSets are transactions of any kind that lost to another on the same run.
	LostCompareAndSets int64
	// Probing is true while the cluster does not acknowledge commits, and one probe at a time looks whether it does
	// again.
	Probing bool
	// HasPrimary is false while there is no server to sell on. TwoPrimaries is true while that is because two members
	// are writable with one epoch. Both are about clusters: a single server always counts as the primary.
	HasPrimary, TwoPrimaries bool
	// Epoch is that of the primary, PrimaryChanges how often one was found that was not the one before.
	Epoch, PrimaryChanges int64
	// ListsOnPrimary are lists of orders that no replica of a cluster was near enough for.
	ListsOnPrimary int64
}

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
		options: o, trains: newWeakCache[rail.Train](), formations: newWeakCache[rail.Formation](),
		pipeline: pipeline{keepFor: o.PipelinedFor, begun: map[rail.RunID]*pipelined{}},
	}
	connections := o.MaxConnections
	var err error
	switch {
	case len(o.Members) > 0:
		l.cluster, err = openCluster(ctx, &l.options)
	case o.DSN != "":
		l.only, err = openOnly(ctx, &l.options)
	default:
		connections = 1
		l.only, err = openFile(&l.options)
	}
	if err != nil {
		return nil, err
	}
	l.payments = make(chan struct{}, max(1, connections/paymentsShare))
	l.readers = make(chan struct{}, maxReaders)
	return l, nil
}

// openOnly opens the one server that a data source name leads to.
func openOnly(ctx context.Context, o *Options) (*primary, error) {
	d, err := askServer(ctx, o.DSN, o.wrapped)
	if err != nil {
		return nil, err
	}
	p, err := openServer(o, o.DSN, d)
	if err != nil || o.ReplicaDSN == "" {
		return p, err
	}
	if p.replica, err = openReplica(o, o.ReplicaDSN, d); err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.lists.Store(p.replica)
	return p, nil
}

// Close closes every connection.
func (l *Ledger) Close() error {
	l.pipeline.close()
	if l.cluster != nil {
		return l.cluster.close()
	}
	return l.only.close()
}

// primary is the primary to work on; an UNAVAILABLE error while there is none.
func (l *Ledger) primary() (*primary, error) {
	if l.cluster != nil {
		return l.cluster.primary()
	}
	return l.only, nil
}

// stillPrimary is nil while a primary is the one to sell on.
func (l *Ledger) stillPrimary(p *primary) error {
	if now, err := l.primary(); err != nil || now != p {
		return unavailable("the ledger's primary is changing", err)
	}
	return nil
}

// failed says what an error from before COMMIT means, after a cluster has heard what it says about its primary.
func (l *Ledger) failed(p *primary, err error) error {
	l.suspect(p, err)
	return definite(err)
}

// suspect tells the cluster of an error, which may speak against its primary.
func (l *Ledger) suspect(p *primary, err error) {
	if err == nil || l.cluster == nil {
		return
	}
	if s := suspicionOf(err); s != unsuspected {
		l.cluster.suspect(p, s, err)
	}
}

// Flavor is the kind of database behind the ledger.
func (l *Ledger) Flavor() Flavor {
	if p, err := l.primary(); err == nil {
		return p.dialect.flavor
	}
	return MySQL // or MariaDB: without a primary that is not known
}

// Stats are the ledger's counters.
func (l *Ledger) Stats() Stats {
	s := Stats{
		Commits:            l.commits.Load(),
		CommitsInDoubt:     l.commitsInDoubt.Load(),
		LostCompareAndSets: l.lostCompareAndSet.Load(),
		ListsOnPrimary:     l.listsOnPrimary.Load(),
	}
	if l.cluster != nil {
		s.TwoPrimaries, s.PrimaryChanges = l.cluster.figures()
	}
	if p, err := l.primary(); err == nil {
		s.HasPrimary, s.Epoch, s.Probing = true, p.epoch, p.breaker.isOpen()
	}
	return s
}
