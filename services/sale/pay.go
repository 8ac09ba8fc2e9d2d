package sale

import (
	"context"
	"errors"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// payMargin is how much earlier than the hold a payment's page closes: what a buyer authorises at the last moment has
// that long to reach the ledger. A page is open for minPayFor all the same. What comes too late goes back.
const (
	payMargin = time.Second
	minPayFor = time.Second
)

// Pay pays for an order, or begins to. The payment SUCCEEDED: the order is PAID by it. PENDING: the buyer goes on at
// its RedirectURL, if it has one, and the order's state tells when it is paid. FAILED: another key is another payment.
// It may be repeated with the same key, and then says how that payment stands. A key is of one buyer and order: from
// another buyer, or for another order, the same key is another payment.
//
// What costs nothing is PAID without a provider. Nothing of the ledger is held while the provider is asked. The order
// is returned beside a refusal, too. HOLD_EXPIRED: the time to pay is over. WRONG_STATE: it is paid or being paid with
// another key, or cancelled. ORDER_PENDING: not known yet, repeat with the same key. OVERLOADED: too many others are
// paying.
func (s *Service) Pay(ctx context.Context, buyer, orderID, key string) (*rail.Order, Payment, error) {
	if !rail.ValidKey(key) {
		return nil, Payment{}, rail.Refuse(rail.Invalid,
			"an idempotency key has 8 to 128 printable ASCII characters without spaces").At("input", "idempotencyKey")
	}
	if !s.begin() {
		return nil, Payment{}, closing()
	}
	defer s.background.Done()
	this := payAttempt{orderID, buyer, key}
	order, left, err := s.orderToPay(ctx, this)
	if err != nil {
		return nil, Payment{}, err
	}
	step := ledger.PaymentStep{
		OrderID: orderID, PaymentID: paymentKey(orderID, buyer, key), Buyer: buyer, Kind: ledger.PaymentAsked,
	}
	if order.State == rail.OnHold && order.ToPay().Minor > 0 {
		payment, err := s.charge(ctx, order, step.PaymentID, left)
		if err != nil || payment.State != PaymentSucceeded {
			return order, payment, err
		}
	}
	if order.State == rail.OnHold {
		step.Kind = ledger.PaidAtOnce // The money was taken, or the order costs nothing.
	}
	outcome, err := s.decidePayment(ctx, order.RunID, step)
	if err = s.paymentFailure(this, err); err != nil {
		return nil, Payment{}, err
	}
	return s.paid(ctx, order, step, outcome)
}

// paid is the answer to a buyer whose payment the ledger has judged.
func (s *Service) paid(
	ctx context.Context, read *rail.Order, step ledger.PaymentStep, outcome ledger.PaymentOutcome,
) (*rail.Order, Payment, error) {
	order := outcome.Order
	if order != nil {
		s.announce(order)
	}
	switch {
	case outcome.Counts && order.State == rail.Paid:
		s.finishSoon(order)
		return order, Payment{State: PaymentSucceeded}, nil
	case outcome.Counts:
		return order, Payment{State: PaymentPending}, nil
	case order != nil && order.State == rail.OnHold:
		// It was read on a server that is the primary no more. Its money may be on the way here.
		return nil, Payment{}, pending(errors.New("the order was read as ended, and is on hold"))
	case order == nil:
		s.void(ctx, read, step.PaymentID)
		return nil, Payment{}, notFound()
	case !earned(order, step.PaymentID):
		// This call may have taken nothing. An earlier one with this key may have, without hearing what became of it.
		s.void(ctx, order, step.PaymentID)
	}
	return order, Payment{}, unpayable(order)
}

// earned tells whether an order was PAID by a payment, whatever became of the order later. What such an order is owed
// are its refunds.
func earned(order *rail.Order, paymentID string) bool {
	return order != nil && order.PaymentID == paymentID && !order.PaidAt.IsZero()
}

// orderToPay reads the order of a buyer who pays, and how long its hold lasts by the primary's clock.
func (s *Service) orderToPay(ctx context.Context, this payAttempt) (*rail.Order, time.Duration, error) {
	leave, err := s.enterPaying(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer leave()
	order, left, err := s.Ledger.OrderToPay(ctx, this.order)
	if err != nil {
		return nil, 0, s.paymentFailure(this, err)
	}
	if order == nil || order.Buyer != this.buyer {
		return nil, 0, notFound()
	}
	return order, left, nil
}

// charge asks the provider, in one of MaxCharging places.
func (s *Service) charge(ctx context.Context, order *rail.Order, key string, left time.Duration) (Payment, error) {
	select {
	case s.charging <- struct{}{}:
	default:
		return Payment{}, s.tooManyPaying()
	}
	defer func() { <-s.charging }()
	payment, err := s.Payments.Charge(ctx, order, key, max(left-payMargin, minPayFor))
	if errors.Is(err, ledger.ErrInDoubt) {
		err = pending(err)
	}
	return payment, err
}

// enterPaying takes one of MaxPaying places in the ledger until leave is called.
func (s *Service) enterPaying(ctx context.Context) (leave func(), err error) {
	timer := time.NewTimer(s.settings.PayWait)
	defer timer.Stop()
	select {
	case s.paying <- struct{}{}:
		return func() { <-s.paying }, nil
	case <-timer.C:
		return nil, s.tooManyPaying()
	case <-ctx.Done():
		return nil, outOfTime(ctx)
	}
}

// tooManyPaying refuses a payment for want of a place. An earlier call with its key may have taken money.
func (s *Service) tooManyPaying() error {
	s.counters.overloaded.Add(1)
	return &rail.Error{
		Code: rail.Overloaded, Message: "too many payments are waiting: repeat it with the same key",
		RetryAfter: overloadedRetryAfter,
	}
}

// voidTimeout bounds giving money back. It goes on when the buyer has left.
const voidTimeout = 10 * time.Second

// void gives back what was taken for an order that could not be paid any more.
func (s *Service) void(ctx context.Context, order *rail.Order, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), voidTimeout)
	defer cancel()
	if err := s.Payments.Void(ctx, order, key); err != nil {
		s.Log.ErrorContext(ctx, "money was taken for an order that is not paid, and could not be given back",
			"order", order.Number, "error", err)
	}
}

// unpayable says why an order was not paid.
func unpayable(order *rail.Order) error {
	switch order.State {
	case rail.Expired:
		return rail.Refuse(rail.HoldExpired, "the hold ended at %s", order.PayBy.Format(time.RFC3339)).
			At("input", "orderId")
	case rail.Paying:
		return rail.Refuse(rail.WrongState, "the order is being paid").At("input", "orderId")
	case rail.Paid:
		return rail.Refuse(rail.WrongState, "the order is paid already").At("input", "orderId")
	}
	return rail.Refuse(rail.WrongState, "the order is %s", order.State).At("input", "orderId")
}
