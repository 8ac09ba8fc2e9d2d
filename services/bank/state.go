package bank

import (
	"crypto/rand"
	"maps"
)

// The states of a Checkout Session. https://docs.stripe.com/api/checkout/sessions/object
const (
	sessionOpen     = "open"
	sessionComplete = "complete"
	sessionExpired  = "expired"
)

// The states of a PaymentIntent that this bank has. https://docs.stripe.com/payments/paymentintents/lifecycle
const (
	intentUnpaid    = "requires_payment_method"
	intentHeld      = "requires_capture"
	intentSucceeded = "succeeded"
	intentCanceled  = "canceled"
)

// session is a page on which a buyer pays once. Values in the maps of a Bank are replaced, and never changed in place.
type session struct {
	ID         string            `json:"id"`
	Status     string            `json:"status"`
	Created    int64             `json:"created"` // Unix seconds, as everywhere in Stripe's API
	ExpiresAt  int64             `json:"expires_at"`
	Amount     int64             `json:"amount"`
	Currency   string            `json:"currency"` // in lower-case letters
	Title      string            `json:"title"`
	Client     string            `json:"client,omitempty"`
	ReturnURL  string            `json:"return_url"`
	CancelURL  string            `json:"cancel_url,omitempty"`
	Automatic  bool              `json:"automatic,omitempty"` // the amount is taken at once
	Metadata   map[string]string `json:"metadata,omitempty"`
	ForIntent  map[string]string `json:"for_intent,omitempty"` // the metadata of the intent
	Intent     string            `json:"intent,omitempty"`
	Planned    plan              `json:"planned,omitempty"`
	PlannedAt  int64             `json:"planned_at,omitempty"`  // Unix milliseconds
	SilentTill int64             `json:"silent_till,omitempty"` // Unix milliseconds
	Webhooks   disorder          `json:"webhooks,omitempty"`    // what befalls this session's webhooks
	NoCapture  bool              `json:"no_capture,omitempty"`  // a capture will be declined
	Late       bool              `json:"late,omitempty"`        // it is not closed when it expires
}

// plan is what the bank will do with a session.
type plan string

const (
	planPay     plan = "pay"
	planDecline plan = "decline"
	planTwice   plan = "twice"
)

// disorder is what befalls webhooks.
type disorder string

const (
	webhooksLost    disorder = "lost"
	webhooksTripled disorder = "tripled" // three times, and out of order
)

// intent is money of a buyer: asked for, held, taken, or let go.
type intent struct {
	ID       string            `json:"id"`
	Session  string            `json:"session"`
	Status   string            `json:"status"`
	Created  int64             `json:"created"`
	Amount   int64             `json:"amount"`
	Currency string            `json:"currency"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Charge   string            `json:"charge,omitempty"` // "" until it was ever held
	Received int64             `json:"received,omitempty"`
	Refunded int64             `json:"refunded,omitempty"`
	Refunds  []refund          `json:"refunds,omitempty"`
	Reason   string            `json:"reason,omitempty"`   // why it was cancelled
	Declined string            `json:"declined,omitempty"` // the last decline
}

// refund is a part of an intent's money that went back.
type refund struct {
	ID       string            `json:"id"`
	Created  int64             `json:"created"`
	Amount   int64             `json:"amount"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// with is a copy that a change was made to.
func (s *session) with(change func(*session)) *session {
	next := *s
	change(&next)
	return &next
}

// with is a copy that a change was made to.
func (i *intent) with(change func(*intent)) *intent {
	next := *i
	change(&next)
	return &next
}

// again is a second page for the same payment, as if it had been opened twice.
func (s *session) again(created int64) *session {
	return s.with(func(s *session) {
		s.ID, s.Created, s.Intent, s.Planned, s.PlannedAt = newID("cs_test_"), created, "", "", 0
		s.Metadata, s.ForIntent = maps.Clone(s.Metadata), maps.Clone(s.ForIntent)
	})
}

// newID is an id that cannot be guessed: who knows a session's can pay on its page.
func newID(prefix string) string { return prefix + rand.Text() }
