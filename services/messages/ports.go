package messages

import (
	"context"
	"errors"
	"time"

	"interlock/services/ledger"
	"interlock/services/lock"
)

// Outbox is where the ledger keeps events until every group has acknowledged them. Package ledger says what each method
// promises.
type Outbox interface {
	ledger.Outbox
	// EventGroups are the groups that events are kept for, sorted. KeepEventsFor adds one, ForgetEventGroup takes one
	// away, and tells whether it was there. The stream may lose its groups; the ledger does not.
	EventGroups(ctx context.Context) ([]string, error)
	KeepEventsFor(ctx context.Context, group string) error
	ForgetEventGroup(ctx context.Context, group string) (was bool, err error)
}

// Lock elects the one relay. Several relays do no harm, and double the work.
type Lock interface {
	// Acquire asks once. lock.ErrTaken: another process has it. lock.ErrNoQuorum: it cannot be known.
	Acquire(ctx context.Context, name string) (lock.Lease, error)
}

var (
	// ErrMovedOn says that the stream is not as it was when it was looked at. Nothing was appended.
	ErrMovedOn = errors.New("the stream has moved on")
	// ErrFull says that a group has as many dead letters as are kept. The message stays with its consumer.
	ErrFull = errors.New("there are too many dead letters")
	// ErrNoGroup says that the stream does not have the group.
	ErrNoGroup = errors.New("the stream does not have this group of consumers")
)

// Standing is what the relay looks at before it publishes.
type Standing struct {
	// First and Last are the stream's first and last entries; zero where it has none.
	First, Last ledger.StreamID
	// Has tells whether the entry that was asked for is there.
	Has bool
	// Feeding is the place up to which rows are being published again; zero while none are.
	Feeding ledger.StreamID
}

// Stream is what the relay writes to. Its places rise for ever: an entry that is appended comes after the place that
// Append is given, even in a stream that was flushed under a clock that went back.
type Stream interface {
	// Look tells how the stream stands, and whether it has an entry.
	Look(ctx context.Context, entry ledger.StreamID) (Standing, error)
	// Append appends events in one step, and returns the place of the last. The places are next to each other: the
	// sequence numbers rise by one. after is the greatest place known. ErrMovedOn: the stream's last entry and what it
	// is being fed up to are not those of standing, so that another relay may have published the same, or the stream
	// has lost entries.
	Append(
		ctx context.Context, standing Standing, after ledger.StreamID, events []ledger.Event,
	) (ledger.StreamID, error)
	// BeginFeeding notes that rows up to a place are being published again, unless it is noted for a greater one.
	// EndFeeding takes that very note away.
	BeginFeeding(ctx context.Context, upTo ledger.StreamID) error
	EndFeeding(ctx context.Context, upTo ledger.StreamID) error
	// Groups are those the stream has, sorted by name.
	Groups(ctx context.Context) ([]Group, error)
	// MakeGroup makes a group that begins with the stream's first entry. A group that is there is left alone.
	MakeGroup(ctx context.Context, name string) error
	// Trim removes entries before a place; it may leave some.
	Trim(ctx context.Context, before ledger.StreamID) error
}

// Group is how far a group of consumers has come.
type Group struct {
	Name string
	// Acknowledged is a place: the group has acknowledged all entries up to it.
	Acknowledged ledger.StreamID
	// Waits is the entry that the group has had to acknowledge for the longest time; zero where it has all. Its Millis
	// are when the entry was appended, by the clock of Redis. Lag is how long that is ago, by the same clock.
	Waits ledger.StreamID
	Lag   time.Duration
	// Pending is how many entries its consumers have and have not acknowledged.
	Pending int64
	// Dead is how many dead letters it has.
	Dead int64
}

// Delivery is an entry that a consumer of a group was given.
type Delivery struct {
	ID    ledger.StreamID
	Event ledger.Event
	// Text is the entry's JSON. Err is why it is no event.
	Text string
	Err  error
	// Elsewhere says that the entry is a replayed dead letter of another group.
	Elsewhere bool
	// Try is which try of the event this is, in the group, counted from 1: one more than were begun.
	Try int
}

// Queue is what a consumer takes from, as a member of a group. All but Fresh answer at once. ErrNoGroup: the group has
// to be made. Where an entry was trimmed away, a consumer is not given it any more, and need not acknowledge it.
type Queue interface {
	MakeGroup(ctx context.Context, group string) error
	// Fresh are entries that no consumer of the group was given yet, in order, at most limit. It waits until there are
	// any, for at most wait. An answer that was lost on the way leaves the entries with the consumer: see Own.
	Fresh(ctx context.Context, group, consumer string, limit int, wait time.Duration) ([]Delivery, error)
	// Own are entries after a place that the consumer has and has not acknowledged, in order, at most limit. next is
	// the place to go on from; zero where there are no more.
	Own(ctx context.Context, group, consumer string, after ledger.StreamID, limit int) (
		own []Delivery, next ledger.StreamID, err error)
	// TakeOver gives the consumer at most limit entries that other consumers were given, and have not touched for idle.
	TakeOver(ctx context.Context, group, consumer string, idle time.Duration, limit int) ([]Delivery, error)
	// Touch says that the consumer still has these, and that the try of each was begun.
	Touch(ctx context.Context, group, consumer string, deliveries []Delivery) error
	Acknowledge(ctx context.Context, group string, ids []ledger.StreamID) error
	// Bury makes a dead letter of an entry, and acknowledges it, in one step. ErrFull: it did neither.
	Bury(ctx context.Context, group string, d Delivery, reason string) error
}

// DeadLetter is an event that a group could not handle.
type DeadLetter struct {
	// ID is the dead letter's own. At is when it was made, by the clock of Redis.
	ID ledger.StreamID
	At time.Time
	// Text is the event's JSON, as it was in the stream.
	Text string
	// Reason is why the last try failed. Tries is how many there were.
	Reason string
	Tries  int
}

// DeadLetters are what a person decides about.
type DeadLetters interface {
	// Dead are a group's dead letters after a place, in order, at most limit.
	Dead(ctx context.Context, group string, after ledger.StreamID, limit int) ([]DeadLetter, error)
	// Replay puts a dead letter back into the stream, for its group alone. Drop forgets it. Both tell whether it was
	// there.
	Replay(ctx context.Context, group string, id ledger.StreamID) (bool, error)
	Drop(ctx context.Context, group string, id ledger.StreamID) (bool, error)
}
