package load

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"interlock/internal/pause"
)

// Subscriber is one phone that watches the run being sold, over server-sent events.
type Subscriber struct {
	server    string
	transport http.Transport

	mu     sync.Mutex
	cancel context.CancelFunc
	done   sync.WaitGroup
	events atomic.Int64
	life   context.Context
	end    context.CancelFunc
}

// NewSubscriber watches nothing yet.
func NewSubscriber(ctx context.Context, server string) *Subscriber {
	s := &Subscriber{server: server}
	s.life, s.end = context.WithCancel(ctx)
	return s
}

// Watch leaves what it watched and watches a run.
func (s *Subscriber) Watch(run *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
	ctx, cancel := context.WithCancel(s.life)
	s.cancel = cancel
	s.done.Go(func() {
		defer cancel()
		// A stream that breaks off is opened again, as phones do. While the cluster is well none does.
		for ctx.Err() == nil {
			if s.watch(ctx, run) != nil {
				pause.For(ctx, pauseAfterTrouble)
			}
		}
	})
}

func (s *Subscriber) watch(ctx context.Context, run *Run) error {
	events, err := OpenSeats(ctx, &s.transport, s.server, run.ID)
	if err != nil {
		return err
	}
	defer events.Close()
	for {
		if _, err := events.Next(); err != nil {
			return err
		}
		s.events.Add(1)
	}
}

// Events is how many events came.
func (s *Subscriber) Events() int { return int(s.events.Load()) }

// Close leaves.
func (s *Subscriber) Close() {
	s.end()
	s.done.Wait()
	s.transport.CloseIdleConnections()
}
