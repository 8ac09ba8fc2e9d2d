package pay

import (
	"context"
	"errors"
	"net/http"
	"time"

	"interlock/services/rail"
)

// Provider takes money: a bank, a card network, or one who stands for many. Calls with the same key have one effect,
// whatever became of the answers. Every call keeps to its context's deadline.
//
// An error that is ErrRefused says that the provider will never do it; then Get says how the charge stands. After any
// other error the effect is unknown, and the call is repeated with the same key.
type Provider interface {
	// Name is the provider's, in lower-case letters.
	Name() string
	// Takes refuses an amount that the provider does not take: its currency, or too little or too much. The text of
	// the error is for the buyer, who is shown it.
	Takes(amount rail.Money) error
	// Authorise opens a page on which the buyer lets the provider hold the amount, until payBy.
	Authorise(ctx context.Context, p *Payment, key string) (Charge, error)
	// Get is how a charge stands. ErrUnknown: the provider has none for it, or the payment has no Reference. Where
	// Authorise was called, that is to be repeated: its answer may have been lost.
	Get(ctx context.Context, p *Payment) (Charge, error)
	// Capture takes the whole amount that is held.
	Capture(ctx context.Context, p *Payment, key string) (Charge, error)
	// Release closes the page, or lets what is held go.
	Release(ctx context.Context, p *Payment, key string) (Charge, error)
	// Refund gives back some of what was captured, once for a key, also after the provider has forgotten its keys.
	Refund(ctx context.Context, p *Payment, minor int64, key string) (Charge, error)
	// Webhook reads a webhook's request. ErrTooOld says that it is the provider's, and too old by now; any other error
	// that it is not the provider's.
	Webhook(header http.Header, body []byte, now time.Time) (Notice, error)
	// List are charges that were opened at since or later, the newest first, at most limit (100) of them. after is the
	// next of the last page, "" for the first; next is "" where there are no more. Charges of others, that have no
	// PaymentID, are left out, so that a page may be short.
	List(ctx context.Context, since time.Time, after string, limit int) (charges []Charge, next string, err error)
}

var (
	// ErrRefused says that a provider will not do what it was asked for, now or later.
	ErrRefused = errors.New("the provider refuses")
	// ErrUnknown says that a provider has nothing of that name.
	ErrUnknown = errors.New("the provider does not know it")
	// ErrTooOld says that a webhook was signed too long ago: it may have been recorded and be sent again.
	ErrTooOld = errors.New("the webhook is too old")
)

// Charge is how a payment stands at the provider.
type Charge struct {
	// PaymentID is the payment's that it was opened for, OrderID its order's, as the provider noted them.
	PaymentID, OrderID string
	// Reference is the provider's id. It never changes.
	Reference string
	Status    ChargeStatus
	Currency  rail.Currency
	// Authorised, Captured, Released and Refunded are minor units.
	Authorised, Captured, Released, Refunded int64
	// RedirectURL is the page where the buyer pays, "" once it is closed.
	RedirectURL string
	CreatedAt   time.Time
	// Reason says why it ended without money, in the provider's codes.
	Reason string
	// Unreadable says why List could not read it; nil where it could. It has ids then, and nothing else.
	Unreadable error
}

// ChargeStatus is how far a charge is.
type ChargeStatus string

// The statuses. Closed is the end of a charge that took no money. ChargeCaptured is also that of a charge which was
// refunded.
const (
	ChargeOpen       ChargeStatus = "OPEN"
	ChargeAuthorised ChargeStatus = "AUTHORISED"
	ChargeCaptured   ChargeStatus = "CAPTURED"
	ChargeClosed     ChargeStatus = "CLOSED"
)

// Notice is what a webhook says: something about a payment may have changed. How it stands is asked for.
type Notice struct {
	// ID is the provider's, unique among its notices.
	ID string
	// PaymentID says which payment; "" where the provider's notice is of nothing of ours. Reference says which of its
	// charges, where there are two; "" where the notice does not name it, so that the payment's own is meant.
	PaymentID, Reference string
	// Tells is ChargeAuthorised or ChargeCaptured where the charge's becoming so is what it tells: a payment that is
	// known to have come so far has nothing to learn from it. "" is anything else.
	Tells ChargeStatus
}
