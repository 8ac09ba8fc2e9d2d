package sqlledger

import (
	"sync"
	"time"

	"interlock/services/rail"
)

// Bounds of probing. Each probe that times out may leave a session hanging on the server until a replica is back, so
// they are spaced ever wider; the longest space is how long a cluster that is well again goes unnoticed.
const (
	minProbeInterval = 250 * time.Millisecond
	maxProbeInterval = 5 * time.Second
)

// breaker keeps commits from piling up on a cluster that does not acknowledge them. Once a commit has timed out it lets
// one probe at a time through, and tells all others so at once, until a probe commits.
type breaker struct {
	clock func() time.Time

	mu       sync.Mutex
	open     bool
	probing  bool
	interval time.Duration
	next     time.Time
}

// admission is the permission to begin one transaction that writes, and later to commit it.
type admission struct {
	b     *breaker
	probe bool
}

// admit lets a transaction begin, as the probe where one is due.
func (b *breaker) admit() (*admission, error) {
	a := &admission{b: b}
	if err := a.confirm(); err != nil {
		return nil, err
	}
	return a, nil
}

// confirm is asked again right before COMMIT: the breaker may have opened since the transaction began.
func (a *admission) confirm() error {
	b := a.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open || a.probe {
		return nil
	}
	now := b.clock()
	if b.probing || now.Before(b.next) {
		wait := max(b.next.Sub(now), minProbeInterval)
		return &rail.Error{
			Code:       rail.Unavailable,
			Message:    "an earlier commit is still waiting for its acknowledgement",
			RetryAfter: wait,
		}
	}
	b.probing, a.probe = true, true
	return nil
}

// committed tells that the cluster acknowledged. Only a probe proves anything: another commit may have been
// acknowledged before the cluster stopped.
func (a *admission) committed() {
	b := a.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.probe {
		b.open, b.interval = false, 0
	}
}

// timedOut tells that the cluster did not acknowledge in time.
func (a *admission) timedOut() {
	b := a.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open && !a.probe {
		return // the breaker opened while this commit was under way; it tells nothing new
	}
	b.open = true
	b.interval = min(max(2*b.interval, minProbeInterval), maxProbeInterval)
	b.next = b.clock().Add(b.interval)
}

// done ends the admission. The probe's place is free again.
func (a *admission) done() {
	b := a.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.probe {
		b.probing, a.probe = false, false
	}
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}
