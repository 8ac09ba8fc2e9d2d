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
	// patience is how long a Redis may take to answer a breaker's question before it is left alone: as long as a search waits
	// for it, and longer than a busy machine stands still.
	patience = 500 * time.Millisecond
	// askEvery is the pause between two questions, and so about how soon a Redis that takes connections is known to be back:
	// well within the second in which what was sold meanwhile has to be right again.
	askEvery = 250 * time.Millisecond
)

// ErrSilent is what every call gets at once while Redis is left alone because it does not answer. Its text goes on with what
// was heard of Redis last.
var ErrSilent = errors.New("the cache's Redis is left alone, because it does not answer")

// breaker leaves a Redis alone that does not answer. A call that gets no answer has it asked by a question of the breaker's
// own, since callers may be in a hurry, and their connections dead; once that is not answered either, nor anything else
// meanwhile, calls fail at once, and have it asked again now and then, until anything is answered.
//
// It is there for a Redis that hangs: who gives up on an answer closes the connection and takes a new one, and in seconds
// the queue in which the kernel keeps connections that nobody accepts would be full. What comes next is not even heard
// of when Redis is back, and go-redis, after as many failures as its pool is large, looks only once a second.
type breaker struct {
	node *redis.Client
	now  func() time.Time

	mu sync.Mutex
	// silent is what calls get, nil while they are let through.
	silent error
	// asking is true while a question is under way, heard when anything was answered since; the next one may come at next.
	asking, heard bool
	next          time.Time
}

// watchOver puts a breaker before every node of a client: of a Cluster, only the node that is silent is left alone.
func watchOver(client redis.UniversalClient, now func() time.Time) {
	watch := func(node *redis.Client) { node.AddHook(&breaker{node: node, now: now}) }
	switch client := client.(type) {
	case *redis.ClusterClient:
		client.OnNewNode(watch)
	case *redis.Client:
		watch(client)
	}
}

// through marks the context of what is always let through, with all that it takes to connect: the breaker's own question,
// and a listener that takes a new connection, at its own pace.
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
		b.ask()
	}
	return b.silent
}

// report takes down what became of a call. An answer that is an error counts as one; a call that its caller broke off, or
// that found every connection taken, says nothing.
func (b *breaker) report(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case isAnswer(err):
		b.silent, b.heard = nil, true
	case isSilence(err):
		b.ask()
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

// ask has Redis asked, unless it has just been. The mutex is held.
func (b *breaker) ask() {
	if b.asking || b.now().Before(b.next) {
		return
	}
	b.asking, b.heard = true, false
	go b.question()
}

// question is over within patience. An answer is reported on the way, as that of any call is.
func (b *breaker) question() {
	ctx, cancel := context.WithTimeout(letThrough(context.Background()), patience)
	defer cancel()
	err := b.connect(ctx)
	if isSilence(err) && b.node.PoolStats().IdleConns > 0 {
		// To connect may take others than Redis, such as Sentinels.
		err = b.node.Ping(ctx).Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asking, b.next = false, b.now().Add(askEvery)
	if isSilence(err) && !b.heard {
		// Not wrapped: what this question met is not what the call that gets it has met.
		b.silent = fmt.Errorf("%w; last: %s", ErrSilent, err.Error())
	}
}

// connect takes a new connection, which begins with a HELLO and its answer: those in the pool may all have died without a
// word, or be taken by callers. An empty subscription is go-redis' way to one that is not the pool's.
func (b *breaker) connect(ctx context.Context) error {
	fresh := b.node.Subscribe(ctx)
	return errors.Join(fresh.Ping(ctx), fresh.Close())
}
