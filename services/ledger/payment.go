package ledger

import (
	"interlock/services/rail"
)

// MaxPaymentSteps is how many steps are decided at a time: they are one transaction, which must not keep a run's buyers
// waiting.
const MaxPaymentSteps = 1_000

// PaymentNotCompleted is why an order was cancelled that was PAYING until its capture's deadline.
const PaymentNotCompleted = "the payment was not completed"

// PaymentStep is what became of a payment, and what the ledger is to make of it.
type PaymentStep struct {
	OrderID string
	// PaymentID is 1 to 64 ASCII letters and digits.
	PaymentID string
	// Buyer, where it is not "", must be the order's.
	Buyer string
	Kind  PaymentStepKind
	// RefundID is the refund that MoneyBack is of; "" for all other kinds.
	RefundID string
}

// PaymentStepKind says what a payment has done.
type PaymentStepKind string

// The kinds. Each is a conditional update of the order's row, judged by the primary's clock. What a step finds in
// another state stays as it is.
const (
	// PaidAtOnce: the money was taken in the very request. ON_HOLD and in time: PAID.
	PaidAtOnce PaymentStepKind = "PAID_AT_ONCE"
	// PaymentAuthorised: the provider holds the money. ON_HOLD and in time: PAYING, until the capture's deadline.
	PaymentAuthorised PaymentStepKind = "AUTHORISED"
	// PaymentCaptured: the money was taken. PAYING by this payment, and before the deadline: PAID.
	PaymentCaptured PaymentStepKind = "CAPTURED"
	// PaymentFailed: the payment ended without money. PAYING by this payment: its deadline is now. It reads as
	// CANCELLED from then on, and the run's next batch writes that and puts the seat on sale.
	PaymentFailed PaymentStepKind = "FAILED"
	// MoneyBack: the money of a refund was given back. The refund that has no PaidBackAt gets it, whatever the order's
	// state and payment. PaymentID is not compared.
	MoneyBack PaymentStepKind = "MONEY_BACK"
	// PaymentAsked: nothing became of it. The order stays as it is, and the outcome says how it stands.
	PaymentAsked PaymentStepKind = "ASKED"
)

// PaymentOutcome is what the ledger says about a step, resting on a commit of its own.
type PaymentOutcome struct {
	// Order is as it is after the commit, and so after all steps; nil where there is none of that id and buyer. Steps
	// of one order share it.
	Order *rail.Order
	// Counts tells that the order is PAYING or PAID by this very payment, so that its money is wanted. Where it does
	// not count, the money is to go back.
	Counts bool
}

// Check refuses a step that no payment can take: INVALID.
func (s *PaymentStep) Check() error {
	switch s.Kind {
	case PaidAtOnce, PaymentAuthorised, PaymentCaptured, PaymentFailed, PaymentAsked:
	case MoneyBack:
		if s.RefundID == "" {
			return rail.Refuse(rail.Invalid, "money that went back is of a refund")
		}
		return nil
	default:
		return rail.Refuse(rail.Invalid, "%q is no step of a payment", s.Kind)
	}
	if !ValidPaymentID(s.PaymentID) {
		return rail.Refuse(rail.Invalid, "the id of a payment has 1 to 64 ASCII letters and digits")
	}
	return nil
}

// maxPaymentID is how long the id of a payment is at most: 64 hexadecimal digits are a digest.
const maxPaymentID = 64

// ValidPaymentID tells whether a text can be the id of a payment: 1 to 64 ASCII letters and digits.
func ValidPaymentID(id string) bool {
	if id == "" || len(id) > maxPaymentID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
