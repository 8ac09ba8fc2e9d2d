package redlock

import (
	"context"
	"fmt"
	"time"

	"github.com/go-redsync/redsync/v4"

	"interlock/services/lock"
)

// lease is a lock that is held.
type lease struct {
	lock    *Lock
	attempt *attempt
	mutex   *redsync.Mutex
}

// extending marks the context of an Extend: to a node, extending and releasing are the same kind of question.
type extending struct{}

// Extend keeps the lock for another expiry. lock.ErrTaken: too many nodes have forgotten it, or have it for another
// holder. lock.ErrNoQuorum: too few answered to know.
func (l *lease) Extend(ctx context.Context) error {
	l.attempt.extended.Store(0)
	ok, err := l.mutex.ExtendContext(context.WithValue(ctx, extending{}, true))
	if ok {
		l.lock.counts.extended.Add(1)
		return nil
	}
	l.lock.counts.lost.Add(1)
	if int(l.attempt.extended.Load()) >= l.lock.quorum() {
		return lock.ErrTaken
	}
	return fmt.Errorf("%w: %w", lock.ErrNoQuorum, err)
}

// Until is when the lease ends by itself.
func (l *lease) Until() time.Time { return l.mutex.Until() }

// Release gives the lock up, within one node time-out. What cannot be taken back just now ends by itself.
func (l *lease) Release() {
	// Whether it was still there makes no difference any more.
	_, _ = l.mutex.Unlock()
}
