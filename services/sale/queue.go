package sale

import (
	"time"

	"interlock/services/rail"
)

// overloadedRetryAfter is when to come back where nobody can say how long it takes, and never sooner; maxRetryAfter is
// never later, since what took long may be over by then.
const (
	overloadedRetryAfter = 500 * time.Millisecond
	maxRetryAfter        = 5 * time.Second
)

// submit hands a request to the worker of its run and waits for the answer.
func (s *Service) submit(id rail.RunID, r *request) answer {
	if err := s.enqueue(id, r); err != nil {
		return answer{err: s.failure(id, r, err)}
	}
	select {
	case a := <-r.answer:
		return a
	case <-r.ctx.Done():
		if r.state.CompareAndSwap(waits, left) {
			return answer{err: s.failure(id, r, &rail.Error{Code: rail.Unavailable, Message: "the request ran out of time before its turn: nothing was done", RetryAfter: overloadedRetryAfter, Cause: r.ctx.Err()})}
		}
		return answer{err: pending(r.ctx.Err()), early: true}
	}
}

// enqueue puts a request into the queue of its run, and wakes a worker where none is serving it.
func (s *Service) enqueue(id rail.RunID, r *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return closing()
	}
	w := s.workers[id]
	if s.full(w) {
		return s.overloaded(w)
	}
	if w == nil {
		w = s.newWorker(id)
		s.workers[id] = w
		s.background.Go(w.serve)
	}
	r.since = time.Now()
	w.queue = append(w.queue, r)
	s.waiting++
	select {
	case w.arrived <- struct{}{}:
	default: // It was told, and has not looked yet.
	}
	return nil
}

// checkRoom is the refusal of one more request for a run, nil where it may come. In a rush most are refused, so they ask
// before anything dear is done for them.
func (s *Service) checkRoom(id rail.RunID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.workers[id]; s.full(w) {
		return s.overloaded(w)
	}
	return nil
}

// full tells whether whoever comes now would be behind too many, or wait for too long. Who is in the next batch never
// does. service.mu must be held.
func (s *Service) full(w *worker) bool {
	limit := &s.settings
	switch {
	case s.waiting >= limit.MaxWaiting, w != nil && len(w.queue) >= limit.MaxQueue:
		return true
	case w == nil || len(w.queue) < limit.MaxBatch:
		return false
	}
	return w.queueDelay() > limit.MaxWait || time.Since(w.queue[0].since) > limit.MaxWait
}

// overloaded refuses a request for want of room. service.mu must be held.
func (s *Service) overloaded(w *worker) error {
	s.counters.overloaded.Add(1)
	retry := overloadedRetryAfter
	if w != nil && len(w.queue) > 0 {
		retry = min(max(retry, w.queueDelay(), time.Since(w.queue[0].since)), maxRetryAfter)
	}
	return &rail.Error{Code: rail.Overloaded, Message: "too many orders are waiting", RetryAfter: retry}
}

// queueDelay is about how long the full batches of those who wait take in the ledger, at the pace of the last one that
// was taken, which may have been smaller. service.mu must be held.
func (w *worker) queueDelay() time.Duration {
	return time.Duration(len(w.queue)/w.service.settings.MaxBatch) * w.expects.took
}

// next takes the next batch off a worker's queue; it is empty where all have left.
func (s *Service) next(w *worker) []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch []*request
	n := 0
	for ; n < len(w.queue) && len(batch) < s.settings.MaxBatch; n++ {
		if w.queue[n].take() {
			batch = append(batch, w.queue[n])
		}
	}
	clear(w.queue[:n])
	w.queue = w.queue[n:]
	s.waiting -= n
	return batch
}

// queued is how many requests wait in a worker's queue.
func (s *Service) queued(w *worker) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(w.queue)
}

// stopIfIdle takes a worker off duty if nobody waits in its queue: both under one lock, so that no request is left with
// nobody to serve it.
func (s *Service) stopIfIdle(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(w.queue) > 0 {
		return false
	}
	delete(s.workers, w.run)
	if w.version != 0 {
		s.runCache.keep(w.run, w.cachedRun)
	}
	return true
}

// Waiting is how many requests wait for a worker now.
func (s *Service) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}
