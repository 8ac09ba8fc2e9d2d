package sale_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/pay"
	"interlock/services/pay/payrpc"
	"interlock/services/pay/paytest"
	"interlock/services/rail"
	"interlock/services/sale"
)

// whole is a sale with the payments themselves, and a provider in memory. Events are carried from the one to the other.
type whole struct {
	*world
	t        *testing.T
	payments *pay.Service
	store    *paytest.Memory
	provider *paytest.Provider
	order    *rail.Order
}

func openWhole(ctx context.Context, t *testing.T, before func(*whole, string) error) *whole {
	w := &whole{
		t: t, world: openWorld(t, sale.Settings{}), store: &paytest.Memory{}, provider: &paytest.Provider{},
	}
	if before != nil {
		w.provider.Before = func(_ context.Context, called, _ string) error { return before(w, called) }
	}
	w.payments = pay.New(pay.Options{
		Store: w.store, Providers: []pay.Provider{w.provider}, Log: slog.New(slog.DiscardHandler),
	})
	port := payrpc.Port{Service: w.payments}
	w.Payments, w.PaymentService = port, port
	go w.payments.Run(ctx)
	go w.Sweep(ctx)
	go w.carry(ctx)
	var err error
	w.order, err = w.Place(ctx, "ann", w.world.order("order", "DOC00001"))
	require.NoError(t, err)
	return w
}

// carry tells the sale each event, in order, until it is handled.
func (w *whole) carry(ctx context.Context) {
	told := 0
	for ctx.Err() == nil {
		if events := w.store.Events(); told < len(events) && w.PaymentEvent(ctx, events[told]) == nil {
			told++
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// begin begins a payment and answers its id.
func (w *whole) begin(key string) string {
	w.t.Helper()
	before := map[string]bool{}
	for _, p := range w.store.All() {
		before[p.ID] = true
	}
	answer := payWith(w.t, w.Service, w.order.ID, key)
	require.Equal(w.t, sale.PaymentPending, answer.payment.State)
	require.NotEmpty(w.t, answer.payment.RedirectURL)
	for _, p := range w.store.All() {
		if !before[p.ID] {
			return p.ID
		}
	}
	require.Fail(w.t, "no payment was begun")
	return ""
}

// TestPay_WithThePaymentsThemselves plays what buyers and providers do. In the end the provider has the price where the
// order is PAID, and nothing where it is not.
func TestPay_WithThePaymentsThemselves(t *testing.T) {
	for name, c := range map[string]struct {
		play func(w *whole)
		// before is called before each call of the provider.
		before func(w *whole, called string) error
		want   rail.OrderState
	}{
		"paid": {
			play: func(w *whole) { w.provider.Do(paytest.ActPay, w.begin("payment-0001")) }, want: rail.Paid,
		},
		"declined, and paid with another key": {
			play: func(w *whole) {
				w.provider.Do(paytest.ActDecline, w.begin("payment-0001"))
				<-time.After(time.Minute)
				require.Equal(w.t, sale.PaymentFailed,
					payWith(w.t, w.Service, w.order.ID, "payment-0001").payment.State)
				w.provider.Do(paytest.ActPay, w.begin("payment-0002"))
			},
			want: rail.Paid,
		},
		"paid with two keys at once": {
			play: func(w *whole) {
				one, two := w.begin("payment-0001"), w.begin("payment-0002")
				w.provider.Do(paytest.ActPay, one)
				w.provider.Do(paytest.ActPay, two)
			},
			want: rail.Paid,
		},
		"paid after the hold": {
			play: func(w *whole) {
				id := w.begin("payment-0001")
				<-time.After(15*time.Minute + time.Second)
				w.provider.Do(paytest.ActPay, id)
			},
			before: func(w *whole, called string) error {
				if called == "Release" && time.Since(w.order.PlacedAt) < 16*time.Minute {
					return context.DeadlineExceeded // The provider is away: it cannot close its page.
				}
				return nil
			},
			want: rail.Expired,
		},
		"never paid": {play: func(w *whole) { w.begin("payment-0001") }, want: rail.Expired},
		"the capture is refused": {
			play: func(w *whole) { w.provider.Do(paytest.ActPay, w.begin("payment-0001")) },
			before: func(_ *whole, called string) error {
				if called == "Capture" {
					return pay.ErrRefused
				}
				return nil
			},
			want: rail.Cancelled,
		},
		"the provider is away for the capture": {
			play: func(w *whole) { w.provider.Do(paytest.ActPay, w.begin("payment-0001")) },
			before: func(w *whole, called string) error {
				if called == "Capture" && time.Since(w.order.PlacedAt) < 4*time.Minute {
					return context.DeadlineExceeded
				}
				return nil
			},
			want: rail.Cancelled,
		},
		"the run is withdrawn while the money is taken": {
			play: func(w *whole) { w.provider.Do(paytest.ActPay, w.begin("payment-0001")) },
			before: func(w *whole, called string) error {
				if called == "Capture" {
					w.book.withdraw(w.order.ID)
				}
				return nil
			},
			want: rail.Cancelled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(context.Background())
				defer synctest.Wait()
				defer stop()
				w := openWhole(ctx, t, c.before)
				c.play(w)
				<-time.After(20 * time.Minute)
				require.Equal(t, c.want, w.book.state(w.order.ID))
				kept := int64(0)
				for _, charge := range w.provider.Charges() {
					require.Contains(t, []pay.ChargeStatus{pay.ChargeCaptured, pay.ChargeClosed}, charge.Status)
					kept += charge.Captured - charge.Refunded
				}
				if c.want == rail.Paid {
					require.Equal(t, w.order.Total.Minor, kept)
				} else {
					require.Zero(t, kept)
				}
			})
		})
	}
}
