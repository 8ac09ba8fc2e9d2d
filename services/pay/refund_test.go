package pay_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/rail"
)

// back is a refund of a part of the payment p1, for an order of the same run.
func back(n, order int, minor int64) pay.RefundOrder {
	return pay.RefundOrder{
		ID: fmt.Sprintf("%064x", n), PaymentID: "p1", OrderID: orderID(order),
		Amount: rail.Money{Minor: minor, Currency: "CNY"},
	}
}

// isBack waits until a refund is done.
func (w *world) isBack(t *testing.T, o pay.RefundOrder) {
	t.Helper()
	for {
		done, err := w.Refund(t.Context(), o)
		require.NoError(t, err)
		if done {
			return
		}
		require.True(t, pause.For(t.Context(), time.Millisecond))
	}
}

// TestRefund gives parts of a payment back until nothing is left, each once, and tells of each.
func TestRefund(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		w.life(t, "p1", 1)
		before := len(w.store.Events())
		w.isBack(t, back(1, 1, 300))
		w.isBack(t, back(2, 7, 500)) // of the order that a ticket of the first was changed into
		w.isBack(t, back(1, 1, 300))
		p := w.is(t, "p1")
		require.Equal(t, pay.Captured, p.State)
		require.EqualValues(t, 800, p.Refunded)
		require.True(t, p.Due.IsZero())
		require.EqualValues(t, 800, w.bank.Charges()[0].Refunded)
		w.isBack(t, back(3, 1, price-800))
		p = w.is(t, "p1")
		require.Equal(t, pay.Captured, p.State, "it succeeded, and went back by parts")
		require.EqualValues(t, price, w.bank.Charges()[0].Refunded)
		var told []string
		for _, e := range w.store.Events()[before:] {
			require.Equal(t, ledger.EventPaymentRefunded, e.Type)
			require.Equal(t, "p1", e.PaymentID)
			told = append(told, e.OrderID)
		}
		require.Equal(t, []string{orderID(1), orderID(7), orderID(1)}, told)
		report, err := w.Reconcile(t.Context(), time.Hour)
		require.NoError(t, err)
		require.Zero(t, report.Healed+report.Left, "%+v", report.Differences)
	})
}

// TestRefund_Refused asks for what cannot be.
func TestRefund_Refused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		refused := func(code rail.Code, o pay.RefundOrder) {
			t.Helper()
			_, err := w.Refund(t.Context(), o)
			require.Equal(t, code, rail.CodeOf(err), "%v", err)
		}
		refused(rail.WrongState, back(1, 1, 100))
		w.run(t)
		w.bank.Do("pay", "p1")
		w.hears(t, pay.Notice{ID: "held", PaymentID: "p1", Tells: pay.ChargeAuthorised})
		w.settle(t, "p1", pay.Capture)
		for w.is(t, "p1").State != pay.Captured {
			pause.For(t.Context(), time.Millisecond)
		}
		unknown, malformed, nothing, dollars := back(1, 1, 100), back(1, 1, 100), back(1, 1, 0), back(1, 1, 100)
		unknown.PaymentID, malformed.ID, dollars.Amount.Currency = "p2", "r1", "USD"
		refused(rail.NotFound, unknown)
		refused(rail.Invalid, malformed)
		refused(rail.Invalid, nothing)
		refused(rail.Invalid, dollars)
		refused(rail.Invalid, back(1, 1, price+1))
		w.isBack(t, back(1, 1, 100))
		refused(rail.IdempotencyConflict, back(1, 1, 101))
		refused(rail.IdempotencyConflict, back(1, 2, 100))
		refused(rail.Invalid, back(2, 1, price-99))
		require.EqualValues(t, 100, w.bank.Charges()[0].Refunded)
	})
}

// TestRefund_TwoAtOnce asks for two refunds that are too much together: one of them is refused.
func TestRefund_TwoAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		w.life(t, "p1", 1)
		results := make(chan error, 2)
		for n := range 2 {
			go func() {
				_, err := w.Refund(t.Context(), back(n, 1, price/2+1))
				results <- err
			}()
		}
		codes := []rail.Code{rail.CodeOf(<-results), rail.CodeOf(<-results)}
		require.ElementsMatch(t, []rail.Code{"", rail.Invalid}, codes)
	})
}

