// Package search is the first use case: it finds runs with seats.
//
// It has the whole timetable in memory (Timetable). A search (Finder) is answered from it and from one round trip to
// the availability. It asks no ledger. It does not fail when the availability does: what is left is then not known. The
// ledger is asked only when something was published.
//
// The timetable is a chain of snapshots behind one atomic pointer. A snapshot never changes once it is there to be
// read, so readers neither wait nor lock, and each call answers from one publication. The next snapshot shares with
// the last all that did not change: a publication costs what it brings and a shallow copy of an index over trains,
// never one over runs.
//
// Runs that are over go into an archive. They leave the index of searches, and most of their memory. They can still be
// found by their ids, and listed.
//
// All methods may be called by many goroutines. What they return is shared with others and must not be changed.
package search
