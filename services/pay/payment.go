package pay

import (
	"time"

	"interlock/services/rail"
)

// State is how far a payment is. A state is only ever followed by one of higher Rank.
type State string

// The states.
const (
	// Created: it is noted here. Whether the provider knows it is not known yet.
	Created State = "CREATED"
	// Open: the buyer can pay on the provider's page.
	Open State = "OPEN"
	// Authorised: the provider holds the money, and the ledger is to decide.
	Authorised State = "AUTHORISED"
	// Capturing: the ledger gave the seat for it. The money is being taken.
	Capturing State = "CAPTURING"
	// Releasing: the payment is to end without money. What is authorised goes back, and the page is closed.
	Releasing State = "RELEASING"
	// Failed: it ended, and no money was ever authorised.
	Failed State = "FAILED"
	// Released: it ended, and what was authorised went back.
	Released State = "RELEASED"
	// Captured: the money was taken.
	Captured State = "CAPTURED"
	// Refunding: the money was taken and is to go back.
	Refunding State = "REFUNDING"
	// Refunded: the money was taken and went back.
	Refunded State = "REFUNDED"
)

// States are all states, in the order of their ranks.
var States = []State{
	Created, Open, Authorised, Capturing, Releasing, Failed, Released, Captured, Refunding, Refunded,
}

// Payment is one try of a buyer to pay for one order. It has ids and amounts, and nothing of a person.
type Payment struct {
	// ID is unique, and the same for every repetition of the request that started it: 1 to 64 letters and digits.
	ID      string
	OrderID string
	RunID   rail.RunID
	// Amount is what is asked for. It is 0 for a charge that was not asked for while nothing is authorised.
	Amount rail.Money
	// Provider is the name of the provider that it was opened with.
	Provider string
	// Reference is the provider's id of it, "" until it is known. RedirectURL is the page where the buyer pays.
	Reference   string
	RedirectURL string
	State       State
	// Wants is what the ledger decided; Undecided until it has.
	Wants Decision
	// Authorised, Captured, Released and Refunded are minor units of Amount's currency. At the end Authorised is
	// Captured + Released.
	Authorised, Captured, Released, Refunded int64
	// Refunds are the parts of Captured that were asked back: see RefundsAsked. A payment of which all is asked back by
	// parts stays CAPTURED.
	Refunds RefundList
	// PayBy is when the provider's page is closed, CaptureBy when an uncaptured payment is let go; by the clock of the
	// payments' primary. CaptureBy is zero until the ledger wants a capture.
	PayBy, CaptureBy time.Time
	// CreatedAt is when it was noted here, ChangedAt when this version was written.
	CreatedAt, ChangedAt time.Time
	// Version rises by one with every change.
	Version int64
	// Tries counts calls of the provider in this state. Due is when the next is to be made: zero where nothing is left
	// to do but to wait for the ledger, or at the end.
	Tries int
	Due   time.Time
	// Reason says why it did not succeed, in the provider's codes; "" where there is none. It has no personal data.
	Reason string
}

// Decision is what the ledger decided about an authorised payment.
type Decision string

// The decisions. A payment that is to be released can never be captured; one that is to be captured can still be
// released, and refunded then.
const (
	Undecided Decision = ""
	Capture   Decision = "CAPTURE"
	Release   Decision = "RELEASE"
)

// Settlement tells a payment what the ledger decided.
type Settlement struct {
	PaymentID string
	Decision  Decision
	// Within is how long a capture may take from when it is noted; afterwards the money is let go.
	Within time.Duration
}
