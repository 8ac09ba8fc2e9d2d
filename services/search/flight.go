package search

import (
	"context"
	"sync"
)

// flights lets many callers share one piece of work, each getting a result of work that began after its call. (One
// that began before would not do: whoever has just published must find it in the timetable afterwards.) At most one
// piece of work is under way, and at most one waits to begin.
type flights struct {
	mu sync.Mutex
	// next has not begun yet: whoever comes may still board it.
	next *flight
	// turn is held by the one that is under way.
	turn chan struct{}
}

// flight is one piece of work.
type flight struct {
	done chan struct{}
	err  error
	// abandoned says that it ended because its first caller went away, which is no answer to the others.
	abandoned bool
}

func newFlights() *flights { return &flights{turn: make(chan struct{}, 1)} }

// do runs work, or shares a run of it that begins after this call.
func (f *flights) do(ctx context.Context, work func(context.Context) error) error {
	for {
		f.mu.Lock()
		shared := f.next
		if shared == nil {
			f.next = &flight{done: make(chan struct{})}
			mine := f.next
			f.mu.Unlock()
			return f.fly(ctx, mine, work)
		}
		f.mu.Unlock()
		select {
		case <-shared.done:
			if !shared.abandoned {
				return shared.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fly waits for the turn, then works for all who have boarded until then.
func (f *flights) fly(ctx context.Context, mine *flight, work func(context.Context) error) error {
	hasTurn := false
	select {
	case f.turn <- struct{}{}:
		hasTurn = true
	case <-ctx.Done():
	}
	f.mu.Lock()
	f.next = nil
	f.mu.Unlock()
	// A panic in work is an abandoned flight to the others, who then run into it themselves.
	mine.abandoned = true
	defer func() {
		if hasTurn {
			<-f.turn
		}
		close(mine.done)
	}()
	if !hasTurn {
		return ctx.Err()
	}
	mine.err = work(ctx)
	mine.abandoned = mine.err != nil && ctx.Err() != nil
	return mine.err
}
