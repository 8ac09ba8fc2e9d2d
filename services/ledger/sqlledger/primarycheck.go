package sqlledger

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// Bounds of the look at semi-synchronous replication.
const (
	// semiSyncInterval is how often a sale looks at all of it; whether it is switched on is read with every sale.
	semiSyncInterval = time.Second
)

// semiSyncCheck remembers which server's state of replication was looked at last, and when. After a failover the name of
// the primary leads to another server, whose state is another.
type semiSyncCheck struct {
	mu     sync.Mutex
	server string
	at     time.Time
	// offs is how often replication had been switched off by then.
	offs int64
}

// forget has the next transaction look again.
func (c *semiSyncCheck) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = ""
}

// primaryCheck are what the primary said of itself.
type primaryCheck struct {
	server, readOnly, semiSync string
	epoch                      sql.NullInt64
}

func (g *primaryCheck) fields() []any { return []any{&g.server, &g.readOnly, &g.semiSync, &g.epoch} }

// problem is nil where the server may be written.
func (g *primaryCheck) problem() error {
	if mysqlcluster.IsOn(g.readOnly) {
		return unavailable("the ledger is read-only", nil)
	}
	if !mysqlcluster.IsOn(g.semiSync) {
		return unavailable("semi-synchronous replication is off: an answered order might be lost", nil)
	}
	return nil
}

// admits is nil where what was read admits writing: on a server that may be written, which is the one that was
// found. In a cluster whatever else they say is about the primary, and has it looked for.
func (t *transaction) admits(g *primaryCheck) error {
	err := g.problem()
	if err == nil && t.primary.clustered && g.epoch.Int64 != t.primary.epoch {
		err = unavailable("the ledger's primary has changed",
			fmt.Errorf("its epoch is %d, and was %d when it was found", g.epoch.Int64, t.primary.epoch))
	}
	if err != nil && t.l.cluster != nil {
		t.l.cluster.suspect(t.primary, true, err)
	}
	return err
}

// checkPrimary asks the transaction's server whether it may be written: a server that was killed and restarted has lost its
// semi-synchronous replication, and its commits would be worth nothing.
func (t *transaction) checkPrimary(ctx context.Context) error {
	var g primaryCheck
	err := t.rows(ctx, "SELECT "+t.primary.primaryCheck(t.l.options.Durability), nil, func(row *sql.Rows) error {
		return row.Scan(g.fields()...)
	})
	if err != nil {
		return checkFailure(err)
	}
	if err := t.admits(&g); err != nil {
		return err
	}
	return t.lookAtSemiSync(ctx, g.server)
}

// checkFailure says what an error from asking for it means: a server without the plugin does not know the
// variable.
func checkFailure(err error) error {
	if mysqlcluster.ErrorNumber(err) == mysqlcluster.ErUnknownVariable {
		return unavailable("semi-synchronous replication is not loaded: an answered order might be lost", err)
	}
	return err
}

// lookAtSemiSync looks at the whole state of a server's replication once in a while. That it is switched on says little
// where it could have fallen back to asynchronous.
func (t *transaction) lookAtSemiSync(ctx context.Context, server string) error {
	l := t.l
	if l.options.Durability != Replicated {
		return nil
	}
	now, check := l.options.Clock(), &t.primary.semiSync
	check.mu.Lock()
	known := server == check.server
	due := !known || now.Sub(check.at) >= semiSyncInterval
	if known && due {
		check.at = now // One looks again; the others go by what was seen a second ago.
	}
	t.looked, t.offs = !due, check.offs
	check.mu.Unlock()
	if !due {
		return nil
	}
	state, err := mysqlcluster.ReadSemiSync(ctx, t.conn, t.pool.statement, t.pool.dialect.semiSync())
	if problem := state.Problem(); err == nil && problem != "" {
		err = unavailable(problem, nil)
	}
	check.mu.Lock()
	defer check.mu.Unlock()
	if err != nil {
		check.server = "" // So that nobody goes by it any more.
		return err
	}
	check.server, check.at, check.offs = server, now, state.Offs
	t.looked, t.offs = true, state.Offs
	return nil
}

// notFound answers for a run or an order that is not there, if the server that says so may be believed.
func (t *transaction) notFound(ctx context.Context, message string, args ...any) error {
	if err := t.checkPrimary(ctx); err != nil {
		return err
	}
	return rail.Refuse(rail.NotFound, message, args...)
}
