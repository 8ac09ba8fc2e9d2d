package availability

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// silence is how long a Redis must have answered nothing before it is left alone: longer than a busy machine stands
	// still, and short beside what its clients would cost it and their callers until then.
	silence = 250 * time.Millisecond
	// askEvery is how often a Redis that is left alone is asked all the same, and so how soon its being back is known: well
	// within the second in which what was sold meanwhile has to be right again.
	askEvery = 250 * time.Millisecond
)

// ErrSilent is what every call gets at once while Redis is left alone because it does not answer.
var ErrSilent = errors.New("the cache's Redis does not answer: it is left alone, but for one call every 250 ms")

// breaker leaves a Redis alone that has answered nothing for silence, but for one call every askEvery.
//
// It is there for a Redis that hangs: who gives up on an answer closes the connection and takes a new one, and in seconds
// the queue in which the kernel keeps connections that nobody accepts would be full. What comes next is not even heard
// of when Redis is back, and go-redis, after as many failures as its pool is large, looks only once a second.
type breaker struct {
	now func() time.Time

	mu sync.Mutex
	// since is when the first call failed after the last answer, the zero time while calls are answered.
	since time.Time
	open  bool
	// next is when a call is let through again while open.
	next time.Time
}

// watchOver puts a breaker before every node of a client: of a Cluster, only the node that is silent is left alone.
func watchOver(client redis.UniversalClient, now func() time.Time) {
	if client, ok := client.(*redis.ClusterClient); ok {
		client.OnNewNode(func(node *redis.Client) { node.AddHook(&breaker{now: now}) })
		return
	}
	client.AddHook(&breaker{now: now})
}

// probe marks the context of a call that was let through while the breaker is open: what it takes to connect goes through
// the same hooks.
type probe struct{}

// DialHook, ProcessHook and ProcessPipelineHook make a breaker a redis.Hook. Of a listener, it only sees that it connects.
func (b *breaker) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, allowed := b.allow(ctx)
		if !allowed {
			cmd.SetErr(ErrSilent)
			return ErrSilent
		}
		err := next(ctx, cmd)
		b.report(err)
		return err
	}
}

func (b *breaker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, allowed := b.allow(ctx)
		if !allowed {
			for _, cmd := range cmds {
				cmd.SetErr(ErrSilent)
			}
			return ErrSilent
		}
		err := next(ctx, cmds)
		b.report(err)
		return err
	}
}

// allow tells whether to ask, and with which context.
func (b *breaker) allow(ctx context.Context) (context.Context, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open || ctx.Value(probe{}) != nil {
		return ctx, true
	}
	now := b.now()
	if now.Before(b.next) {
		return ctx, false
	}
	b.next = now.Add(askEvery)
	return context.WithValue(ctx, probe{}, true), true
}

// report takes down what became of a call. An answer that is an error counts as one; a call that its caller broke off, or
// that got no connection for a reason that is not Redis', says nothing.
func (b *breaker) report(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var answer redis.Error
	switch {
	case err == nil || errors.As(err, &answer):
		b.since, b.open = time.Time{}, false
	case errors.Is(err, context.Canceled) || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, ErrSilent):
	case b.since.IsZero():
		b.since = b.now()
	case !b.open && b.now().Sub(b.since) >= silence:
		b.open, b.next = true, b.now().Add(askEvery)
	}
}
