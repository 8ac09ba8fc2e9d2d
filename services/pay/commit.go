package pay

import (
	"context"
	"errors"
	"sync"
	"time"

	"interlock/services/rail"
)

const (
	// MaxBatch is how many payments are read, or written in one commit, at most.
	MaxBatch = 1_000
	// maxWaiting is how many changes wait for the commits before theirs.
	maxWaiting = 8 * MaxBatch
	// maxStale is how often a change is applied again to a payment that others change at the same time.
	maxStale = 10
	// commitTimeout bounds one commit: also one that waits for a replica.
	commitTimeout = 10 * time.Second
)

var (
	errTooManyWait = &rail.Error{
		Code: rail.Overloaded, Message: "too many payments wait for a commit; try again", RetryAfter: time.Second,
	}
	errContended = &rail.Error{
		Code: rail.Unavailable, Message: "the payment is changed by many at once; try again", RetryAfter: time.Second,
	}
)

// committer writes changes of payments. All that wait while a commit is under way share the next.
type committer struct {
	store Store
	now   func(ctx context.Context) (time.Time, error)
	// noted is called after each commit with what was written.
	noted func(changes []Change)

	mu      sync.Mutex
	waiting []*waiting
	// running tells that a goroutine takes what waits.
	running bool
}

// waiting is one change that waits. apply is called again whenever the payment has changed meanwhile.
type waiting struct {
	id    string
	apply func(p Payment) (c Change, changed bool)
	// base is the payment as it was read; nil: it is to be read.
	base *Payment
	// once gives up at the first ErrStale.
	once  bool
	tries int
	done  chan struct{}
	// after and err are the result: the payment as it is now, nil where there is none.
	after *Payment
	err   error
}

// change applies a change to a payment and answers how it is then, once that was acknowledged. base may be nil. nil and
// no error: there is no payment of that id. After a ctx that ended it is not known whether it was written.
func (c *committer) change(ctx context.Context, id string, base *Payment, apply func(p Payment) (Payment, bool),
) (*Payment, error) {
	w := &waiting{id: id, base: base, apply: plain(apply)}
	if err := c.do(ctx, w); err != nil {
		return nil, err
	}
	return w.after, w.err
}

// plain makes a change of what becomes of a payment.
func plain(apply func(p Payment) (Payment, bool)) func(p Payment) (Change, bool) {
	return func(p Payment) (Change, bool) {
		next, changed := apply(p)
		return Change{Payment: next}, changed
	}
}

// do has changes made, and waits for all of them.
func (c *committer) do(ctx context.Context, all ...*waiting) error {
	for _, w := range all {
		w.done = make(chan struct{})
	}
	c.mu.Lock()
	if len(c.waiting)+len(all) > maxWaiting {
		c.mu.Unlock()
		return errTooManyWait
	}
	c.waiting = append(c.waiting, all...)
	if !c.running {
		c.running = true
		go c.run()
	}
	c.mu.Unlock()
	for _, w := range all {
		select {
		case <-w.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// length is how many changes wait.
func (c *committer) length() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// run commits until nothing waits.
func (c *committer) run() {
	for {
		batch := c.take()
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
		err := c.commit(ctx, batch)
		cancel()
		for _, w := range batch {
			if err != nil {
				w.after, w.err = nil, err
			}
			if w.after != nil || w.err != nil || w.base == nil {
				close(w.done)
			} else {
				c.again(w)
			}
		}
	}
}

// take takes one change each of as many payments as share a commit. Further changes of a payment wait for the next.
func (c *committer) take() []*waiting {
	c.mu.Lock()
	defer c.mu.Unlock()
	var batch, rest []*waiting
	taken := map[string]bool{}
	for i, w := range c.waiting {
		if len(batch) == MaxBatch {
			rest = append(rest, c.waiting[i:]...)
			break
		}
		if taken[w.id] {
			w.base = nil // What it was read as is about to change.
			rest = append(rest, w)
			continue
		}
		taken[w.id] = true
		batch = append(batch, w)
	}
	c.waiting = rest
	c.running = len(batch) > 0
	return batch
}

// again has a change wait once more.
func (c *committer) again(w *waiting) {
	w.base = nil
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()
}

// commit writes a batch. A change that is to be tried again has neither a result nor an error then, and a base.
func (c *committer) commit(ctx context.Context, batch []*waiting) error {
	now, err := c.now(ctx)
	if err != nil {
		return err
	}
	if err := c.read(ctx, batch); err != nil {
		return err
	}
	var changes []Change
	var of []*waiting
	for _, w := range batch {
		if w.base == nil {
			continue // There is none of that id.
		}
		change, changed := w.apply(*w.base)
		if !changed {
			w.after = w.base
			continue
		}
		change.From = w.base.State
		change.Payment.Version = w.base.Version + 1
		if change.DueIn == 0 {
			change.DueIn = dueIn(&change.Payment, now)
		}
		changes, of = append(changes, change), append(of, w)
	}
	if len(changes) == 0 {
		return nil
	}
	errs, err := c.store.Update(ctx, changes)
	if err != nil {
		return err
	}
	var written []Change
	for i, w := range of {
		switch {
		case errs[i] == nil:
			written = append(written, changes[i])
			w.after = &changes[i].Payment
		case !errors.Is(errs[i], ErrStale) || w.once:
			w.err = errs[i]
		default:
			if w.tries++; w.tries >= maxStale {
				w.err = errContended
			}
		}
	}
	if len(written) > 0 {
		c.noted(written)
	}
	return nil
}

// read reads the payments of a batch that are not at hand.
func (c *committer) read(ctx context.Context, batch []*waiting) error {
	var ids []string
	var of []*waiting
	for _, w := range batch {
		if w.base == nil {
			ids, of = append(ids, w.id), append(of, w)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	payments, err := c.store.Payments(ctx, ids)
	if err != nil {
		return err
	}
	for i, w := range of {
		w.base = payments[i]
	}
	return nil
}
