package pay

import (
	"context"
	"errors"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/services/rail"
)

const (
	// MaxBatch is how many payments are read, or written in one commit, at most.
	MaxBatch = 1_000
	// maxWaiting is how many changes wait for the commits before theirs.
	maxWaiting = 8 * MaxBatch
	// maxStale is how often a change is applied again to a payment that others change at the same time.
	maxStale = 10
	// commitInterval is the least time between the begins of two commits: what comes meanwhile shares the next. A
	// hundred payments a second write eight hundred times, one after the other, and fast commits would leave nothing to
	// share.
	commitInterval = 25 * time.Millisecond
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

// committer writes changes of payments. All that wait while a commit is under way share the next, and so do those that
// come within commitInterval of the last. The first after a rest is written at once.
type committer struct {
	store Store
	now   func(ctx context.Context) (time.Time, error)
	// noted is called after each commit with what was written.
	noted func(changes []Change)

	mu      sync.Mutex
	waiting []*waiting
	// running tells that a goroutine takes what waits.
	running bool
	// begun is when the last commit began. It is the running goroutine's.
	begun time.Time
}

// waiting is one change that waits, or a payment that is to be started, or notices alone.
type waiting struct {
	// id is the payment's; "" for notices alone.
	id string
	// apply makes the change. It is called again whenever the payment has changed meanwhile.
	apply func(p Payment) (c Change, changed bool)
	// start is the payment that is to be started; nil: none.
	start *Start
	// notices are written with the change, and alone where nothing changes.
	notices []Heeded
	// base is the payment as it was read; nil: it is to be read.
	base *Payment
	// once gives up at the first ErrStale.
	once  bool
	tries int
	done  chan struct{}
	// after and err are the result: the payment as it is now, nil where there is none. created tells that it was
	// started.
	after   *Payment
	created bool
	err     error
}

// isChange tells a change of a payment.
func (w *waiting) isChange() bool { return w.apply != nil }

// change applies a change to a payment and answers how it is then, once that was acknowledged, and the notices with it.
// base may be nil. nil and no error: there is no payment of that id. After a ctx that ended it is not known whether it
// was written.
func (c *committer) change(ctx context.Context, id string, base *Payment, apply func(p Payment) (Payment, bool),
	notices ...Heeded,
) (*Payment, error) {
	w := &waiting{id: id, base: base, apply: plain(apply), notices: notices}
	if err := c.do(ctx, w); err != nil {
		return nil, err
	}
	return w.after, w.err
}

// start notes a payment: see Started. After a ctx that ended it is not known whether it was written.
func (c *committer) start(ctx context.Context, one Start) (p *Payment, created bool, err error) {
	w := &waiting{id: one.Payment.ID, start: &one}
	if err := c.do(ctx, w); err != nil {
		return nil, false, err
	}
	return w.after, w.created, w.err
}

// heed writes notices from which nothing follows.
func (c *committer) heed(ctx context.Context, notices []Heeded) error {
	if len(notices) == 0 {
		return nil
	}
	w := &waiting{notices: notices}
	if err := c.do(ctx, w); err != nil {
		return err
	}
	return w.err
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
	for c.goesOn() {
		pause.For(context.Background(), commitInterval-time.Since(c.begun))
		batch := c.take()
		c.begun = time.Now()
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

// goesOn tells whether something waits. Where nothing does, the goroutine ends that asks.
func (c *committer) goesOn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = len(c.waiting) > 0
	return c.running
}

// take takes one change each of as many payments as share a commit. Further changes of a payment wait for the next.
func (c *committer) take() []*waiting {
	c.mu.Lock()
	defer c.mu.Unlock()
	var batch, rest []*waiting
	taken := map[string]bool{}
	notices := 0
	for i, w := range c.waiting {
		if len(batch) == MaxBatch || len(batch) > 0 && notices+len(w.notices) > MaxBatch {
			rest = append(rest, c.waiting[i:]...)
			break
		}
		if w.id != "" && taken[w.id] {
			w.base = nil // What it was read as is about to change.
			rest = append(rest, w)
			continue
		}
		taken[w.id] = true
		notices += len(w.notices)
		batch = append(batch, w)
	}
	c.waiting = rest
	return batch
}

// again has a change wait once more.
func (c *committer) again(w *waiting) {
	w.base = nil
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()
}

// group is what shares a commit, and whose each part is.
type group struct {
	Batch
	starts, changes []*waiting
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
	var g group
	for _, w := range batch {
		g.add(w, now)
	}
	if len(g.Starts)+len(g.Changes)+len(g.Notices) == 0 {
		return nil
	}
	written, err := c.store.Update(ctx, g.Batch)
	if err != nil {
		return err
	}
	c.answer(&g, &written)
	return nil
}

// add adds what waits to its group. What changes nothing has its result.
func (g *group) add(w *waiting, now time.Time) {
	if w.start != nil {
		g.Starts, g.starts = append(g.Starts, *w.start), append(g.starts, w)
		return
	}
	if w.base != nil {
		change, changed := w.apply(*w.base)
		if changed {
			change.From, change.Notices = w.base.State, w.notices
			change.Payment.Version = w.base.Version + 1
			if change.DueIn == 0 {
				change.DueIn = dueIn(&change.Payment, now)
			}
			g.Changes, g.changes = append(g.Changes, change), append(g.changes, w)
			return
		}
		w.after = w.base
	}
	g.Notices = append(g.Notices, w.notices...)
}

// answer gives each part of a group its result.
func (c *committer) answer(g *group, written *Written) {
	for i, w := range g.starts {
		w.after, w.created, w.err = written.Started[i].Payment, written.Started[i].Created, written.Started[i].Err
	}
	var changes []Change
	for i, w := range g.changes {
		switch err := written.Errs[i]; {
		case err == nil:
			changes = append(changes, g.Changes[i])
			w.after = &g.Changes[i].Payment
		case !errors.Is(err, ErrStale) || w.once:
			w.err = err
		default:
			if w.tries++; w.tries >= maxStale {
				w.err = errContended
			}
		}
	}
	if len(changes) > 0 {
		c.noted(changes)
	}
}

// read reads the payments of a batch that are not at hand.
func (c *committer) read(ctx context.Context, batch []*waiting) error {
	var ids []string
	var of []*waiting
	for _, w := range batch {
		if w.isChange() && w.base == nil {
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
