package sqlledger

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"interlock/services/rail"
)

// Bounds of the look at semi-synchronous replication.
const (
	// semiSyncInterval is how often a sale looks at all of it; whether it is switched on is read with every sale.
	semiSyncInterval = time.Second
	// minSemiSyncTimeout is what passes for "never falls back to asynchronous": longer than anybody leaves a primary
	// without a replica.
	minSemiSyncTimeout = 24 * time.Hour
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

// guardColumns are what the guard's columns said.
type guardColumns struct {
	server, readOnly, semiSync string
	epoch                      sql.NullInt64
}

func (g *guardColumns) fields() []any { return []any{&g.server, &g.readOnly, &g.semiSync, &g.epoch} }

// problem is nil where the server may be written.
func (g *guardColumns) problem() error {
	if isOn(g.readOnly) {
		return unavailable("the ledger is read-only", nil)
	}
	if !isOn(g.semiSync) {
		return unavailable("semi-synchronous replication is off: an answered order might be lost", nil)
	}
	return nil
}

// guarded is nil where the guard's columns admit writing: on a server that may be written, which is the one that was
// found. In a cluster whatever else they say is about the primary, and has it looked for.
func (t *transaction) guarded(g *guardColumns) error {
	err := g.problem()
	if err == nil && t.h.clustered && g.epoch.Int64 != t.h.epoch {
		err = unavailable("the ledger's primary has changed",
			fmt.Errorf("its epoch is %d, and was %d when it was found", g.epoch.Int64, t.h.epoch))
	}
	if err != nil && t.l.cluster != nil {
		t.l.cluster.doubt(t.h, true, err)
	}
	return err
}

// guard asks the transaction's server whether it may be written: a server that was killed and restarted has lost its
// semi-synchronous replication, and its commits would be worth nothing.
func (t *transaction) guard(ctx context.Context) error {
	var g guardColumns
	err := t.rows(ctx, "SELECT "+t.h.guard(t.l.options.Durability), nil, func(row *sql.Rows) error {
		return row.Scan(g.fields()...)
	})
	if err != nil {
		return guardFailure(err)
	}
	if err := t.guarded(&g); err != nil {
		return err
	}
	return t.lookAtSemiSync(ctx, g.server)
}

// guardFailure says what an error from reading the guard's columns means: a server without the plugin does not know the
// variable.
func guardFailure(err error) error {
	if mysqlNumber(err) == erUnknownVariable {
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
	now, check := l.options.Clock(), &t.h.semiSync
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
	state, err := readSemiSync(ctx, t.p.dialect, t.conn, t.p.statement)
	if problem := state.problem(); err == nil && problem != "" {
		err = unavailable(problem, nil)
	}
	check.mu.Lock()
	defer check.mu.Unlock()
	if err != nil {
		check.server = "" // So that nobody goes by it any more.
		return err
	}
	check.server, check.at, check.offs = server, now, state.offs
	t.looked, t.offs = true, state.offs
	return nil
}

// semiSyncState is what a primary says of its semi-synchronous replication.
type semiSyncState struct {
	enabled, active, afterSync, waitsAlone bool
	timeout                                time.Duration
	replicas                               int64
	// offs is how often it has been switched off since the server started, in whatever way. While it stays the same, and
	// replication active, every commit was acknowledged before it was answered.
	offs int64
}

// scan reads a row that names a variable or a state and its value.
func (s *semiSyncState) scan(d dialect) func(*sql.Rows) error {
	prefix := d.semiSync()
	return func(row *sql.Rows) error {
		var name, value string
		if err := row.Scan(&name, &value); err != nil {
			return err
		}
		number, _ := strconv.ParseInt(value, 10, 64) // A value that is no number is of a variable that is none.
		switch strings.TrimPrefix(strings.ToLower(name), prefix) {
		case "enabled":
			s.enabled = isOn(value)
		case "status":
			s.active = isOn(value)
		case "clients":
			s.replicas = number
		case "no_times":
			s.offs = number
		case "wait_point":
			s.afterSync = strings.EqualFold(value, "AFTER_SYNC")
		case "wait_no_replica", "wait_no_slave":
			s.waitsAlone = isOn(value)
		case "timeout":
			// In milliseconds; the largest possible would overflow a Duration.
			s.timeout = time.Duration(min(number, int64(10*minSemiSyncTimeout/time.Millisecond))) * time.Millisecond
		}
		return nil
	}
}

func readSemiSync(ctx context.Context, d dialect, on querier, limit time.Duration) (semiSyncState, error) {
	var s semiSyncState
	for _, query := range []string{"SHOW GLOBAL VARIABLES LIKE '" + d.semiSync() + "%'", d.semiSyncStatus()} {
		if err := queryRows(ctx, on, limit, query, nil, s.scan(d)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// problem says why an acknowledged commit might not be on any replica, or "".
func (s semiSyncState) problem() string {
	switch {
	case !s.enabled:
		return "semi-synchronous replication is off: an answered order might be lost"
	case !s.active:
		return "semi-synchronous replication has fallen back to asynchronous: an answered order might be lost"
	case !s.afterSync:
		return "semi-synchronous replication does not wait AFTER_SYNC: an answered order might be lost"
	case s.timeout < minSemiSyncTimeout || !s.waitsAlone:
		return "semi-synchronous replication would fall back to asynchronous: an answered order might be lost"
	}
	return ""
}

// notFound answers for a run or an order that is not there, if the server that says so may be believed.
func (t *transaction) notFound(ctx context.Context, message string, args ...any) error {
	if err := t.guard(ctx); err != nil {
		return err
	}
	return rail.Refuse(rail.NotFound, message, args...)
}
