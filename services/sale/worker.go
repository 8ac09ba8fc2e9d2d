package sale

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// worker serves the queue of one run. It is one goroutine, which ends when nothing waits.
type worker struct {
	service *Service
	run     rail.RunID
	queue   []*request // guarded by service.mu
	// slot tells that the next batch may go to the ledger, arrived that the queue is not empty any more.
	slot, arrived chan struct{}

	lock runLock

	cachedRun

	// expects is written under service.mu, and read by others under it.
	expects expected

	// lookUpUntil is until when keys are looked up before anything is written.
	lookUpUntil time.Time

	applying applier
}

// cachedRun is what a worker knows of its run. maps are as of version, which is 0 while they may not be what the ledger has;
// layouts are of the train they were made for.
type cachedRun struct {
	train   *rail.Train
	maps    map[rail.SeatClass]*seatmap.Map
	layouts map[rail.SeatClass]*seatmap.Layout
	version int64
	// claims are nil while none are known; they have a version of their own, which stays right whatever becomes of a
	// batch.
	claims *claims
	sharing
}

// maxAttempts bounds how often a batch tries again after it lost the compare-and-set. From the second time on it opens
// with a locking read, so it can lose again only to somebody who did not need to wait.
const maxAttempts = 5

// lookUpFor is how long a worker looks keys up first, after one that was there already has cost it a batch: who repeats
// requests comes in crowds, after a server has died or a network was away. At all other times next to nobody does, and
// looking first would be a fifth of the database's work.
const lookUpFor = 5 * time.Second

func (w *worker) serve() {
	defer w.applying.wait()
	for {
		w.lock.idle(w.service.life, w.arrived, func() int { return w.service.queued(w) })
		if w.service.queued(w) == 0 {
			// The lock goes back before the worker goes off duty: the next one of this run would only wait for it.
			w.lock.release()
			if w.service.stopIfIdle(w) {
				return
			}
		}
		// The lock comes first, then the batch: who arrives while the worker waits for the lock is in it, and who leaves
		// is not.
		w.lock.acquire(w.service.life)
		w.waitForBuyers()
		w.service.acquireSlot(w)
		if batch := w.service.next(w); len(batch) > 0 {
			w.process(batch)
		}
		w.service.releaseSlot()
		w.lock.yield(w.service.life)
	}
}

// process serves a batch: whole if the ledger takes it, else in halves until whatever the ledger refuses is alone.
func (w *worker) process(batch []*request) {
	s := w.service
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		version, decided, err := w.sell(batch, attempt > 1)
		var poison *poisoned
		var broken *brokenRun
		var duplicate interface{ Duplicate() string }
		switch {
		case err == nil:
			s.resolve(w.run)
			w.version = version
			w.expect(len(batch), time.Since(begun))
			s.background.Go(func() { s.answer(decided.answers) })
			w.apply(decided)
			return
		case errors.Is(err, ledger.ErrVersionConflict):
			s.counters.versionConflicts.Add(1)
			if attempt < maxAttempts {
				continue
			}
			w.fail(batch, &rail.Error{Code: rail.Unavailable, Message: "the run is too busy: nothing was ordered", RetryAfter: overloadedRetryAfter, Cause: err})
		case errors.Is(err, ledger.ErrInDoubt):
			s.counters.inDoubt.Add(1)
			s.noteInDoubt(w.run, batch)
			w.fail(batch, pending(err))
		case errors.As(err, &poison):
			s.counters.poisoned.Add(1)
			w.fail([]*request{poison.request}, poison)
			batch = without(batch, poison.request)
			if len(batch) == 0 {
				return
			}
			attempt--
			continue
		case errors.As(err, &broken):
			// Halving would not help: it is the run that is wrong, not an order.
			s.Log.Error("the run cannot be sold", "run", w.run, "error", broken)
			w.fail(batch, err)
		case errors.As(err, &duplicate) && attempt < maxAttempts:
			// A key has an order already: the next attempt sees which. Or two orders drew one number: the next attempt
			// draws others.
			w.lookUpUntil = time.Now().Add(lookUpFor)
			continue
		case len(batch) > 1 && rail.CodeOf(err) == rail.Internal && s.life.Err() == nil:
			w.process(batch[:len(batch)/2])
			w.process(batch[len(batch)/2:])
		default:
			if len(batch) == 1 && rail.CodeOf(err) == rail.Internal {
				s.counters.poisoned.Add(1)
			}
			w.fail(batch, err)
		}
		return
	}
}

