package sqlledger

import (
	"context"
	"sync"
	"time"

	"interlock/services/mysqlcluster"
)

// semiSyncInterval is how often a sale looks at all of semi-synchronous replication. Whether it is switched on is read
// with every sale.
const semiSyncInterval = time.Second

// semiSyncSeen is what a transaction has seen of its primary's semi-synchronous replication.
type semiSyncSeen struct {
	// looked says that it was on, with settings that keep it on.
	looked bool
	// offs is how often it had been switched off by then.
	offs int64
}

// acknowledged is nil where replication is on now and has not been off since it was seen: every commit that was
// answered in between has a replica's acknowledgement.
func (s semiSyncSeen) acknowledged(now *mysqlcluster.SemiSync) error {
	if !now.Active || now.Offs != s.offs {
		return errUnacknowledged
	}
	return nil
}

// semiSyncCheck remembers which server's replication was looked at last, and when. After a failover the name of the
// primary leads to another server, whose state is another.
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

// lately is what was seen of this server within the last semiSyncInterval. If looked is false, the caller looks, and
// calls saw.
func (c *semiSyncCheck) lately(server string, now time.Time) semiSyncSeen {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := server == c.server
	if known && now.Sub(c.at) < semiSyncInterval {
		return semiSyncSeen{looked: true, offs: c.offs}
	}
	if known {
		c.at = now // One looks again; the others go by what was seen a second ago.
	}
	return semiSyncSeen{}
}

// saw notes what was seen of a server.
func (c *semiSyncCheck) saw(server string, now time.Time, offs int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server, c.at, c.offs = server, now, offs
}

// lookAtSemiSync looks at the whole state of a server's replication once in a while. That it is switched on says little
// where it could have fallen back to asynchronous.
func (t *transaction) lookAtSemiSync(ctx context.Context, server string) error {
	if t.l.options.Durability != Replicated {
		return nil
	}
	check, now := &t.primary.semiSync, t.l.options.Clock()
	if t.replication = check.lately(server, now); t.replication.looked {
		return nil
	}
	state, err := mysqlcluster.ReadSemiSync(ctx, t.conn, t.pool.statement, t.pool.dialect.semiSync())
	if problem := state.Problem(); err == nil && problem != "" {
		err = unavailable(problem, nil)
	}
	if err != nil {
		check.forget()
		return err
	}
	check.saw(server, now, state.Offs)
	t.replication = semiSyncSeen{looked: true, offs: state.Offs}
	return nil
}
