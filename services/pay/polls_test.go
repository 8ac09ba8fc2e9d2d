package pay_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
)

// TestRun_CapturesBeforePolls has many open pages and a provider that does not answer for them: a capture is made at
// once, and the pages leave half of the places.
func TestRun_CapturesBeforePolls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const atOnce, pages = 8, 200
		w := open()
		w.Service = pay.New(pay.Options{
			Store: w.store, Providers: []pay.Provider{w.bank}, Log: slog.New(slog.DiscardHandler), CallsAtOnce: atOnce,
		})
		for n := range pages {
			w.start(t, fmt.Sprint("open", n), n)
		}
		w.start(t, "p1", pages)
		require.True(t, w.bank.Do(paytest.ActPay, "p1"))
		require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
		var mu sync.Mutex
		polls, most := 0, 0
		w.beforeCalls(func(ctx context.Context, method, _ string) error {
			if method != "Get" {
				return nil
			}
			mu.Lock()
			polls++
			most = max(most, polls)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			polls--
			mu.Unlock()
			return ctx.Err()
		})
		passes(t, time.Minute)
		w.run(t)
		passes(t, time.Minute)
		mu.Lock()
		require.Equal(t, atOnce/2, most)
		mu.Unlock()
		w.settle(t, "p1", pay.Capture)
		passes(t, time.Second)
		require.Equal(t, pay.Captured, w.is(t, "p1").State)
	})
}

// TestRun_PollsInMeasure asks after thousands of pages no more often than the provider lets itself be asked.
func TestRun_PollsInMeasure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const pages = 1_500
		w := open()
		for n := range pages {
			w.start(t, fmt.Sprint("open", n), n)
		}
		w.beforeCalls(func(ctx context.Context, _, _ string) error { pause.For(ctx, 100*time.Millisecond); return nil })
		passes(t, 10*time.Second)
		w.run(t)
		for range 4 {
			before := w.bank.Calls("Get")
			passes(t, 10*time.Second)
			require.InDelta(t, 500, w.bank.Calls("Get")-before, 30)
		}
	})
}
