// Package failover decides which member of a MySQL cluster may be written, and takes over when it dies.
//
// It never makes a member writable that lacks what another may have acknowledged, never merges two histories, never
// believes what it could not read, never ends a server in order (asked to shut down, MySQL answers its waiting commits
// without any replica having them), and never acts without a majority of the members' locks.
//
// Its invariants:
//
//   - Members start read-only. The one way to writable is [attempt.install]: receivers stopped, transactions compared,
//     everything applied, replicas connected, source side on, a barrier commit acknowledged, and only then writable.
//   - An acknowledged order is on its primary and on a replica that counts. A takeover starts by stopping the receivers of
//     all replicas it reaches: from then on the old primary can get no acknowledgement and so can answer nobody. It goes on
//     only if every replica that counts was reached.
//   - The ledger records which members count. A member is recorded as absent only while it receives nothing, in a commit that
//     another replica acknowledged, and as one that counts in such a commit before the supervisor lets it receive. So the record of
//     whoever has all that could be reached is right for exactly that moment of history; and who counts there and is not in a
//     the supervisor's list is not forgotten: that supervisor opens nobody. Nor is another server that answers under the name of one that
//     counts taken for it.
//   - Every opening raises the epoch, in the barrier commit.
//
// Everything that changes a member runs on that member's own pinned connection, which holds the lock and never reconnects.
// Whoever loses one of them ends its attempt where it stands; each step leaves the cluster in a state from which the next
// attempt, of any process, goes on.
//
// MySQL 8.4 and 9.x. MariaDB is refused: it has nothing that keeps administrators from writing (super_read_only), nothing
// that hangs up on all clients at once (offline_mode) and nothing that rebuilds a member over a connection (clone).
//
// A supervisor may be used by several goroutines, and by several processes on the same cluster.
package failover
