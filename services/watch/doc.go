// Package watch is the use case of subscriptions: it fans changes out to subscribers.
//
// Each server has one Hub. The hub is told which runs and orders have moved on. It reads each of them once for all its
// subscribers, and hands the result to every one of them. A change only says that there is something to read, and up to
// which version. What a subscriber gets was read from the availability, or from the primary.
//
// Messages may be lost, doubled, late or out of order. For each subscriber this holds all the same:
//
//   - The first event is how things are. Of each run, and of an order, versions then go up only.
//   - The last version always comes, at the latest one look after a message about it was lost.
//   - An order is told to have expired when that is certain. The end of its time is too early: a payment may be on its
//     way.
//   - A subscriber that does not read skips versions. It costs the others nothing, since handing out never waits for
//     it.
//   - The stream ends when there is nothing left to tell, when its context ends, or when the hub does.
//
// A subscriber is a channel and a few words of memory; it has no goroutine. The hub has four goroutines, and hands out
// under one mutex, within which nothing waits. All methods may be called by many goroutines. Events are shared among
// subscribers and must not be changed.
package watch
