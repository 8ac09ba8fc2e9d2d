package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// paymentsPage is how many payments are compared at a time with their orders, or by one look at the clock.
const paymentsPage = 1_000

// verifyPayments holds each payment against itself: its money adds up, and its state, its times and what was decided
// agree. One that was captured has its order. Its refunds are those of the ledger, as seen; the audit began at begun.
func (a *Auditor) verifyPayments(ctx context.Context, seen *seen, begun time.Time, report *Report) error {
	var now time.Time
	var captured []*pay.Payment
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
		v.verifyBack(a.verifyParts(p, seen, begun, report))
		// The ledger hears of it within a minute, from servers that run.
		if p.State == pay.Captured && now.Sub(p.ChangedAt) > slack && !a.Idle {
			captured = append(captured, p)
		}
		if len(captured) == paymentsPage {
			if err := a.verifyCaptured(ctx, captured, report); err != nil {
				return err
			}
			captured = captured[:0]
		}
	}
	a.verifyMissingParts(seen, report)
	return a.verifyCaptured(ctx, captured, report)
}

// verifyCaptured holds payments that were captured against their orders: each is or was paid by it. One that is still
// PAYING ends by itself, or is overdue.
func (a *Auditor) verifyCaptured(ctx context.Context, captured []*pay.Payment, report *Report) error {
	if len(captured) == 0 {
		return nil
	}
	orders, err := a.orderPayments(ctx, captured)
	if err != nil {
		return err
	}
	var suspects []*pay.Payment
	for _, p := range captured {
		if o, there := orders[p.OrderID]; !there || o.Payment != p.ID || !o.Paid && o.State != rail.Paying {
			suspects = append(suspects, p)
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	// Its money may have begun to go back since it was read, and its order may have ended for that.
	again, err := a.Payments.Payments(ctx, paymentIDs(suspects))
	if err != nil {
		return err
	}
	for i, p := range suspects {
		if again[i] == nil || again[i].Version != p.Version {
			continue
		}
		v := paymentVerifier{Payment: p, report: report}
		switch o, there := orders[p.OrderID]; {
		case !there:
			v.wrong("its money was taken, and its order is not there")
		case o.Payment != p.ID:
			v.wrong("its money was taken, and its order is %s by the payment %q", o.State, o.Payment)
		default:
			v.wrong("its money was taken, and its order is %s and was never paid", o.State)
		}
	}
	return nil
}

// orderPayments reads how the orders of some payments stand.
func (a *Auditor) orderPayments(ctx context.Context, of []*pay.Payment) (map[string]ledger.OrderPayment, error) {
	ids := make([]string, len(of))
	for i, p := range of {
		ids[i] = p.OrderID
	}
	return a.Ledger.OrderPayments(ctx, ids)
}

func paymentIDs(of []*pay.Payment) []string {
	ids := make([]string, len(of))
	for i, p := range of {
		ids[i] = p.ID
	}
	return ids
}

// payingOrder is an order that is or was PAYING by a payment.
type payingOrder struct {
	id, payment string
	run         rail.RunID
	state       rail.OrderState
	toPay       rail.Money
}

// payingOrders are those of a run. An order that was paid at once is none: its payment is kept nowhere else.
func payingOrders(b *ledger.AuditSnapshot) (paying []payingOrder) {
	for _, o := range b.Orders {
		if !o.PayingAt.IsZero() && o.PaymentID != "" {
			paying = append(paying, payingOrder{o.ID, o.PaymentID, b.ID, o.State, o.ToPay()})
		}
	}
	return paying
}

// verifyPaying holds the orders of a page against their payments, which are read after them: each is there, is the
// order's, and is for what it costs. That of an order that is paid was captured.
func (a *Auditor) verifyPaying(ctx context.Context, seen *seen, report *Report) error {
	orders := seen.paying
	seen.paying = nil
	for chunk := range slices.Chunk(orders, paymentsPage) {
		ids := make([]string, len(chunk))
		for i := range chunk {
			ids[i] = chunk[i].payment
		}
		payments, err := a.Payments.Payments(ctx, ids)
		if err != nil {
			return err
		}
		for i := range chunk {
			o := &chunk[i]
			problem := o.contradiction(payments[i])
			if problem == "" && o.state == rail.Paid && payments[i].State != pay.Captured {
				if problem, err = a.notCaptured(ctx, o, payments[i]); err != nil {
					return err
				}
			}
			if problem != "" {
				report.add(Defect{Check: CheckPayment, Run: o.run, Order: o.id, Message: problem})
			}
		}
	}
	return nil
}

// contradiction says what of a payment is not its order's, "" where all is. It never changes.
func (o *payingOrder) contradiction(p *pay.Payment) string {
	switch {
	case p == nil:
		return fmt.Sprintf("its payment %q is not there", o.payment)
	case p.OrderID != o.id || p.RunID != o.run:
		return fmt.Sprintf("its payment %s is of the order %q of %q", p.ID, p.OrderID, p.RunID)
	case p.Amount != o.toPay:
		return fmt.Sprintf("%d %s were to be paid for it, and its payment %s is of %d %s", o.toPay.Minor,
			o.toPay.Currency, p.ID,
			p.Amount.Minor, p.Amount.Currency)
	}
	return ""
}

// notCaptured says what is wrong with the payment of an order that was paid, "" where the order has ended since it was
// read, so that its money may go back.
func (a *Auditor) notCaptured(ctx context.Context, o *payingOrder, p *pay.Payment) (string, error) {
	now, err := a.Ledger.OrderPayments(ctx, []string{o.id})
	if err != nil || now[o.id].State != rail.Paid {
		return "", err
	}
	return fmt.Sprintf("it is paid, and its payment %s is %s", p.ID, p.State), nil
}

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
		agrees = v.Wants == pay.Capture && v.Captured == v.Amount.Minor && v.Captured > 0
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
