package availability

import (
	"context"
	"sync"

	"interlock/services/rail"
)

// changesBuffer is what a reader may be behind before the oldest changes are dropped: some seconds of every batch of
// every run that one server's subscribers watch.
const changesBuffer = 1_024

// Listener is what watch.Listener is, spelled out.
type Listener = interface {
	// Follow and Unfollow choose the runs whose changes come; both are cheap to repeat.
	Follow(ctx context.Context, ids ...rail.RunID) error
	Unfollow(ctx context.Context, ids ...rail.RunID) error
	// Changes is closed by Close. A reader that falls behind loses changes, never memory.
	Changes() <-chan rail.Change
	// Close ends the stream and waits for its goroutines.
	Close() error
}

// listener is a Listener.
type listener struct {
	stream  stream
	changes chan rail.Change
	close   sync.Once
}

// Listen opens a stream of changes. Redis need not be there yet. The context is for the opening only: Close ends the
// stream. It must be closed before the client is.
//
// Its Follow returns when Redis has confirmed: what is applied later is heard. After an error, the context's included,
// the runs are still followed from when Redis can be reached. A run that is heard again after the connection was lost
// gets a change to version 0, because what it has missed is not known.
func (c *Cache) Listen(ctx context.Context) (Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := &listener{changes: make(chan rail.Change, changesBuffer)}
	l.stream = stream{
		client:    c.client,
		heartbeat: c.Heartbeat,
		lost:      func() { c.counts.disconnected.Add(1) },
		subscribed: func(channel string, again bool) {
			if id := runOf(channel); id != "" && again {
				c.counts.dropped.Add(l.push(rail.Change{RunID: id}))
			}
		},
		received: func(channel, message string) {
			if change, ok := parseChange(channel, message); ok {
				c.counts.dropped.Add(l.push(change))
			}
		},
	}
	l.stream.start()
	return l, nil
}

// push hands a change over without waiting, and returns how many changes were dropped for it: while there is no room,
// the oldest goes. Only the stream's reader pushes.
func (l *listener) push(change rail.Change) (dropped uint64) {
	for {
		select {
		case l.changes <- change:
			return dropped
		default:
		}
		select {
		case <-l.changes:
			dropped++
		default: // a reader was faster
		}
	}
}

func (l *listener) Follow(ctx context.Context, ids ...rail.RunID) error {
	return l.stream.add(ctx, channelsOf(ids))
}

func (l *listener) Unfollow(_ context.Context, ids ...rail.RunID) error {
	l.stream.remove(channelsOf(ids))
	return nil
}

func (l *listener) Changes() <-chan rail.Change { return l.changes }

func (l *listener) Close() error {
	l.close.Do(func() {
		l.stream.close()
		close(l.changes)
	})
	return nil
}

func channelsOf(ids []rail.RunID) []string {
	channels := make([]string, len(ids))
	for i, id := range ids {
		channels[i] = changesChannel(id)
	}
	return channels
}
