package availability

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"interlock/internal/pause"
)

const (
	// defaultHeartbeat finds a dead connection within four seconds. Listeners look for changes themselves meanwhile.
	defaultHeartbeat = time.Second
	// silentBeats is how many heartbeats in a row without an answer end a connection: one may come late.
	silentBeats = 3
	// connectTimeout is for dialling and the first exchange together.
	connectTimeout = 2 * dialTimeout
	// reconnectPause keeps a server without Redis from trying all the time.
	reconnectPause = 100 * time.Millisecond
)

// stream is a connection that hears channels. go-redis' own way of reading them is not used, for two reasons. It takes
// a connection for alive as long as a ping can be written; when the other machine is gone, that goes on for a quarter
// of an hour. And it does not say when a subscription takes effect.
//
// Two goroutines serve it until close. One reads. The other tells Redis which channels to send, and asks for signs of
// life. Callers only touch memory, so that a hung Redis cannot keep them.
type stream struct {
	client    redis.UniversalClient
	heartbeat time.Duration
	// received, subscribed and lost (the connection) are called by the one reader, and must not block. again is true
	// when the channel was heard before: messages in between were lost.
	received   func(channel, message string)
	subscribed func(channel string, again bool)
	lost       func()

	// ctx is the stream's own life, not a call's.
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
	// heard is true when something came since the last heartbeat.
	heard atomic.Bool
	// kick wakes the writer when something was added to dirty.
	kick chan struct{}

	// wire is held by one of the two goroutines while it tells a connection of channels or takes a new one, so that no
	// connection misses a change.
	wire sync.Mutex

	mu sync.Mutex
	// sub is the connection, nil while there is none.
	sub      *redis.PubSub
	channels map[string]*subscription
	// dirty are channels that were added or removed since Redis was last told.
	dirty map[string]struct{}
}

// subscription is a channel to be heard.
type subscription struct {
	// confirmed is true once Redis has confirmed it. err is why Redis could not be told, nil before.
	confirmed bool
	err       error
	// answered is closed when one of the two is set.
	answered chan struct{}
}

func (s *subscription) isAnswered() bool {
	select {
	case <-s.answered:
		return true
	default:
		return false
	}
}

func (s *stream) start() {
	if s.heartbeat <= 0 {
		s.heartbeat = defaultHeartbeat
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.kick = make(chan struct{}, 1)
	s.channels, s.dirty = map[string]*subscription{}, map[string]struct{}{}
	s.wait.Go(s.read)
	s.wait.Go(s.write)
}

// close ends the stream and waits for its goroutines. Where Redis hangs, that takes as long as connecting may. Nothing
// is received afterwards.
func (s *stream) close() {
	s.cancel()
	s.hangUp()
	s.wait.Wait()
}

func (s *stream) current() *redis.PubSub {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sub
}

// hangUp ends the connection under the reader, which then takes a new one.
func (s *stream) hangUp() {
	if sub := s.current(); sub != nil {
		sub.Close()
	}
}

// add begins to hear channels, and returns when Redis has confirmed every one of them. On an error they are not
// forgotten: they are heard from when Redis can be reached.
func (s *stream) add(ctx context.Context, channels []string) error {
	for _, added := range s.want(channels) {
		select {
		case <-added.answered:
			if err := s.outcome(added); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return redis.ErrClosed
		}
	}
	return nil
}

// want makes channels be heard, without waiting.
func (s *stream) want(channels []string) []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := make([]*subscription, len(channels))
	for i, channel := range channels {
		sub, ok := s.channels[channel]
		if !ok || sub.err != nil {
			sub = &subscription{answered: make(chan struct{})}
			s.channels[channel] = sub
			s.mark(channel)
		}
		wanted[i] = sub
	}
	return wanted
}

// remove ends hearing channels.
func (s *stream) remove(channels []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, channel := range channels {
		if _, ok := s.channels[channel]; ok {
			delete(s.channels, channel)
			s.mark(channel)
		}
	}
}

func (s *stream) mark(channel string) {
	s.dirty[channel] = struct{}{}
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *stream) outcome(sub *subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sub.err
}

