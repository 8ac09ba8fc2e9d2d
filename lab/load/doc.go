// Package load is buyers, many of them at once. Each has a token and a connection of its own, buys tickets through the
// public API, and remembers what it was told.
//
// Buyers share the machine with what they measure, so they are frugal: one connection and one buffer for each, requests
// written by hand, answers searched for the few words that count. They never decide what is right. What was
// acknowledged and what was refused goes into a Journal, to be compared with the ledger.
//
// A buyer is one goroutine. All that buyers share is safe for all of them.
package load
