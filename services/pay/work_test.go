package pay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
)

var errDead = errors.New("the line is dead")

// passes lets the bubble's time pass.
func passes(t *testing.T, d time.Duration) {
	t.Helper()
	pause.For(t.Context(), d)
	synctest.Wait()
}

// paid is a world with a payment p1 that is authorised, and its worker.
func paid(t *testing.T) *world {
	t.Helper()
	w := open()
	w.run(t)
	w.start(t, "p1", 1)
	require.True(t, w.bank.Do(paytest.ActPay, "p1"))
	require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
	require.Equal(t, pay.Authorised, w.is(t, "p1").State)
	return w
}

// TestRun_WebhookIsLost finds out by itself that a buyer has paid.
func TestRun_WebhookIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		w.start(t, "p1", 1)
		require.True(t, w.bank.Do(paytest.ActPay, "p1"))
		passes(t, 6*time.Second)
		require.Equal(t, pay.Authorised, w.is(t, "p1").State)
		require.Equal(t, []ledger.EventType{ledger.EventPaymentAuthorised}, w.events())
	})
}

// TestRun_BuyerNeverPays closes the page a minute after its time, and asks seldom until then.
func TestRun_BuyerNeverPays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		w.start(t, "p1", 1)
		passes(t, payFor+time.Minute-time.Second)
		require.Equal(t, pay.Open, w.is(t, "p1").State)
		require.Equal(t, pay.ChargeOpen, w.bank.Charges()[0].Status)
		require.InDelta(t, 18, w.bank.Calls("Get"), 3)
		passes(t, 2*time.Second)
		p := w.is(t, "p1")
		require.Equal(t, pay.Failed, p.State)
		require.Equal(t, "not_paid_in_time", p.Reason)
		require.Equal(t, pay.ChargeClosed, w.bank.Charges()[0].Status)
		require.Equal(t, []ledger.EventType{ledger.EventPaymentEnded}, w.events())
		version := p.Version
		passes(t, time.Hour)
		require.Equal(t, version, w.is(t, "p1").Version, "nothing is left to do")
	})
}

// TestRun_LedgerNeverDecides holds no money for ever.
func TestRun_LedgerNeverDecides(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := paid(t)
		passes(t, payFor+time.Hour-time.Second)
		require.Equal(t, pay.Authorised, w.is(t, "p1").State)
		passes(t, 2*time.Second)
		require.Equal(t, pay.Released, w.is(t, "p1").State)
		require.Equal(t, int64(price), w.bank.Charges()[0].Released)
	})
}

// TestRun_YesAndThenNo has the provider let the money go before it is captured.
func TestRun_YesAndThenNo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := paid(t)
		require.True(t, w.bank.Do(paytest.ActVoid, "p1"))
		w.settle(t, "p1", pay.Capture)
		passes(t, 100*time.Millisecond)
		p := w.is(t, "p1")
		require.Equal(t, pay.Released, p.State)
		require.Equal(t, "expired", p.Reason)
		require.Equal(t, ledger.EventPaymentEnded, w.events()[1])
	})
}

// TestRun_CaptureRefused has the provider hold the money and refuse to take it.
func TestRun_CaptureRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := paid(t)
		w.beforeCalls(func(_ context.Context, method, _ string) error {
			if method == "Capture" {
				return pay.ErrRefused
			}
			return nil
		})
		w.settle(t, "p1", pay.Capture)
		passes(t, time.Second)
		p := w.is(t, "p1")
		require.Equal(t, pay.Released, p.State)
		require.Equal(t, "capture_refused", p.Reason)
		require.Equal(t, 1, w.bank.Calls("Capture"))
	})
}

