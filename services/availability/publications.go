package availability

import (
	"context"
	"sync"
)

const publicationsChannel = "interlock:publications"

// AnnouncePublication tells every server that the ledger has published something.
func (c *Cache) AnnouncePublication(ctx context.Context) error {
	return c.client.Publish(ctx, publicationsChannel, "published").Err()
}

// ListenPublications opens a stream of AnnouncePublication. Any number of publications that were not taken yet are one:
// the reader asks the ledger what is new. The stream also tells each time it has connected, since what was said before
// is lost. closer ends it, waits for its goroutines, and closes told.
func (c *Cache) ListenPublications() (told <-chan struct{}, closer func() error) {
	tell := make(chan struct{}, 1)
	notify := func() {
		select {
		case tell <- struct{}{}:
		default:
		}
	}
	s := &stream{
		client:     c.client,
		heartbeat:  c.Heartbeat,
		received:   func(string, string) { notify() },
		subscribed: func(string, bool) { notify() },
		lost:       func() { c.counts.disconnected.Add(1) },
	}
	s.start()
	// This does not wait for Redis. Where it is away, the stream takes the channel up when it is back.
	s.want([]string{publicationsChannel})
	var once sync.Once
	return tell, func() error {
		once.Do(func() {
			s.close()
			close(tell)
		})
		return nil
	}
}