func (s *stream) read() {
	for {
		sub, err := s.connect()
		if err == nil {
			s.receive(sub)
			s.disconnect(sub)
		}
		if !pause.For(s.ctx, reconnectPause) {
			return
		}
	}
}

// receive reads until the connection fails. After any error the connection is given up: only a new one is certainly at
// the beginning of a message.
func (s *stream) receive(sub *redis.PubSub) {
	for {
		said, err := sub.Receive(s.ctx)
		if err != nil || s.ctx.Err() != nil {
			return
		}
		s.heard.Store(true)
		switch said := said.(type) {
		case *redis.Message:
			s.received(said.Channel, said.Payload)
		case *redis.Subscription:
			if said.Kind == "subscribe" {
				s.subscribed(said.Channel, s.setOutcome([]string{said.Channel}, nil) == 0)
			}
		}
	}
}

// setOutcome notes what became of subscribing to channels: err, or confirmed for nil. After a failure the next
// connection tries again, and then its confirmation counts. It returns how many of the channels were not confirmed
// before.
func (s *stream) setOutcome(channels []string, err error) (unconfirmed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, channel := range channels {
		sub, ok := s.channels[channel]
		if !ok || sub.confirmed {
			continue
		}
		unconfirmed++
		sub.confirmed, sub.err = err == nil, err
		if !sub.isAnswered() {
			close(sub.answered)
		}
	}
	return unconfirmed
}

// connect takes a new connection that hears all channels.
func (s *stream) connect() (*redis.PubSub, error) {
	s.wire.Lock()
	defer s.wire.Unlock()
	s.mu.Lock()
	channels := make([]string, 0, len(s.channels))
	for channel := range s.channels {
		channels = append(channels, channel)
	}
	clear(s.dirty)
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(letThrough(s.ctx), connectTimeout)
	defer cancel()
	sub := s.client.Subscribe(s.ctx)
	err := sub.Ping(ctx)
	if err == nil && len(channels) > 0 {
		err = sub.Subscribe(ctx, channels...)
	}
	if err != nil {
		sub.Close()
		s.setOutcome(channels, err)
		return nil, err
	}
	s.heard.Store(true)
	s.mu.Lock()
	s.sub = sub
	s.mu.Unlock()
	if s.ctx.Err() != nil { // close may have come before there was anything to hang up
		sub.Close()
	}
	return sub, nil
}

func (s *stream) disconnect(sub *redis.PubSub) {
	s.wire.Lock()
	defer s.wire.Unlock()
	s.mu.Lock()
	s.sub = nil
	s.mu.Unlock()
	sub.Close()
	if s.ctx.Err() == nil {
		s.lost()
	}
}

// write tells Redis of added and removed channels, and pings. It closes a connection that gives no sign of life, so
// that the reader takes a new one.
func (s *stream) write() {
	ticker := time.NewTicker(s.heartbeat)
	defer ticker.Stop()
	silent := 0
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.kick:
			s.tell()
			continue
		case <-ticker.C:
		}
		if s.heard.Swap(false) {
			silent = 0
		} else {
			silent++
		}
		if silent > silentBeats {
			silent = 0
			s.hangUp()
		} else if sub := s.current(); sub != nil {
			// After an error nothing is heard, and that is counted.
			_ = sub.Ping(s.ctx)
		}
	}
}

func (s *stream) tell() {
	s.wire.Lock()
	defer s.wire.Unlock()
	var added, removed []string
	s.mu.Lock()
	sub := s.sub
	if sub == nil { // the next connection hears all that is wanted by then
		s.mu.Unlock()
		return
	}
	for channel := range s.dirty {
		if _, ok := s.channels[channel]; ok {
			added = append(added, channel)
		} else {
			removed = append(removed, channel)
		}
	}
	clear(s.dirty)
	s.mu.Unlock()
	// Removed channels go first. Once a caller knows that an added one is followed, it hears no removed one any more.
	if len(removed) > 0 { // to Redis, none would mean all
		// Where this fails the connection is broken, and the next one hears only what is wanted.
		_ = sub.Unsubscribe(s.ctx, removed...)
	}
	if len(added) > 0 {
		if err := sub.Subscribe(s.ctx, added...); err != nil {
			s.setOutcome(added, err)
		}
	}
}
