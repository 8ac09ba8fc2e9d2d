package sale

import (
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

const (
	// overloadedRetryAfter is the soonest that a buyer is asked to come back, and what is said where no estimate is
	// known.
	overloadedRetryAfter = 500 * time.Millisecond
	// maxRetryAfter is the latest: what took long may be over by then.
	maxRetryAfter = 5 * time.Second
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
			return answer{err: s.failure(id, r, outOfTime(r.ctx))}
		}
		return answer{err: pending(r.ctx.Err()), early: true}
	}
}

// enqueue puts a request into the queue of its run, and starts a worker where the run has none.
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
	default: // The worker was told of another arrival, and has not looked yet.
	}
	return nil
}

// checkRoom refuses a request where the run's queue is full. In a rush most requests are refused, so this is asked
// before any costly work is done for them.
func (s *Service) checkRoom(id rail.RunID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.workers[id]; s.full(w) {
		return s.overloaded(w)
	}
	return nil
}

// full tells whether one more request would be behind too many others, or wait for too long. A request that is in the
// next batch does not wait for too long. w is nil where the run has no worker. service.mu must be held.
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

// overloaded refuses a request for want of room, and says when to come back. service.mu must be held.
func (s *Service) overloaded(w *worker) error {
	s.counters.overloaded.Add(1)
	retry := overloadedRetryAfter
	if w != nil && len(w.queue) > 0 {
		retry = min(max(retry, w.queueDelay(), time.Since(w.queue[0].since)), maxRetryAfter)
	}
	return &rail.Error{Code: rail.Overloaded, Message: "too many orders are waiting", RetryAfter: retry}
}

// queueDelay is about how long the full batches in the queue take in the ledger, at the pace of the last batch, which
// may have been smaller. service.mu must be held.
func (w *worker) queueDelay() time.Duration {
	return time.Duration(len(w.queue)/w.service.settings.MaxBatch) * w.window.took
}

// next takes the next batch off a worker's queue. It is empty where all buyers have left.
func (s *Service) next(w *worker) []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch []*request
	n, orders := 0, 0
	for ; n < len(w.queue) && len(batch) < s.settings.MaxBatch && orders < ledger.MaxBatchOrders; n++ {
		if w.queue[n].take() {
			batch = append(batch, w.queue[n])
			if w.queue[n].order() != "" {
				orders++
			}
		}
	}
	clear(w.queue[:n])
	w.queue = w.queue[n:]
	s.waiting -= n
	return batch
}

// queued is how many requests wait in the worker's queue.
func (w *worker) queued() int {
	w.service.mu.Lock()
	defer w.service.mu.Unlock()
	return len(w.queue)
}

// stopIfIdle removes a worker whose queue is empty, and tells whether it did. Nothing can be queued in between, so no
// request is left without a worker.
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
