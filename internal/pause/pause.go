// Package pause waits for a time that a context can end.
package pause

import (
	"context"
	"time"
)

// For waits for d, or until ctx ends, and tells whether ctx goes on. A d of 0 or less does not wait.
func For(ctx context.Context, d time.Duration) (goOn bool) {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
