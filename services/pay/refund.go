package pay

import (
	"context"
	"encoding/json"
	"regexp"
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
}

// RefundList are the refunds of a payment, in the order in which they were asked for. It is their text in JSON, "" for
// none, so that payments can be compared.
type RefundList string

// maxRefunds is how many refunds a payment has at most: one for each ticket, one for what a change of it left, and one
// for what was carried over, are fewer.
const maxRefunds = 64

// writtenRefund is a refund in the text of a RefundList.
type writtenRefund struct {
	ID    string `json:"id"`
	Order string `json:"order"`
	Minor int64  `json:"minor"`
	Done  bool   `json:"done,omitempty"`
}

func (l RefundList) read() (all []writtenRefund) {
	if l != "" {
		// A row that only a hand can write has no refunds, as far as can be told: verify finds it.
		_ = json.Unmarshal([]byte(l), &all)
	}
	return all
}

// NewRefundList is the list of some refunds of one payment.
func NewRefundList(refunds []Refund) RefundList {
	all := make([]writtenRefund, len(refunds))
	for i, r := range refunds {
		all[i] = writtenRefund{ID: r.ID, Order: r.OrderID, Minor: r.Amount.Minor, Done: r.State == RefundDone}
	}
	return refundList(all)
}

func refundList(all []writtenRefund) RefundList {
	if len(all) == 0 {
		return ""
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // texts and numbers have one
	}
	return RefundList(text)
}

// RefundsAsked are the payment's refunds, in the order in which they were asked for.
func (p *Payment) RefundsAsked() []Refund {
	written := p.Refunds.read()
	all := make([]Refund, len(written))
	for i, w := range written {
		all[i] = Refund{
			RefundOrder: RefundOrder{
				ID: w.ID, PaymentID: p.ID, OrderID: w.Order,
				Amount: rail.Money{Minor: w.Minor, Currency: p.Amount.Currency},
			},
			State: RefundPending,
		}
		if w.Done {
			all[i].State = RefundDone
		}
	}
	return all
}

// sums are what was asked for in all, and what of that is pending, in minor units.
func (l RefundList) sums() (asked, pending int64) {
	for _, w := range l.read() {
		asked += w.Minor
		if !w.Done {
			pending += w.Minor
		}
	}
	return asked, pending
}

// pending is the first refund that the provider is to be called for.
func (l RefundList) pending() (w writtenRefund, is bool) {
	for _, w := range l.read() {
		if !w.Done {
			return w, true
		}
	}
	return writtenRefund{}, false
}

// done marks the refund with an id as done, or all where it is "".
func (l RefundList) done(id string) RefundList {
	all := l.read()
	for i := range all {
		all[i].Done = all[i].Done || id == "" || all[i].ID == id
	}
	return refundList(all)
}

// askRefund is what becomes of a payment by a refund that is asked for. One that is known changes nothing. A person may
// have given back all of a payment that succeeded: then a refund is done when it is asked for.
// IDEMPOTENCY_CONFLICT: its ID is of another amount or order. INVALID: it is more than is left. WRONG_STATE: the
// payment was not captured, or goes back as a whole because its order is not paid by it.
func askRefund(p Payment, o RefundOrder) (next Payment, err error) {
	all := p.Refunds.read()
	for _, w := range all {
		switch {
		case w.ID != o.ID:
		case w.Order != o.OrderID || w.Minor != o.Amount.Minor || o.Amount.Currency != p.Amount.Currency:
			return p, rail.Refuse(rail.IdempotencyConflict, "that refund is of another order or amount")
		default:
			return p, nil
		}
	}
	asked, _ := p.Refunds.sums()
	givenByHand := p.State == Refunded && p.Wants == Capture
	// Of a payment that was noted anew, only the provider knows what had gone back. What has gone back may be of a
	// refund that is not marked as done yet: it must not count twice.
	left := p.Captured - max(p.Refunded, asked)
	if givenByHand {
		left = p.Captured - asked
	}
	switch {
	case o.Amount.Currency != p.Amount.Currency:
		return p, rail.Refuse(rail.Invalid, "the payment is in %s", p.Amount.Currency)
	case p.State != Captured && !givenByHand:
		return p, rail.Refuse(rail.WrongState, "the payment is %s, and only one that is CAPTURED is refunded", p.State)
	case o.Amount.Minor > left:
		return p, rail.Refuse(rail.Invalid, "%d are left of the payment, and %d are to go back", left, o.Amount.Minor)
	case len(all) >= maxRefunds:
		return p, rail.Refuse(rail.WrongState, "a payment has %d refunds at most", maxRefunds)
	}
	asks := writtenRefund{ID: o.ID, Order: o.OrderID, Minor: o.Amount.Minor, Done: givenByHand}
	p.Refunds, p.Tries = refundList(append(all, asks)), 0
	return p, nil
}

