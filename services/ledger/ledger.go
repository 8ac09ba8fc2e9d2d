package ledger

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"interlock/services/rail"
)

// Ledger is the ledger behind one primary.
type Ledger struct {
	options Options
	dialect dialect
	// sale is for what sells: short transactions that must not wait. On SQLite all that writes shares its one connection.
	sale *pool
	// desk is for all other work on the primary.
	desk *pool
	// lists is where lists are read: a replica, or the desk.
	lists   *pool
	breaker breaker
	trains  *trainCache
	// payments has a place for each payment that may be under way.
	payments chan struct{}

	commits           atomic.Int64
	unknownCommits    atomic.Int64
	lostCompareAndSet atomic.Int64
	semiSync          semiSyncCheck
}

// Stats counts what happened since the ledger was opened.
type Stats struct {
	// Commits were acknowledged, UnknownCommits were not heard of again.
	Commits, UnknownCommits int64
	// LostCompareAndSets are batches that somebody else's batch on the same run came before.
	LostCompareAndSets int64
	// Probing is true while the cluster does not acknowledge commits, and one probe at a time looks whether it does again.
	Probing bool
}

// Open connects to the ledger. It does not look whether the schema is there: Ready does.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	l := &Ledger{options: o, breaker: breaker{clock: o.Clock}, trains: newTrainCache()}
	open := l.openServer
	if o.DSN == "" {
		open = l.openFile
	}
	if err := open(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.payments = make(chan struct{}, max(1, l.sale.sql.Stats().MaxOpenConnections/paymentsShare))
	return l, nil
}

// openFile opens SQLite. One connection writes: writers wait for each other in this process's own queue, which keeps
// deadlines, and not in SQLite's, which polls.
func (l *Ledger) openFile(context.Context) error {
	l.dialect = dialect{flavor: SQLite}
	open := func(busy, statement time.Duration) (*pool, error) {
		connector, err := newSQLiteConnector(l.options.Path, busy)
		if err != nil {
			return nil, err
		}
		return newPool(l.dialect, l.wrap(connector), statement)
	}
	var err error
	if l.sale, err = open(sqliteBusyStep, l.options.StatementTimeout); err != nil {
		return err
	}
	l.sale.sql.SetMaxOpenConns(1)
	if l.desk, err = open(l.options.StatementTimeout, deskStatementTimeout); err != nil {
		return err
	}
	l.desk.sql.SetMaxOpenConns(deskConnections)
	l.desk.sql.SetMaxIdleConns(deskConnections)
	l.lists = l.desk
	err = l.desk.sql.QueryRow("SELECT sqlite_version()").Scan(&l.dialect.version)
	l.sale.dialect, l.desk.dialect = l.dialect, l.dialect
	return definite(err)
}

// openServer opens MySQL or MariaDB.
func (l *Ledger) openServer(ctx context.Context) error {
	o := &l.options
	primary, err := parseDSN(o.DSN)
	if err != nil {
		return err
	}
	if l.dialect, err = askServer(ctx, o.DSN, l.wrap); err != nil {
		return err
	}
	open := func(s session, statement, idle time.Duration, connections int) (*pool, error) {
		connector, err := l.dialect.connector(primary, s)
		if err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		p, err := newPool(l.dialect, l.wrap(connector), statement)
		if err != nil {
			return nil, err
		}
		p.joins = s.joins
		p.limit(connections, idle)
		return p, nil
	}
	if l.sale, err = open(session{saleWaitSeconds, saleLockSeconds, true}, o.StatementTimeout, saleIdle, o.MaxConnections); err != nil {
		return err
	}
	if l.desk, err = open(session{deskWaitSeconds, deskLockSeconds, false}, deskStatementTimeout, deskIdle, deskConnections); err != nil {
		return err
	}
	l.lists = l.desk
	if o.ReplicaDSN == "" {
		return nil
	}
	replica, err := parseDSN(o.ReplicaDSN)
	if err != nil {
		return err
	}
	connector, err := l.dialect.connector(replica, session{deskWaitSeconds, deskLockSeconds, false})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	// The replica may be away: lists fail then, and nothing else.
	lists, err := newPool(l.dialect, connector, o.StatementTimeout)
	if err != nil {
		return err
	}
	lists.limit(replicaConnections, deskIdle)
	l.lists = lists
	return nil
}

func (p *pool) limit(connections int, idle time.Duration) {
	p.sql.SetMaxOpenConns(connections)
	p.sql.SetMaxIdleConns(connections)
	p.sql.SetConnMaxIdleTime(idle)
}

// askServer tells the dialect of the server behind a data source name, which may name a database that is not there yet.
func askServer(ctx context.Context, dsn string, wrap func(driver.Connector) driver.Connector) (dialect, error) {
	c, err := parseDSN(dsn)
	if err != nil {
		return dialect{}, err
	}
	db, err := openWithout(c, wrap)
	if err != nil {
		return dialect{}, err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d, err := ask(ctx, db)
	return d, definite(err)
}

func (l *Ledger) wrap(c driver.Connector) driver.Connector {
	if l.options.Wrap == nil {
		return c
	}
	return l.options.Wrap(c)
}

// Close closes every connection.
func (l *Ledger) Close() error {
	err := errors.Join(l.sale.close(), l.desk.close())
	if l.lists != l.desk {
		err = errors.Join(err, l.lists.close())
	}
	return err
}

// Flavor is the kind of database behind the ledger.
func (l *Ledger) Flavor() Flavor { return l.dialect.flavor }

// Stats are the ledger's counters.
func (l *Ledger) Stats() Stats {
	return Stats{
		Commits:            l.commits.Load(),
		UnknownCommits:     l.unknownCommits.Load(),
		LostCompareAndSets: l.lostCompareAndSet.Load(),
		Probing:            l.breaker.isOpen(),
	}
}

// lost counts and answers a compare-and-set that changed no row.
func (l *Ledger) lost() error {
	l.lostCompareAndSet.Add(1)
	return rail.ErrVersionLost
}

// versionIs is the condition of every compare-and-set. The tests take it out to show what comes of that.
const versionIs = " AND version = ?"

// change is what else of a run moves on with its version: ", column = ?" for each.
type change struct {
	columns string
	args    []any
}

// compareAndSet moves a run's version on. It is the last line against a double sale: no row changed means that somebody
// else sold in between. What comes after it is written, or not, in the same round trip; the caller must end the transaction
// when it is lost.
func (t *transaction) compareAndSet(ctx context.Context, id rail.RunID, version int64, set change, after ...statement) error {
	moved := statement{
		text: "UPDATE runs SET version = version + 1, touched_at = " + t.p.dialect.now() + set.columns + " WHERE id = ?" + versionIs,
		args: append(set.args, string(id), version),
	}
	changed, err := t.together(ctx, append([]statement{moved}, after...))
	if err != nil {
		return held(err)
	}
	if changed != 1 {
		return t.l.lost()
	}
	return nil
}
