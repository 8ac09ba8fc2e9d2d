package gateway

import (
	"context"
	"sync"
)

// stream is a WebSocket or an event stream.
type stream interface {
	// goAway ends it soon, without waiting.
	goAway()
}

// streams are all that are open.
type streams struct {
	limit   int
	metrics *metrics

	mu       sync.Mutex
	open     map[*streamEntry]struct{}
	draining bool
	// idle is closed when draining and nothing is open any more.
	idle chan struct{}
}

type streamEntry struct{ stream stream }

func newStreams(limit int, m *metrics) *streams {
	return &streams{limit: limit, metrics: m, open: map[*streamEntry]struct{}{}, idle: make(chan struct{})}
}

// enter counts a stream in, unless there are too many or the server is on its way out. Whoever entered must leave.
func (s *streams) enter(one stream) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || len(s.open) >= s.limit {
		return nil, false
	}
	entry := &streamEntry{one}
	s.open[entry] = struct{}{}
	kind := s.metrics.streams.WithLabelValues(kindOf(one))
	kind.Inc()
	return sync.OnceFunc(func() {
		kind.Dec()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, entry)
		if s.draining && len(s.open) == 0 {
			close(s.idle)
		}
	}), true
}

func kindOf(one stream) string {
	if _, ok := one.(*socket); ok {
		return "websocket"
	}
	return "sse"
}

// drain ends every stream and lets no other in.
func (s *streams) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.draining = true
	if len(s.open) == 0 {
		close(s.idle)
	}
	for entry := range s.open {
		entry.stream.goAway()
	}
}

// wait returns when every stream has ended after drain, or the context has.
func (s *streams) wait(ctx context.Context) error {
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
