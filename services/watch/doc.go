// Package watch is way 4: it fans changes out to subscribers.
//
// A Hub, one per server, is told which runs and orders have moved on, reads each of them once for all who watch it, and
// hands the result to every one of them. It never trusts what a change says but that there is one, and up to which
// version: what a subscriber gets was read from the availability, or from the primary.
//
// What holds for each subscriber, whatever is lost, doubled, late or out of order:
//
//   - The first event is how things are. Of each run, and of an order, versions then go up only.
//   - The last version always comes, at the latest one look after a message about it was lost.
//   - An order is told to have expired when that is certain, not when its time is over: a payment may be on its way.
//   - A subscriber that does not read skips versions, and costs the others nothing: handing out never waits.
//   - The stream ends when there is nothing left to tell, when its context ends, or when the hub does.
//
// A subscriber is a channel and a few words of memory; it has no goroutine. The hub has four, and hands out under one
// mutex, within which nothing waits. All methods may be called by many goroutines. Events are shared among all who get
// them and must not be changed.
package watch
