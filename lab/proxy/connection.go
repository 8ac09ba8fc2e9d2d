package proxy

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/Shopify/toxiproxy/v2/stream"
)

// nowhere is where an answer breaks off that does not.
const nowhere = -1

// connection is one connection of a server to the member, in two halves.
type connection struct {
	proxy          *Proxy
	server, member net.Conn

	mu       sync.Mutex
	commands commands
	// answer is that to the COMMIT under way, or nil. cutAt is where it breaks off, and cut says that it has.
	answer *answer
	cutAt  int
	cut    bool
	ended  sync.Once
}

// end closes both halves. Reading and writing on them fail from then on.
func (c *connection) end() {
	c.ended.Do(func() {
		_, _ = c.server.Close(), c.member.Close() // neither side has anything left to say
	})
}

// begins is told of every command: the answer to the one before has come.
func (c *connection) begins() {
	if cutter := c.proxy.cutter.Load(); cutter != nil && c.answer != nil && c.answer.began && c.cutAt == nowhere {
		cutter.whole(c.answer.told)
	}
	c.answer, c.cutAt = nil, nowhere
}

// commits is told that the command under way commits, before the member has the whole of it.
func (c *connection) commits() {
	if cutter := c.proxy.cutter.Load(); cutter != nil {
		c.answer, c.cutAt = &answer{}, cutter.next()
	}
}

// source is one side of a connection, and counts what it says.
type source struct {
	net.Conn
	taken *atomic.Int64
}

func (s source) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.taken.Add(int64(n))
	return n, err
}

// toMember takes what a server says. It never fails: toxiproxy would leave goroutines behind that wait to write the
// rest. So a broken connection is ended instead, and what still comes is dropped.
type toMember struct{ *connection }

func (c toMember) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.commands.scan(p, c.begins, c.commits)
	c.mu.Unlock()
	c.give(c.member, stream.Upstream, p)
	return len(p), nil
}

// Close ends the connection when the server has, as far as the member can know.
func (c toMember) Close() error {
	c.proxy.awaitOpen()
	c.end()
	c.proxy.forget(c.connection)
	return nil
}

// toServer is where what the member says arrives, and like toMember.
type toServer struct{ *connection }

func (c toServer) Write(p []byte) (int, error) {
	told, cut := c.tell(p)
	c.give(c.server, stream.Downstream, told)
	if cut {
		c.end()
	}
	return len(p), nil
}

// tell is what the server is to be told of a piece that the member says, and whether the answer breaks off with it.
func (c *connection) tell(p []byte) (told []byte, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cut:
		return nil, false
	case c.answer == nil:
		return p, false
	}
	before, commit, behind := c.answer.split(p)
	if over := c.answer.told - c.cutAt; c.cutAt != nowhere && c.answer.began && over >= 0 {
		commit, behind, c.cut = commit[:len(commit)-over], nil, true
		if cutter := c.proxy.cutter.Load(); cutter != nil {
			cutter.happened(c.cutAt)
		}
	}
	return slices.Concat(before, commit, behind), c.cut
}

func (c toServer) Close() error {
	c.proxy.awaitOpen()
	c.end()
	return nil
}

func (c *connection) give(to net.Conn, direction stream.Direction, p []byte) {
	if len(p) == 0 {
		return
	}
	n, err := to.Write(p)
	c.proxy.given[direction].Add(int64(n))
	if err != nil {
		c.end()
	}
}