// TestRun_CaptureTooLate has the answers of a capture get lost until its deadline. The money was taken: the ledger is
// asked, and says that it is too late.
func TestRun_CaptureTooLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := paid(t)
		var dead atomic.Bool
		dead.Store(true)
		w.afterCalls(func(context.Context, string, string) error {
			if dead.Load() {
				return errDead
			}
			return nil
		})
		w.settle(t, "p1", pay.Capture)
		passes(t, 2*time.Minute+10*time.Second)
		require.Equal(t, pay.Capturing, w.is(t, "p1").State)
		calls := w.bank.Calls("Capture")
		passes(t, 10*time.Minute)
		require.Equal(t, calls, w.bank.Calls("Capture"), "it is given up")
		require.Less(t, w.bank.Calls("Get"), 30, "it is asked after seldom")
		dead.Store(false)
		passes(t, 2*time.Minute)
		require.Equal(t, pay.Captured, w.is(t, "p1").State)
		w.settle(t, "p1", pay.Release)
		passes(t, time.Second)
		p := w.is(t, "p1")
		require.Equal(t, pay.Refunded, p.State)
		require.Equal(t, [4]int64{price, price, 0, price}, [4]int64{p.Authorised, p.Captured, p.Released, p.Refunded})
		require.Equal(t, int64(price), w.bank.Charges()[0].Refunded)
		require.Equal(t, []ledger.EventType{
			ledger.EventPaymentAuthorised, ledger.EventPaymentCaptured, ledger.EventPaymentEnded,
		}, w.events())
	})
}

// TestRun_ReleaseFindsItCaptured has the ledger say no while the answers of a capture get lost: the money goes back.
func TestRun_ReleaseFindsItCaptured(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := paid(t)
		var dead atomic.Bool
		dead.Store(true)
		w.afterCalls(func(context.Context, string, string) error {
			if dead.Load() {
				return errDead
			}
			return nil
		})
		w.settle(t, "p1", pay.Capture)
		passes(t, time.Second)
		w.settle(t, "p1", pay.Release)
		require.Equal(t, pay.Releasing, w.is(t, "p1").State)
		dead.Store(false)
		passes(t, 2*time.Minute)
		require.Equal(t, pay.Refunded, w.is(t, "p1").State)
		require.Equal(t, int64(price), w.bank.Charges()[0].Refunded)
	})
}

// TestRun_OlderDatabase restores payments as they were before they were captured. Their deadlines are over, and their
// orders PAID: the ledger decides about the money, and nothing goes back before.
func TestRun_OlderDatabase(t *testing.T) {
	for _, older := range []pay.State{pay.Open, pay.Authorised, pay.Capturing} {
		t.Run(string(older), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := open()
				w.start(t, "p1", 1)
				require.True(t, w.bank.Do(paytest.ActPay, "p1"))
				if older != pay.Open {
					require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
				}
				if older == pay.Capturing {
					w.settle(t, "p1", pay.Capture)
				}
				require.Equal(t, older, w.is(t, "p1").State)
				require.True(t, w.bank.Do(paytest.ActCapture, "p1"))
				passes(t, 24*time.Hour)
				w.run(t)
				passes(t, time.Hour)
				require.Equal(t, pay.Captured, w.is(t, "p1").State)
				require.Zero(t, w.bank.Charges()[0].Refunded)
				events := w.events()
				require.Equal(t, ledger.EventPaymentCaptured, events[len(events)-1])
			})
		})
	}
}

// TestRun_ProviderIsDead repeats a release for hours with a bounded backoff, says so once, and ends it at last.
func TestRun_ProviderIsDead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := paid(t)
		var dead atomic.Bool
		dead.Store(true)
		w.beforeCalls(func(context.Context, string, string) error {
			if dead.Load() {
				return errDead
			}
			return nil
		})
		w.settle(t, "p1", pay.Release)
		passes(t, 5*time.Minute)
		require.Zero(t, w.Stats().Overdue)
		passes(t, 115*time.Minute)
		require.InDelta(t, 120, w.bank.Calls("Release"), 15)
		require.Equal(t, 1, w.Stats().Overdue)
		require.Equal(t, 1, w.log.count("money cannot be given back"))
		require.Equal(t, 1, w.log.count("a provider of payments fails"))
		dead.Store(false)
		passes(t, 61*time.Second)
		require.Equal(t, pay.Released, w.is(t, "p1").State)
		require.Zero(t, w.Stats().Overdue)
		require.Equal(t, int64(w.bank.Calls("Release")-1),
			w.Stats().Calls[pay.Calls{Purpose: "release", Outcome: pay.CallFailed}])
	})
}

