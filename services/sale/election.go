package sale

import (
	"context"
	"errors"

	"interlock/services/lock"
)

// election finds the one of all servers that does a duty, by the lease of a lock. Two that do it at once do no harm.
type election struct {
	locks Lock
	// name is the lock's. It is not a run id, so it is no run's lock.
	name string
	// lease is nil while this server does not hold it.
	lease lock.Lease
}

// elected tells whether this server is to do the duty: it holds the lock, or too few lock nodes answer.
func (e *election) elected(ctx context.Context) bool {
	if e.lease != nil && e.lease.Extend(ctx) == nil {
		return true
	}
	e.resign()
	var err error
	e.lease, err = e.locks.Acquire(ctx, e.name)
	return !errors.Is(err, lock.ErrTaken)
}

func (e *election) resign() {
	if e.lease != nil {
		e.lease.Release()
		e.lease = nil
	}
}
