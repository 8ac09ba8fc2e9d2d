package gateway

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// limiter bounds how many operations are read and checked at a time. The others wait in its queue. Were ten thousand
// read at once, they would wait in the queue of Go's scheduler, together with the goroutine that sells, which waits
// there after each statement of each batch.
type limiter struct {
	places  chan struct{}
	waiting atomic.Int64
	// waited is how long the last operation that got its turn had waited, in nanoseconds.
	waited atomic.Int64
}

func newLimiter(places int) *limiter { return &limiter{places: make(chan struct{}, places)} }

// do runs the work of a request in its turn. The work must not wait for anything. do returns an error, and does not run
// the work, where ctx ends first or no turn comes within maxLimiterWait.
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

// wait waits in the queue for a place. Its error is a *statusError with 503.
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

// overloaded tells whether a new request should be refused: the queue is not empty, and it is slow. Requests in the
// queue stay there.
func (l *limiter) overloaded() bool {
	return l.waiting.Load() > 0 && time.Duration(l.waited.Load()) > overloadedAfter
}
