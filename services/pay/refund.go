package pay

import (
	"time"

	"interlock/services/rail"
)

// RefundOrder asks for a part of a payment's money to go back, once it was captured.
type RefundOrder struct {
	// ID is unique among all refunds: 64 hexadecimal digits. It is also the key of the provider's call.
	ID        string
	PaymentID string
	// OrderID is the order that the refund is of. It is not the payment's where a ticket was changed: what was carried
	// over to the new order goes back to the payment of the old one.
	OrderID string
	// Amount is more than 0, and in the currency of the payment.
	Amount rail.Money
}

// RefundState is how far a refund is.
type RefundState string

// The states. A refund that is pending is tried until the provider has given the money back.
const (
	RefundPending RefundState = "PENDING"
	RefundDone    RefundState = "DONE"
)

// Refund is a part of a payment's money that goes back, or went.
type Refund struct {
	RefundOrder
	State RefundState
	// Tries counts calls of the provider. Due is when the next is to be made; zero once it is done.
	Tries int
	Due   time.Time
	// CreatedAt is when it was noted, ChangedAt when this state was.
	CreatedAt, ChangedAt time.Time
}
