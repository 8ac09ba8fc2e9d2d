package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/rs/zerolog"
)

// dialTimeout bounds the way to a member on the same machine.
const dialTimeout = 3 * time.Second

// The names of toxics.
const (
	latency = "latency"
	timeout = "timeout"
)

// Link is a proxy in front of one member.
type Link struct {
	member   string
	listener net.Listener
	api      *toxiproxy.ApiServer
	toxics   *toxiproxy.ToxicCollection
	cutter   atomic.Pointer[Cutter]
	// taken is what came from the servers and the member, given what of it the other side was given.
	taken, given [stream.NumDirections]atomic.Int64

	mu          sync.Mutex
	connections map[*connection]struct{}
	// swallowing is closed when the link swallows nothing any more; nil: it does not swallow.
	swallowing chan struct{}
	closed     bool
	// began and working count the connections that were opened, and those that are being opened.
	began     int
	accepting sync.WaitGroup
}

// Open opens a link to the member at an address.
func Open(member string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(api, member, listener.Addr().String(), member)
	l := &Link{member: member, listener: listener, api: api, toxics: proxy.Toxics, connections: map[*connection]struct{}{}}
	l.accepting.Go(l.accept)
	return l, nil
}

// Addr is where the link listens.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// accept opens a connection to the member for every one that comes, until the link is closed. It does so itself, since
// toxiproxy does not say which of its two directions belong together.
func (l *Link) accept() {
	for {
		server, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.accepting.Go(func() {
			l.awaitOpen()
			dialer := net.Dialer{Timeout: dialTimeout}
			member, err := dialer.Dial("tcp", l.member)
			if err != nil {
				_ = server.Close() // the server learns that there is nobody
				return
			}
			l.join(&connection{link: l, server: server, member: member, cutAt: nowhere})
		})
	}
}

func (l *Link) join(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		c.end()
		return
	}
	l.connections[c] = struct{}{}
	l.began++
	name := fmt.Sprintf("%d ", l.began)
	l.toxics.StartLink(l.api, name+"up", source{c.server, &l.taken[stream.Upstream]}, toMember{c}, stream.Upstream)
	l.toxics.StartLink(l.api, name+"down", source{c.member, &l.taken[stream.Downstream]}, toServer{c}, stream.Downstream)
}

func (l *Link) forget(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.connections, c)
}

// Delay makes whatever the member says come later by a time, or by another one than before.
func (l *Link) Delay(by time.Duration) error {
	attributes := map[string]any{"latency": by.Milliseconds()}
	if l.toxics.GetToxic(latency) == nil {
		return l.add(latency, latency, stream.Downstream, attributes)
	}
	said, err := json.Marshal(map[string]any{"attributes": attributes})
	if err != nil {
		return err
	}
	_, err = l.toxics.UpdateToxicJson(latency, strings.NewReader(string(said)))
	return err
}

// Swallow makes everything vanish that either side says, that it hangs up included. Who connects meanwhile is heard by
// nobody.
func (l *Link) Swallow() error {
	l.mu.Lock()
	if l.swallowing == nil {
		l.swallowing = make(chan struct{})
	}
	l.mu.Unlock()
	return errors.Join(l.add(timeout+" up", timeout, stream.Upstream, nil), l.add(timeout+" down", timeout, stream.Downstream, nil))
}

// awaitOpen waits while the link swallows everything.
func (l *Link) awaitOpen() {
	l.mu.Lock()
	swallowing := l.swallowing
	l.mu.Unlock()
	if swallowing != nil {
		<-swallowing
	}
}

// reopen ends the swallowing. The caller has the lock.
func (l *Link) reopen() {
	if l.swallowing != nil {
		close(l.swallowing)
		l.swallowing = nil
	}
}

// Swallowed is how many bytes of the servers and of the member have not reached the other side, those on their way
// included.
func (l *Link) Swallowed() (up, down int64) {
	of := func(d stream.Direction) int64 { return l.taken[d].Load() - l.given[d].Load() }
	return of(stream.Upstream), of(stream.Downstream)
}

// Cut breaks answers to COMMIT off as a cutter says; nil breaks none off.
func (l *Link) Cut(c *Cutter) { l.cutter.Store(c) }

func (l *Link) add(name, kind string, direction stream.Direction, attributes map[string]any) error {
	toxic, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": direction.String(), "attributes": attributes})
	if err != nil {
		return err
	}
	_, err = l.toxics.AddToxicJson(strings.NewReader(string(toxic)))
	return err
}

// Heal takes all of it away. What was delayed arrives; connections of which something has vanished are closed.
func (l *Link) Heal(ctx context.Context) {
	l.Cut(nil)
	l.mu.Lock()
	l.reopen()
	l.mu.Unlock()
	l.toxics.ResetToxics(ctx)
}

// Close ends the link and everything on it.
func (l *Link) Close() error {
	err := l.listener.Close()
	l.mu.Lock()
	l.closed = true
	l.reopen()
	all := l.connections
	l.connections = map[*connection]struct{}{}
	l.mu.Unlock()
	for c := range all {
		c.end()
	}
	l.accepting.Wait()
	return err
}
