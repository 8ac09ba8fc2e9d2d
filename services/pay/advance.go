package pay

import "slices"

// Why a payment ended without money, where the provider gave no reason.
const (
	reasonAmount       = "amount_differs"
	reasonRefused      = "refused"
	reasonNotPaid      = "not_paid_in_time"
	reasonUndecided    = "not_decided_in_time"
	reasonNotCaptured  = "not_captured_in_time"
	reasonCapture      = "capture_refused"
	reasonNotAskedFor  = "not_asked_for"
	reasonNeverReached = "never_opened"
)

// rank is the state's place in States.
func (s State) rank() int { return slices.Index(States, s) }

// goesBack tells whether the money of a payment is to go back, or has gone back.
func (p *Payment) goesBack() bool {
	return p.Wants == Release || p.State.rank() >= Releasing.rank() && p.State != Captured
}

// left is what is still to go back of a payment that ended without success: what is held, or what was taken. It is
// above 0 where the provider has said that the charge had ended, and then that it went on.
func (p *Payment) left() int64 {
	return max(p.Authorised-p.Captured-p.Released, p.Captured-p.Refunded)
}

// Advance is what becomes of a payment by what a provider says about its charge, and whether that changes it. What the
// provider says may be old, and may be told again: the state, and what was authorised, captured and refunded, only
// rise. A charge that has another Reference or currency changes nothing.
func Advance(p Payment, c Charge) (Payment, bool) {
	if !isOf(&c, &p) {
		return p, false
	}
	before := p
	p.Reference = c.Reference
	if p.RedirectURL == "" {
		p.RedirectURL = c.RedirectURL
	}
	p.addUp(c)
	closed := c.Status == ChargeClosed
	reason := c.Reason
	if reason == "" && !closed && p.takesWrongAmount() {
		reason = reasonAmount
	}
	p.moveTo(p.next(closed), reason)
	if p.State == Refunded {
		p.Refunds = p.Refunds.done("") // They went back with the rest.
	}
	return p, p != before
}

// isOf tells whether a charge is that of a payment. The first charge that is seen becomes the payment's.
func isOf(c *Charge, p *Payment) bool {
	if c.Reference == "" || c.Currency != p.Amount.Currency {
		return false
	}
	if p.Reference == "" {
		return c.PaymentID == p.ID
	}
	return c.Reference == p.Reference
}

// addUp takes the amounts of a charge. What was refunded was captured, and what was captured was authorised, so that
// Authorised is at least Captured + Released. Once a charge has ended, it holds nothing: then they are equal. A
// provider that says that it released what it has captured was wrong before.
func (p *Payment) addUp(c Charge) {
	p.Refunded = max(p.Refunded, c.Refunded)
	p.Captured = max(p.Captured, c.Captured, p.Refunded)
	p.Authorised = max(p.Authorised, c.Authorised, p.Captured)
	rest := p.Authorised - p.Captured
	p.Released = min(max(p.Released, c.Released), rest)
	if c.Status == ChargeClosed || p.Captured > 0 {
		p.Released = rest // A provider takes money of a charge once.
	}
}

// Decide is what becomes of a payment by what the ledger decided, and whether that changes it. A payment whose money
// goes back is never captured.
func Decide(p Payment, s Settlement) (Payment, bool) {
	switch {
	case p.goesBack(), p.Wants == s.Decision, s.Decision == Undecided:
		return p, false
	}
	p.Wants = s.Decision
	p.moveTo(p.next(false), "")
	return p, true
}

// next is the state that the amounts and the decision call for. closed tells that the charge has ended, and took
// nothing.
func (p *Payment) next(closed bool) State {
	switch {
	case p.Captured > 0 && p.Refunded >= p.Captured && !p.isRefundedByParts():
		return Refunded
	case p.Captured > 0 && (p.goesBack() || p.takesWrongAmount()):
		return Refunding
	case p.Captured > 0 && p.Wants == Capture:
		return Captured
	case p.Captured > 0:
		return Authorised // It was captured elsewhere. The ledger has yet to decide whether it wants the money.
	case closed && p.Authorised > 0:
		return Released
	case closed:
		return Failed
	case p.goesBack(), p.takesWrongAmount():
		return Releasing
	case p.Authorised > 0 && p.Wants == Capture:
		return Capturing
	case p.Authorised > 0:
		return Authorised
	case p.Reference != "":
		return Open
	}
	return Created
}

// isRefundedByParts tells whether all that was taken of a payment that succeeded was asked back by refunds of parts.
func (p *Payment) isRefundedByParts() bool {
	asked, _ := p.Refunds.sums()
	return p.State == Captured && p.Wants == Capture && asked >= p.Captured
}

// takesWrongAmount tells whether the provider holds, or took, another amount than was asked for.
func (p *Payment) takesWrongAmount() bool {
	if p.Captured > 0 {
		return p.Captured != p.Amount.Minor
	}
	return p.Authorised > 0 && p.Authorised != p.Amount.Minor
}

// letGo gives a payment up: what is held is released, and what was taken is refunded.
func letGo(p Payment, reason string) (Payment, bool) {
	if p.goesBack() {
		return p, false
	}
	next := Releasing
	if p.Captured > 0 {
		next = Refunding
	}
	return p, p.moveTo(next, reason)
}

// fail ends a payment that the provider does not know.
func fail(p Payment, reason string) (Payment, bool) {
	if p.Authorised > 0 {
		return p, false
	}
	return p, p.moveTo(Failed, reason)
}

// moveTo moves a payment on, and never back. A reason is for a payment without success.
func (p *Payment) moveTo(next State, reason string) bool {
	if next.rank() <= p.State.rank() {
		return false
	}
	p.State, p.Tries = next, 0
	if p.Reason == "" && next.rank() >= Releasing.rank() && next != Captured {
		p.Reason = reason
	}
	return true
}
