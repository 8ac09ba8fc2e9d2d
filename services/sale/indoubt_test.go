package sale_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

// away is a ledger that cannot be asked for a while.
type away struct {
	sale.Ledger
	gone atomic.Bool
}

func (a *away) refuse() error {
	if a.gone.Load() {
		return &rail.Error{Code: rail.Unavailable, Message: "no primary", RetryAfter: time.Second}
	}
	return nil
}

func (a *away) OrderToPay(ctx context.Context, id string) (*rail.Order, time.Duration, error) {
	if err := a.refuse(); err != nil {
		return nil, 0, err
	}
	return a.Ledger.OrderToPay(ctx, id)
}

func (a *away) DueRuns(ctx context.Context, limit int) ([]rail.RunID, error) {
	if err := a.refuse(); err != nil {
		return nil, err
	}
	return a.Ledger.DueRuns(ctx, limit)
}

// Nobody is told that a payment was not made while that is not known: not by the commit that got lost, nor by a ledger
// that has no primary.
func TestPay_InDoubtIsPendingUntilTheLedgerSays(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	l := &away{Ledger: w.Ledger}
	w.Ledger = l
	pay := func(key string) rail.Code {
		_, _, err := w.Pay(t.Context(), "ann", order.ID, key)
		return rail.CodeOf(err)
	}
	l.gone.Store(true)
	require.Equal(t, rail.Unavailable, pay("payment-0001"), "nothing was done")
	l.gone.Store(false)
	w.book.decided = func([]ledger.PaymentStep) error { return ledger.ErrInDoubt }
	require.Equal(t, rail.OrderPending, pay("payment-0001"))
	l.gone.Store(true)
	require.Equal(t, rail.OrderPending, pay("payment-0001"), "the primary is dead, and so is the one who knew")
	require.Equal(t, rail.Unavailable, pay("payment-0002"))
	l.gone.Store(false)
	w.book.decided = nil
	require.Empty(t, pay("payment-0001"), "paid")
	l.gone.Store(true)
	require.Equal(t, rail.Unavailable, pay("payment-0001"), "it is resolved")
}

func TestPay_GivesMoneyBackThatALostCallTook(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	cash := &till{before: func() {}}
	w.Payments = cash
	// The commit is lost with the primary.
	w.book.deciding = func([]ledger.PaymentStep) error { return ledger.ErrInDoubt }
	_, _, err = w.Pay(t.Context(), "ann", order.ID, "payment-0001")
	require.Equal(t, rail.OrderPending, rail.CodeOf(err))
	require.Zero(t, cash.voided.Load(), "it may be paid")
	w.book.mu.Lock()
	w.book.skew = 16 * time.Minute
	w.book.orders[order.ID].State = rail.Expired
	w.book.mu.Unlock()
	w.book.deciding = nil
	_, _, err = w.Pay(t.Context(), "ann", order.ID, "payment-0001")
	require.Equal(t, rail.HoldExpired, rail.CodeOf(err))
	require.EqualValues(t, 1, cash.voided.Load())
}

func TestSweep_TellsOnceThatTheLedgerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		l := &away{Ledger: w.Ledger}
		w.Ledger = l
		var log bytes.Buffer
		w.Log = slog.New(slog.NewTextHandler(&log, nil))
		l.gone.Store(true)
		ctx, stop := context.WithCancel(t.Context())
		go w.Sweep(ctx)
		<-time.After(time.Minute)
		l.gone.Store(false)
		<-time.After(time.Minute)
		stop()
		synctest.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "cannot be looked for"), "%s", &log)
		require.Equal(t, 1, strings.Count(log.String(), "are looked for again"), "%s", &log)
		require.Equal(t, 2, strings.Count(log.String(), "\n"), "%s", &log)
	})
}