// answerPace is what the worker's buyers take, one after the other, to be told where there is much else to do.
const answerPace = 200 * time.Microsecond

// answer tells buyers, one after the other: each gets the processor before the next one is woken. Five hundred of them
// woken at once would all stand in the scheduler's queue before the worker, at every one of its next batch's statements.
// Where others stand there in hundreds the answers would wait behind all of them, each anew: whoever is late does not
// give way.
func (s *Service) answer(answers []decided) {
	begun := time.Now()
	for i, d := range answers {
		s.counters.count(d)
		d.request.answer <- d.answer
		if time.Since(begun) < time.Duration(i+1)*answerPace {
			runtime.Gosched()
		}
	}
}

// fail answers a whole batch with one error.
func (w *worker) fail(batch []*request, err error) {
	for _, r := range batch {
		r.answer <- answer{err: w.service.failure(w.run, r, err)}
	}
}

// sell runs a batch in the ledger once.
func (w *worker) sell(batch []*request, locking bool) (int64, *decision, error) {
	s := w.service
	ask := ledger.Batch{RunID: w.run, Locking: locking || s.isInDoubt(w.run), KnownVersion: w.version, ClaimsAt: w.claims.upTo(), MoreExpected: s.follows(w)}
	look := ask.Locking || time.Now().Before(w.lookUpUntil)
	for _, r := range batch {
		if r.place != nil && look {
			ask.Keys = append(ask.Keys, r.place.key)
		}
		if r.cancel != nil {
			ask.Cancels = append(ask.Cancels, *r.cancel)
		}
	}
	had := w.version
	// Whatever comes of it, the maps in memory are only right again once a commit says so.
	w.version = 0
	ctx, cancel := context.WithTimeout(s.life, s.settings.BatchTimeout)
	defer cancel()
	var decided *decision
	version, err := s.Ledger.Sell(ctx, ask, func(state *ledger.BatchState) (ledger.BatchChanges, error) {
		if had != state.Version {
			w.contended = w.contended || had != 0
			w.maps = nil // those in memory are of another version
		}
		if state.Version < ask.ClaimsAt {
			// The ledger was put back to an earlier time: what is known is of another history.
			w.claims = nil
			return ledger.BatchChanges{}, ledger.ErrVersionConflict
		}
		err := w.learn(ask.ClaimsAt, state)
		if err != nil {
			return ledger.BatchChanges{}, err
		}
		decided, err = w.decideSafely(batch, state)
		if err == nil && !look {
			err = decided.replay()
		}
		if err != nil {
			return ledger.BatchChanges{}, err
		}
		return decided.changes, nil
	})
	if err != nil {
		return 0, nil, err
	}
	decided.claims.committed(version)
	s.counters.batches.Add(1)
	s.counters.requests.Add(int64(len(batch)))
	s.counters.expired.Add(int64(len(decided.state.Expired)))
	return version, decided, nil
}

// learn makes the claims in memory those of the batch's version, where after is the version they were right up to.
func (w *worker) learn(after int64, state *ledger.BatchState) error {
	if after == 0 {
		w.claims = newClaims(w.run, w.service.seed)
	}
	if err := w.claims.learn(state.Claims); err != nil {
		w.claims = nil // Some of it may be missing.
		return err
	}
	w.claims.at = state.Version
	if after == 0 {
		w.claims.loaded = len(w.claims.orders)
	}
	return nil
}

