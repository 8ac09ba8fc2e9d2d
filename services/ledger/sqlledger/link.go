package sqlledger

import (
	"context"
	"io/fs"
	"sync/atomic"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// link leads to a database: a ledger's, or another service's. It finds the primary, begins and commits transactions
// there, and keeps the database's outbox.
type link struct {
	options Options
	// name is what messages call the database, and migrations are its own.
	name       string
	migrations fs.FS
	// only is the one primary there is; nil where cluster finds it.
	only    *primary
	cluster *cluster
	// trains and formations are remembered; nil in a database that has none.
	trains     *weakCache[rail.Train]
	formations *weakCache[rail.Formation]

	commits           atomic.Int64
	commitsInDoubt    atomic.Int64
	lostCompareAndSet atomic.Int64
	listsOnPrimary    atomic.Int64
}

var _ ledger.Outbox = (*link)(nil)

// open looks for the primary, or opens the one server or file. connections is how many transactions may be under way.
func (l *link) open(ctx context.Context) (connections int, err error) {
	connections = l.options.MaxConnections
	switch {
	case len(l.options.Members) > 0:
		l.cluster, err = openCluster(ctx, &l.options, l.name)
	case l.options.DSN != "":
		l.only, err = openOnly(ctx, &l.options)
	default:
		connections = 1
		l.only, err = openFile(&l.options)
	}
	return connections, err
}

func (l *link) close() error {
	if l.cluster != nil {
		return l.cluster.close()
	}
	return l.only.close()
}

// primary is the primary to work on; an UNAVAILABLE error while there is none.
func (l *link) primary() (*primary, error) {
	if l.cluster != nil {
		return l.cluster.primary()
	}
	return l.only, nil
}

// stillPrimary is nil while a primary is the one to sell on.
func (l *link) stillPrimary(p *primary) error {
	if now, err := l.primary(); err != nil || now != p {
		return unavailable("the database's primary is changing", err)
	}
	return nil
}

// failed says what an error from before COMMIT means, after a cluster has heard what it says about its primary.
func (l *link) failed(p *primary, err error) error {
	l.suspect(p, err)
	return definite(err)
}

// suspect tells the cluster of an error, which may speak against its primary.
func (l *link) suspect(p *primary, err error) {
	if err == nil || l.cluster == nil {
		return
	}
	if s := suspicionOf(err); s != unsuspected {
		l.cluster.suspect(p, s, err)
	}
}

// Flavor is the kind of database.
func (l *link) Flavor() Flavor {
	if p, err := l.primary(); err == nil {
		return p.dialect.flavor
	}
	return MySQL // or MariaDB: without a primary that is not known
}

// Stats counts what happened since a database was opened.
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

// Stats are the counters.
func (l *link) Stats() Stats {
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
