// Package search is the first use case: it finds runs with seats.
//
// It has the whole timetable in memory (Timetable). A search (Finder) is answered from it and from one round trip to
// the availability. When the availability fails, searches go on, and what is left is not known. The ledger is asked
// only when something was published.
//
// The timetable is a chain of snapshots behind one atomic pointer. A snapshot never changes once it can be read. So
// readers take no lock, and each call answers from one publication. The next snapshot shares with the last all that
// stays the same. A publication costs what it brings, and a shallow copy of the index over trains; the index over runs
// is not copied.
//
// Runs that are over go into an archive. They leave the index of searches, and most of their memory. They can still be
// found by their ids, and listed.
//
// All methods may be called by many goroutines. What they return is shared with others and must not be changed.
package search
