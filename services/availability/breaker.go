package availability

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// probeTimeout is how long Redis may take to answer a probe before it is left alone: as long as a search waits for
	// it, and longer than a busy machine stands still.
	probeTimeout = 500 * time.Millisecond
	// probeInterval is the pause between two probes. So a Redis that takes connections is known to be back after about
	// this time, well within the second in which what was sold meanwhile has to be right again.
	probeInterval = 250 * time.Millisecond
)

// ErrSilent is what every call gets at once while Redis is left alone because it does not answer. Its text goes on with
// what was heard of Redis last.
var ErrSilent = errors.New("a Redis is left alone, because it does not answer")

// breaker is a circuit breaker: it leaves a Redis alone that does not answer.
//
// A call that gets no answer makes the breaker send a probe of its own, since a caller may be in a hurry and its
// connection dead. When the probe is not answered either, nor any other call meanwhile, calls fail at once. They have
// Redis probed again now and then, until anything is answered.
//
// It is there for a Redis that hangs. A caller that gives up closes its connection, and the next call takes a new one.
// In seconds they would fill the kernel's queue of connections that Redis has not accepted. A connection that finds the
// queue full is lost even after Redis is back. And go-redis, after as many failures as its pool is large, tries only
// once a second.
type breaker struct {
	node *redis.Client
	now  func() time.Time

	mu sync.Mutex
	// silent is what calls get, nil while they are let through.
	silent error
	// probing is true while a probe is under way, heard when anything was answered since. The next probe may begin at
	// nextProbe.
	probing, heard bool
	nextProbe      time.Time
}

// watchOver puts a breaker before every node of a client. Of a Cluster, only the silent node is left alone.
func watchOver(client redis.UniversalClient, now func() time.Time) {
	watch := func(node *redis.Client) { node.AddHook(&breaker{node: node, now: now}) }
	switch client := client.(type) {
	case *redis.ClusterClient:
		client.OnNewNode(watch)
	case *redis.Client:
		watch(client)
	}
}

// through marks the context of a call that is always let through, with all that it takes to connect. Such are the
// breaker's own probe, and a listener that takes a new connection at its own pace.
type through struct{}

func letThrough(ctx context.Context) context.Context { return context.WithValue(ctx, through{}, true) }

// DialHook, ProcessHook and ProcessPipelineHook make a breaker a redis.Hook.
func (b *breaker) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := b.allow(ctx); err != nil {
			cmd.SetErr(err)
			return err
		}
		err := next(ctx, cmd)
		b.report(err)
		return err
	}
}

func (b *breaker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := b.allow(ctx); err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		err := next(ctx, cmds)
		b.report(err)
		return err
	}
}

// allow is the error of a call that is not let through.
func (b *breaker) allow(ctx context.Context) error {
	if ctx.Value(through{}) != nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent != nil {
		b.startProbe()
	}
	return b.silent
}

// report notes what became of a call. An answer that is an error is an answer. Two sorts of calls say nothing: those
// that their callers broke off, and those that found every connection taken.
func (b *breaker) report(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case isAnswer(err):
		b.silent, b.heard = nil, true
	case isSilence(err):
		b.startProbe()
	}
}

func isAnswer(err error) bool {
	var answer redis.Error
	return err == nil || errors.As(err, &answer)
}

func isSilence(err error) bool {
	return !isAnswer(err) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, redis.ErrPoolTimeout) && !errors.Is(err, redis.ErrClosed)
}

// startProbe begins a probe, unless one is under way or the last one has just ended. The mutex is held.
func (b *breaker) startProbe() {
	if b.probing || b.now().Before(b.nextProbe) {
		return
	}
	b.probing, b.heard = true, false
	go b.probe()
}

// probe sends one probe, and ends within probeTimeout. An answer is reported on the way, as that of any call is.
func (b *breaker) probe() {
	ctx, cancel := context.WithTimeout(letThrough(context.Background()), probeTimeout)
	defer cancel()
	err := b.connect(ctx)
	if isSilence(err) && b.node.PoolStats().IdleConns > 0 {
		// To connect may need others than Redis, such as Sentinels. So an open connection is tried, too.
		err = b.node.Ping(ctx).Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing, b.nextProbe = false, b.now().Add(probeInterval)
	if isSilence(err) && !b.heard {
		// Not wrapped: a call that gets this error has not met what the probe has met.
		b.silent = fmt.Errorf("%w; last: %s", ErrSilent, err.Error())
	}
}

// connect takes a new connection, which begins with a HELLO and its answer. Those in the pool may all have died without
// a word, or be taken by callers. An empty subscription is go-redis' way to a connection outside the pool.
func (b *breaker) connect(ctx context.Context) error {
	fresh := b.node.Subscribe(ctx)
	return errors.Join(fresh.Ping(ctx), fresh.Close())
}
