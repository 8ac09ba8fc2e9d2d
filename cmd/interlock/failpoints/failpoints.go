// Package failpoints holds a batch of a running server at an exact point, so that the proving ground can kill or freeze
// the server right there.
//
// It puts itself around what the sale works with: its ledger, its lock, its availability, and the driver's connections.
// The sale and the ledger know nothing of it. A server takes it in only when it is built with the tag `fault`; the one
// that is shipped has none of it.
//
// One batch is held at a time, and never for longer than a limit. Whoever has it held does so over a connection to a
// socket in the server's folder, and the batch goes on when that ends. A Control may be used by many goroutines.
package failpoints

import (
	"time"

	"interlock/services/rail"
)

// Point is a moment in a batch.
type Point string

// The points, in the order in which a batch comes by them. What was sent when a process dies is all that is left of it,
// so there is one point between what writes and COMMIT, and not two.
const (
	// AfterLock: the batch was taken off the queue under the run's lock, and the ledger has heard nothing of it.
	AfterLock Point = "after_lock"
	// BeforeUpdate: all is read and decided in the transaction; what writes, the compare-and-set first, is not sent.
	BeforeUpdate Point = "before_update"
	// BeforeCommit: what writes was executed, and the run's row is locked by it; COMMIT is not sent.
	BeforeCommit Point = "before_commit"
	// AfterCommit: the commit was acknowledged, and no buyer has been told.
	AfterCommit Point = "after_commit"
	// BeforeApply: buyers are being told, and Redis is not.
	BeforeApply Point = "before_apply"
	// BeforeUnlock: all is done, and the run's lock is still there.
	BeforeUnlock Point = "before_unlock"
)

// All are the points in their order.
func All() []Point {
	return []Point{AfterLock, BeforeUpdate, BeforeCommit, AfterCommit, BeforeApply, BeforeUnlock}
}

// Limit is how long a server holds a batch at most: longer than any server is left frozen.
const Limit = 20 * time.Second

// The variables by which a server that was built with the tag `fault` is told what is done to it.
const (
	// ControlVariable names the socket at which batches are held; a relative one is in the folder that the server runs
	// in.
	ControlVariable = "INTERLOCK_FAULT_CONTROL"
	// ClockVariable is how far the server's clock is off, like "-1h".
	ClockVariable = "INTERLOCK_FAULT_CLOCK"
	// VersionCheckVariable takes the check of the version away when it is VersionCheckOff.
	VersionCheckVariable = "INTERLOCK_FAULT_VERSION_CHECK"
	VersionCheckOff      = "off"
	// ReplicationVariable has the server take every commit for acknowledged by a replica when it is ReplicationAssumed.
	ReplicationVariable = "INTERLOCK_FAULT_REPLICATION"
	ReplicationAssumed  = "assumed"
)

// Held is a batch that is held.
type Held struct {
	Point Point      `json:"point"`
	Run   rail.RunID `json:"run"`
	// Read is the version of the run that the batch read, Made the one that its commit made; 0 before it has, and where
	// the point is not the batch's own.
	Read int64 `json:"version_read"`
	Made int64 `json:"version_made"`
	// Orders is how many it places, as far as that is decided by then.
	Orders int `json:"orders"`
}
