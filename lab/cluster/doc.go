// Package cluster runs a whole Interlock on this machine from real programs: a MySQL or MariaDB primary with two
// semi-synchronous replicas, three independent lock Redis, a cache Redis, and any number of `interlock serve`.
//
// It keeps to every setting of docs/operations.md that the promises rest on, also where that is slow: nothing on any
// member is relaxed. Every member starts read-only from its settings, and the primary is opened only once a replica has
// acknowledged a commit. Nothing listens anywhere but on the loopback interface, secrets are made anew each time, and
// all of it dies with the process that started it.
//
// A primary is never ended in order: asked to shut down while commits wait for a replica, it answers them OK without
// any replica having them. Close kills.
package cluster
