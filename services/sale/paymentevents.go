package sale

import (
	"context"
	"errors"
	"time"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// captureWithin is how long a capture may take from when it is noted. It is well within the time that the ledger keeps
// a PAYING order, so that a capture which succeeds nearly always counts.
const captureWithin = 2 * time.Minute

// PaymentEvent does what an event of a payment asks of its order. The money is settled only once the ledger has said
// what it is for: while that is not known, it is neither taken nor given back. Every step may be repeated, and an event
// may come late, twice, or after a later one.
//
// UNAVAILABLE: it is to be told again, and the trouble is not the event's. INVALID: it names no order. NOT_FOUND: the
// payments do not know the payment.
func (s *Service) PaymentEvent(ctx context.Context, e ledger.Event) error {
	if !s.begin() {
		return closing()
	}
	defer s.background.Done()
	run, ok := rail.RunOfOrder(e.OrderID)
	if !ok || !ledger.ValidPaymentID(e.PaymentID) {
		return rail.Refuse(rail.Invalid, "an event of a payment names a payment and its order")
	}
	p := paymentOf{s, e.PaymentID, e.OrderID, run}
	switch e.Type {
	case ledger.EventPaymentAuthorised:
		return p.authorised(ctx)
	case ledger.EventPaymentCaptured:
		return p.captured(ctx)
	case ledger.EventPaymentEnded:
		return p.ended(ctx)
	case ledger.EventPaymentRefunded:
		return notYet(s.payBack(ctx, e.OrderID)) // It is asked for again, and answered that it is back.
	}
	return nil // Other types ask nothing of an order.
}

// paymentOf is a payment of an order, about which the ledger is to decide.
type paymentOf struct {
	*Service
	id, order string
	run       rail.RunID
}

// authorised has the ledger keep the seat for the money, and has the money taken; or else given back.
func (p paymentOf) authorised(ctx context.Context) error {
	outcome, err := p.decide(ctx, ledger.PaymentAuthorised)
	if err != nil {
		return err
	}
	if !outcome.Counts {
		return p.giveBack(ctx, outcome.Order)
	}
	p.announce(outcome.Order)
	err = p.settle(ctx, pay.Settlement{PaymentID: p.id, Decision: pay.Capture, Within: captureWithin})
	if rail.CodeOf(err) == rail.WrongState {
		return p.ended(ctx) // It has ended already, and the event that says so may have come first.
	}
	return err
}

// captured makes the order PAID, or gives the money back.
func (p paymentOf) captured(ctx context.Context) error {
	outcome, err := p.decide(ctx, ledger.PaymentCaptured)
	if err != nil {
		return err
	}
	if !outcome.Counts {
		return p.giveBack(ctx, outcome.Order)
	}
	p.announce(outcome.Order)
	p.finishSoon(outcome.Order)
	return nil
}

// ended has the order end where it was PAYING by the payment. The run's next batch frees the seats, and this server
// begins it at once. Should this server die, the sweep of another does the same.
func (p paymentOf) ended(ctx context.Context) error {
	outcome, err := p.decide(ctx, ledger.PaymentFailed)
	if err != nil {
		return err
	}
	order := outcome.Order
	if order != nil && order.PaymentID == p.id && order.PaidAt.IsZero() {
		p.wake(p.run)
	}
	return nil
}

// checked gives the money of a payment back unless it counts, whatever was heard of it.
func (p paymentOf) checked(ctx context.Context) error {
	outcome, err := p.decide(ctx, ledger.PaymentAsked)
	if err != nil || outcome.Counts {
		return err
	}
	return p.giveBack(ctx, outcome.Order)
}

// giveBack has the money go back: the ledger has said that it does not count for the order as it is now; nil where
// there is none. The money of an order that was PAID by it is kept: refunds give it back.
func (p paymentOf) giveBack(ctx context.Context, order *rail.Order) error {
	if earned(order, p.id) {
		return nil
	}
	p.counters.givenBack.Add(1)
	return p.settle(ctx, pay.Settlement{PaymentID: p.id, Decision: pay.Release})
}

func (p paymentOf) decide(ctx context.Context, kind ledger.PaymentStepKind) (ledger.PaymentOutcome, error) {
	outcome, err := p.decidePayment(ctx, p.run, ledger.PaymentStep{OrderID: p.order, PaymentID: p.id, Kind: kind})
	return outcome, notYet(err)
}

// settle tells the payments what the ledger decided. It is durable there when nil is returned.
func (p paymentOf) settle(ctx context.Context, settlement pay.Settlement) error {
	if p.PaymentService == nil {
		return rail.Refuse(rail.Unavailable, "this server has no payments to settle: it was started without")
	}
	errs, err := p.PaymentService.Settle(ctx, []pay.Settlement{settlement})
	if err == nil && len(errs) > 0 {
		err = errs[0]
	}
	return notYet(err)
}

// notYet makes UNAVAILABLE of errors that pass by themselves: a later try may succeed, and finds out what became of
// this one.
func notYet(err error) error {
	var known *rail.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ledger.ErrInDoubt), errors.Is(err, ledger.ErrLocked),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
	case errors.As(err, &known) && (known.Code == rail.Overloaded || known.Code == rail.OrderPending):
	case errors.As(err, &known) && known.Code == rail.PaymentUnavailable:
		// Another server gives the money back.
	case errors.As(err, &known) && known.Code == rail.Unauthenticated:
		// Payments do not take our secret. That is no event's fault, and passes when the secret is mended.
	default:
		return err
	}
	return &rail.Error{
		Code: rail.Unavailable, Message: "it is not known yet what becomes of the payment",
		RetryAfter: pendingRetryAfter, Cause: err,
	}
}
