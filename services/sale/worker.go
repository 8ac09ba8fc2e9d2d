package sale

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"interlock/internal/pause"

	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// worker serves the queue of one run. It is one goroutine, which ends when nothing waits.
type worker struct {
	service *Service
	run     rail.RunID
	queue   []*request // guarded by service.mu
	// turn tells that the next batch may go to the ledger, arrived that the queue is not empty any more.
	turn, arrived chan struct{}

	lease lock.Lease

	known

	// expects is written under service.mu, and read by others under it.
	expects expected

	// lookUntil is until when keys are looked up before anything is written.
	lookUntil time.Time

	applying applier
}

// known is what a worker knows of its run. maps are as of version, which is 0 while they may not be what the ledger has;
// layouts are of the train they were made for.
type known struct {
	train   *rail.Train
	maps    map[rail.SeatClass]*seatmap.Map
	layouts map[rail.SeatClass]*seatmap.Layout
	version int64
	// claims are nil while none are known; they have a version of their own, which stays right whatever becomes of a
	// batch.
	claims *claims
	// shared tells that another server's worker sells this run, too.
	shared bool
	// heldSince is when this server's turn with the lock began, leftAt when its worker gave the lock back last. A worker
	// that goes off duty between two batches is still in its turn when it is called again.
	heldSince, leftAt time.Time
}

// maxAttempts bounds how often a batch tries again after it lost the compare-and-set. From the second time on it opens
// with a locking read, so it can lose again only to somebody who did not need to wait.
const maxAttempts = 5

// lookFor is how long a worker looks keys up first, after one that was there already has cost it a batch: who repeats
// requests comes in crowds, after a server has died or a network was away. At all other times next to nobody does, and
// looking first would be a fifth of the database's work.
const lookFor = 5 * time.Second

// extendBelow is how much life a lock must have left for a batch to begin: a slow batch takes about a second, and a
// lock that is lost under way costs speed, nothing else.
const extendBelow = 1500 * time.Millisecond

func (c *worker) serve() {
	defer c.applying.wait()
	for {
		c.linger()
		if c.service.behind(c) == 0 {
			// The lock goes back before the worker goes off duty: the next one of this run would only wait for it.
			c.release()
			if c.service.offDuty(c) {
				return
			}
		}
		// The lock comes first, then the batch: who arrives while the worker waits for the lock is in it, and who leaves
		// is not.
		c.hold()
		c.gather()
		c.service.takeTurn(c)
		if batch := c.service.next(c); len(batch) > 0 {
			c.process(batch)
		}
		c.service.giveTurn()
		c.share()
	}
}

// linger keeps the lock a moment for the next buyer: to give it back and to get it again takes as long as an order.
// Where another server sells the run, too, it is kept for nobody.
func (c *worker) linger() {
	if c.lease == nil || c.shared {
		return
	}
	timer := time.NewTimer(c.service.settings.LockLinger)
	defer timer.Stop()
	for c.service.behind(c) == 0 {
		select {
		case <-c.arrived: // perhaps long ago, of one that is served by now
		case <-timer.C:
			return
		case <-c.service.life.Done():
			return
		}
	}
}

// share gives the lock up when the worker has had it for its time, for long enough that others get it.
func (c *worker) share() {
	s := &c.service.settings
	turn := s.LockHoldMax
	if c.shared {
		turn = s.LockTurn
	}
	if c.lease != nil && time.Since(c.heldSince) > turn {
		c.release()
		// Whoever else wants the lock shows in what comes next: it is taken then, or the version has moved on.
		c.shared = false
		pause.For(c.service.life, 2*maxRetry(s))
	}
}

// maxRetry is the longest that a worker waits before it asks for a lock again: LockRetry, and as much of it again by
// chance.
func maxRetry(s *Settings) time.Duration { return 2 * s.LockRetry }

// retryIn is how long a worker waits before it asks for a lock again. Whoever asks first after it was given back has it,
// so that those who have waited longer ask more often: among equals chance alone would keep one of four out for
// seconds. Where that does not help, the lock is not given back, and asking for it often would only be work for the
// lock nodes. The jitter keeps workers from asking in step for ever.
func retryIn(retry, waited time.Duration) time.Duration {
	interval := retry + rand.N(retry)
	if waited > 200*retry {
		return interval
	}
	return interval >> min(waited/(10*retry), 3)
}

