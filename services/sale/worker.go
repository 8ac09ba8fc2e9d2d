package sale

import (
	"context"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// worker serves the queue of one run. It is one goroutine, which ends when nothing waits.
type worker struct {
	service *Service
	run     rail.RunID
	// queue are the requests that wait. service.mu guards it.
	queue []*request
	// arrived tells that the queue has grown, slot that the next batch may go to the ledger.
	arrived, slot chan struct{}
	// window is written under service.mu. Other goroutines read it under service.mu.
	window batchWindow
	lock   runLock
	cachedRun
	// lookUpUntil is until when keys are looked up before anything is written.
	lookUpUntil time.Time
	applying    applier
}

// lookUpFor is how long a worker looks keys up first, after a key that had an order has cost it a batch. Requests are
// repeated in crowds, after a server has died or a network was away. At other times hardly any are, and looking first
// would be a fifth of the database's work.
const lookUpFor = 5 * time.Second

// newWorker makes a worker that knows what the run's last worker knew. service.mu must be held.
func (s *Service) newWorker(run rail.RunID) *worker {
	w := &worker{
		service: s, run: run, slot: make(chan struct{}, 1), arrived: make(chan struct{}, 1),
		cachedRun: s.runCache.take(run),
	}
	w.lock = runLock{locks: s.Lock, run: run, settings: &s.settings.Lock, counters: &s.counters, sharing: &w.sharing}
	return w
}

// serve takes batches off the queue until nothing waits.
func (w *worker) serve() {
	defer w.applying.wait()
	for {
		w.lock.idle(w.service.life, w.arrived, w.queued)
		if w.queued() == 0 {
			// The lock goes back first: the run's next worker would only wait for it.
			w.lock.release()
			if w.service.stopIfIdle(w) {
				return
			}
		}
		// The batch is taken last: a request that arrives until then is in it, and one whose buyer leaves is not.
		w.lock.acquire(w.service.life)
		w.window.wait(w.service.life, w.arrived, w.queued)
		w.service.acquireSlot(w)
		if batch := w.service.next(w); len(batch) > 0 {
			w.process(batch)
		}
		w.service.releaseSlot()
		w.lock.yield(w.service.life)
	}
}

// process serves a batch: whole if the ledger takes it, else in halves until what the ledger does not take is alone.
func (w *worker) process(batch []*request) { bisect(batch, w.try) }

// try serves a batch as one. It returns the requests that are to be served in halves, none once all have their answer.
func (w *worker) try(batch []*request) (rest []*request) {
	s, begun := w.service, time.Now()
	for attempt := 1; len(batch) > 0; {
		d, err := w.sell(batch, attempt > 1)
		outcome := outcomeOf(err)
		w.note(outcome, batch, err)
		switch outcome.next(attempt, len(batch), s.life.Err() != nil) {
		case answerAll:
			w.noteBatch(len(batch), time.Since(begun))
			s.background.Go(func() { s.answer(d.answers) })
			w.apply(d)
			return nil
		case tryAgain:
			attempt++
			if outcome == duplicate {
				w.lookUpUntil = time.Now().Add(lookUpFor)
			}
		case dropPoisoned:
			batch = w.dropPoisoned(batch, err)
		case halve:
			return batch
		case failAll:
			w.fail(batch, outcome, err)
			return nil
		}
	}
	return nil
}

// note counts an outcome, and keeps what the next batches must know of it.
func (w *worker) note(outcome outcome, batch []*request, err error) {
	s := w.service
	switch outcome {
	case committed:
		s.resolve(w.run)
	case conflict:
		s.counters.versionConflicts.Add(1)
	case inDoubt:
		s.counters.inDoubt.Add(1)
		s.noteInDoubt(w.run, batch)
	case brokenRows:
		s.Log.Error("the run cannot be sold", "run", w.run, "error", err)
	case poisonedRequest, duplicate, refused, failed:
	}
}

// sell runs a batch in the ledger once, and returns what was decided once that is committed. A locking batch waits for
// other transactions on the run.
func (w *worker) sell(batch []*request, locking bool) (*decision, error) {
	s := w.service
	ask, looksKeysUp := w.ask(batch, locking || s.isInDoubt(w.run))
	// decide changes the maps in memory. They are the ledger's again only once it has committed.
	w.version = 0
	ctx, cancel := context.WithTimeout(s.life, s.settings.BatchTimeout)
	defer cancel()
	var d *decision
	version, err := s.Ledger.Sell(ctx, ask, func(state *ledger.BatchState) (_ ledger.BatchChanges, err error) {
		if err := w.catchUp(&ask, state); err != nil {
			return ledger.BatchChanges{}, err
		}
		if d, err = w.decideSafely(batch, state); err != nil {
			return ledger.BatchChanges{}, err
		}
		if !looksKeysUp {
			if err := d.replay(); err != nil {
				return ledger.BatchChanges{}, err
			}
		}
		return d.changes, nil
	})
	if err != nil {
		return nil, err
	}
	w.version = version
	d.claims.committed(version)
	s.counters.batches.Add(1)
	s.counters.requests.Add(int64(len(batch)))
	for _, o := range d.state.Expired {
		if o.State == rail.Expired {
			s.counters.expired.Add(1)
		}
	}
	return d, nil
}

// ask makes the question of a batch to the ledger. It tells whether the ledger is asked which keys have an order: a
// locking batch always asks, others only while buyers repeat requests.
func (w *worker) ask(batch []*request, locking bool) (ask ledger.Batch, looksKeysUp bool) {
	ask = ledger.Batch{
		RunID: w.run, Locking: locking, KnownVersion: w.version, ClaimsAt: w.claims.upTo(),
		MoreExpected: w.service.moreExpected(w),
	}
	looksKeysUp = locking || time.Now().Before(w.lookUpUntil)
	orders := map[string]bool{}
	for _, r := range batch {
		if key, always := r.key(); key.Key != "" && (looksKeysUp || always) {
			ask.Keys = append(ask.Keys, key)
		}
		if r.cancel != nil {
			ask.Cancels = append(ask.Cancels, *r.cancel)
		}
		if id := r.order(); id != "" && !orders[id] {
			orders[id] = true
			ask.Orders = append(ask.Orders, id)
		}
	}
	return ask, looksKeysUp
}

// catchUp takes in what happened to the run since the worker's last batch. ledger.ErrVersionConflict: the worker knew
// claims of a history that the ledger does not have, and has forgotten them; the batch is to be tried again.
func (w *worker) catchUp(ask *ledger.Batch, state *ledger.BatchState) error {
	if ask.KnownVersion == 0 || ask.KnownVersion != state.Version {
		w.maps = nil
		w.contended = w.contended || ask.KnownVersion != 0 // Another server has sold meanwhile.
	}
	if state.Version < ask.ClaimsAt {
		w.claims = nil // The ledger was put back to an earlier time.
		return ledger.ErrVersionConflict
	}
	return w.learn(ask.ClaimsAt, state)
}
