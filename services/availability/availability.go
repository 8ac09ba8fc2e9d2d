// Package availability keeps in Redis what is left of every run, so that a search never asks the ledger.
//
// It is derived: everything in it can be computed from the ledger again at any time, and nothing is decided by it. It
// never makes up a number: what it does not have, or cannot read, or has for another train, is not known.
//
// What it promises:
//
//   - The entry of a run is written whole, and only by a newer version (Apply, Load) or in place of the very version that
//     was compared (Replace).
//   - A message tells of every entry that is written: in the same step (Apply, Replace), or a moment later, and never if
//     the process dies just then (Load, of a run that was not there). Who must not miss one looks again now and then.
//   - All counts of one answer are of one version.
//   - Every call ends by its context's deadline, whatever Redis does; and all but a listener's at once, while Redis is known
//     not to answer.
//   - A listener that falls behind loses the oldest changes; it never blocks the connection and never grows.
//
// A Cache and a listener may be used by many goroutines. It needs Redis 7.0 or later, Valkey or miniredis; one node,
// Sentinel or Cluster. All keys of a run share one hash tag. Pub/sub in Redis knows no database numbers: two systems
// on one Redis hear each other.
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

// entryKey is where the entry of a run is. The braces are a hash tag: whatever belongs to a run is on one node.
func entryKey(id rail.RunID) string { return "{" + string(id) + "}:left" }