// TestRefund_AnswerLost has the provider do it and not say so, and then forget that it was asked: it gives the money
// back once.
func TestRefund_AnswerLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		w.life(t, "p1", 1)
		lost := 0
		w.afterCalls(func(_ context.Context, method, _ string) error {
			if method == "Refund" && lost < 3 {
				lost++
				w.bank.ForgetKeys()
				return errDead
			}
			return nil
		})
		w.isBack(t, back(1, 1, 300))
		require.Equal(t, 3, lost)
		require.EqualValues(t, 300, w.bank.Charges()[0].Refunded)
		require.EqualValues(t, 300, w.is(t, "p1").Refunded)
	})
}

// TestRefund_ThenAll has a payment go back as a whole while a part of it does: no more goes back than was taken.
func TestRefund_ThenAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		w.life(t, "p1", 1)
		_, err := w.Refund(t.Context(), back(1, 1, 300))
		require.NoError(t, err)
		w.settle(t, "p1", pay.Release)
		for w.is(t, "p1").State != pay.Refunded {
			require.True(t, pause.For(t.Context(), time.Second))
		}
		require.EqualValues(t, price, w.bank.Charges()[0].Refunded)
		w.isBack(t, back(1, 1, 300))
	})
}

// TestRefund_DoneByHand has a person give back at the provider what is owed, before it is asked for and after.
func TestRefund_DoneByHand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		w.life(t, "p1", 1)
		w.beforeCalls(func(_ context.Context, method, _ string) error {
			if method == "Refund" {
				w.bank.Do(paytest.ActRefund, "p1")
			}
			return nil
		})
		before := len(w.store.Events())
		w.isBack(t, back(1, 1, 300))
		require.Equal(t, pay.Refunded, w.is(t, "p1").State)
		w.isBack(t, back(2, 7, 500))
		w.isBack(t, back(2, 7, 500))
		_, err := w.Refund(t.Context(), back(3, 1, price-799))
		require.Equal(t, rail.Invalid, rail.CodeOf(err), "%v", err)
		w.isBack(t, back(3, 1, price-800))
		require.EqualValues(t, price, w.bank.Charges()[0].Refunded)
		var told []string
		for _, e := range w.store.Events()[before:] {
			told = append(told, e.OrderID)
		}
		require.Subset(t, told, []string{orderID(7), orderID(1)})
	})
}

// TestRefund_RefusedAndCovered has a provider refuse a refund because a person has given back as much. What went back
// covers all that was asked for, so that it is done.
func TestRefund_RefusedAndCovered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		w.life(t, "p1", 1)
		w.isBack(t, back(1, 1, 300))
		w.beforeCalls(func(_ context.Context, method, _ string) error {
			if method == "Refund" {
				w.bank.Change("p1", func(c *pay.Charge) { c.Refunded = price - 1 })
			}
			return nil
		})
		w.isBack(t, back(2, 1, price-400))
		p := w.is(t, "p1")
		require.Equal(t, pay.Captured, p.State)
		require.EqualValues(t, price-1, p.Refunded)
		report, err := w.Reconcile(t.Context(), time.Hour)
		require.NoError(t, err)
		require.EqualValues(t, 1, report.Left, "%+v", report.Differences)
	})
}

// TestRefund_WebhookFirst tells of a refund before the call that made it is noted: what went back counts once, so that
// the rest may be asked for.
func TestRefund_WebhookFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		w.bank.Do(paytest.ActPay, "p1")
		w.bank.Do(paytest.ActCapture, "p1")
		require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
		w.settle(t, "p1", pay.Capture)
		first := back(1, 1, 300)
		done, err := w.Refund(t.Context(), first)
		require.NoError(t, err)
		require.False(t, done)
		_, err = w.bank.Refund(t.Context(), w.is(t, "p1"), 300, first.ID)
		require.NoError(t, err)
		require.NoError(t, w.tell(t, pay.Notice{ID: "n2", PaymentID: "p1"}))
		require.EqualValues(t, 300, w.is(t, "p1").Refunded)
		_, err = w.Refund(t.Context(), back(2, 1, price-299))
		require.Equal(t, rail.Invalid, rail.CodeOf(err), "%v", err)
		_, err = w.Refund(t.Context(), back(2, 1, price-300))
		require.NoError(t, err)
		w.run(t)
		w.isBack(t, back(2, 1, price-300))
		w.isBack(t, first)
		require.EqualValues(t, price, w.bank.Charges()[0].Refunded)
	})
}
