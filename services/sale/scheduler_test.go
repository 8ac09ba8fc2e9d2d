package sale

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// queued is a worker with so many buyers, of whom the first came some seconds before now.
func queued(now time.Time, buyers int, seconds float64) *worker {
	w := &worker{slot: make(chan struct{}, 1)}
	for range buyers {
		w.queue = append(w.queue, &request{since: now.Add(-time.Duration(seconds * float64(time.Second)))})
	}
	return w
}

func (w *worker) hasSlot() bool {
	select {
	case <-w.slot:
		return true
	default:
		return false
	}
}

// A slot goes to where most buyers have waited longest; how long they have waited counts twice.
func TestScheduler_MostUrgentFirst(t *testing.T) {
	now := time.Now()
	crowd, one, old, nobody := queued(now, 100, 0.1), queued(now, 1, 0.9), queued(now, 1, 1.1), queued(now, 0, 0)
	c := scheduler{free: 1}
	require.True(t, c.acquire(queued(now, 1, 0)))
	for _, w := range []*worker{nobody, one, crowd, old} {
		require.False(t, c.acquire(w))
	}
	for _, next := range []*worker{old, crowd, one, nobody} {
		c.release(now)
		for _, w := range []*worker{nobody, one, crowd, old} {
			require.Equal(t, w == next, w.hasSlot())
		}
	}
	require.Empty(t, c.waiting)
	c.release(now)
	require.Equal(t, 1, c.free)
}

// A worker that went on without a slot gives one back, and the slots stay as many as they were.
func TestScheduler_GoesOnWithoutASlot(t *testing.T) {
	now := time.Now()
	first, second, third := queued(now, 1, 1), queued(now, 1, 1), queued(now, 1, 1)
	c := scheduler{free: 1}
	require.True(t, c.acquire(first))
	require.False(t, c.acquire(second))
	require.False(t, c.acquire(third))
	require.True(t, c.goOn(second))
	require.Equal(t, -1, c.free)
	c.release(now)
	require.False(t, third.hasSlot(), "the second has no slot, and is in the ledger")
	c.release(now)
	require.True(t, third.hasSlot())
	require.False(t, c.goOn(third), "it has a slot")
	c.release(now)
	require.Equal(t, 1, c.free)
}
