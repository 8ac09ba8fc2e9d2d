package sale

import (
	"context"
	"time"
)

// A primary takes commits one after the other, and a replica writes each of them to its disk before the next: a few
// hundred a second, however many orders are in them. So only a few batches are in the ledger at a time, and while they
// are, the queues of all other runs grow into batches that are worth a commit. One hot run never waits here.

// turns has a place for each batch that may be in the ledger. It is guarded by the service's lock.
type turns struct {
	free    int
	waiting []*worker
}

// follows tells whether a worker's next batch will go to the ledger right after this one, as far as anybody can tell: where
// other servers or other runs want their turn it will not, and a worker that goes off duty after a batch had few buyers.
func (o *Service) follows(c *worker) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !c.shared && len(o.turns.waiting) == 0 && (len(c.queue) > 0 || c.expects.buyers > 0)
}

// takeTurn waits until the worker's next batch may go to the ledger. It waits for batches that are bounded themselves; should
// that not be enough, it goes on.
func (o *Service) takeTurn(c *worker) {
	o.mu.Lock()
	if o.turns.free > 0 {
		o.turns.free--
		o.mu.Unlock()
		return
	}
	o.turns.waiting = append(o.turns.waiting, c)
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(o.life, o.settings.BatchTimeout)
	defer cancel()
	select {
	case <-c.turn:
		return
	case <-ctx.Done():
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, other := range o.turns.waiting {
		if other == c {
			o.turns.waiting = append(o.turns.waiting[:i], o.turns.waiting[i+1:]...)
			o.turns.free-- // giveTurn makes it good
			return
		}
	}
	<-c.turn // It was given in the meantime.
}

// giveTurn hands a turn to the worker whose buyers have waited most: the more of them there are, and the longer the first
// has stood there. Counting how long twice keeps a run with one buyer from waiting for runs with a hundred.
func (o *Service) giveTurn() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.turns.free++; o.turns.free <= 0 || len(o.turns.waiting) == 0 {
		return
	}
	now, next, most := time.Now(), 0, -1.0
	for i, c := range o.turns.waiting {
		waited := 0.0
		if len(c.queue) > 0 {
			age := now.Sub(c.queue[0].since).Seconds()
			waited = float64(len(c.queue)) * age * age
		}
		if waited > most {
			next, most = i, waited
		}
	}
	c := o.turns.waiting[next]
	o.turns.waiting = append(o.turns.waiting[:next], o.turns.waiting[next+1:]...)
	o.turns.free--
	c.turn <- struct{}{}
}