// load makes the maps in memory those of the batch's version, where there are none.
func (w *worker) load(state *ledger.BatchState) error {
	train := state.Run.Train
	if w.train != train {
		w.train, w.layouts = train, w.service.layoutsOf(train.Formation)
	}
	if w.maps != nil {
		return nil
	}
	w.maps = map[rail.SeatClass]*seatmap.Map{}
	for _, class := range train.Formation.Classes {
		seats := len(train.Formation.Seats(class))
		sold, ok := state.Maps[class]
		if !ok {
			w.maps[class] = seatmap.New(train.Legs(), seats)
			continue
		}
		m, err := seatmap.Decode(train.Legs(), seats, sold)
		if err != nil {
			return fmt.Errorf("seat map of %s, %s: %w", w.run, class, err)
		}
		w.maps[class] = m
	}
	return nil
}

// encodeMaps are the maps in memory as the ledger keeps them.
func (w *worker) encodeMaps() map[rail.SeatClass][]byte {
	encoded := make(map[rail.SeatClass][]byte, len(w.maps))
	for class, m := range w.maps {
		encoded[class] = m.Encode()
	}
	return encoded
}

// layoutsOf are the layouts of a formation's classes. They take most of a millisecond to make, and a railway has few
// formations: they are made once and kept.
func (s *Service) layoutsOf(f *rail.Formation) map[rail.SeatClass]*seatmap.Layout {
	if known, ok := s.layouts.Load(f.ID); ok {
		return known.(map[rail.SeatClass]*seatmap.Layout)
	}
	layouts := map[rail.SeatClass]*seatmap.Layout{}
	for _, class := range f.Classes {
		layouts[class] = seatmap.NewLayout(f, class)
	}
	s.layouts.Store(f.ID, layouts)
	return layouts
}

// apply tells Redis what is left and which orders moved on, beside the buyers' answers.
func (w *worker) apply(decided *decision) {
	state := decided.state
	counts := make([]uint16, rail.Pairs(len(w.train.Calls))*len(w.train.Formation.Classes))
	for i, class := range w.train.Formation.Classes {
		w.maps[class].Counts(counts, len(w.train.Formation.Classes), i)
	}
	w.applying.newest(w.service, &rail.Availability{
		RunID: w.run, TrainID: w.train.ID, Version: w.version, Status: state.Run.Status, Counts: counts,
	})
	w.service.announce(state.Freed()...)
}

// applier tells Redis the newest availability of a run, one at a time: what comes while it is busy takes the place of
// what waits.
type applier struct {
	mu      sync.Mutex
	next    *rail.Availability
	running bool
	done    sync.WaitGroup
}

func (a *applier) newest(s *Service, left *rail.Availability) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = left
	if a.running {
		return
	}
	a.running = true
	a.done.Go(func() {
		for left := a.take(); left != nil; left = a.take() {
			ctx, cancel := context.WithTimeout(s.life, s.settings.ApplyTimeout)
			if s.Availability.Apply(ctx, left) != nil {
				s.counters.applyFailed.Add(1)
			}
			cancel()
		}
	})
}

func (a *applier) take() *rail.Availability {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := a.next
	a.next = nil
	a.running = left != nil
	return left
}

func (a *applier) wait() { a.done.Wait() }

func without(batch []*request, r *request) []*request {
	rest := make([]*request, 0, len(batch)-1)
	for _, other := range batch {
		if other != r {
			rest = append(rest, other)
		}
	}
	return rest
}

// newWorker makes a worker that knows what the run's last worker knew. service.mu must be held.
func (s *Service) newWorker(run rail.RunID) *worker {
	w := &worker{
		service: s, run: run, slot: make(chan struct{}, 1), arrived: make(chan struct{}, 1),
		cachedRun: s.runCache.take(run),
	}
	w.lock = runLock{locks: s.Lock, run: run, settings: &s.settings.Lock, counters: &s.counters, sharing: &w.sharing}
	return w
}
