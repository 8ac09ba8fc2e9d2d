// Package load is buyers: many of them at once, each with a token and a connection of its own, who buy tickets through
// the public API and remember what they were told.
//
// It shares the machine with what it measures, so it is frugal: one connection and one buffer per buyer, requests
// written by hand, answers searched for the few words that count. It never decides what is right. What was acknowledged
// and what was refused goes into a Journal, for others to hold against the ledger.
//
// A buyer is one goroutine. Everything they share is safe for all of them.
package load
