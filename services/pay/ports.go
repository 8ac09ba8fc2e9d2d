package pay

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// ErrStale says that a payment has changed since it was read. Nothing was written of it.
var ErrStale = errors.New("the payment has changed meanwhile")

// MaxOpenPayments is how many payments of one order may be in OpenStates at a time.
const MaxOpenPayments = 5

// OpenStates are the states in which a payment may still succeed.
var OpenStates = []State{Created, Open, Authorised, Capturing}

// CreatedDue is after how long the worker calls the provider for a payment that was noted and not opened: later than
// who started it gives up.
const CreatedDue = 6 * time.Second

// Store keeps payments. Times are the primary's. Errors are those of the ledger: *rail.Error (UNAVAILABLE: nothing was
// written), ledger.ErrInDoubt (it may or may not have been written; ask again).
type Store interface {
	// Payments reads payments by their ids, in that order; nil where there is none. At most 1,000.
	Payments(ctx context.Context, ids []string) ([]*Payment, error)
	// OfOrders reads all payments of orders, sorted by order and creation. At most 1,000 orders.
	OfOrders(ctx context.Context, orderIDs []string) ([]*Payment, error)
	// Update writes a batch in one commit, with the messages that the new states call for, and answers once the commit
	// was acknowledged. Each part of the batch has a result of its own. It is refused as a whole where it is larger
	// than MaxBatch, or has a notice that Heeded.Check refuses.
	Update(ctx context.Context, b Batch) (Written, error)
	// Due are payments whose Due has come, the longest first, at most limit: those that are Open, or all others.
	Due(ctx context.Context, isOpen bool, limit int) ([]*Payment, error)
	// Changed are payments that have any of the states (empty: all), and were changed at since or later, sorted by
	// (ChangedAt, ID) and after the place (afterAt, afterID). At most limit.
	Changed(ctx context.Context, states []State, since time.Time, after Place, limit int) ([]*Payment, error)
	// HeededBefore tells of each of a provider's notices whether it was written: its effect took place. At most 1,000.
	HeededBefore(ctx context.Context, provider string, ids []string) ([]bool, error)
	// Now is the primary's clock.
	Now(ctx context.Context) (time.Time, error)
}

// Place is where a list of payments goes on.
type Place struct {
	At time.Time
	ID string
}

// Batch is what one commit writes. MaxBatch bounds the starts and changes together, and the notices of all of it.
type Batch struct {
	Starts  []Start
	Changes []Change
	// Notices are webhooks from which no change follows. One that was written before is passed over.
	Notices []Heeded
}

// Written is what became of a batch: a result for each start, and an error for each change.
type Written struct {
	Started []Started
	// Errs are nil, or ErrStale: the row has another version than the change's Version-1, and nothing of it was
	// written.
	Errs []error
}

// Start notes a payment as it is given, at version 1. Its PayBy is PayFor from now. Its State is Created, and its Due
// CreatedDue from now; or Releasing, for a charge that was not asked for and goes back: then its Due is now.
type Start struct {
	Payment Payment
	PayFor  time.Duration
}

// Started is what became of a start. Payment is the one that has its ID now; where it was there before, Created is
// false, and it is answered as it stands. Err is IDEMPOTENCY_CONFLICT: the one with its ID is of another order or
// amount; or WRONG_STATE: it is Created, and its order has MaxOpenPayments of OpenStates, with those of the batch.
type Started struct {
	Payment *Payment
	Created bool
	Err     error
}

// Heeded is a webhook as it came, all of whose effect is durable once it is written. It leaves after 30 days.
type Heeded struct {
	Provider string
	Notice   Notice
	Body     []byte
}

// maxNotice bounds the body of a webhook, in bytes.
const maxNotice = 64 << 10

// Check refuses a webhook that no store keeps: INVALID.
func (h *Heeded) Check() error {
	for _, text := range []struct {
		name, value string
		most        int
	}{
		{"provider", h.Provider, 32},
		{"id", h.Notice.ID, 255},
		{"payment", h.Notice.PaymentID, 64},
		{"reference", h.Notice.Reference, 255},
	} {
		if !utf8.ValidString(text.value) || utf8.RuneCountInString(text.value) > text.most {
			return rail.Refuse(rail.Invalid, "the webhook's %s is not text of at most %d characters", text.name,
				text.most)
		}
	}
	if h.Notice.ID == "" || len(h.Body) > maxNotice {
		return rail.Refuse(rail.Invalid, "a webhook needs an id, and has at most %d bytes", maxNotice)
	}
	return nil
}

// Change is what becomes of a payment.
type Change struct {
	// Payment is the row as it is to be; Version is one more than that of the row. Its Due, CaptureBy and ChangedAt are
	// not looked at.
	Payment Payment
	// From is the State of the row at Version-1, as it was read.
	From State
	// DueIn is how long from now the provider is to be called next; negative: not at all.
	DueIn time.Duration
	// RefundOf is the order of a refund that the change says was done, "" where it says so of none.
	RefundOf string
	// CaptureWithin sets CaptureBy, once: it is not changed where it is set. 0: none.
	CaptureWithin time.Duration
	// Notices are webhooks from which the change follows: they are written where it is.
	Notices []Heeded
}

// EventOrder is the order that the change's event is of.
func (c *Change) EventOrder() string {
	if c.RefundOf != "" && c.From == c.Payment.State {
		return c.RefundOf
	}
	return c.Payment.OrderID
}

// Event is the type of the event that the change calls for, with told true; told is false where it calls for none. A
// change within a state tells nothing but that a refund was done.
func (c *Change) Event() (eventType ledger.EventType, told bool) {
	if c.From == c.Payment.State {
		return ledger.EventPaymentRefunded, c.RefundOf != ""
	}
	switch c.Payment.State {
	case Authorised:
		return ledger.EventPaymentAuthorised, true
	case Captured:
		return ledger.EventPaymentCaptured, true
	case Failed, Released, Refunded:
		return ledger.EventPaymentEnded, true
	case Created, Open, Capturing, Releasing, Refunding:
	}
	return "", false
}