// TestRun_OpenedWithoutAnswer ends a payment whose opening was never answered, and finds the charge that it made.
func TestRun_OpenedWithoutAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		var dead atomic.Bool
		dead.Store(true)
		w.afterCalls(func(context.Context, string, string) error {
			if dead.Load() {
				return errDead
			}
			return nil
		})
		w.run(t)
		require.Equal(t, pay.Created, w.start(t, "p1", 1).State)
		passes(t, payFor+2*time.Minute)
		require.Equal(t, pay.Releasing, w.is(t, "p1").State)
		dead.Store(false)
		passes(t, time.Minute)
		require.Equal(t, pay.Failed, w.is(t, "p1").State)
		require.Len(t, w.bank.Charges(), 1)
		require.Equal(t, pay.ChargeClosed, w.bank.Charges()[0].Status)
	})
}

// TestRun_OpenedAfterItsEnd has the request that opens a payment be on its way until the payment has ended: the key
// that it carries was used by then.
func TestRun_OpenedAfterItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		var dead atomic.Bool
		dead.Store(true)
		w.beforeCalls(func(context.Context, string, string) error {
			if dead.Load() {
				return errDead
			}
			return nil
		})
		w.run(t)
		require.Equal(t, pay.Created, w.start(t, "p1", 1).State)
		passes(t, payFor+2*time.Minute)
		dead.Store(false)
		passes(t, time.Minute)
		require.Equal(t, pay.Failed, w.is(t, "p1").State)
		_, err := w.bank.Authorise(t.Context(), asked("p1", 1), "p1:authorise")
		require.NoError(t, err)
		require.Len(t, w.bank.Charges(), 1)
		require.Equal(t, pay.ChargeClosed, w.bank.Charges()[0].Status)
	})
}

// TestRun_Keys has every call be made again and again: all for one purpose carry one key.
func TestRun_Keys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.afterCalls(func(_ context.Context, method, _ string) error {
			if w.bank.Calls(method)%3 != 0 {
				return errDead
			}
			return nil
		})
		w.run(t)
		w.start(t, "p1", 1)
		passes(t, time.Minute)
		require.True(t, w.bank.Do(paytest.ActPay, "p1"))
		passes(t, time.Minute)
		w.settle(t, "p1", pay.Capture)
		passes(t, time.Minute)
		require.Equal(t, pay.Captured, w.is(t, "p1").State)
		w.settle(t, "p1", pay.Release)
		passes(t, time.Minute)
		require.Equal(t, pay.Refunded, w.is(t, "p1").State)
		w.start(t, "p2", 2)
		w.settle(t, "p2", pay.Release)
		passes(t, time.Minute)
		require.Equal(t, []string{"p1:authorise", "p1:capture", "p1:refund", "p2:authorise", "p2:release"},
			w.bank.Keys())
		require.Equal(t, 3, w.bank.Calls("Capture"))
	})
}

// TestRun_PartlyRefunded gives back what a person has left.
func TestRun_PartlyRefunded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := paid(t)
		w.settle(t, "p1", pay.Capture)
		passes(t, 100*time.Millisecond)
		w.bank.Change("p1", func(c *pay.Charge) { c.Refunded = 100 })
		w.settle(t, "p1", pay.Release)
		passes(t, 10*time.Second)
		p := w.is(t, "p1")
		require.Equal(t, pay.Refunded, p.State)
		require.Equal(t, int64(price), p.Refunded)
		require.Equal(t, int64(price), w.bank.Charges()[0].Refunded)
	})
}

// TestRun_TwoProcesses has two workers on one store: they leave each other's payments alone.
func TestRun_TwoProcesses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const payments = 300
		w := open()
		w.beforeCalls(func(ctx context.Context, _, _ string) error { pause.For(ctx, time.Second); return nil })
		other := &world{store: w.store, bank: w.bank, Service: pay.New(pay.Options{
			Store: w.store, Providers: []pay.Provider{w.bank}, Log: slog.New(slog.DiscardHandler),
		})}
		var all sync.WaitGroup
		var settlements []pay.Settlement
		for n := range payments {
			id := fmt.Sprint("p", n)
			settlements = append(settlements, pay.Settlement{PaymentID: id, Decision: pay.Release})
			all.Go(func() { w.start(t, id, n) })
		}
		all.Wait()
		errs, err := other.Settle(t.Context(), settlements)
		require.NoError(t, err)
		require.Nil(t, errs)
		w.run(t)
		other.run(t)
		passes(t, 10*time.Second)
		for _, p := range w.store.All() {
			require.Equal(t, pay.Failed, p.State)
		}
		require.Equal(t, payments, w.bank.Calls("Release"))
		require.Len(t, w.events(), payments)
	})
}