// hold gets or keeps the run's lock. Where nobody can say who has it, or somebody has it for longer than a lock lives,
// the worker goes on without it: the ledger refuses what is wrong.
func (c *worker) hold() {
	o := c.service
	ctx, cancel := context.WithTimeout(o.life, o.settings.LockWait)
	defer cancel()
	if c.lease != nil {
		if time.Until(c.lease.Until()) > extendBelow || c.lease.Extend(ctx) == nil {
			return
		}
		c.release()
	}
	for since := time.Now(); ; {
		lease, err := o.Lock.Acquire(ctx, string(c.run))
		switch {
		case err == nil:
			c.lease = lease
			if time.Since(c.leftAt) > maxRetry(&o.settings) {
				c.heldSince = time.Now() // Whoever else wanted it could have had it.
			}
			return
		case !errors.Is(err, lock.ErrTaken) || ctx.Err() != nil:
			o.counters.withoutLock.Add(1)
			return
		}
		o.counters.lockTaken.Add(1)
		c.shared, c.leftAt = true, time.Time{}
		pause.For(c.service.life, retryIn(o.settings.LockRetry, time.Since(since)))
	}
}

func (c *worker) release() {
	if c.lease != nil {
		c.lease.Release()
		c.lease, c.leftAt = nil, time.Now()
	}
}

