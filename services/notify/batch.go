package notify

import (
	"context"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/services/rail"
)

const (
	// commitInterval is the least time between the begins of two commits: what comes meanwhile shares the next.
	commitInterval = 25 * time.Millisecond
	// commitTimeout bounds one commit, also one that waits for a replica.
	commitTimeout = 10 * time.Second
	// maxWaiting bounds what waits for a commit.
	maxWaiting = 16 * MaxItems
)

var errTooManyWait = &rail.Error{
	Code: rail.Unavailable, Message: "too many deliveries wait to be noted", RetryAfter: time.Second,
}

// committer writes what many ask for at once in shared commits.
type committer struct {
	store Store

	mu      sync.Mutex
	waiting []*waiting
	items   int
	running bool
	// begun is when the last commit began. It is the running goroutine's.
	begun time.Time
}

// waiting is a part of a batch, and what became of it.
type waiting struct {
	Batch
	errs []error
	err  error
	done chan struct{}
}

func (w *waiting) items() int { return len(w.New) + len(w.Changes) }

// write has a batch written, at most MaxItems. errs has an error for each change. After a ctx that ended it is not known
// whether it was written.
func (c *committer) write(ctx context.Context, b Batch) (errs []error, err error) {
	w := &waiting{Batch: b, done: make(chan struct{})}
	c.mu.Lock()
	if c.items+w.items() > maxWaiting {
		c.mu.Unlock()
		return nil, errTooManyWait
	}
	c.waiting, c.items = append(c.waiting, w), c.items+w.items()
	if !c.running {
		c.running = true
		go c.run()
	}
	c.mu.Unlock()
	select {
	case <-w.done:
		return w.errs, w.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run commits until nothing waits.
func (c *committer) run() {
	for c.goesOn() {
		pause.For(context.Background(), commitInterval-time.Since(c.begun))
		c.begun = time.Now()
		c.commit(c.take())
	}
}

// goesOn tells whether something waits. Where nothing does, the goroutine ends that asks.
func (c *committer) goesOn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = len(c.waiting) > 0
	return c.running
}

// take takes as much as shares a commit.
func (c *committer) take() (all []*waiting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := 0; len(c.waiting) > 0; {
		w := c.waiting[0]
		if n += w.items(); n > MaxItems && len(all) > 0 {
			break
		}
		all, c.waiting, c.items = append(all, w), c.waiting[1:], c.items-w.items()
	}
	return all
}

func (c *committer) commit(all []*waiting) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	var b Batch
	for _, w := range all {
		b.New, b.Changes = append(b.New, w.New...), append(b.Changes, w.Changes...)
	}
	written, err := c.store.Write(ctx, b)
	at := 0
	for _, w := range all {
		if w.err = err; err == nil {
			w.errs = written.Errs[at : at+len(w.Changes)]
			at += len(w.Changes)
		}
		close(w.done)
	}
}
