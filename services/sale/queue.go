package sale

import (
	"context"
	"sync/atomic"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// request is one thing somebody asked of a run's worker: to place an order, to cancel one, or (neither) only to look for
// holds that ran out and commits that are not settled.
type request struct {
	ctx    context.Context
	place  *placing
	cancel *ledger.Cancel
	since  time.Time
	state  atomic.Int32
	answer chan answer
}

// placing is a validated order.
type placing struct {
	key       ledger.OrderKey
	body      rail.PlaceOrder
	bodyHash  string
	documents []string
	// train is the one the request was validated against; from and to are calls of it.
	train    *rail.Train
	from, to int
	// refuseIfNew is why the buyer may have no further order; one that the key has already is theirs all the same.
	refuseIfNew error
}

type answer struct {
	order    *rail.Order
	err      error
	replayed bool
	// early tells that the buyer left before the worker has answered: that answer is still to come.
	early bool
}

// A request waits until a batch takes it or its buyer leaves, whichever comes first.
const (
	waits int32 = iota
	taken
	left
)

func newRequest(ctx context.Context) *request {
	return &request{ctx: ctx, answer: make(chan answer, 1)}
}

// name tells the request from all others on its run, also when it is repeated; "" where nobody would miss it.
func (r *request) name() string {
	switch {
	case r.place != nil:
		return "place " + r.place.key.Buyer + " " + r.place.key.Key
	case r.cancel != nil:
		return "cancel " + r.cancel.OrderID
	}
	return ""
}

// take claims the request for a batch; false when its buyer has left.
func (r *request) take() bool { return r.ctx.Err() == nil && r.state.CompareAndSwap(waits, taken) }

// overloadedRetryAfter is when to come back where nobody can say how long it takes, and never sooner; maxRetryAfter is
// never later, since what took long may be over by then.
const (
	overloadedRetryAfter = 500 * time.Millisecond
	maxRetryAfter        = 5 * time.Second
)

// ask hands a request to the worker of its run and waits for the answer.
func (o *Service) ask(id rail.RunID, r *request) answer {
	if err := o.enqueue(id, r); err != nil {
		return answer{err: o.told(id, r, err)}
	}
	select {
	case a := <-r.answer:
		return a
	case <-r.ctx.Done():
		if r.state.CompareAndSwap(waits, left) {
			return answer{err: o.told(id, r, &rail.Error{Code: rail.Unavailable, Message: "the request ran out of time before its turn: nothing was done", RetryAfter: overloadedRetryAfter, Cause: r.ctx.Err()})}
		}
		return answer{err: pending(r.ctx.Err()), early: true}
	}
}

// enqueue puts a request into the queue of its run, and wakes a worker where none is serving it.
func (o *Service) enqueue(id rail.RunID, r *request) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return closing()
	}
	c := o.serving[id]
	if o.full(c) {
		return o.overloaded(c)
	}
	if c == nil {
		c = &worker{service: o, run: id, turn: make(chan struct{}, 1), arrived: make(chan struct{}, 1)}
		c.known = o.known.take(id)
		o.serving[id] = c
		o.workers.Go(c.serve)
	}
	r.since = time.Now()
	c.queue = append(c.queue, r)
	o.waiting++
	select {
	case c.arrived <- struct{}{}:
	default: // It was told, and has not looked yet.
	}
	return nil
}

// room is the refusal of one more request for a run, nil where it may come. In a rush most are refused, so they ask
// before anything dear is done for them.
func (o *Service) room(id rail.RunID) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c := o.serving[id]; o.full(c) {
		return o.overloaded(c)
	}
	return nil
}

// full tells whether whoever comes now would be behind too many, or wait for too long. Who is in the next batch never
// does. service.mu must be held.
func (o *Service) full(c *worker) bool {
	s := &o.settings
	switch {
	case o.waiting >= s.MaxWaiting, c != nil && len(c.queue) >= s.MaxQueue:
		return true
	case c == nil || len(c.queue) < s.MaxBatch:
		return false
	}
	return c.servedIn() > s.MaxWait || time.Since(c.queue[0].since) > s.MaxWait
}

// overloaded refuses a request for want of room. service.mu must be held.
func (o *Service) overloaded(c *worker) error {
	o.counters.overloaded.Add(1)
	retry := overloadedRetryAfter
	if c != nil && len(c.queue) > 0 {
		retry = min(max(retry, c.servedIn(), time.Since(c.queue[0].since)), maxRetryAfter)
	}
	return &rail.Error{Code: rail.Overloaded, Message: "too many orders are waiting", RetryAfter: retry}
}

// servedIn is about how long the full batches of those who wait take in the ledger, at the pace of the last one that
// was taken, which may have been smaller. service.mu must be held.
func (c *worker) servedIn() time.Duration {
	return time.Duration(len(c.queue)/c.service.settings.MaxBatch) * c.expects.took
}

// next takes the next batch off a worker's queue; it is empty where all have left.
func (o *Service) next(c *worker) []*request {
	o.mu.Lock()
	defer o.mu.Unlock()
	var batch []*request
	n := 0
	for ; n < len(c.queue) && len(batch) < o.settings.MaxBatch; n++ {
		if c.queue[n].take() {
			batch = append(batch, c.queue[n])
		}
	}
	clear(c.queue[:n])
	c.queue = c.queue[n:]
	o.waiting -= n
	return batch
}

// behind is how many requests wait in a worker's queue.
func (o *Service) behind(c *worker) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(c.queue)
}

// offDuty takes a worker off duty if nobody waits in its queue: both under one lock, so that no request is left with
// nobody to serve it.
func (o *Service) offDuty(c *worker) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(c.queue) > 0 {
		return false
	}
	delete(o.serving, c.run)
	if c.version != 0 {
		o.known.keep(c.run, c.known)
	}
	return true
}

// Waiting is how many requests wait for a worker now.
func (o *Service) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waiting
}