// process serves a batch: whole if the ledger takes it, else in halves until whatever the ledger refuses is alone.
func (c *worker) process(batch []*request) {
	o := c.service
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		version, decided, err := c.sell(batch, attempt > 1)
		var poison *poisoned
		var broken *brokenRun
		var duplicate interface{ Duplicate() string }
		switch {
		case err == nil:
			o.settle(c.run)
			c.version = version
			c.expect(len(batch), time.Since(begun))
			o.workers.Go(func() { o.answer(decided.answers) })
			c.apply(decided)
			return
		case errors.Is(err, ledger.ErrVersionConflict):
			o.counters.versionLost.Add(1)
			if attempt < maxAttempts {
				continue
			}
			c.fail(batch, &rail.Error{Code: rail.Unavailable, Message: "the run is too busy: nothing was ordered", RetryAfter: overloadedRetryAfter, Cause: err})
		case errors.Is(err, ledger.ErrInDoubt):
			o.counters.unknown.Add(1)
			o.doubt(c.run, batch)
			c.fail(batch, pending(err))
		case errors.As(err, &poison):
			o.counters.poisoned.Add(1)
			c.fail([]*request{poison.request}, poison)
			batch = without(batch, poison.request)
			if len(batch) == 0 {
				return
			}
			attempt--
			continue
		case errors.As(err, &broken):
			// Halving would not help: it is the run that is wrong, not an order.
			o.Log.Error("the run cannot be sold", "run", c.run, "error", broken)
			c.fail(batch, err)
		case errors.As(err, &duplicate) && attempt < maxAttempts:
			// A key has an order already: the next attempt sees which. Or two orders drew one number: the next attempt
			// draws others.
			c.lookUntil = time.Now().Add(lookFor)
			continue
		case len(batch) > 1 && rail.CodeOf(err) == rail.Internal && o.life.Err() == nil:
			c.process(batch[:len(batch)/2])
			c.process(batch[len(batch)/2:])
		default:
			if len(batch) == 1 && rail.CodeOf(err) == rail.Internal {
				o.counters.poisoned.Add(1)
			}
			c.fail(batch, err)
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
func (o *Service) answer(answers []decided) {
	begun := time.Now()
	for i, d := range answers {
		o.counters.count(d)
		d.request.answer <- d.answer
		if time.Since(begun) < time.Duration(i+1)*answerPace {
			runtime.Gosched()
		}
	}
}

// fail answers a whole batch with one error.
func (c *worker) fail(batch []*request, err error) {
	for _, r := range batch {
		r.answer <- answer{err: c.service.told(c.run, r, err)}
	}
}

// sell runs a batch in the ledger once.
func (c *worker) sell(batch []*request, locking bool) (int64, *decision, error) {
	o := c.service
	ask := ledger.Batch{RunID: c.run, Locking: locking || o.isUnsettled(c.run), KnownVersion: c.version, ClaimsAt: c.claims.upTo(), MoreExpected: o.follows(c)}
	look := ask.Locking || time.Now().Before(c.lookUntil)
	for _, r := range batch {
		if r.place != nil && look {
			ask.Keys = append(ask.Keys, r.place.key)
		}
		if r.cancel != nil {
			ask.Cancels = append(ask.Cancels, *r.cancel)
		}
	}
	had := c.version
	// Whatever comes of it, the maps in memory are only right again once a commit says so.
	c.version = 0
	ctx, cancel := context.WithTimeout(o.life, o.settings.BatchTimeout)
	defer cancel()
	var decided *decision
	version, err := o.Ledger.Sell(ctx, ask, func(state *ledger.BatchState) (ledger.BatchChanges, error) {
		if had != state.Version {
			c.shared = c.shared || had != 0
			c.maps = nil // those in memory are of another version
		}
		if state.Version < ask.ClaimsAt {
			// The ledger was put back to an earlier time: what is known is of another history.
			c.claims = nil
			return ledger.BatchChanges{}, ledger.ErrVersionConflict
		}
		err := c.learn(ask.ClaimsAt, state)
		if err != nil {
			return ledger.BatchChanges{}, err
		}
		decided, err = c.decideSafely(batch, state)
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
	decided.claimed.committed(version)
	o.counters.batches.Add(1)
	o.counters.requests.Add(int64(len(batch)))
	o.counters.expired.Add(int64(len(decided.state.Expired)))
	return version, decided, nil
}

// learn makes the claims in memory those of the batch's version, where after is the version they were right up to.
func (c *worker) learn(after int64, state *ledger.BatchState) error {
	if after == 0 {
		c.claims = newClaims(c.run, c.service.seed)
	}
	if err := c.claims.learn(state.Claims); err != nil {
		c.claims = nil // Some of it may be missing.
		return err
	}
	c.claims.at = state.Version
	if after == 0 {
		c.claims.loaded = len(c.claims.orders)
	}
	return nil
}

// load makes the maps in memory those of the batch's version, where there are none.
func (c *worker) load(state *ledger.BatchState) error {
	train := state.Run.Train
	if c.train != train {
		c.train, c.layouts = train, c.service.layoutsOf(train.Formation)
	}
	if c.maps != nil {
		return nil
	}
	c.maps = map[rail.SeatClass]*seatmap.Map{}
	for _, class := range train.Formation.Classes {
		seats := len(train.Formation.Seats(class))
		sold, ok := state.Maps[class]
		if !ok {
			c.maps[class] = seatmap.New(train.Legs(), seats)
			continue
		}
		m, err := seatmap.Decode(train.Legs(), seats, sold)
		if err != nil {
			return fmt.Errorf("seat map of %s, %s: %w", c.run, class, err)
		}
		c.maps[class] = m
	}
	return nil
}

// encodeMaps are the maps in memory as the ledger keeps them.
func (c *worker) encodeMaps() map[rail.SeatClass][]byte {
	encoded := make(map[rail.SeatClass][]byte, len(c.maps))
	for class, m := range c.maps {
		encoded[class] = m.Encode()
	}
	return encoded
}

// layoutsOf are the layouts of a formation's classes. They take most of a millisecond to make, and a railway has few
// formations: they are made once and kept.
func (o *Service) layoutsOf(f *rail.Formation) map[rail.SeatClass]*seatmap.Layout {
	if known, ok := o.layouts.Load(f.ID); ok {
		return known.(map[rail.SeatClass]*seatmap.Layout)
	}
	layouts := map[rail.SeatClass]*seatmap.Layout{}
	for _, class := range f.Classes {
		layouts[class] = seatmap.NewLayout(f, class)
	}
	o.layouts.Store(f.ID, layouts)
	return layouts
}

// apply tells Redis what is left and which orders moved on, beside the buyers' answers.
func (c *worker) apply(decided *decision) {
	state := decided.state
	counts := make([]uint16, rail.Pairs(len(c.train.Calls))*len(c.train.Formation.Classes))
	for i, class := range c.train.Formation.Classes {
		c.maps[class].Counts(counts, len(c.train.Formation.Classes), i)
	}
	c.applying.newest(c.service, &rail.Availability{
		RunID: c.run, TrainID: c.train.ID, Version: c.version, Status: state.Run.Status, Counts: counts,
	})
	c.service.announce(state.Freed()...)
}

// applier tells Redis the newest availability of a run, one at a time: what comes while it is busy takes the place of
// what waits.
type applier struct {
	mu      sync.Mutex
	next    *rail.Availability
	running bool
	done    sync.WaitGroup
}

func (a *applier) newest(o *Service, left *rail.Availability) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = left
	if a.running {
		return
	}
	a.running = true
	a.done.Go(func() {
		for left := a.take(); left != nil; left = a.take() {
			ctx, cancel := context.WithTimeout(o.life, o.settings.ApplyTimeout)
			if o.Availability.Apply(ctx, left) != nil {
				o.counters.applyFailed.Add(1)
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
