package sale

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A window lasts as long as enough of the expected buyers come, and no longer than the last batch took.
func TestBatchWindow_Wait(t *testing.T) {
	every := func(d time.Duration, n int) (comes []time.Duration) {
		for i := range n {
			comes = append(comes, time.Duration(i+1)*d)
		}
		return comes
	}
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		window batchWindow
		queued int
		comes  []time.Duration
		lasts  time.Duration
	}{
		"the first batch":  {window: batchWindow{0, 0}, queued: 1},
		"all are there":    {window: batchWindow{3, 20 * ms}, queued: 3},
		"nobody comes":     {window: batchWindow{3, 20 * ms}, queued: 1, lasts: 2 * ms},
		"all come":         {window: batchWindow{4, 20 * ms}, queued: 1, comes: every(ms, 3), lasts: 3 * ms},
		"they stop coming": {window: batchWindow{9, 20 * ms}, queued: 1, comes: every(ms, 3), lasts: 6 * ms},
		"too few come of hundreds": {
			window: batchWindow{320, 20 * ms}, queued: 1, comes: every(ms/5, 9), lasts: 2 * ms,
		},
		"enough of hundreds":  {window: batchWindow{64, 20 * ms}, queued: 1, comes: every(ms/2, 5), lasts: 4 * ms},
		"longer than a batch": {window: batchWindow{99, 5 * ms}, queued: 1, comes: every(ms/9, 98), lasts: 6 * ms},
		"longer than ten ms": {
			window: batchWindow{99, time.Second}, queued: 1, comes: every(ms/5, 98), lasts: 12 * ms,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var queued atomic.Int32
				queued.Store(int32(c.queued))
				arrived := make(chan struct{}, 1)
				for _, in := range c.comes {
					time.AfterFunc(in+1, func() { // never at the moment of a tick
						queued.Add(1)
						select {
						case arrived <- struct{}{}:
						default:
						}
					})
				}
				begun := time.Now()
				c.window.wait(t.Context(), arrived, func() int { return int(queued.Load()) })
				require.Equal(t, c.lasts, time.Since(begun).Truncate(ms))
				pass(time.Second)
			})
		})
	}
}
