package payrpc

import (
	"context"
	"errors"
	"time"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
	"interlock/services/rpc"
	"interlock/services/sale"
)

// Port is what a sale asks for, of a Service. A payment's id is the sale's key, so a repetition is the same payment.
type Port struct{ Service Service }

// Charge starts a payment that takes time, or tells how it stands. It never answers SUCCEEDED: that the money was taken
// is known when the ledger has heard of it, and then the order says so.
func (p Port) Charge(ctx context.Context, order *rail.Order, key string, payFor time.Duration) (sale.Payment, error) {
	started, err := p.Service.Start(ctx,
		&pay.Payment{ID: key, OrderID: order.ID, RunID: order.RunID, Amount: order.ToPay()}, payFor)
	if err != nil {
		return sale.Payment{}, forBuyer(err)
	}
	switch started.State {
	case pay.Created, pay.Open:
		return sale.Payment{State: sale.PaymentPending, RedirectURL: started.RedirectURL}, nil
	case pay.Authorised, pay.Capturing, pay.Captured:
		return sale.Payment{State: sale.PaymentPending}, nil
	}
	return sale.Payment{State: sale.PaymentFailed}, nil
}

// forBuyer is an error of Start as the buyer may see it. That the other process does not take our secret is for the log
// and the metrics.
func forBuyer(err error) error {
	switch {
	case errors.Is(err, ledger.ErrInDoubt):
		return &rail.Error{
			Code:       rail.OrderPending,
			Message:    "whether the payment was started is not known yet: repeat with the same key",
			RetryAfter: rpc.UnreachableRetry, Cause: err,
		}
	case rail.CodeOf(err) == rail.Unauthenticated:
		return &rail.Error{Code: rail.PaymentUnavailable, Message: "no payment can be taken just now", Cause: err}
	case rail.CodeOf(err) == rail.WrongState, rail.CodeOf(err) == rail.Invalid:
		var known *rail.Error
		errors.As(err, &known)
		return &rail.Error{
			Code: rail.WrongState, Message: known.Message, Path: []string{"input", "orderId"},
			Cause: err,
		}
	}
	return err
}

// Void gives back what was taken for the order with a key, now or when it is.
func (p Port) Void(ctx context.Context, _ *rail.Order, key string) error {
	errs, err := p.Service.Settle(ctx, []pay.Settlement{{PaymentID: key, Decision: pay.Release}})
	if err = errors.Join(append(errs, err)...); rail.CodeOf(err) == rail.NotFound {
		return nil // Nothing was taken.
	}
	return err
}

// Refund gives back a part of what a payment took. See Service.
func (p Port) Refund(ctx context.Context, o pay.RefundOrder) (done bool, err error) {
	return p.Service.Refund(ctx, o)
}

// Settle tells what the ledger decided. See Service.
func (p Port) Settle(ctx context.Context, settlements []pay.Settlement) (errs []error, err error) {
	return p.Service.Settle(ctx, settlements)
}

// Changed lists payments. See Service.
func (p Port) Changed(
	ctx context.Context, states []pay.State, within time.Duration, after pay.Place, limit int,
) ([]*pay.Payment, error) {
	return p.Service.Changed(ctx, states, within, after, limit)
}
