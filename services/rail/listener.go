package rail

import "context"

// Listener is a stream of changes of the runs it was told to follow. Its methods may be called by many goroutines.
type Listener interface {
	// Follow and Unfollow choose the runs whose changes come; both are cheap to repeat.
	Follow(ctx context.Context, ids ...RunID) error
	Unfollow(ctx context.Context, ids ...RunID) error
	// Changes is closed by Close. A reader that falls behind loses changes, never memory.
	Changes() <-chan Change
	// Close ends the stream and waits for its goroutines.
	Close() error
}
