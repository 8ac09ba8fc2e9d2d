package sqlledger

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// primary is one primary, and the connections that lead to it. A cluster's next primary is another value, so that
// nothing begun on the old one can go on on the new one unnoticed.
type primary struct {
	dialect dialect
	// place is the file, or the server's address and database. dsn leads there; "" for a file.
	place, dsn, database string
	// epoch is the cluster's as the primary had it when it was found; clustered says that there is one to hold it
	// against.
	epoch     int64
	clustered bool
	// clusterTable is the table that has the epoch.
	clusterTable string
	// pool is for what sells: short transactions that must not wait. On SQLite all that writes shares its one
	// connection.
	pool *pool
	// background is for all other work on the primary.
	background *pool
	// lists is where lists are read: a replica, or the background pool. In a cluster it changes: to a replica that has
	// kept up.
	lists atomic.Pointer[pool]
	// replica is a pool of lists' own, nil where there is none.
	replica *pool

	breaker  breaker
	semiSync semiSyncCheck
	clock    clock
	// life ends when another primary is known, and ends what was begun here. Only a COMMIT that was sent is still
	// waited for.
	life  context.Context
	leave context.CancelFunc
}

// during is a context that ends after some time, and with the primary's life: buyers do not wait for a frozen primary
// once there is another one.
func (p *primary) during(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	stop := context.AfterFunc(p.life, cancel)
	return ctx, func() { stop(); cancel() }
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

// openServer opens the MySQL or MariaDB behind a data source name. It does not connect yet.
func openServer(o *Options, dsn string, d dialect) (_ *primary, err error) {
	c, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	p := &primary{
		dialect: d, place: c.Addr + "/" + c.DBName, dsn: dsn, database: c.DBName,
		clusterTable: o.clusterTable(), breaker: breaker{clock: o.Clock},
	}
	p.life, p.leave = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	open := func(s session, statement, idle time.Duration, connections int) (*pool, error) {
		connector, err := d.connector(c, s)
		if err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		made, err := newPool(d, o.wrapped(connector), statement)
		if err != nil {
			return nil, err
		}
		made.primary, made.multiStatement = p, s.multiStatement
		made.limit(connections, idle)
		return made, nil
	}
	if p.pool, err = open(session{saleWaitSeconds, saleLockSeconds, true}, o.StatementTimeout, saleIdle,
		o.MaxConnections); err != nil {
		return nil, err
	}
	if p.background, err = open(session{backgroundWaitSeconds, backgroundLockSeconds, false},
		backgroundStatementTimeout, backgroundIdle, backgroundConnections); err != nil {
		return nil, err
	}
	p.lists.Store(p.background)
	return p, nil
}

// openReplica opens where lists are read. The replica may be away: it does not connect yet.
func openReplica(o *Options, dsn string, d dialect) (*pool, error) {
	c, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	connector, err := d.connector(c, session{backgroundWaitSeconds, backgroundLockSeconds, false})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	p, err := newPool(d, connector, o.StatementTimeout)
	if err != nil {
		return nil, err
	}
	p.limit(replicaConnections, backgroundIdle)
	return p, nil
}

func (p *pool) limit(connections int, idle time.Duration) {
	p.sql.SetMaxOpenConns(connections)
	p.sql.SetMaxIdleConns(connections)
	p.sql.SetConnMaxIdleTime(idle)
}

// publisher is the pool that publishes. On SQLite this is the selling connection. A publication waits longer for it,
// but its statements keep the sale's time limit.
func (p *primary) publisher() *pool {
	if p.dialect.flavor != SQLite {
		return p.background
	}
	patient := *p.pool
	patient.wait = p.background.wait
	return &patient
}

// retire ends what was begun here. It closes idle connections now, and the others as soon as they are idle.
func (p *primary) retire() {
	p.leave()
	for _, pool := range []*pool{p.pool, p.background} {
		pool.sql.SetMaxIdleConns(-1)
	}
}

func (p *primary) close() error {
	p.leave()
	return errors.Join(p.pool.close(), p.background.close(), p.replica.close())
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

// nameOf is a member's name: its address.
func nameOf(dsn string) string {
	c, err := parseDSN(dsn)
	if err != nil {
		return ""
	}
	return c.Addr
}
