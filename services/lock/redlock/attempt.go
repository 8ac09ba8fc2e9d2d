package redlock

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis"
)

// attempt is one try to get a lock and, if it succeeds, the lease that comes of it: what each node said.
//
// redsync asks all nodes at once and goes on as soon as a majority has answered. A slow node's answer then meets nobody,
// and what it set would stay until it expires and keep others out. So a seat per node remembers what became of setting
// the lock there, and takes it back when it comes too late.
type attempt struct {
	lock *Lock
	// ctx is the caller's. redsync's own ends with the fast answer, and would keep the last node from being asked.
	ctx   context.Context
	seats []seat

	answered, taken atomic.Int32
	// extended counts the nodes that answered the extension which is under way.
	extended atomic.Int32
}

// answers is how many nodes have said something by now, and how many of them that somebody else has the lock.
func (a *attempt) answers() (answered, taken int) {
	taken = int(a.taken.Load()) // first, so that it never exceeds the other
	return int(a.answered.Load()), taken
}

// seatState is what is known of the lock on one node.
type seatState int

const (
	asking    seatState = iota // the node has not answered yet
	held                       // it is set there
	abandoned                  // it was given up before the node answered
	empty                      // it is not set there, or not any more
)

// seat is one node's part in an attempt; to redsync it is a pool of connections.
type seat struct {
	attempt *attempt
	node    *node

	// settled is closed when the node has answered, or will not.
	settled chan struct{}

	mu    sync.Mutex
	state seatState
}

// errSkipped is what a node "answers" that is left alone for a while.
var errSkipped = errors.New("the node keeps failing and is left alone for a while")

// Get is a connection for one question.
func (s *seat) Get(ctx context.Context) (redis.Conn, error) {
	return &question{seat: s, ctx: ctx}, nil
}

// settle writes down, once, whether the node set the lock; false if it was given up meanwhile.
func (s *seat) settle(state seatState) bool {
	defer close(s.settled)
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := s.state != abandoned
	s.state = state
	if !wanted {
		s.state = empty
	}
	return wanted
}

// giveUp ends the seat; true if the lock is set there and must be taken away now. Where the node has not answered yet,
// whoever gets its answer sees to it.
func (s *seat) giveUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case asking:
		s.state = abandoned
	case held:
		s.state = empty
		return true
	}
	return false
}

// question is one question of redsync to one node. redsync asks nothing but SetNX and Eval to lock, extend and unlock.
type question struct {
	seat *seat
	// ctx is here because redsync gives it to Get, not to the question.
	ctx context.Context
}

// SetNX sets the lock if the node has none of that name.
func (q *question) SetNX(name, value string, expiry time.Duration) (bool, error) {
	s := q.seat
	set := false
	err := s.node.ask(s.attempt.ctx, s.attempt.lock.nodeTimeout, func(conn redis.Conn) (err error) {
		set, err = conn.SetNX(name, value, expiry)
		return err
	})
	switch {
	case errors.Is(err, errSkipped):
		s.settle(empty)
		return false, err
	case err != nil:
		// It may be set there all the same. The lease does without it.
		s.settle(empty)
		s.attempt.lock.later(func() { s.takeBack(name, value) })
		return false, err
	case !set:
		s.attempt.taken.Add(1)
		s.attempt.answered.Add(1)
		s.settle(empty)
		return false, nil
	}
	s.attempt.answered.Add(1)
	if !s.settle(held) {
		s.takeBack(name, value)
		return false, nil
	}
	return true, nil
}

// Eval extends or releases. A node that has not set the lock is not asked.
func (q *question) Eval(script *redis.Script, keysAndArgs ...any) (reply any, err error) {
	s := q.seat
	if q.ctx.Value(extending{}) == nil {
		if !s.giveUp() {
			return int64(0), nil
		}
		// A buyer who has gone away must not keep a lock from being released.
		return s.eval(context.WithoutCancel(q.ctx), script, keysAndArgs...)
	}
	select {
	case <-s.settled:
	case <-q.ctx.Done():
		return nil, q.ctx.Err()
	}
	if !s.isHeld() {
		return int64(0), nil
	}
	reply, err = s.eval(q.ctx, script, keysAndArgs...)
	if err == nil {
		s.attempt.extended.Add(1)
	}
	return reply, err
}

func (s *seat) isHeld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == held
}

func (s *seat) eval(ctx context.Context, script *redis.Script, keysAndArgs ...any) (reply any, err error) {
	err = s.node.ask(ctx, s.attempt.lock.nodeTimeout, func(conn redis.Conn) error {
		reply, err = conn.Eval(script, keysAndArgs...)
		return err
	})
	return reply, err
}

// takeBack removes from this one node what the attempt set there, or may have set; where the node does not answer, when
// it is back.
func (s *seat) takeBack(name, value string) {
	pool := onlySeat{s, func() { s.takeBack(name, value) }}
	_, _ = redsync.New(pool).NewMutex(name, redsync.WithValue(value)).Unlock()
}

// onlySeat is a pool of one connection, which asks the node whatever the seat's state is.
type onlySeat struct {
	seat *seat
	// again is what takes it back later.
	again func()
}

func (o onlySeat) Get(context.Context) (redis.Conn, error) {
	return takingBack{&question{seat: o.seat}, o.again}, nil
}

type takingBack struct {
	*question
	again func()
}

func (t takingBack) Eval(script *redis.Script, keysAndArgs ...any) (any, error) {
	reply, err := t.seat.eval(context.Background(), script, keysAndArgs...)
	if err != nil && !isAnswer(err) {
		t.seat.node.owe(t.again)
	}
	return reply, err
}

// The rest of redis.Conn is never used to lock.

var errNotAsked = errors.New("not a question of locking")

func (q *question) Get(string) (string, error)         { return "", errNotAsked }
func (q *question) Set(string, string) (bool, error)   { return false, errNotAsked }
func (q *question) PTTL(string) (time.Duration, error) { return 0, errNotAsked }
func (q *question) ScriptLoad(*redis.Script) error     { return errNotAsked }
func (q *question) Close() error                       { return nil }
