package ledger

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"interlock/services/rail"
)

// OutboxRow is what one commit made true about one run, as events. It is written by that very commit, and stays until
// it was published and every group of consumers has acknowledged it.
type OutboxRow struct {
	// ID is unique. It follows from the run and its version, or from the order and its version. Sorted by it, the rows
	// of a run have the events of each order, and those of the run, in the order of their versions.
	ID     string
	RunID  rail.RunID
	Events []Event
	// At is when it was written, by the primary's clock.
	At time.Time
	// Taken is how often it was taken to be published, with this time.
	Taken int64
	// Stream is where it was published; zero where it was not.
	Stream StreamID
	// Damage says why there are no Events: only a hand can write such a row. It is not to be published; it leaves by
	// its age.
	Damage error
}

// StreamID is the place of an entry in a Redis stream. Both numbers of Redis's own are unsigned; it makes none that an
// int64 cannot hold.
type StreamID struct{ Millis, Seq int64 }

// IsZero tells whether it is no entry's.
func (s StreamID) IsZero() bool { return s == StreamID{} }

// Compare is negative where s comes before other in a stream, and positive where it comes after it.
func (s StreamID) Compare(other StreamID) int {
	return cmp.Or(cmp.Compare(s.Millis, other.Millis), cmp.Compare(s.Seq, other.Seq))
}

// String is the id as Redis writes it.
func (s StreamID) String() string {
	return strconv.FormatInt(s.Millis, 10) + "-" + strconv.FormatInt(s.Seq, 10)
}

// ParseStreamID reads an id as Redis writes it.
func ParseStreamID(text string) (StreamID, error) {
	millis, seq, ok := strings.Cut(text, "-")
	m, err := strconv.ParseInt(millis, 10, 64)
	n, err2 := strconv.ParseInt(seq, 10, 64)
	if !ok || cmp.Or(err, err2) != nil || m < 0 || n < 0 {
		return StreamID{}, fmt.Errorf("%q is no id of an entry in a stream", text)
	}
	return StreamID{m, n}, nil
}

// Place is where a published row is among the others.
func (r *OutboxRow) Place() OutboxPlace { return OutboxPlace{r.Stream, r.ID} }

// OutboxPlace is the place of a published row: rows are sorted by the entry, and those of one entry by their ids. The
// zero place is before all rows.
type OutboxPlace struct {
	Stream StreamID
	ID     string
}

// Backlog is what an outbox holds. Counts end at MaxBacklog; ages go by the primary's clock, and are 0 where nothing is
// counted.
type Backlog struct {
	// Unpublished rows wait for the relay, Published ones for the groups.
	Unpublished, Published int
	// OldestUnpublished and OldestPublished are the ages of the oldest of those that were counted.
	OldestUnpublished, OldestPublished time.Duration
}

// MaxBacklog is how many rows of each kind a Backlog counts.
const MaxBacklog = 100_000

// MaxEventAge is how long a row stays at most, by RemoveOld.
const MaxEventAge = 7 * 24 * time.Hour

// Published says where rows were published, one behind another and as a whole: the last event of the last of them is
// the entry Last.
type Published struct {
	IDs  []string
	Last StreamID
}

// Removed counts rows that left the outbox because of their age.
type Removed struct {
	// Unpublished rows were never published: their events are lost. Published ones lacked a group's acknowledgement.
	Unpublished, Published int
}

// MaxTake is how many rows may be asked for at a time.
const MaxTake = 500

// Outbox is what a relay needs of the ledger. Errors are those of every other write: UNAVAILABLE says that nothing was
// written, ErrInDoubt that the commit may or may not have taken place. After either, the relay asks again.
//
// A relay publishes what TakeEvents gives it, row by row in that order and each row's events in theirs, then calls
// MarkPublished. However many relays do so at once, each event is published at least once, and the events of each
// subject are published in the order of their versions for the first time.
type Outbox interface {
	// TakeEvents reads rows that were not published yet on the primary, those of the run from and then of runs after it
	// ("": of all), sorted by ID, at most limit of them (1 to MaxTake). That includes rows that were taken before, by
	// any relay: it may have died. Then it marks them as taken in a transaction that begins after the read, on the same
	// primary, and answers them as they are in it, once its commit was acknowledged as a sale's is. So what it answers
	// cannot be lost any more. A row that is gone or was published in between is left out.
	//
	// Rows with very many events are fewer than limit, at least one. None are answered where none wait from that run
	// on, and nothing is written then; or where another relay has just published those that waited.
	TakeEvents(ctx context.Context, from rail.RunID, limit int) ([]OutboxRow, error)

	// MarkPublished notes where rows which were taken have been published, all in one commit. It is for rows of
	// PublishedEvents, too, when they have been published anew: they have the new place then. A row that is gone is
	// left out. At most MaxTake ids.
	MarkPublished(ctx context.Context, published []Published) error

	// PublishedEvents reads rows that were published after a place, and not after the entry upTo, sorted by place, at
	// most limit of them (1 to MaxTake; fewer where they have very many events, at least one). None are answered only
	// where there are none. From the primary. These were taken, so no commit needs to vouch for them again.
	PublishedEvents(ctx context.Context, after OutboxPlace, upTo StreamID, limit int) ([]OutboxRow, error)

	// EventsToRepeat reads rows that were published not after the entry upTo, and have a greater ID than after, sorted
	// by ID, at most limit of them, as PublishedEvents does. They are published again in this order: the places of rows
	// that were partly published again say nothing of the order of their events.
	EventsToRepeat(ctx context.Context, after string, upTo StreamID, limit int) ([]OutboxRow, error)

	// LastPublished is the last entry that a row was published as, zero where none was. A stream that ends before it
	// has lost something. A new stream may have to be set to it (XSETID), so that its entries come after all others.
	LastPublished(ctx context.Context) (StreamID, error)

	// RemovePublished removes rows that were published not after the entry upTo, in the order of their places, at most
	// limit of them: every group has acknowledged them. It answers how many; fewer than limit means that none is left.
	RemovePublished(ctx context.Context, upTo StreamID, limit int) (removed int, err error)

	// RemoveOld removes rows older than age by the primary's clock, published or not, at most limit of them.
	RemoveOld(ctx context.Context, age time.Duration, limit int) (Removed, error)

	// Backlog counts what the outbox holds. From the primary.
	Backlog(ctx context.Context) (Backlog, error)
}
