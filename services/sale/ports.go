package sale

import (
	"context"
	"time"

	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/pay"
	"interlock/services/rail"
)

// Ledger is the part of the ledger that a sale needs.
//
// Every method keeps to its context's deadline. Besides *rail.Error (UNAVAILABLE: nothing was written, try again
// later), ledger.ErrVersionConflict and ledger.ErrInDoubt, an error means that nothing was written.
type Ledger interface {
	// Sell runs one batch in one transaction on the primary: it reads the run's version first, then all that the batch
	// asks for, carries out expiries and cancels, calls decide, moves the version on by compare-and-set, writes what
	// decide returned and commits. It returns the new version once the commit was acknowledged as durably as the ledger
	// is set to. A batch that changes nothing moves the version on, too: so no answer rests on the word of a server
	// that is not the primary any more.
	//
	// ledger.ErrVersionConflict: another batch was committed in between; nothing was written. ledger.ErrInDoubt: the
	// commit may or may not have taken place. NOT_FOUND: there is no such run. decide's own error: rolled back.
	Sell(ctx context.Context, batch ledger.Batch, decide ledger.Decide) (version int64, err error)

	// DecidePayments carries out steps of payments of one run in one commit, each as its kind says, and answers an
	// outcome for each once that commit was acknowledged. There are at most ledger.MaxPaymentSteps, no two of one
	// order. An order that is not there is an outcome without one. ledger.ErrInDoubt: each may or may not have been
	// carried out; ask again. ledger.ErrLocked: another transaction has one of the orders.
	DecidePayments(ctx context.Context, runID rail.RunID, steps []ledger.PaymentStep) ([]ledger.PaymentOutcome, error)

	// OrderToPay is Order on connections that other readers cannot use up. left is how long its hold lasts by the
	// primary's clock, where it is on hold.
	OrderToPay(ctx context.Context, orderID string) (order *rail.Order, left time.Duration, err error)

	// Correct changes a passenger's name on an order that is on hold or paid, and records who asked and why. It answers
	// the order as it is after its own acknowledged commit. NOT_FOUND: there is no such ticket. WRONG_STATE: the order
	// has ended, or its passengers were forgotten; or the ticket has ended, or is being changed. ledger.ErrInDoubt: it
	// may or may not have taken place.
	Correct(ctx context.Context, correction ledger.Correction) (*rail.Order, error)

	// DueChanges are changes that are open, and whose DueAt has come, after a change (the zero one for the first), at
	// most limit, the oldest first.
	DueChanges(ctx context.Context, after ledger.DueChange, limit int) ([]ledger.DueChange, error)
	// OwedRefunds are orders with refunds that were decided more than age ago and have no PaidBackAt, after an order's
	// id ("" for the first), sorted by it, at most limit.
	OwedRefunds(ctx context.Context, age time.Duration, after string, limit int) (orderIDs []string, err error)

	// DueRuns are runs with holds past their time, at most limit.
	DueRuns(ctx context.Context, limit int) ([]rail.RunID, error)

	// Buyers reads a record for each of the buyers. No order is on hold for longer than hold. Documents are read only
	// where they are asked for, as they take longest.
	Buyers(ctx context.Context, buyers []string, hold time.Duration, documents bool) (map[string]*ledger.BuyerRecord,
		error)
	// ForgetAsked deletes documents that are too old for any BuyerRecord, at most limit of them. There may be more
	// where it deleted that many.
	ForgetAsked(ctx context.Context, limit int) (forgotten int, err error)

	Orders
}

// Orders reads orders, and what they were placed by.
type Orders interface {
	// Order reads one order with its tickets from the primary; nil where there is none.
	Order(ctx context.Context, orderID string) (*rail.Order, error)
	// OrdersByID is Order for many ids at once, in their order and nil where there is none.
	OrdersByID(ctx context.Context, ids []string) ([]*rail.Order, error)
	// OrderByNumber is Order by the number people use.
	OrderByNumber(ctx context.Context, number string) (*rail.Order, error)
	// OrderByKey is Order by the key that placed it: of a buyer, on a run.
	OrderByKey(ctx context.Context, run rail.RunID, buyer, key string) (*rail.Order, error)
	// Orders lists orders, newest first, from a replica where there is one.
	Orders(ctx context.Context, filter ledger.OrderFilter) ([]*rail.Order, error)
	// Train is the Train with an id: orders outlive the timetable they were placed by.
	Train(ctx context.Context, id string) (*rail.Train, error)
}

// Lock keeps the servers that sell one run out of each other's way. Nothing rests on it but speed.
type Lock interface {
	// Acquire asks once for the lock of a run. lock.ErrTaken: another holder has it. lock.ErrNoQuorum: too few lock
	// nodes answered.
	Acquire(ctx context.Context, name string) (lock.Lease, error)
}

// Availability is told what is left after a batch.
type Availability interface {
	// Apply stores what is left unless something newer is stored already, and tells subscribers.
	Apply(ctx context.Context, left *rail.Availability) error
	// Announce tells subscribers that an order moved on.
	Announce(ctx context.Context, change rail.Change) error
}

// Runs finds a run that is published.
type Runs interface {
	Run(id rail.RunID) (*rail.Run, bool)
	// Loaded is false until the timetable was read: a run that is not found then may be there all the same.
	Loaded() bool
}

// Payments charges buyers. No lock and no place in the ledger is held while it is asked.
//
// A key is not the one that the buyer chose. It is 64 hexadecimal digits made of the order's id, the buyer and the
// buyer's key: no two orders and no two buyers have the same, and a repetition has the same on every server. A
// provider's own idempotency key may be just that.
type Payments interface {
	// Charge starts to collect what is to be paid for an order, its ToPay, within payFor. It must be safe to repeat
	// with the same key, and must not take one key for two orders or amounts.
	//
	// A provider that answers at once says SUCCEEDED: it has the money. One that takes time says PENDING until the
	// payment has ended, and FAILED from then on; a PaymentService and events tell the rest.
	Charge(ctx context.Context, order *rail.Order, key string, payFor time.Duration) (Payment, error)
	// Void gives back what Charge took for the order with a key, and nothing else: the ledger has said for certain that
	// the order is not paid by it. It closes a page that is still open. It must be safe to repeat, and harmless where
	// nothing was taken.
	Void(ctx context.Context, order *rail.Order, key string) error
	// Refund gives back a part of what the payment took. done tells that the money is back; where it is not, it is
	// being given back, and an event tells when it is done. It must be safe to repeat with the same ID.
	// IDEMPOTENCY_CONFLICT: the ID is of another payment or amount. NOT_FOUND: there is no such payment. INVALID: it is
	// more than is left of what was taken.
	Refund(ctx context.Context, refund pay.RefundOrder) (done bool, err error)
}

// PaymentService settles payments that take time. What it tells by itself are the events that PaymentEvent takes.
type PaymentService interface {
	// Settle tells payments what the ledger decided. It is durable once it returns without an error. errs is nil, or
	// has nil or an error for each: NOT_FOUND: there is no such payment. WRONG_STATE: it is to be captured, and has
	// ended or is to be released. Repeating a settlement is harmless. UNAVAILABLE, ledger.ErrInDoubt: ask again.
	Settle(ctx context.Context, settlements []pay.Settlement) (errs []error, err error)
	// Changed are payments that have any of the states, and have changed within that time by the payments' clock,
	// sorted by (ChangedAt, ID) and after the place. At most limit.
	Changed(ctx context.Context, states []pay.State, within time.Duration, after pay.Place, limit int) (
		[]*pay.Payment, error)
}
