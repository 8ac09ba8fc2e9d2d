package rail

import (
	"context"
	"time"
)

// Lease is a lock that is held. Its methods are called by one goroutine.
type Lease interface {
	// Extend keeps the lock for another expiry; an error means that it may be somebody else's already.
	Extend(ctx context.Context) error
	// Until is when the lease ends by itself.
	Until() time.Time
	// Release gives the lock up. It has its own deadline and ignores that of any buyer.
	Release()
}
