// Package pause waits for a time, or until something holds. A context can end each wait.
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

// Until calls holds at once and then every d, until it returns true or an error. held is false without an error where
// ctx ended first. d is above 0.
func Until(ctx context.Context, d time.Duration, holds func() (bool, error)) (held bool, err error) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		if held, err := holds(); held || err != nil {
			return held, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false, nil
		}
	}
}
