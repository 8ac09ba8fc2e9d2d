// Package lock is the contract of a lock that servers take before they work on the same run. Nothing rests on it but
// speed: see docs/consistency.md. Package redlock implements it.
package lock

import (
	"context"
	"errors"
	"time"
)

// Lease is a lock that is held. Its methods are called by one goroutine.
type Lease interface {
	// Extend keeps the lock for another expiry; an error means that another holder may have it by now.
	Extend(ctx context.Context) error
	// Until is when the lease ends by itself.
	Until() time.Time
	// Release gives the lock up. It has its own deadline and ignores that of any buyer.
	Release()
}

// What a lock answers.
var (
	// ErrTaken says that another holder has the lock.
	ErrTaken = errors.New("the lock is taken")
	// ErrNoQuorum says that too few lock nodes answered to know who holds the lock.
	ErrNoQuorum = errors.New("no quorum of lock nodes")
)
