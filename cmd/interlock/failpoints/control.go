package failpoints

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"interlock/services/rail"
)

// trap waits for a batch.
type trap struct {
	Point Point        `json:"point"`
	Runs  []rail.RunID `json:"runs"`

	// caught gets the batch once it is held. gone is closed when the connection ends that holds it.
	caught chan Held
	gone   chan struct{}
}

// Control holds batches for connections to its socket.
type Control struct {
	limit    time.Duration
	listener net.Listener
	set      atomic.Pointer[trap]
	serving  sync.WaitGroup

	mu          sync.Mutex
	closed      bool
	connections map[net.Conn]bool
}

// Listen makes the socket. A batch is held for at most limit. Call Close.
func Listen(path string, limit time.Duration) (*Control, error) {
	// A server that was killed has left its socket.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	c := &Control{limit: limit, listener: listener, connections: map[net.Conn]bool{}}
	c.serving.Go(c.accept)
	return c, nil
}

// Close lets a held batch go on, and removes the socket.
func (c *Control) Close() error {
	c.mu.Lock()
	c.closed = true
	for conn := range c.connections {
		_ = conn.Close() // The error does not matter: the control ends.
	}
	c.mu.Unlock()
	err := c.listener.Close()
	c.serving.Wait()
	return err
}

func (c *Control) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // Close was called.
		}
		c.mu.Lock()
		if c.closed {
			_ = conn.Close()
		} else {
			c.connections[conn] = true
			c.serving.Go(func() { c.serve(conn) })
		}
		c.mu.Unlock()
	}
}

// serve sets one trap, reports the batch that is caught in it, and lets it go on when the connection ends.
func (c *Control) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		c.mu.Lock()
		delete(c.connections, conn)
		c.mu.Unlock()
	}()
	t := &trap{caught: make(chan Held, 1), gone: make(chan struct{})}
	decoder := json.NewDecoder(conn)
	if decoder.Decode(t) != nil {
		return
	}
	c.serving.Go(func() {
		defer close(t.gone)
		_, _ = io.Copy(io.Discard, conn) // Any end of the connection will do.
	})
	c.set.Store(t)
	select {
	case held := <-t.caught:
		if json.NewEncoder(conn).Encode(held) == nil {
			<-t.gone
		}
	case <-t.gone:
		c.set.CompareAndSwap(t, nil)
	}
}

// wants tells whether a batch would be held at a point.
func (c *Control) wants(point Point, batch Held) bool { return c.set.Load().wants(point, batch) }

func (t *trap) wants(point Point, batch Held) bool {
	return t != nil && t.Point == point && slices.Contains(t.Runs, batch.Run)
}

// at holds a batch that passes a point, if a trap is set there. It returns whether it held it. It ignores the batch's
// deadline, as a frozen process would.
func (c *Control) at(point Point, batch Held) (held bool) {
	t := c.set.Load()
	if !t.wants(point, batch) || !c.set.CompareAndSwap(t, nil) {
		return false
	}
	batch.Point = point
	t.caught <- batch
	timer := time.NewTimer(c.limit)
	defer timer.Stop()
	select {
	case <-t.gone:
	case <-timer.C:
	}
	return true
}
