package sale

import (
	"context"
	"time"

	"interlock/services/rail"
)

// Pay charges for an order and makes it PAID. It may be repeated with the same key. A key is of one buyer and order:
// from another buyer, or for another order, the same key is another payment.
//
// The order is returned beside a refusal, too. HOLD_EXPIRED: the time to pay is over. WRONG_STATE: it was paid with
// another key, or cancelled. ORDER_PENDING: not known yet, repeat with the same key. OVERLOADED: too many others are
// paying.
func (s *Service) Pay(ctx context.Context, buyer, orderID, key string) (*rail.Order, Payment, error) {
	if !rail.ValidKey(key) {
		return nil, Payment{}, rail.Refuse(rail.Invalid,
			"an idempotency key has 8 to 128 printable ASCII characters without spaces").At("input", "idempotencyKey")
	}
	leave, err := s.enterPaying(ctx)
	if err != nil {
		return nil, Payment{}, err
	}
	defer leave()
	this := payAttempt{orderID, buyer, key}
	order, err := s.Ledger.OrderToPay(ctx, orderID)
	if err != nil {
		return nil, Payment{}, s.paymentFailure(this, err)
	}
	if order == nil || order.Buyer != buyer {
		return nil, Payment{}, notFound()
	}
	var payment Payment
	if order.State == rail.OnHold {
		payment, err = s.Payments.Charge(ctx, order, paymentKey(orderID, buyer, key))
		if err != nil || payment.State != PaymentSucceeded {
			return order, payment, err
		}
	}
	order, paid, err := s.Ledger.Pay(ctx, order.RunID, orderID, buyer, key)
	if err = s.paymentFailure(this, err); err != nil {
		return nil, Payment{}, err
	}
	s.announce(order)
	if paid {
		return order, Payment{State: PaymentSucceeded}, nil
	}
	// This call may have taken nothing. An earlier one with this key may have, without hearing what became of it.
	s.void(ctx, order, paymentKey(orderID, buyer, key))
	return order, Payment{}, unpayable(order)
}

// enterPaying takes one of MaxPaying places until leave is called.
func (s *Service) enterPaying(ctx context.Context) (leave func(), err error) {
	if !s.begin() {
		return nil, closing()
	}
	timer := time.NewTimer(s.settings.PayWait)
	defer timer.Stop()
	select {
	case s.paying <- struct{}{}:
		return func() { <-s.paying; s.background.Done() }, nil
	case <-timer.C:
		s.counters.overloaded.Add(1)
		err = &rail.Error{
			Code: rail.Overloaded, Message: "too many payments are waiting: nothing was done",
			RetryAfter: overloadedRetryAfter,
		}
	case <-ctx.Done():
		err = outOfTime(ctx)
	}
	s.background.Done()
	return nil, err
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
	case rail.Paid:
		return rail.Refuse(rail.WrongState, "the order is paid already").At("input", "orderId")
	}
	return rail.Refuse(rail.WrongState, "the order is %s", order.State).At("input", "orderId")
}
