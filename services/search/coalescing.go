package search

import (
	"context"
	"sync"
)

// coalescing lets many callers share one piece of work. Each gets the result of work that began after its call: a
// caller that has just published must find that in the timetable afterwards. At most one piece of work is under way,
// and at most one waits to begin.
type coalescing struct {
	mu sync.Mutex
	// next has not begun yet, so that more callers may still join it; nil where none waits.
	next *sharedCall
	// turn has room for one: the call that is under way holds it.
	turn chan struct{}
}

// sharedCall is one piece of work, and its result.
type sharedCall struct {
	done chan struct{}
	err  error
	// abandoned says that it ended because the context of its first caller did. The others get no result from it.
	abandoned bool
}

func newCoalescing() *coalescing { return &coalescing{turn: make(chan struct{}, 1)} }

// do runs work, or shares a run of it that begins after this call. It returns what work returned, or the error of ctx.
func (c *coalescing) do(ctx context.Context, work func(context.Context) error) error {
	for {
		c.mu.Lock()
		shared := c.next
		if shared == nil {
			c.next = &sharedCall{done: make(chan struct{})}
			mine := c.next
			c.mu.Unlock()
			return c.lead(ctx, mine, work)
		}
		c.mu.Unlock()
		select {
		case <-shared.done:
			if !shared.abandoned {
				return shared.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lead waits for the turn, then works for all who have joined until then.
func (c *coalescing) lead(ctx context.Context, mine *sharedCall, work func(context.Context) error) error {
	hasTurn := false
	select {
	case c.turn <- struct{}{}:
		hasTurn = true
	case <-ctx.Done():
	}
	c.mu.Lock()
	c.next = nil
	c.mu.Unlock()
	// Where work panics, the others see an abandoned call. Each of them then does the work itself, and meets the panic.
	mine.abandoned = true
	defer func() {
		if hasTurn {
			<-c.turn
		}
		close(mine.done)
	}()
	if !hasTurn {
		return ctx.Err()
	}
	mine.err = work(ctx)
	mine.abandoned = mine.err != nil && ctx.Err() != nil
	return mine.err
}
