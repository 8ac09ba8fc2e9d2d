package redlock

import (
	"sync"
	"time"
)

const (
	// failuresToSkip is how many failures in a row are the node's: a single one may be a connection that was cut.
	failuresToSkip = 2
	// skipFor is how soon a node that is back takes part again, and how often a dead one costs a question.
	skipFor = time.Second
)

// breaker decides whether a node is asked. After failuresToSkip failures in a row it is not, but for one probe every
// skipFor.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int
	open     bool
	probing  bool
	probeAt  time.Time
}

// allow tells whether to ask. A caller that may ask must report once: answered, failed or undecided.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return true
	}
	if b.probing || b.now().Before(b.probeAt) {
		return false
	}
	b.probing = true
	return true
}

// answered reports an answer. It tells whether the node is back.
func (b *breaker) answered() (back bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	back = b.open
	b.failures, b.open, b.probing = 0, false, false
	return back
}

func (b *breaker) failed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	if b.failures >= failuresToSkip {
		b.open, b.probing = true, false
		b.probeAt = b.now().Add(skipFor)
	}
}

// undecided reports a question that was broken off for a reason that is not the node's.
func (b *breaker) undecided() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}
