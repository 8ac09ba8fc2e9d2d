// Package redlock says which server serves a run now, and which one repairs: Redlock over independent Redis masters.
//
// It keeps servers out of each other's way, and nothing rests on it but speed. A lease can be lost while its holder
// believes in it: a pause, a clock, a node that forgot. The ledger refuses what is wrong then. So Acquire asks once and
// does not wait for a lock: the caller knows best when to try again.
//
// What it promises:
//
//   - A lease is given by more than half of the nodes, and Until is before any of them forgets it.
//   - Release, and a failed Acquire, take away what was set, and nothing that another holder set. That includes what a
//     slow node sets after the caller has gone, and a frozen node when it is back.
//   - Every call ends within a few node time-outs. A node that is dead or hung costs nothing while the others have a
//     quorum, and is left alone after a few failures but for one probe a second.
//
// A Lock may be used by many goroutines, a lease by one.
package redlock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"

	"interlock/services/lock"
)

const (
	// DefaultExpiry outlasts many batches, so that a worker rarely extends, and lets others in soon when a server dies.
	DefaultExpiry = 3 * time.Second
	// DefaultNodeTimeout is a hundred times what a node in the same building needs, and short beside the expiry.
	DefaultNodeTimeout = 150 * time.Millisecond
	// maxNodes is more than is of use: five nodes bear two failures, and more nodes only take longer.
	maxNodes = 9
	// driftFactor is how much of the expiry a holder does not use, because clocks run differently. It is 1 %, as in the
	// description of Redlock (redis.io, "Distributed Locks with Redis"): a hundred times what clocks differ by.
	driftFactor = 0.01
	// shortestExpiry in node time-outs keeps a lease from being over when it is given.
	shortestExpiry = 4
	keyPrefix      = "interlock:lock:"
)

// Options say where the nodes are and how long things last.
type Options struct {
	// Nodes are the independent masters, each "host:port" or a URL like "rediss://user:password@host:port/0"; 3 or 5,
	// so that one or two may fail. One alone works, too.
	Nodes []string
	// Expiry is how long a lease lasts when it is not extended; 0: DefaultExpiry.
	Expiry time.Duration
	// NodeTimeout bounds each question to one node; 0: DefaultNodeTimeout.
	NodeTimeout time.Duration
	// Now is the clock that says when a failing node is tried again; nil: time.Now.
	Now func() time.Time
}

// Lock gives leases.
type Lock struct {
	expiry      time.Duration
	nodeTimeout time.Duration
	nodes       []*node
	counts      counters

	mu       sync.Mutex
	closed   bool
	leftover sync.WaitGroup
}

// New makes a Lock. The nodes need not be there yet.
func New(o Options) (*Lock, error) {
	if o.Expiry == 0 {
		o.Expiry = DefaultExpiry
	}
	if o.NodeTimeout == 0 {
		o.NodeTimeout = DefaultNodeTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NodeTimeout <= 0 || o.Expiry < shortestExpiry*o.NodeTimeout {
		return nil, fmt.Errorf("a lock's expiry of %s is not at least %d times its node time-out of %s",
			o.Expiry, shortestExpiry, o.NodeTimeout)
	}
	if len(o.Nodes) == 0 || len(o.Nodes) > maxNodes {
		return nil, fmt.Errorf("a lock has 1 to %d nodes, not %d", maxNodes, len(o.Nodes))
	}
	l := &Lock{expiry: o.Expiry, nodeTimeout: o.NodeTimeout}
	there := map[string]bool{}
	for _, address := range o.Nodes {
		n, err := newNode(address, o.NodeTimeout, o.Now)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		n.back = func() { l.later(n.takeBackOwed) }
		l.nodes = append(l.nodes, n)
		if there[n.addr] {
			twice := fmt.Errorf("the lock node %s is given twice, and would have two votes", n.addr)
			return nil, errors.Join(twice, l.Close())
		}
		there[n.addr] = true
	}
	return l, nil
}

// Acquire asks once. lock.ErrTaken: another holder has the lock, or is just asking for it. lock.ErrNoQuorum: too few
// nodes answered in time to know.
func (l *Lock) Acquire(ctx context.Context, name string) (lock.Lease, error) {
	if name == "" {
		return nil, errors.New("a lock without a name")
	}
	a := &attempt{lock: l, ctx: ctx, nodes: make([]nodeLock, len(l.nodes))}
	pools := make([]redsyncredis.Pool, len(l.nodes))
	for i, n := range l.nodes {
		a.nodes[i] = nodeLock{attempt: a, node: n, done: make(chan struct{})}
		pools[i] = &a.nodes[i]
	}
	mutex := redsync.New(pools...).NewMutex(keyPrefix+name,
		redsync.WithExpiry(l.expiry),
		redsync.WithDriftFactor(driftFactor),
		redsync.WithTimeoutFactor(float64(l.nodeTimeout)/float64(l.expiry)),
		// One try: the caller knows better than a random delay when to ask again.
		redsync.WithTries(1),
		redsync.WithRetryDelay(0),
		// It answers as soon as a majority has, and so never waits for a node that hangs.
		redsync.WithFailFast(true),
		redsync.WithShufflePools(false),
		// Without WithSetNXOnExtend: a lease that was lost must be lost, not quietly taken anew.
	)
	err := mutex.LockContext(ctx)
	if err == nil {
		l.counts.acquired.Add(1)
		return &lease{lock: l, attempt: a, mutex: mutex}, nil
	}
	if answered, taken := a.answers(); answered >= l.quorum() && taken > 0 {
		l.counts.taken.Add(1)
		return nil, lock.ErrTaken
	}
	if gone := over(ctx); gone != nil { // The caller has gone; nothing is wrong with the nodes.
		return nil, fmt.Errorf("%w: %w", lock.ErrNoQuorum, gone)
	}
	l.counts.noQuorum.Add(1)
	return nil, fmt.Errorf("%w: %w", lock.ErrNoQuorum, err)
}

// quorum is how many nodes are more than half.
func (l *Lock) quorum() int { return len(l.nodes)/2 + 1 }

// later runs do beside the caller, such as taking back what a slow node may have set.
func (l *Lock) later(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.leftover.Go(do)
	}
}

// Close ends all connections. Leases that were not released end by themselves.
func (l *Lock) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	var errs []error
	for _, n := range l.nodes {
		errs = append(errs, n.client.Close()) // also of those that are waiting for an answer
	}
	l.leftover.Wait()
	return errors.Join(errs...)
}

// over is why a caller does not wait any more, nil while it does. A connection meets its deadline a moment before the
// context that the deadline is from, so the context alone does not tell.
func over(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
