// Package failover decides which member of a MySQL cluster may be written, and takes over when the primary dies.
//
// It never does five things. It does not make a member writable that lacks what another may have acknowledged. It does
// not merge two histories. It does not act on what it could not read. It does not shut a server down in order: MySQL
// then answers its waiting commits although no replica has them. It does not act without the locks of a majority of the
// members.
//
// Its invariants:
//
//   - Members start read-only. The one way to writable is the list of steps in [attempt.open].
//   - An acknowledged order is on its primary and on a replica that counts. A takeover first stops the receivers of all
//     replicas that it reaches. From then on the old primary gets no acknowledgement from them, and so cannot answer.
//     The takeover goes on only if it reached every replica that counts.
//   - The ledger records which members count. A member is recorded as absent only while it receives nothing, and as
//     counting before it receives again. Each entry is a commit that another replica has acknowledged. So the record of
//     a member that has everything is right for the very moment of that history.
//   - A supervisor opens no member while one that counts is missing in its list. It does not take another server that
//     answers under a member's name for that member.
//   - Every opening raises the epoch, in the barrier commit.
//
// Each change to a member runs on a connection of its own to that member. The connection holds the lock and never
// reconnects. When one connection is lost, the attempt ends where it stands. Each step leaves the cluster in a state
// from which the next attempt, of any process, goes on.
//
// It is for MySQL 8.4 and 9.x. MariaDB is refused: it has nothing that keeps administrators from writing
// (super_read_only), nothing that hangs up on all clients at once (offline_mode) and nothing that rebuilds a member
// over a connection (clone).
//
// A supervisor may be used by several goroutines, and by several processes on the same cluster.
package failover
