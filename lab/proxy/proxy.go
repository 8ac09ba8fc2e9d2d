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

// Proxy is a proxy in front of one member.
type Proxy struct {
	member   string
	listener net.Listener
	api      *toxiproxy.ApiServer
	toxics   *toxiproxy.ToxicCollection
	cutter   atomic.Pointer[Cutter]
	// taken is what came from either side, and given what of it the other side was given.
	taken, given [stream.NumDirections]atomic.Int64

	mu          sync.Mutex
	connections map[*connection]struct{}
	// swallowing is closed when the proxy lets all pass again; nil while it does.
	swallowing chan struct{}
	closed     bool
	// began and working count the connections that were opened, and those that are being opened.
	began     int
	accepting sync.WaitGroup
}

// Open opens a proxy to the member at an address.
func Open(member string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	toxic := toxiproxy.NewProxy(api, member, listener.Addr().String(), member)
	p := &Proxy{
		member: member, listener: listener, api: api, toxics: toxic.Toxics, connections: map[*connection]struct{}{},
	}
	p.accepting.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// accept opens a connection to the member for every one that comes, until the proxy is closed. It does so itself, since
// toxiproxy does not say which of its two directions belong together.
func (p *Proxy) accept() {
	for {
		server, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.accepting.Go(func() {
			p.awaitOpen()
			dialer := net.Dialer{Timeout: dialTimeout}
			member, err := dialer.Dial("tcp", p.member)
			if err != nil {
				_ = server.Close() // the server learns that the member does not listen
				return
			}
			p.join(&connection{proxy: p, server: server, member: member, cutAt: nowhere})
		})
	}
}

func (p *Proxy) join(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.end()
		return
	}
	p.connections[c] = struct{}{}
	p.began++
	name := fmt.Sprintf("%d ", p.began)
	p.toxics.StartLink(p.api, name+"up", source{c.server, &p.taken[stream.Upstream]}, toMember{c}, stream.Upstream)
	p.toxics.StartLink(p.api, name+"down", source{c.member, &p.taken[stream.Downstream]}, toServer{c},
		stream.Downstream)
}

func (p *Proxy) forget(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.connections, c)
}

// Delay makes all that the member says come later by a time. It replaces an earlier delay.
func (p *Proxy) Delay(by time.Duration) error {
	attributes := map[string]any{"latency": by.Milliseconds()}
	if p.toxics.GetToxic(latency) == nil {
		return p.add(latency, latency, stream.Downstream, attributes)
	}
	said, err := json.Marshal(map[string]any{"attributes": attributes})
	if err != nil {
		return err
	}
	_, err = p.toxics.UpdateToxicJson(latency, strings.NewReader(string(said)))
	return err
}

// Swallow makes everything vanish that either side says, also that it closes the connection. New connections are not
// answered meanwhile.
func (p *Proxy) Swallow() error {
	p.mu.Lock()
	if p.swallowing == nil {
		p.swallowing = make(chan struct{})
	}
	p.mu.Unlock()
	return errors.Join(p.add(timeout+" up", timeout, stream.Upstream, nil),
		p.add(timeout+" down", timeout, stream.Downstream, nil))
}

// awaitOpen waits while the proxy swallows everything.
func (p *Proxy) awaitOpen() {
	p.mu.Lock()
	swallowing := p.swallowing
	p.mu.Unlock()
	if swallowing != nil {
		<-swallowing
	}
}

// reopen ends the swallowing. The caller has the lock.
func (p *Proxy) reopen() {
	if p.swallowing != nil {
		close(p.swallowing)
		p.swallowing = nil
	}
}

// Swallowed is how many bytes of the servers and of the member have not reached the other side, those on their way
// included.
func (p *Proxy) Swallowed() (up, down int64) {
	of := func(d stream.Direction) int64 { return p.taken[d].Load() - p.given[d].Load() }
	return of(stream.Upstream), of(stream.Downstream)
}

// Cut breaks answers to COMMIT off as a cutter says; with nil all pass.
func (p *Proxy) Cut(c *Cutter) { p.cutter.Store(c) }

func (p *Proxy) add(name, kind string, direction stream.Direction, attributes map[string]any) error {
	toxic, err := json.Marshal(map[string]any{
		"name": name, "type": kind, "stream": direction.String(), "attributes": attributes,
	})
	if err != nil {
		return err
	}
	_, err = p.toxics.AddToxicJson(strings.NewReader(string(toxic)))
	return err
}

// Heal takes all of it away. What was delayed arrives. Connections of which something has vanished are closed.
func (p *Proxy) Heal(ctx context.Context) {
	p.Cut(nil)
	p.mu.Lock()
	p.reopen()
	p.mu.Unlock()
	p.toxics.ResetToxics(ctx)
}

// Close ends the proxy and everything on it.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.reopen()
	all := p.connections
	p.connections = map[*connection]struct{}{}
	p.mu.Unlock()
	for c := range all {
		c.end()
	}
	p.accepting.Wait()
	return err
}
