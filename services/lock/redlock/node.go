package redlock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// poolSize serves thousands of workers: a question takes a fraction of a millisecond.
	poolSize = 32
	// idleTimeout is below the 5 minutes after which the usual firewalls forget a connection.
	idleTimeout = 4 * time.Minute
	// clockLag is added to go-redis' time-outs, and more than the age of the clock from which go-redis counts them.
	// Without it a short time-out could be over before the command began.
	clockLag = 100 * time.Millisecond
	// maxOwed is more than workers ask for at the moment a node freezes. Afterwards the node is asked once a second.
	// Locks beyond that end by themselves.
	maxOwed = 256
)

// node is one of the independent masters.
type node struct {
	addr    string
	client  *redis.Client
	pool    redsyncredis.Pool
	breaker breaker
	// back is called when the node answers again after it was left alone.
	back func()

	mu sync.Mutex
	// owed takes back what the node may have set without saying so.
	owed []func()

	failures, skipped atomic.Uint64
}

func newNode(address string, timeout time.Duration, now func() time.Time) (*node, error) {
	options := &redis.Options{Addr: address}
	if strings.Contains(address, "://") {
		// The parser's own error would show the password.
		url, err := redis.ParseURL(address)
		if err != nil || url.Network != "tcp" {
			return nil, errors.New("the address of a lock node is not a URL like redis://user:password@host:port/0")
		}
		options = url
	} else if !strings.Contains(address, ":") {
		return nil, fmt.Errorf("%q is not an address of a lock node like host:port", address)
	}

	options.Protocol = 2
	options.DisableIdentity = true
	// A plain Redis knows nothing of announced maintenance, and each new connection would ask it.
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.DialTimeout = timeout
	options.ReadTimeout = timeout + clockLag
	options.WriteTimeout = timeout + clockLag
	options.PoolTimeout = timeout
	options.PoolSize = poolSize
	options.ConnMaxIdleTime = idleTimeout
	client := redis.NewClient(options)
	return &node{addr: options.Addr, client: client, pool: goredis.NewPool(client), breaker: breaker{now: now}}, nil
}

// ask puts one question to the node, unless it is to be left alone. An error from the node counts as an answer: a node
// that answers costs no time.
func (n *node) ask(ctx context.Context, timeout time.Duration, question func(redsyncredis.Conn) error) error {
	if !n.breaker.allow() {
		n.skipped.Add(1)
		return errSkipped
	}
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := n.pool.Get(asking)
	if err == nil {
		err = question(conn)
	}
	switch {
	case err == nil || isAnswer(err):
		if n.breaker.answered() {
			n.back()
		}
	case over(ctx) != nil || errors.Is(err, redis.ErrPoolTimeout): // says nothing about the node
		n.breaker.undecided()
	default:
		n.failures.Add(1)
		n.breaker.failed()
	}
	return err
}

// isAnswer tells whether an error is the node's own answer.
func isAnswer(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer)
}

// owe has something taken back when the node is back. A node that was frozen then does all that it was sent meanwhile:
// it would set locks that have no holder.
func (n *node) owe(takeBack func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.owed) < maxOwed {
		n.owed = append(n.owed, takeBack)
	}
}

// takeBackOwed takes back all that is owed.
func (n *node) takeBackOwed() {
	n.mu.Lock()
	owed := n.owed
	n.owed = nil
	n.mu.Unlock()
	for _, takeBack := range owed {
		takeBack()
	}
}
