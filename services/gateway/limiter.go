package gateway

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// limiter lets few operations be read and checked at a time. The rest stand before it in a line. Ten thousand that were
// all being read at once would stand in the scheduler's line instead, and with them the one goroutine that sells, after
// each statement of each batch.
type limiter struct {
	places  chan struct{}
	waiting atomic.Int64
	// waited is how long the last one who passed had stood in the line, in nanoseconds.
	waited atomic.Int64
}

func newLimiter(places int) *limiter { return &limiter{places: make(chan struct{}, places)} }

// do does a request's work when it is its turn. The work must not wait for anybody. Whoever has gone away meanwhile, or
// has stood there for maxStanding, is refused, and nothing is done.
func (l *limiter) do(ctx context.Context, work func()) error {
	since := time.Now()
	select {
	case l.places <- struct{}{}:
	default:
		if err := l.wait(ctx); err != nil {
			return err
		}
	}
	l.waited.Store(int64(time.Since(since)))
	defer func() { <-l.places }()
	work()
	return nil
}

// wait waits for a place.
func (l *limiter) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxLimiterWait)
	defer cancel()
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	select {
	case l.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &statusError{http.StatusServiceUnavailable, tooManyRequests}
	}
}

// overloaded tells whether whoever comes now had better come later. Those who stand in the line already stay.
func (l *limiter) overloaded() bool {
	return l.waiting.Load() > 0 && time.Duration(l.waited.Load()) > overloadedAfter
}
