package gateway

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// turnstile lets few operations be read and checked at a time. The rest stand before it in a line. Ten thousand that were all
// being read at once would stand in the scheduler's line instead, and with them the one goroutine that sells, after each
// statement of each batch.
type turnstile struct {
	places  chan struct{}
	waiting atomic.Int64
	// waited is how long the last one who passed had stood in the line, in nanoseconds.
	waited atomic.Int64
}

func newTurnstile(places int) *turnstile { return &turnstile{places: make(chan struct{}, places)} }

// pass does a request's work when it is its turn. The work must not wait for anybody. Whoever has gone away meanwhile, or has
// stood there for maxStanding, is refused, and nothing is done.
func (t *turnstile) pass(ctx context.Context, work func()) error {
	since := time.Now()
	select {
	case t.places <- struct{}{}:
	default:
		if err := t.stand(ctx); err != nil {
			return err
		}
	}
	t.waited.Store(int64(time.Since(since)))
	defer func() { <-t.places }()
	work()
	return nil
}

// stand waits for a place.
func (t *turnstile) stand(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxStanding)
	defer cancel()
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	select {
	case t.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &bodyError{http.StatusServiceUnavailable, tooManyRequests}
	}
}

// crowded tells whether whoever comes now had better come later. Those who stand in the line already stay.
func (t *turnstile) crowded() bool {
	return t.waiting.Load() > 0 && time.Duration(t.waited.Load()) > crowdedAfter
}
