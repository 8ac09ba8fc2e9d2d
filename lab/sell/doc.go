// Package sell is `lab sell`: it sells on a real cluster as fast as buyers ask, measures a baseline and the database's
// ceiling beside it, and then compares all that any buyer was told with the ledger.
//
// Scenarios are taken in turns, round by round, so that what changes on the machine meanwhile changes all of them. A
// figure is the median of its rounds, each by itself.
package sell
