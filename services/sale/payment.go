package sale

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"interlock/services/pay"
	"interlock/services/rail"
)

// PaymentState is how far a payment is.
type PaymentState string

// The states of a payment.
const (
	PaymentPending   PaymentState = "PENDING"
	PaymentSucceeded PaymentState = "SUCCEEDED"
	PaymentFailed    PaymentState = "FAILED"
)

// Payment is what a provider answers.
type Payment struct {
	State PaymentState
	// RedirectURL is where the buyer goes on to pay; "" where nothing is left to do for the buyer.
	RedirectURL string
}

// paymentKey is the key that a provider gets for a buyer's key, and the payment's id in the ledger: 64 hexadecimal
// digits. It is the same on every server
// and for every repetition, and another one for another order, buyer or key. Buyers choose their keys, so two buyers
// may choose the same, or one buyer the same for two orders. A provider would take the second payment for a repetition
// of the first. The digest says nothing of the buyer, since an order's id is random.
func paymentKey(orderID, buyer, key string) string {
	return digestOf("interlock payment", orderID, buyer, key)
}

// digestOf is 64 hexadecimal digits for some texts. Each has its length before it, so that no two lists make one text.
func digestOf(parts ...string) string {
	digest := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(digest, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// maxSandboxCharges is how many charges a sandbox remembers: the last minutes of a rush, in a few megabytes. Keys are
// repeated within seconds.
const maxSandboxCharges = 16_384

// Sandbox is a payment provider that takes no money, and is as exact about keys as those that do. It remembers the last
// charges of this process. Make one with NewSandbox.
type Sandbox struct {
	mu      sync.Mutex
	charges *lru.Cache[string, charge]
}

// charge is what a key was used for.
type charge struct {
	order  string
	amount rail.Money
	voided bool
	// back is what went back of it, by the ids of the refunds. It is never changed: the next one is a copy.
	back map[string]rail.Money
}

// NewSandbox makes a sandbox.
func NewSandbox() *Sandbox {
	charges, err := lru.New[string, charge](maxSandboxCharges)
	if err != nil {
		panic(err) // the size is positive
	}
	return &Sandbox{charges: charges}
}

// Charge succeeds at once, and once for each key. IDEMPOTENCY_CONFLICT: the key is that of another order or amount. The
// payment has FAILED where it was given back.
func (s *Sandbox) Charge(_ context.Context, order *rail.Order, key string, _ time.Duration) (Payment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := charge{order: order.ID, amount: order.ToPay()}
	known, ok := s.charges.Get(key)
	switch {
	case !ok:
		s.charges.Add(key, wanted)
	case known.order != wanted.order || known.amount != wanted.amount:
		return Payment{}, errOtherCharge()
	case known.voided:
		return Payment{State: PaymentFailed}, nil
	}
	return Payment{State: PaymentSucceeded}, nil
}

// Void gives back what was charged with a key. IDEMPOTENCY_CONFLICT: that was for another order; nothing is given back.
func (s *Sandbox) Void(_ context.Context, order *rail.Order, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.charges.Get(key)
	if !ok {
		return nil
	}
	if known.order != order.ID {
		return errOtherCharge()
	}
	known.voided = true
	s.charges.Add(key, known)
	return nil
}

// Refund gives back a part of a charge at once. A charge that it does not remember may be an older one, or another
// process's: of such a one it believes what it is told. INVALID: it is more than is left. IDEMPOTENCY_CONFLICT: the id
// was used for another amount.
func (s *Sandbox) Refund(_ context.Context, refund pay.RefundOrder) (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.charges.Get(refund.PaymentID)
	if !ok {
		return true, nil
	}
	if before, ok := known.back[refund.ID]; ok {
		if before != refund.Amount {
			return false, rail.Refuse(rail.IdempotencyConflict, "the refund's id was used for another amount")
		}
		return true, nil
	}
	left := known.amount.Minor
	for _, back := range known.back {
		left -= back.Minor
	}
	if refund.Amount.Minor <= 0 || refund.Amount.Minor > left || refund.Amount.Currency != known.amount.Currency ||
		known.voided {
		return false, rail.Refuse(rail.Invalid, "it is more than is left of what was taken")
	}
	back := maps.Clone(known.back)
	if back == nil {
		back = map[string]rail.Money{}
	}
	back[refund.ID] = refund.Amount
	known.back = back
	s.charges.Add(refund.PaymentID, known)
	return true, nil
}

func errOtherCharge() error {
	return rail.Refuse(rail.IdempotencyConflict, "the payment's key was used for another order or amount")
}

// NoPayments is the provider where none was switched on.
type NoPayments struct{}

// Charge always refuses with PAYMENT_UNAVAILABLE.
func (NoPayments) Charge(context.Context, *rail.Order, string, time.Duration) (Payment, error) {
	return Payment{}, errNoPayments()
}

// Void has nothing to give back.
func (NoPayments) Void(context.Context, *rail.Order, string) error { return nil }

// Refund always refuses with PAYMENT_UNAVAILABLE: another server may have taken what is to go back.
func (NoPayments) Refund(context.Context, pay.RefundOrder) (bool, error) {
	return false, errNoPayments()
}

func errNoPayments() error {
	return rail.Refuse(rail.PaymentUnavailable, "this server takes no payments: none was switched on (--payments)")
}
