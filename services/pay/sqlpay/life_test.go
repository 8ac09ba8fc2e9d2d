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

// TestLife_Commits counts the commits of whole lives of payments, as a server that pays counts them: of one alone, and of
// a hundred that are paid at once.
func TestLife_Commits(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		for _, c := range []struct {
			payments int
			most     int64
		}{{1, 9}, {100, 150}} {
			store := open(t, o)
			bank := &paytest.Provider{}
			s := pay.New(pay.Options{Store: store, Providers: []pay.Provider{bank}, Log: slog.New(slog.DiscardHandler)})
			done := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { defer close(done); s.Run(ctx) }()
			begun := time.Now()
			var all sync.WaitGroup
			for n := range c.payments {
				all.Go(func() { assert.NoError(t, life(ctx, s, bank, fmt.Sprintf("life%dof%d", n, c.payments), n)) })
			}
			all.Wait()
			t.Logf("%d payments: %d commits in %v", c.payments, store.Stats().Commits, time.Since(begun))
			assert.LessOrEqual(t, store.Stats().Commits, c.most)
			cancel()
			<-done
		}
	})
}

// life takes a payment through a whole life, with the three webhooks that a card's payment has.
func life(ctx context.Context, s *pay.Service, bank *paytest.Provider, id string, order int) error {
	asked := paytest.NewPayment(id, paytest.Order(order))
	if _, err := s.Start(ctx, asked, time.Minute); err != nil {
		return err
	}
	hear := func(notices ...pay.Notice) error {
		errs := make([]error, len(notices))
		var all sync.WaitGroup
		for i, n := range notices {
			n.PaymentID = id
			header, body := bank.Sign(n, time.Now())
			all.Go(func() { errs[i] = s.Webhook(ctx, bank.Name(), header, body) })
		}
		all.Wait()
		return errors.Join(errs...)
	}
	if !bank.Do(paytest.ActPay, id) {
		return errors.New("the page is not open")
	}
	if err := hear(pay.Notice{ID: id + "a", Tells: pay.ChargeAuthorised},
		pay.Notice{ID: id + "b", Tells: pay.ChargeAuthorised}); err != nil {
		return err
	}
	if _, err := s.Settle(ctx, []pay.Settlement{{PaymentID: id, Decision: pay.Capture, Within: time.Minute}}); err != nil {
		return err
	}
	for {
		p, err := s.Payments(ctx, []string{id})
		if err != nil {
			return err
		}
		if p[0].State == pay.Captured {
			return hear(pay.Notice{ID: id + "c", Tells: pay.ChargeCaptured})
		}
		if !pause.For(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
}
