package gateway

import (
	"runtime"
	"sync/atomic"
	"time"
)

// turnstile lets few requests be read at a time: one for every second thread that runs Go code, so that the others look at
// the network. The rest stand before it in a line. Ten thousand that were all being read at once would stand in the
// scheduler's line instead, and with them the one goroutine that sells, after each statement of each batch.
type turnstile struct {
	places  chan struct{}
	waiting atomic.Int64
	// waited is how long the last one who passed had stood in the line, in nanoseconds.
	waited atomic.Int64
}

func newTurnstile() *turnstile {
	return &turnstile{places: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// pass does a request's work when it is its turn. The work must not wait for anybody.
func (t *turnstile) pass(work func()) {
	select {
	case t.places <- struct{}{}:
	default:
		since := time.Now()
		t.waiting.Add(1)
		t.places <- struct{}{}
		t.waiting.Add(-1)
		t.waited.Store(int64(time.Since(since)))
	}
	defer func() { <-t.places }()
	work()
}

// crowded tells whether whoever comes now had better come later. Those who are in the line already are not sent away: a crowd
// that comes in one moment, as when a sale opens, gets in whole.
func (t *turnstile) crowded() bool {
	return t.waiting.Load() > 0 && time.Duration(t.waited.Load()) > maxLine
}
