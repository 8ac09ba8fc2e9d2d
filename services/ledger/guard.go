package ledger

import (
	"context"
	"database/sql"
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
}

// guardColumns are what the guard's columns said.
type guardColumns struct {
	server, readOnly, semiSync string
}

func (g *guardColumns) fields() []any { return []any{&g.server, &g.readOnly, &g.semiSync} }

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

// guard asks the transaction's server whether it may be written: a server that was killed and restarted has lost its
// semi-synchronous replication, and its commits would be worth nothing.
func (t *transaction) guard(ctx context.Context) error {
	var g guardColumns
	err := t.rows(ctx, "SELECT "+t.p.dialect.guard(t.l.options.Durability), nil, func(row *sql.Rows) error {
		return row.Scan(g.fields()...)
	})
	if err != nil {
		return guardFailure(err)
	}
	if err := g.problem(); err != nil {
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
	now := l.options.Clock()
	l.semiSync.mu.Lock()
	known := server == l.semiSync.server
	due := !known || now.Sub(l.semiSync.at) >= semiSyncInterval
	if known && due {
		l.semiSync.at = now // One looks again; the others go by what was seen a second ago.
	}
	l.semiSync.mu.Unlock()
	if !due {
		return nil
	}
	state, err := readSemiSync(ctx, l.dialect, t.conn, t.p.statement)
	if problem := state.problem(); err == nil && problem != "" {
		err = unavailable(problem, nil)
	}
	l.semiSync.mu.Lock()
	defer l.semiSync.mu.Unlock()
	if err != nil {
		l.semiSync.server = "" // So that nobody goes by it any more.
		return err
	}
	l.semiSync.server, l.semiSync.at = server, now
	return nil
}

// semiSyncState is what a primary says of its semi-synchronous replication.
type semiSyncState struct {
	enabled, active, afterSync, waitsAlone bool
	timeout                                time.Duration
	replicas                               int64
}

func readSemiSync(ctx context.Context, d dialect, on querier, limit time.Duration) (semiSyncState, error) {
	var s semiSyncState
	prefix := d.semiSync()
	scan := func(row *sql.Rows) error {
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
	for _, query := range []string{"SHOW GLOBAL VARIABLES LIKE '", "SHOW GLOBAL STATUS LIKE '"} {
		if err := queryRows(ctx, on, limit, query+prefix+"%'", nil, scan); err != nil {
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
