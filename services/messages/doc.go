// Package messages tells other services what became true of orders and runs.
//
// The ledger writes events into its outbox, in the very transaction that makes them true. A Relay carries them from
// there into a stream. A Consumer takes them from the stream, as a member of a group: each group is told every event at
// least once, and for the first time in the order of the versions of each subject. Doubles are told by (subject,
// version): see ledger.Event.
//
// What it promises:
//
//   - An event is published only after its commit was acknowledged, as an answered order is: see ledger.Outbox.
//   - A row stays in the outbox until every group has acknowledged its events. So a stream that was flushed, trimmed or
//     set back is fed again. Rows leave after ledger.MaxEventAge in any case, with an alarm.
//   - A consumer acknowledges an event after its handler has returned without an error. What a dead consumer has left
//     is taken over by another.
//   - An event that cannot be handled becomes a dead letter of its group after a number of tries, and a person decides.
//
// Package streams is the stream, on Redis.
package messages
