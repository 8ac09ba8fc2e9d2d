package pay

import (
	"context"
	"errors"
	"time"

	"interlock/services/ledger"
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
	// Create notes a payment as it is given, at version 1, or answers the one that has its ID already, with created false.
	// Its PayBy is payFor from now. Its State is Created, and its Due CreatedDue from now; or Releasing, for a charge that
	// nobody asked for and that goes back: then its Due is now. IDEMPOTENCY_CONFLICT: the one with its ID is of another
	// order or amount. WRONG_STATE: it is Created, and its order has MaxOpenPayments of OpenStates.
	Create(ctx context.Context, p *Payment, payFor time.Duration) (noted *Payment, created bool, err error)
	// Payments reads payments by their ids, in that order; nil where there is none. At most 1,000.
	Payments(ctx context.Context, ids []string) ([]*Payment, error)
	// OfOrders reads all payments of orders, sorted by order and creation. At most 1,000 orders.
	OfOrders(ctx context.Context, orderIDs []string) ([]*Payment, error)
	// Update writes changed payments in one commit, each unless its row has another version than p.Version-1, with the
	// messages that the new states call for, and answers once the commit was acknowledged. errs has an error for each
	// payment: nil, or ErrStale. Due and CaptureBy are given as how long from now. At most 1,000.
	Update(ctx context.Context, changes []Change) (errs []error, err error)
	// Due are payments whose Due has come, the longest first, at most limit: those that are Open, or all others.
	Due(ctx context.Context, isOpen bool, limit int) ([]*Payment, error)
	// Changed are payments that have any of the states (empty: all), and were changed at since or later, sorted by
	// (ChangedAt, ID) and after the place (afterAt, afterID). At most limit.
	Changed(ctx context.Context, states []State, since time.Time, after Place, limit int) ([]*Payment, error)
	// NoteNotice notes a webhook with its body (at most 64 KB), and tells whether its effect is known to have taken place:
	// NoticeDone was called for it before. Notices leave after 30 days.
	NoteNotice(ctx context.Context, provider string, n Notice, body []byte) (done bool, err error)
	NoticeDone(ctx context.Context, provider, id string) error
	// Now is the primary's clock.
	Now(ctx context.Context) (time.Time, error)
}

// Place is where a list of payments goes on.
type Place struct {
	At time.Time
	ID string
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
	// CaptureWithin sets CaptureBy, once: it is not changed where it is set. 0: none.
	CaptureWithin time.Duration
}

// Event is the type of the event that the change calls for, with told true; told is false where it calls for none. A
// change within a state tells nothing.
func (c *Change) Event() (eventType ledger.EventType, told bool) {
	if c.From == c.Payment.State {
		return "", false
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
