// Package availability keeps in Redis what is left of every run, so that a search never asks the ledger.
//
// It is derived: everything in it can be computed from the ledger again at any time, and nothing is decided by it. It
// never makes up a number. What is left of a run is "not known" where the run's entry is missing, cannot be read, or
// was made for another train.
//
// What it promises:
//
//   - The entry of a run is written whole. It is written only by a newer version (Apply, Load), or in place of the very
//     version that was compared (Replace).
//   - A message tells of every entry that is written. Apply and Replace send it in the same step. Load sends it a
//     moment later for a run that was not there, and a process that dies in between sends none. So a reader that must
//     not miss a change looks again now and then.
//   - All counts of one answer are of one version.
//   - Every call ends by its context's deadline, even when Redis hangs. While Redis is known not to answer, every call
//     but a listener's ends at once.
//   - A listener that falls behind loses the oldest changes. It never blocks the connection and never grows.
//
// StreamTickets are beside it: not derived, and gone within half a minute.
//
// A Cache and a listener may be used by many goroutines. The package needs Redis 7.0 or later, Valkey or miniredis: one
// node, Sentinel or Cluster. All keys of a run share one hash tag. Pub/sub in Redis knows no database numbers: two
// systems on one Redis hear each other.
package availability

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"interlock/services/rail"
)

// Cache is what is left of every run, in Redis.
type Cache struct {
	// Heartbeat is how often a listener asks its connection for a sign of life; after three without any it takes a new
	// one. 0 is defaultHeartbeat. It is read when a listener is opened.
	Heartbeat time.Duration

	client  redis.UniversalClient
	scripts scripts
	counts  counters
}

// New makes a Cache of a client, see Connect. The client stays its maker's: the Cache does not close it.
func New(client redis.UniversalClient) *Cache { return &Cache{client: client, scripts: newScripts()} }

// Ping is nil when Redis answers.
func (c *Cache) Ping(ctx context.Context) error { return c.client.Ping(ctx).Err() }

// entryKey is where the entry of a run is. The braces are a hash tag: all that belongs to a run is on one node.
func entryKey(id rail.RunID) string { return "{" + string(id) + "}:left" }
