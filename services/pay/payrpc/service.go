package payrpc

import (
	"context"
	"time"

	"interlock/services/pay"
)

// Service takes payments: pay.Service in this process, or one in another behind a Client. Every method may be repeated.
// Errors are *rail.Error (INVALID: what was asked for makes no sense), or ledger.ErrInDoubt: it may or may not have
// been written, ask again.
type Service interface {
	// Start opens the payment that has p's ID, OrderID, RunID and Amount, or answers the one that has that ID. The
	// buyer has payFor. IDEMPOTENCY_CONFLICT: it is of another order or amount. PAYMENT_UNAVAILABLE: the provider does
	// not take it.
	Start(ctx context.Context, p *pay.Payment, payFor time.Duration) (*pay.Payment, error)
	// Settle notes what was decided, and answers once that is durable. errs has an error for each settlement, nil or
	// NOT_FOUND; or there are none at all. At most MaxItems.
	Settle(ctx context.Context, settlements []pay.Settlement) (errs []error, err error)
	// Refund gives back a part of what a payment took, and answers once that is durable; done tells that the money is
	// back. See pay.Service.
	Refund(ctx context.Context, o pay.RefundOrder) (done bool, err error)
	// Payments reads payments by their ids, in that order; nil where there is none. At most MaxItems.
	Payments(ctx context.Context, ids []string) ([]*pay.Payment, error)
	// OfOrders reads all payments of orders, sorted by order and creation. At most MaxItems orders.
	OfOrders(ctx context.Context, orderIDs []string) ([]*pay.Payment, error)
	// Changed lists payments in any of the states (none: all) that changed within so long (0: ever), by the payments'
	// own clock, sorted by (ChangedAt, ID) and after a place. At most limit, which is at most MaxItems.
	Changed(ctx context.Context, states []pay.State, within time.Duration, after pay.Place, limit int) (
		[]*pay.Payment, error)
	// Reconcile compares with the provider's list of so long back.
	Reconcile(ctx context.Context, within time.Duration) (pay.Report, error)
}

// MaxItems is how many payments, settlements or ids one call has at most.
const MaxItems = 1_000

const (
	// maxRequest bounds what a Handler reads, in bytes: MaxItems settlements are a fifth of it.
	maxRequest = 512 << 10
	// maxResponse bounds what a Client reads: MaxItems payments whose pages have long addresses.
	maxResponse = 8 << 20
	// maxSpan bounds every duration that is sent. What each call takes is the Service's to say.
	maxSpan = 31 * 24 * time.Hour
)

// The times of calls.
const (
	startTimeout     = 8 * time.Second
	settleTimeout    = 10 * time.Second
	readTimeout      = 5 * time.Second
	reconcileTimeout = 10 * time.Minute
)
