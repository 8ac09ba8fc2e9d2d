package sqlpay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"interlock/internal/pause"
	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
)

// TestLife_Commits counts the commits of whole lives of payments, as a server that pays counts them: of one alone, of a
// hundred that are paid at once, and of a hundred a second, which come one after the other.
func TestLife_Commits(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		for _, c := range []struct {
			payments int
			apart    time.Duration
			most     int64
		}{{1, 0, 9}, {100, 0, 50}, {101, 10 * time.Millisecond, 250}} {
			store := open(t, o)
			bank := &paytest.Provider{}
			s := pay.New(pay.Options{Store: store, Providers: []pay.Provider{bank}, Log: slog.New(slog.DiscardHandler)})
			done := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { defer close(done); s.Run(ctx) }()
			begun := time.Now()
			var all sync.WaitGroup
			for n := range c.payments {
				pause.For(ctx, time.Until(begun.Add(time.Duration(n)*c.apart)))
				all.Go(func() { assert.NoError(t, life(ctx, s, bank, fmt.Sprintf("life%dof%d", n, c.payments), n)) })
			}
			all.Wait()
			commits, took := store.Stats().Commits, time.Since(begun)
			t.Logf("%d payments: %d commits in %v", c.payments, commits, took)
			assert.LessOrEqual(t, commits, max(c.most, int64(took/(10*time.Millisecond))))
			cancel()
			<-done
		}
	})
}

// again repeats what fails, as buyers and providers do: a machine with too much to do lets a database take too long.
func again(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || !pause.For(ctx, 100*time.Millisecond) {
			return err
		}
	}
}

// life takes a payment through a whole life, with the three webhooks that a card's payment has.
func life(ctx context.Context, s *pay.Service, bank *paytest.Provider, id string, order int) error {
	asked := paytest.NewPayment(id, paytest.Order(order))
	if err := again(ctx, func() error { _, err := s.Start(ctx, asked, time.Hour); return err }); err != nil {
		return err
	}
	hear := func(notices ...pay.Notice) error {
		errs := make([]error, len(notices))
		var all sync.WaitGroup
		for i, n := range notices {
			n.PaymentID = id
			header, body := bank.Sign(n, time.Now())
			all.Go(func() {
				errs[i] = again(ctx, func() error { return s.Webhook(ctx, bank.Name(), header, body) })
			})
		}
		all.Wait()
		return errors.Join(errs...)
	}
	for !bank.Do(paytest.ActPay, id) {
		if !pause.For(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
	if err := hear(pay.Notice{ID: id + "a", Tells: pay.ChargeAuthorised},
		pay.Notice{ID: id + "b", Tells: pay.ChargeAuthorised}); err != nil {
		return err
	}
	captures := []pay.Settlement{{PaymentID: id, Decision: pay.Capture, Within: time.Hour}}
	if err := again(ctx, func() error { _, err := s.Settle(ctx, captures); return err }); err != nil {
		return err
	}
	for {
		p, err := s.Payments(ctx, []string{id})
		if err == nil && p[0].State == pay.Captured {
			return hear(pay.Notice{ID: id + "c", Tells: pay.ChargeCaptured})
		}
		if !pause.For(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
}
