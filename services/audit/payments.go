package audit

import (
	"context"
	"fmt"
	"time"

	"interlock/services/pay"
)

// verifyPayments holds each payment against itself: its money adds up, and its state, its times and what was decided
// agree.
func (a *Auditor) verifyPayments(ctx context.Context, report *Report) error {
	if a.Payments == nil {
		return nil
	}
	var now time.Time
	for p, err := range a.Payments.AllPayments(ctx) {
		if err != nil {
			return err
		}
		if report.Payments%paymentsPage == 0 {
			if now, err = a.Payments.Now(ctx); err != nil {
				return err
			}
		}
		report.Payments++
		v := paymentVerifier{p, now, a.Idle, report}
		v.verify()
	}
	return nil
}

// paymentsPage is how many payments are verified by one look at the clock.
const paymentsPage = 1_000

// paymentVerifier holds one payment against what is promised. now is the clock of the payments' primary at about the
// time at which the payment was read.
type paymentVerifier struct {
	*pay.Payment
	now    time.Time
	idle   bool
	report *Report
}

func (v *paymentVerifier) wrong(format string, arguments ...any) {
	v.report.add(Defect{
		Check: CheckPayment, Run: v.RunID, Order: v.OrderID, Row: "payment " + v.ID,
		Message: fmt.Sprintf(format, arguments...),
	})
}

func (v *paymentVerifier) verify() {
	if v.ID == "" || v.Version < 1 || v.Tries < 0 || v.Provider == "" {
		v.wrong("its id, its provider, its version %d or its %d tries are none", v.Version, v.Tries)
	}
	v.verifyAmounts()
	v.verifyState()
	v.verifyTimes()
}

// verifyAmounts adds the money up. While the provider is still to be called, what is held has yet to be taken or to go
// back.
func (v *paymentVerifier) verifyAmounts() {
	for _, minor := range []int64{v.Amount.Minor, v.Authorised, v.Captured, v.Released, v.Refunded} {
		if minor < 0 {
			v.wrong("an amount is below nothing: %d", minor)
			return
		}
	}
	switch rest := v.Authorised - v.Captured - v.Released; {
	case rest < 0:
		v.wrong("%d was authorised, and %d captured and %d released of it", v.Authorised, v.Captured, v.Released)
	case rest > 0 && v.hasEnded():
		v.wrong("it has ended, and of %d that was authorised, %d was neither captured nor released", v.Authorised, rest)
	}
	if v.Refunded > v.Captured {
		v.wrong("%d was captured, and %d refunded", v.Captured, v.Refunded)
	}
}

// hasEnded tells whether nothing is left to do: at an end, and the provider is not to be called.
func (v *paymentVerifier) hasEnded() bool {
	switch v.State {
	case pay.Failed, pay.Released, pay.Captured, pay.Refunded:
		return v.Due.IsZero()
	case pay.Created, pay.Open, pay.Authorised, pay.Capturing, pay.Releasing, pay.Refunding:
	}
	return false
}

// verifyState holds the state against the amounts and the decision.
func (v *paymentVerifier) verifyState() {
	var agrees bool
	switch v.State {
	case pay.Created, pay.Open:
		agrees = v.Authorised == 0 && v.Captured == 0 && (v.State == pay.Created || v.Reference != "")
	case pay.Authorised:
		agrees = v.Authorised > 0
	case pay.Capturing:
		agrees = v.Wants == pay.Capture && v.Authorised == v.Amount.Minor && v.Captured == 0
	case pay.Releasing:
		agrees = v.Captured == 0
	case pay.Failed, pay.Released:
		agrees = v.Captured == 0 && (v.State == pay.Failed || v.Authorised > 0)
	case pay.Captured:
		agrees = v.Wants == pay.Capture && v.Captured == v.Amount.Minor && v.Captured > 0 && v.Refunded == 0
	case pay.Refunding:
		agrees = v.Captured > 0
	case pay.Refunded:
		agrees = v.Captured > 0 && v.Refunded == v.Captured
	default:
		v.wrong("%q is no state of a payment", v.State)
		return
	}
	if !agrees {
		v.wrong("it is %s, wants %q, and of %d there were authorised %d, captured %d, released %d and refunded %d",
			v.State, v.Wants, v.Amount.Minor, v.Authorised, v.Captured, v.Released, v.Refunded)
	}
	switch v.Wants {
	case pay.Undecided, pay.Capture, pay.Release:
	default:
		v.wrong("%q is no decision", v.Wants)
	}
	if capturing := v.State == pay.Capturing || v.State == pay.Captured; capturing && v.CaptureBy.IsZero() {
		v.wrong("it is %s, and has no time by which it was to be captured", v.State)
	}
}

// verifyTimes holds the times against each other and the primary's clock.
func (v *paymentVerifier) verifyTimes() {
	if v.CreatedAt.After(v.ChangedAt.Add(slack)) || v.ChangedAt.After(v.now.Add(slack)) || v.PayBy.Before(v.CreatedAt) {
		v.wrong("it was made at %s and changed at %s, open until %s, and now it is %s",
			at(v.CreatedAt), at(v.ChangedAt), at(v.PayBy), at(v.now))
	}
	switch v.State {
	case pay.Created, pay.Open, pay.Authorised, pay.Capturing, pay.Releasing, pay.Refunding:
		if v.Due.IsZero() {
			v.wrong("it is %s, and nobody is to call the provider", v.State)
		}
	case pay.Failed, pay.Released, pay.Captured, pay.Refunded:
	}
	if !v.Due.IsZero() && v.now.After(v.Due.Add(slack)) && !v.idle {
		v.wrong("its provider was to be called at %s, and nobody has", at(v.Due))
	}
}