var refundID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Refund gives back a part of what a payment took. It is durable once it returns without an error: from then on the
// provider is asked until the money is back, which done tells. The same ID again is the same refund. NOT_FOUND: there
// is no such payment. INVALID: it is malformed, or more than is left of what was taken. WRONG_STATE: the payment was
// not captured, or goes back as a whole. IDEMPOTENCY_CONFLICT: the ID is of another order or amount.
func (s *Service) Refund(ctx context.Context, o RefundOrder) (done bool, err error) {
	switch _, ok := runOf(o.OrderID); {
	case !refundID.MatchString(o.ID):
		return false, rail.Refuse(rail.Invalid, "a refund's id is 64 hexadecimal digits")
	case !paymentID.MatchString(o.PaymentID):
		return false, rail.Refuse(rail.Invalid, "a payment's id is 1 to 64 letters and digits")
	case !ok || o.Amount.Minor <= 0:
		return false, rail.Refuse(rail.Invalid, "a refund is of an order, and above 0")
	}
	now, err := s.now(ctx)
	if err != nil {
		return false, err
	}
	var refusal error
	// One that is known is written as well: what was read may rest on a commit that was never acknowledged. It stays
	// due when it was, however often it is asked for.
	w := &waiting{id: o.PaymentID, apply: func(p Payment) (change Change, changes bool) {
		change.Payment, refusal = askRefund(p, o)
		if p.State == Refunded && change.Payment.Refunds != p.Refunds {
			change.RefundOf = o.OrderID
		}
		if change.Payment.Refunds == p.Refunds {
			if change.DueIn = -1; !p.Due.IsZero() {
				change.DueIn = max(p.Due.Sub(now), time.Millisecond)
			}
		}
		return change, refusal == nil
	}}
	switch err := s.committer.do(ctx, w); {
	case err != nil:
		return false, err
	case w.err != nil:
		return false, w.err
	case w.after == nil:
		return false, rail.Refuse(rail.NotFound, "there is no payment %s", o.PaymentID)
	case refusal != nil:
		return false, refusal
	}
	for _, r := range w.after.RefundsAsked() {
		if r.ID == o.ID {
			done = r.State == RefundDone
		}
	}
	return done, nil
}

// refunded notes that a provider has given a refund's money back.
func (s *Service) refunded(ctx context.Context, p *Payment, done writtenRefund, c *Charge) (*Payment, error) {
	w := &waiting{id: p.ID, base: p, apply: func(p Payment) (Change, bool) {
		next, advanced := Advance(p, *c)
		refunds := next.Refunds.done(done.ID)
		if refunds == next.Refunds {
			return Change{Payment: next}, advanced // Another process has noted it.
		}
		next.Refunds, next.Tries = refunds, 0
		return Change{Payment: next, RefundOf: done.Order}, true
	}}
	if err := s.committer.do(ctx, w); err != nil {
		return nil, err
	}
	if w.err == nil {
		s.counts.ended(p.ID)
	}
	return w.after, w.err
}
