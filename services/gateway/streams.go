package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"sync"

	"interlock/services/rail"
)

// stream is a WebSocket or an event stream.
type stream interface {
	// goAway ends the subscriptions of the stream at once, and the stream once its queries and mutations are answered.
	// It does not wait.
	goAway()
	// cut ends it at once.
	cut()
}

// streams are all open streams of a server.
type streams struct {
	limits  streamLimits
	metrics *metrics

	mu   sync.Mutex
	open map[*streamEntry]struct{}
	// counts are how many streams each owner has open. An owner without streams is not in it.
	counts   map[owner]int
	last     uint64
	draining bool
	// idle is closed when draining and nothing is open any more.
	idle chan struct{}
}

// streamLimits are how many streams may be open: all together, of one viewer, and without a token of one address.
type streamLimits struct{ all, viewer, address int }

// owner is whose streams are counted together: a viewer's, or those without a token of one address. A WebSocket is
// pending until its first message, which may name a viewer. It is counted apart until then, so that other streams of
// its address cannot keep it out.
type owner struct {
	viewer  string
	address netip.Prefix
	pending bool
}

func ownedBy(viewer *rail.Viewer, address netip.Prefix) owner {
	if viewer != nil {
		return owner{viewer: viewer.Subject}
	}
	return owner{address: address}
}

type streamEntry struct {
	streams *streams
	stream  stream
	// id is unique in this server.
	id    uint64
	owner owner
}

func newStreams(limits streamLimits, m *metrics) *streams {
	return &streams{
		limits: limits, metrics: m, open: map[*streamEntry]struct{}{}, counts: map[owner]int{},
		idle: make(chan struct{}),
	}
}

// enter counts a stream in. It returns a *statusError where there are too many or the server is going away. The caller
// calls leave.
func (s *streams) enter(one stream, who owner) (*streamEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return nil, &statusError{http.StatusServiceUnavailable, goingAway}
	}
	if len(s.open) >= s.limits.all {
		return nil, &statusError{http.StatusServiceUnavailable, tooManyStreams}
	}
	if err := s.room(who); err != nil {
		return nil, err
	}
	s.last++
	entry := &streamEntry{streams: s, stream: one, id: s.last, owner: who}
	s.open[entry] = struct{}{}
	s.counts[who]++
	s.metrics.streams.WithLabelValues(kindOf(one)).Inc()
	return entry, nil
}

// room returns nil where an owner may have one more stream. The mutex is held.
func (s *streams) room(who owner) error {
	limit, limited := s.limits.address, tooManyOfAddress
	if who.viewer != "" {
		limit, limited = s.limits.viewer, tooManyOfViewer
	}
	if s.counts[who] >= limit {
		return &statusError{http.StatusTooManyRequests, limited(limit)}
	}
	return nil
}

// give makes a stream another owner's, or returns why that owner may have no more.
func (e *streamEntry) give(who owner) error {
	s := e.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	if who == e.owner {
		return nil
	}
	if err := s.room(who); err != nil {
		return err
	}
	s.forget(e.owner)
	e.owner = who
	s.counts[who]++
	return nil
}

// forget counts out one stream of an owner. The mutex is held.
func (s *streams) forget(who owner) {
	if s.counts[who]--; s.counts[who] == 0 {
		delete(s.counts, who)
	}
}

// leave counts a stream out, once.
func (e *streamEntry) leave() {
	s := e.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, in := s.open[e]; !in {
		return
	}
	delete(s.open, e)
	s.forget(e.owner)
	s.metrics.streams.WithLabelValues(kindOf(e.stream)).Dec()
	if s.draining && len(s.open) == 0 {
		close(s.idle)
	}
}

func kindOf(one stream) string {
	if _, ok := one.(*webSocket); ok {
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

// cut ends every stream at once.
func (s *streams) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for entry := range s.open {
		entry.stream.cut()
	}
}

// wait waits until every stream has ended after drain, or returns the context's error.
func (s *streams) wait(ctx context.Context) error {
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