// TestRun_CallsAtOnce bounds the calls, and one that hangs holds up no others.
func TestRun_CallsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const atOnce, payments = 4, 100
		w := open()
		w.Service = pay.New(pay.Options{
			Store: w.store, Providers: []pay.Provider{w.bank}, Log: slog.New(slog.DiscardHandler), CallsAtOnce: atOnce,
		})
		for n := range payments {
			id := fmt.Sprint("p", n)
			w.start(t, id, n)
			w.settle(t, id, pay.Release)
		}
		var mu sync.Mutex
		most := 0
		w.beforeCalls(func(ctx context.Context, _, id string) error {
			underWay := w.Stats().UnderWay
			mu.Lock()
			most = max(most, underWay)
			mu.Unlock()
			if id == "p7" {
				<-ctx.Done()
				return ctx.Err()
			}
			pause.For(ctx, 100*time.Millisecond)
			return nil
		})
		w.run(t)
		passes(t, 5*time.Second)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, atOnce, most)
		states := map[pay.State]int{}
		for _, p := range w.store.All() {
			states[p.State]++
		}
		require.Equal(t, map[pay.State]int{pay.Failed: payments - 1, pay.Releasing: 1}, states)
	})
}

// TestRun_AnotherProvider leaves a payment alone whose provider it does not have, and says so once.
func TestRun_AnotherProvider(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		bank := &paytest.Provider{Named: "other"}
		w.Service = pay.New(pay.Options{
			Store: w.store, Providers: []pay.Provider{bank}, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		})
		w.run(t)
		passes(t, 10*time.Minute)
		require.Equal(t, pay.Open, w.is(t, "p1").State)
		require.Equal(t, 1, w.log.count("cannot be worked on"))

		w.Service = pay.New(pay.Options{
			Store: w.store, Providers: []pay.Provider{bank, w.bank}, Log: slog.New(slog.DiscardHandler),
		})
		w.run(t)
		require.Equal(t, "other", w.start(t, "p2", 2).Provider)
		passes(t, time.Hour) // The first of the two takes it now and then, and puts it off.
		require.Equal(t, pay.Failed, w.is(t, "p1").State, "the old provider ends what it has")
	})
}

// TestRun_ClocksApart has a process whose clock is an hour behind or ahead of the store's: times are the store's.
func TestRun_ClocksApart(t *testing.T) {
	for _, apart := range []time.Duration{-time.Hour, time.Hour} {
		bubble(t, func(t *testing.T) {
			w := open()
			w.store.Clock = func() time.Time { return time.Now().Add(apart) }
			w.run(t)
			w.start(t, "p1", 1)
			w.start(t, "p2", 2)
			require.True(t, w.bank.Do(paytest.ActPay, "p2"))
			require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p2"}))
			require.Equal(t, pay.Authorised, w.is(t, "p2").State)
			passes(t, payFor)
			require.Equal(t, pay.Open, w.is(t, "p1").State)
			passes(t, 2*time.Minute)
			require.Equal(t, pay.Failed, w.is(t, "p1").State)
		})
	}
}

// TestRun_OldestDue tells how long payments have waited for the worker.
func TestRun_OldestDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		w.settle(t, "p1", pay.Release)
		w.Service = pay.New(pay.Options{
			Store: w.store, Providers: []pay.Provider{w.bank}, Log: slog.New(slog.DiscardHandler), CallsAtOnce: 1,
		})
		w.beforeCalls(func(ctx context.Context, _, _ string) error { pause.For(ctx, time.Second); return nil })
		passes(t, time.Minute)
		w.run(t)
		synctest.Wait()
		require.Equal(t, time.Minute, w.Stats().OldestDue)
		require.Equal(t, 1, w.Stats().UnderWay)
		passes(t, 2*time.Second)
		require.Zero(t, w.Stats().OldestDue)
		require.Equal(t, map[pay.State]int64{pay.Failed: 1}, w.Stats().Reached)
	})
}
