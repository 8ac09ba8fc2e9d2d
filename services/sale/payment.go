package sale

import (
	"context"

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
	// RedirectURL is where the buyer goes on to pay; "" where nothing is left to do.
	RedirectURL string
}

// Sandbox is a payment provider that takes no money and succeeds at once.
type Sandbox struct{}

// Charge always succeeds.
func (Sandbox) Charge(context.Context, *rail.Order, string) (Payment, error) {
	return Payment{State: PaymentSucceeded}, nil
}

// Void has nothing to give back.
func (Sandbox) Void(context.Context, *rail.Order, string) error { return nil }

// NoPayments is the provider where none was switched on.
type NoPayments struct{}

// Charge always refuses with PAYMENT_UNAVAILABLE.
func (NoPayments) Charge(context.Context, *rail.Order, string) (Payment, error) {
	return Payment{}, rail.Refuse(rail.PaymentUnavailable, "this server takes no payments: none was switched on (--payments)")
}

// Void has nothing to give back.
func (NoPayments) Void(context.Context, *rail.Order, string) error { return nil }
