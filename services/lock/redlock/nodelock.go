package redlock

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-redsync/redsync/v4/redis"
	goredis "github.com/redis/go-redis/v9"
)

// attempt is one try to get a lock and, if it succeeds, the lease that comes of it: what each node said.
//
// redsync asks all nodes at once and goes on as soon as a majority has answered. It drops the answer of a slower node,
// and what that node has set would keep others out until it expires. So there is a nodeLock per node. It knows whether
// the lock is set on its node, and takes back what was set too late.
type attempt struct {
	lock *Lock
	// ctx is the caller's. redsync's own ends with the majority's answer, and would keep the last node from being
	// asked.
	ctx   context.Context
	nodes []nodeLock

	answered, taken atomic.Int32
	// extended counts the nodes that have answered the extension which is under way.
	extended atomic.Int32
}

// answers is how many nodes have answered by now, and how many of these that another holder has the lock.
func (a *attempt) answers() (answered, taken int) {
	taken = int(a.taken.Load()) // first, so that it never exceeds the other
	return int(a.answered.Load()), taken
}

// nodeState is what is known of the lock on one node.
type nodeState int

const (
	asking    nodeState = iota // the node has not answered yet
	held                       // it is set there
	abandoned                  // it was given up before the node answered
	empty                      // it is not set there, or not any more
)

// nodeLock is the lock on one node, as one attempt sees it. To redsync it is a pool of connections.
type nodeLock struct {
	attempt *attempt
	node    *node

	// done is closed when the node has answered, or will not.
	done chan struct{}

	mu    sync.Mutex
	state nodeState
}

// errSkipped is the answer of a node that is left alone.
var errSkipped = errors.New("the node keeps failing and is left alone for a while")

// Get is a connection for one command.
func (n *nodeLock) Get(ctx context.Context) (redis.Conn, error) {
	return &conn{nodeLock: n, ctx: ctx}, nil
}

// finish keeps, once, whether the node has set the lock. False: the attempt gave the lock up meanwhile.
func (n *nodeLock) finish(state nodeState) bool {
	defer close(n.done)
	n.mu.Lock()
	defer n.mu.Unlock()
	wanted := n.state != abandoned
	n.state = state
	if !wanted {
		n.state = empty
	}
	return wanted
}

// giveUp tells whether the lock is set and must be taken away now. Where the node has not answered yet, its answer
// takes care of that.
func (n *nodeLock) giveUp() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch n.state {
	case asking:
		n.state = abandoned
	case held:
		n.state = empty
		return true
	}
	return false
}

func (n *nodeLock) isHeld() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state == held
}

func (n *nodeLock) eval(ctx context.Context, script *redis.Script, keysAndArgs ...any) (reply any, err error) {
	err = n.node.ask(ctx, n.attempt.lock.nodeTimeout, func(conn redis.Conn) error {
		reply, err = conn.Eval(script, keysAndArgs...)
		return err
	})
	return reply, err
}

// takeBackScript deletes the lock if it has the attempt's value, as redsync's own script does to unlock.
var takeBackScript = func() *redis.Script {
	const script = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`
	return redis.NewScript(1, script, goredis.NewScript(script).Hash())
}()

// takeBack removes from the node what the attempt has set there, or may have set. A node that does not answer is asked
// again when it is back.
func (n *nodeLock) takeBack(name, value string) {
	_, err := n.eval(context.Background(), takeBackScript, name, value)
	if err != nil && !isAnswer(err) {
		n.node.owe(func() { n.takeBack(name, value) })
	}
}

// conn is a connection to one node for one command. redsync locks, extends and unlocks with SetNX and Eval only.
type conn struct {
	nodeLock *nodeLock
	// ctx is here because redsync gives it to Get, not to the command.
	ctx context.Context
}

// SetNX sets the lock if the node has none of that name.
func (c *conn) SetNX(name, value string, expiry time.Duration) (bool, error) {
	n, a := c.nodeLock, c.nodeLock.attempt
	set := false
	err := n.node.ask(a.ctx, a.lock.nodeTimeout, func(conn redis.Conn) (err error) {
		set, err = conn.SetNX(name, value, expiry)
		return err
	})
	switch {
	case errors.Is(err, errSkipped):
		n.finish(empty)
		return false, err
	case err != nil:
		// It may be set there all the same. The lease does without it.
		n.finish(empty)
		a.lock.later(func() { n.takeBack(name, value) })
		return false, err
	case !set:
		a.taken.Add(1)
		a.answered.Add(1)
		n.finish(empty)
		return false, nil
	}
	a.answered.Add(1)
	if !n.finish(held) {
		n.takeBack(name, value)
		return false, nil
	}
	return true, nil
}

// Eval extends or releases the lock. A node that has not set it is not asked.
func (c *conn) Eval(script *redis.Script, keysAndArgs ...any) (reply any, err error) {
	n := c.nodeLock
	if c.ctx.Value(extending{}) == nil {
		if !n.giveUp() {
			return int64(0), nil
		}
		// A buyer who has gone away must not keep a lock from being released.
		return n.eval(context.WithoutCancel(c.ctx), script, keysAndArgs...)
	}
	select {
	case <-n.done:
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	}
	if !n.isHeld() {
		return int64(0), nil
	}
	reply, err = n.eval(c.ctx, script, keysAndArgs...)
	if err == nil {
		n.attempt.extended.Add(1)
	}
	return reply, err
}

// The rest of redis.Conn is not used to lock.

var errNotAsked = errors.New("not a command of locking")

func (*conn) Get(string) (string, error)         { return "", errNotAsked }
func (*conn) Set(string, string) (bool, error)   { return false, errNotAsked }
func (*conn) PTTL(string) (time.Duration, error) { return 0, errNotAsked }
func (*conn) ScriptLoad(*redis.Script) error     { return errNotAsked }
func (*conn) Close() error                       { return nil }
