package gateway_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
)

// As many operations run at a time as there are places, and all get their turn.
func TestLimiter_LetsFewIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := gateway.NewLimiter(3)
		var mu sync.Mutex
		inside, most, passed := 0, 0, 0
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				assert.NoError(t, limiter.Do(t.Context(), func() {
					mu.Lock()
					inside++
					most = max(most, inside)
					mu.Unlock()
					<-time.After(time.Millisecond)
					mu.Lock()
					inside--
					passed++
					mu.Unlock()
				}))
			})
		}
		all.Wait()
		require.Equal(t, 3, most)
		require.Equal(t, 100, passed)
	})
}

// New requests are refused only while those in the queue wait for too long.
func TestLimiter_IsOverloadedWhileTheQueueIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := gateway.NewLimiter(1)
		var all sync.WaitGroup
		come := func(n int, takes time.Duration) {
			for range n {
				all.Go(func() { assert.NoError(t, limiter.Do(t.Context(), func() { <-time.After(takes) })) })
			}
			synctest.Wait()
		}
		come(5, gateway.OverloadedAfter)
		require.False(t, limiter.Overloaded(), "none has waited for long yet")
		<-time.After(5 * gateway.OverloadedAfter / 2)
		require.True(t, limiter.Overloaded())
		all.Wait()
		require.False(t, limiter.Overloaded(), "the queue is empty")
		come(2, time.Millisecond)
		require.False(t, limiter.Overloaded(), "that was long ago")
		all.Wait()
	})
}

// A request leaves the queue when its client goes, or after maxLimiterWait. In both cases it is not read.
func TestLimiter_WaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := gateway.NewLimiter(1)
		var all sync.WaitGroup
		all.Go(func() { assert.NoError(t, limiter.Do(t.Context(), func() { <-time.After(time.Minute) })) })
		synctest.Wait()
		ctx, hangUp := context.WithTimeout(t.Context(), time.Second)
		defer hangUp()
		for waits, ctx := range map[time.Duration]context.Context{
			time.Second: ctx, gateway.MaxLimiterWait: t.Context(),
		} {
			all.Go(func() {
				since := time.Now()
				assert.Error(t, limiter.Do(ctx, func() { t.Error("it was read") }))
				assert.Equal(t, waits, time.Since(since))
			})
		}
		all.Wait()
	})
}

// A place is free again after a panic of the work.
func TestLimiter_OutlivesAPanic(t *testing.T) {
	limiter := gateway.NewLimiter(1)
	require.Panics(t, func() { _ = limiter.Do(t.Context(), func() { panic("rubbish") }) })
	passed := false
	require.NoError(t, limiter.Do(t.Context(), func() { passed = true }))
	require.True(t, passed)
}

// While the queue is slow, the handler refuses new requests, and does so before it checks a token. Other routes answer.
func TestHandler_RefusesWhileTheQueueIsSlow(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		limiter := w.gate.Limiter()
		var all sync.WaitGroup
		for range 3 * gateway.DefaultMaxReading {
			all.Go(func() {
				assert.NoError(t, limiter.Do(t.Context(), func() { <-time.After(2 * gateway.OverloadedAfter) }))
			})
		}
		synctest.Wait()
		<-time.After(3 * gateway.OverloadedAfter)
		r := w.do(t, "POST", "/graphql", `{"query":"{hello}"}`, "Content-Type", "application/json", "Authorization",
			"Bearer rubbish")
		require.Equal(t, 503, r.status)
		require.Equal(t, "OVERLOADED", r.code())
		require.Equal(t, "1", r.header.Get("Retry-After"))
		require.Equal(t, 200, w.do(t, "GET", "/livez", "").status)
		all.Wait()
		require.Equal(t, 200, w.post(t, `{hello}`).status)
	})
}
