package pay

import (
	"context"
	"sync"
	"time"
)

// clockAge is for how long the difference to the primary's clock is believed.
const clockAge = 5 * time.Second

// clock tells the time of the payments' primary without asking for it each time.
type clock struct {
	mu       sync.Mutex
	ahead    time.Duration
	measured time.Time
}

func (c *clock) now(ctx context.Context, store Store) (time.Time, error) {
	c.mu.Lock()
	ahead, measured := c.ahead, c.measured
	c.mu.Unlock()
	if begun := time.Now(); measured.IsZero() || begun.Sub(measured) >= clockAge {
		there, err := store.Now(ctx)
		if err != nil {
			return time.Time{}, err
		}
		measured = time.Now()
		ahead = there.Sub(begun.Add(measured.Sub(begun) / 2))
		c.mu.Lock()
		c.ahead, c.measured = ahead, measured
		c.mu.Unlock()
	}
	return time.Now().Add(ahead), nil
}
