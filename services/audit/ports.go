package audit

import (
	"context"
	"iter"
	"time"

	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/pay"
	"interlock/services/rail"
)

// Ledger is the truth that everything else is held against.
//
// A run that the ledger cannot read (its seat map is damaged, say) must not hide the others. Touched, Left and
// Availabilities then return the others, and an error that names the run. Availabilities fills its place with a later
// run, so that fewer than limit always means the end. An error without any run means that the ledger could not be
// asked, or that all runs there are damaged. What Verify reads shows damaged rows as they are written; there an error
// only says that the ledger could not be asked.
type Ledger interface {
	// Touched is what is left of the runs whose version moved within the last window. It is read from the primary, by
	// the primary's clock. Of very many runs it may leave some out: the round through all runs finds those.
	Touched(ctx context.Context, window time.Duration) ([]*rail.Availability, error)
	// Left is what is left of some runs, in any order.
	Left(ctx context.Context, runs []rail.RunID) ([]*rail.Availability, error)
	// Availabilities are what is left of runs in the order of their ids, after the given id, at most limit; each at one
	// version. Runs that nothing was ever sold on follow from the timetable, so a page costs few rows.
	Availabilities(ctx context.Context, after rail.RunID, limit int) ([]*rail.Availability, error)
	// AuditSnapshots are all that is written of at most limit runs after an id, in the order of their ids, at one
	// moment. Runs that have orders and no row come between them and after them, and do not count. None come only where
	// no runs are left. An error is the last thing.
	AuditSnapshots(ctx context.Context, after rail.RunID, limit int) iter.Seq2[*ledger.AuditSnapshot, error]
	// Trains, Formations and Publications are all there are, in the order of their keys; an error is the last thing.
	Trains(ctx context.Context) iter.Seq2[ledger.WrittenTrain, error]
	Formations(ctx context.Context) iter.Seq2[ledger.WrittenFormation, error]
	Publications(ctx context.Context) iter.Seq2[ledger.WrittenPublication, error]
	// PublicationNumber is the last number that was given.
	PublicationNumber(ctx context.Context) (int64, error)
	// StationRows are all stations.
	StationRows(ctx context.Context) ([]ledger.WrittenStation, error)
	// Strays are rows of seats and asked documents whose run does not exist; a bounded number of them.
	Strays(ctx context.Context) ([]ledger.Stray, error)
	// Asked counts what is wrong among the documents that buyers asked for. A time may be later than now by slack, and
	// a row may stay longer than a day by slack.
	Asked(ctx context.Context, slack time.Duration) (ledger.WrittenAsked, error)
	// Records are the records of what admins did to orders that are not as they should be; a bounded number of them. A
	// time may be later than now by slack.
	Records(ctx context.Context, slack time.Duration) ([]ledger.WrittenRecord, error)
	// OutboxRows are all rows of the outbox, in the order of their ids, each beside its run and orders at one moment;
	// an error is the last thing.
	OutboxRows(ctx context.Context) iter.Seq2[*ledger.WrittenOutboxRow, error]
	// OrderPayments say how orders stand to their payments, by the orders' ids, at most 1,000; of an order that is not
	// there nothing is said.
	OrderPayments(ctx context.Context, orderIDs []string) (map[string]ledger.OrderPayment, error)
	// NotedKeys are the ids of all keys that passengers were ever sealed with.
	NotedKeys(ctx context.Context) ([]string, error)
	// Cluster is what the ledger says of its own cluster.
	Cluster(ctx context.Context) (*ledger.WrittenCluster, error)
	// JumpVersions raises every run's version by a million, so that a version from before a loss never means two
	// things.
	JumpVersions(ctx context.Context) (runs int, err error)
}

// Payments is the database of payments that take time.
type Payments interface {
	// AllPayments are all there are, as they are written, in the order of their ids; an error is the last thing.
	AllPayments(ctx context.Context) iter.Seq2[*pay.Payment, error]
	// Payments reads payments by their ids, in that order; nil where there is none. At most 1,000.
	Payments(ctx context.Context, ids []string) ([]*pay.Payment, error)
	// Now is the clock of its primary.
	Now(ctx context.Context) (time.Time, error)
}

// Cache is what is held against the ledger.
type Cache interface {
	// Stored reads whole entries, in the order of the ids; nil where there is none, or none that can be read.
	Stored(ctx context.Context, runs []*rail.Availability) ([]*rail.Availability, error)
	// Load stores what is left of many runs, each unless something newer is stored already. It tells subscribers,
	// though not always in the same step. When the process dies in between, they find out by their next look.
	Load(ctx context.Context, left []*rail.Availability) error
	// Replace stores an entry if what is stored still equals the version it was compared at (0: nothing is stored), and
	// tells subscribers.
	Replace(ctx context.Context, left *rail.Availability, seen int64) error
	// Loaded tells whether the marker of a full load is there. A cache that lost its data has lost the marker too.
	Loaded(ctx context.Context) (bool, error)
	// BeginLoad names the data that the cache has now. MarkLoaded sets the marker of a full load. It is an error, and
	// sets none, when the cache has lost that data since.
	BeginLoad(ctx context.Context) (data string, err error)
	MarkLoaded(ctx context.Context, data string) error
}

// Lock elects the one repairer.
type Lock interface {
	// Acquire asks once. lock.ErrTaken: another process has it. lock.ErrNoQuorum: it cannot be known.
	Acquire(ctx context.Context, name string) (lock.Lease, error)
}
