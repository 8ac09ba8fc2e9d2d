package sale

import (
	"context"
	"slices"
	"time"
)

// A primary takes commits one after the other, and a replica writes each of them to its disk before the next: a few
// hundred a second, however many orders are in them. So only a few batches are in the ledger at a time. The queues of
// all other runs grow meanwhile into batches that are worth a commit. A run that sells alone never waits here.

// scheduler gives workers the slots that batches commit in. service.mu must be held.
type scheduler struct {
	// free is how many slots are left. It is negative after workers went on without one.
	free    int
	waiting []*worker
}

// acquire takes a slot for a worker. False: none is free, and w.slot will tell when the worker has one.
func (c *scheduler) acquire(w *worker) bool {
	if c.free > 0 {
		c.free--
		return true
	}
	c.waiting = append(c.waiting, w)
	return false
}

// goOn lets a worker that waits go on without a slot. False: the worker was given one meanwhile, and w.slot tells so.
func (c *scheduler) goOn(w *worker) bool {
	at := slices.Index(c.waiting, w)
	if at < 0 {
		return false
	}
	c.waiting = slices.Delete(c.waiting, at, at+1)
	c.free-- // It gives a slot back all the same.
	return true
}

// release gives a slot back, and the next slot to the worker that needs it most.
func (c *scheduler) release(now time.Time) {
	if c.free++; c.free <= 0 || len(c.waiting) == 0 {
		return
	}
	next, most := 0, -1.0
	for i, w := range c.waiting {
		if urgency := w.urgency(now); urgency > most {
			next, most = i, urgency
		}
	}
	w := c.waiting[next]
	c.waiting = slices.Delete(c.waiting, next, next+1)
	c.free--
	w.slot <- struct{}{}
}

// urgency is how much a worker's buyers need a slot: their number, times the square of how many seconds the first of
// them has waited. The square keeps a run with one buyer from waiting long for runs with a hundred. service.mu must be
// held.
func (w *worker) urgency(now time.Time) float64 {
	if len(w.queue) == 0 {
		return 0
	}
	age := now.Sub(w.queue[0].since).Seconds()
	return float64(len(w.queue)) * age * age
}

// acquireSlot waits until the worker's next batch may go to the ledger. The batches before it are bounded themselves;
// should one last longer all the same, the worker goes on.
func (s *Service) acquireSlot(w *worker) {
	s.mu.Lock()
	acquired := s.scheduler.acquire(w)
	s.mu.Unlock()
	if acquired {
		return
	}
	ctx, cancel := context.WithTimeout(s.life, s.settings.BatchTimeout)
	defer cancel()
	select {
	case <-w.slot:
		return
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.scheduler.goOn(w) {
		<-w.slot
	}
}

// releaseSlot gives a worker's slot back.
func (s *Service) releaseSlot() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scheduler.release(time.Now())
}

// moreExpected tells whether the next batch of a worker is likely to be in the ledger right after this one. Other
// servers or other runs that wait may come first, and a worker that answers few buyers stops after the batch.
func (s *Service) moreExpected(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !w.contended && len(s.scheduler.waiting) == 0 && (len(w.queue) > 0 || w.window.buyers > 0)
}
