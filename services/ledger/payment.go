package ledger

import (
	"interlock/services/rail"
)

// PaymentStep is what became of a payment, and what the ledger is to make of it.
type PaymentStep struct {
	OrderID, PaymentID string
	// Buyer, where it is not "", must be the order's.
	Buyer string
	Kind  PaymentStepKind
}

// PaymentStepKind says what a payment has done.
type PaymentStepKind string

// The kinds. Each is a conditional update of the order's row, judged by the primary's clock.
const (
	// PaidAtOnce: the money was taken in the very request. ON_HOLD and in time: PAID.
	PaidAtOnce PaymentStepKind = "PAID_AT_ONCE"
	// PaymentAuthorised: the provider holds the money. ON_HOLD and in time: PAYING, until the capture's deadline.
	PaymentAuthorised PaymentStepKind = "AUTHORISED"
	// PaymentCaptured: the money was taken. PAYING by this payment, and before the deadline: PAID.
	PaymentCaptured PaymentStepKind = "CAPTURED"
	// PaymentFailed: the payment ended without money. PAYING by this payment: its deadline is now, so that the run's next
	// batch makes it CANCELLED and the seat is on sale.
	PaymentFailed PaymentStepKind = "FAILED"
	// PaymentAsked: nothing became of it. The order stays as it is, and the outcome says how it stands.
	PaymentAsked PaymentStepKind = "ASKED"
)

// PaymentOutcome is what the ledger says about a step, resting on a commit of its own.
type PaymentOutcome struct {
	// Order is as it is after the commit; nil where there is none of that id and buyer.
	Order *rail.Order
	// Counts tells that the order is PAYING or PAID by this very payment, so that its money is wanted. Where it does not
	// count, the money is to go back.
	Counts bool
}
