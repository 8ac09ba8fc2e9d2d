package sale

import (
	"context"
	"time"
)

// A primary takes commits one after the other, and a replica writes each of them to its disk before the next: a few
// hundred a second, however many orders are in them. So only a few batches are in the ledger at a time, and while they
// are, the queues of all other runs grow into batches that are worth a commit. One hot run never waits here.

// scheduler has a place for each batch that may be in the ledger. It is guarded by the service's lock.
type scheduler struct {
	free    int
	waiting []*worker
}

// follows tells whether a worker's next batch will go to the ledger right after this one, as far as anybody can tell: where
// other servers or other runs want their turn it will not, and a worker that goes off duty after a batch had few buyers.
func (s *Service) follows(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !w.contended && len(s.scheduler.waiting) == 0 && (len(w.queue) > 0 || w.expects.buyers > 0)
}

// acquireSlot waits until the worker's next batch may go to the ledger. It waits for batches that are bounded themselves; should
// that not be enough, it goes on.
func (s *Service) acquireSlot(w *worker) {
	s.mu.Lock()
	if s.scheduler.free > 0 {
		s.scheduler.free--
		s.mu.Unlock()
		return
	}
	s.scheduler.waiting = append(s.scheduler.waiting, w)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.life, s.settings.BatchTimeout)
	defer cancel()
	select {
	case <-w.slot:
		return
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.scheduler.waiting {
		if other == w {
			s.scheduler.waiting = append(s.scheduler.waiting[:i], s.scheduler.waiting[i+1:]...)
			s.scheduler.free-- // releaseSlot makes it good
			return
		}
	}
	<-w.slot // It was given in the meantime.
}

// releaseSlot hands a turn to the worker whose buyers have waited most: the more of them there are, and the longer the first
// has stood there. Counting how long twice keeps a run with one buyer from waiting for runs with a hundred.
func (s *Service) releaseSlot() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.scheduler.free++; s.scheduler.free <= 0 || len(s.scheduler.waiting) == 0 {
		return
	}
	now, next, most := time.Now(), 0, -1.0
	for i, w := range s.scheduler.waiting {
		waited := 0.0
		if len(w.queue) > 0 {
			age := now.Sub(w.queue[0].since).Seconds()
			waited = float64(len(w.queue)) * age * age
		}
		if waited > most {
			next, most = i, waited
		}
	}
	c := s.scheduler.waiting[next]
	s.scheduler.waiting = append(s.scheduler.waiting[:next], s.scheduler.waiting[next+1:]...)
	s.scheduler.free--
	c.slot <- struct{}{}
}
