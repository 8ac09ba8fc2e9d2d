package gateway_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
)

// So many are inside at a time as there are places, and everybody gets in.
func TestTurnstile_LetsFewIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turnstile := gateway.NewTurnstile(3)
		var mu sync.Mutex
		inside, most, passed := 0, 0, 0
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				turnstile.Pass(func() {
					mu.Lock()
					inside++
					most = max(most, inside)
					mu.Unlock()
					<-time.After(time.Millisecond)
					mu.Lock()
					inside--
					passed++
					mu.Unlock()
				})
			})
		}
		all.Wait()
		require.Equal(t, 3, most)
		require.Equal(t, 100, passed)
	})
}

// Whoever comes is sent away while others have stood in the line for too long, and no longer.
func TestTurnstile_IsCrowdedWhileTheLineIsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turnstile := gateway.NewTurnstile(1)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { turnstile.Pass(func() { <-time.After(gateway.MaxLine) }) })
		}
		synctest.Wait()
		require.False(t, turnstile.Crowded(), "nobody has stood there for long yet")
		<-time.After(5 * gateway.MaxLine / 2)
		require.True(t, turnstile.Crowded())
		all.Wait()
		require.False(t, turnstile.Crowded(), "nobody stands there any more")
	})
}

// A place is free again whatever becomes of the work in it.
func TestTurnstile_OutlivesAPanic(t *testing.T) {
	turnstile := gateway.NewTurnstile(1)
	require.Panics(t, func() { turnstile.Pass(func() { panic("rubbish") }) })
	passed := false
	turnstile.Pass(func() { passed = true })
	require.True(t, passed)
}
