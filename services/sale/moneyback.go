package sale

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// The money of a refund follows the commit that decided it. An event of the order has it given back, and so does a
// sweep while the ledger has not noted that it is back. Each step may be repeated: a refund's id is the key of the
// provider's call.

// RefundEvent gives back the money of an order's refunds, where an event says that there may be some. It asks nothing
// of other events. UNAVAILABLE: it is to be told again, and the trouble is not the event's.
func (s *Service) RefundEvent(ctx context.Context, e ledger.Event) error {
	switch e.Type {
	case ledger.EventOrderRefunded, ledger.EventOrderChanged, ledger.EventOrderCancelled:
	default:
		return nil
	}
	if !s.begin() {
		return closing()
	}
	defer s.background.Done()
	return notYet(s.payBack(ctx, e.OrderID))
}

// payBack gives back what an order's refunds owe. A refund that fails keeps no other from it.
func (s *Service) payBack(ctx context.Context, orderID string) error {
	order, err := s.Ledger.Order(ctx, orderID)
	if err != nil || order == nil {
		return err
	}
	var failed []error
	for i := range order.Refunds {
		if refund := &order.Refunds[i]; refund.PaidBackAt.IsZero() {
			failed = append(failed, s.payBackOne(ctx, order, refund))
		}
	}
	return errors.Join(failed...)
}

// payBackOne asks the payments for one refund's money to go back. Once all of it is back, the ledger notes so.
func (s *Service) payBackOne(ctx context.Context, order *rail.Order, refund *rail.Refund) error {
	parts, err := s.partsOf(ctx, order, refund)
	if err != nil {
		return err
	}
	all := true
	for _, part := range parts {
		done, err := s.Payments.Refund(ctx, part)
		if err != nil {
			return fmt.Errorf("refund %s of order %s: %w", refund.ID, order.ID, err)
		}
		all = all && done
	}
	if !all {
		return nil // The payments tell when it is back, and the sweep asks again.
	}
	outcome, err := s.decidePayment(ctx, order.RunID, ledger.PaymentStep{
		OrderID: order.ID, PaymentID: parts[0].PaymentID, Kind: ledger.MoneyBack, RefundID: refund.ID,
	})
	if err == nil && outcome.Order != nil {
		s.announce(outcome.Order)
	}
	return err
}

// partsOf are the payments that a refund's money goes back to: the order's own, up to what was paid for the order, and
// for what was carried over the one of the ticket that the order replaces. Such an order has one ticket, so it has one
// refund at most.
func (s *Service) partsOf(
	ctx context.Context, order *rail.Order, refund *rail.Refund,
) (parts []pay.RefundOrder, err error) {
	own, carried := refund.Back(), refund.Back()
	own.Minor = min(own.Minor, order.ToPay().Minor)
	carried.Minor -= own.Minor
	if own.Minor > 0 {
		parts = append(parts, pay.RefundOrder{
			ID: refund.ID, PaymentID: order.PaymentID, OrderID: order.ID, Amount: own,
		})
	}
	if carried.Minor > 0 {
		if order.Replaces == nil {
			return nil, fmt.Errorf("refund %s of order %s is more than was paid", refund.ID, order.ID)
		}
		old, err := s.Ledger.Order(ctx, order.Replaces.OrderID)
		if err != nil {
			return nil, err
		}
		if old == nil {
			return nil, fmt.Errorf("order %s was carried over from an order that is gone", order.ID)
		}
		parts = append(parts, pay.RefundOrder{
			ID: carriedRefund(refund.ID), PaymentID: old.PaymentID, OrderID: order.ID, Amount: carried,
		})
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("refund %s of order %s gives nothing back, and was not paid back", refund.ID, order.ID)
	}
	return parts, nil
}

// carriedRefund is the id of the part of a refund that goes back to the payment of the old order.
func carriedRefund(refundID string) string {
	digest := sha256.Sum256([]byte("carried:" + refundID))
	return hex.EncodeToString(digest[:])
}
