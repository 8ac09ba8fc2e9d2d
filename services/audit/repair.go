package audit

import (
	"context"
	"errors"
	"time"

	"interlock/internal/logonce"
	"interlock/services/lock"
	"interlock/services/rail"
)

// The rhythm of repair. Where a server died between its commit and Redis, Redis is repaired in one interval. The window
// is forty intervals long, so that a repairer that was just elected sees what its predecessor missed.
const (
	repairInterval = 250 * time.Millisecond
	touchedWindow  = 10 * time.Second
	// Up to fewTouched runs are compared in every interval. More are compared in every third, still within a second: a
	// hundred runs that are being sold are six megabytes of seat maps to read each time.
	fewTouched, manyTouchedEvery = 16, 3
	// roundTime is the time in which every run is compared, a little below the minute that is promised.
	roundTime = 50 * time.Second
	// minPage is the fewest runs of a page, for a small timetable; pageSize bounds memory in a reload.
	minPage  = 10
	pageSize = 2_000
	// passTimeout bounds one pass of repair, reloadTimeout a full reload.
	passTimeout   = 10 * time.Second
	reloadTimeout = 2 * time.Minute
)

// repairLock elects the repairer. It is not a run id, so it is no run's lock.
const repairLock = "repair"

// Run repairs until ctx ends, while it is the elected repairer, or while it is not known which one is.
func (a *Auditor) Run(ctx context.Context) {
	ticker := time.NewTicker(repairInterval)
	defer ticker.Stop()
	r := repairer{
		Auditor: a, told: map[string]bool{}, met: map[string]bool{},
		comparing: logonce.Error("repair cannot compare Redis with the ledger", "repair goes on"),
	}
	defer r.resign()
	for {
		if r.elected(ctx) {
			err := r.pass(ctx)
			if ctx.Err() == nil {
				r.comparing.Note(ctx, r.Log, err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// repairer is one Run: what it remembers from pass to pass.
type repairer struct {
	*Auditor
	lease lock.Lease
	// after is the run that the round through all runs has come to.
	after rail.RunID
	// touched is how many runs the last look found that were touched lately. looks counts the intervals since.
	touched, looks int
	// comparing logs when passes begin to fail, and when they work again.
	comparing *logonce.Failure
	// told is the damage that was logged already: what the round before met, and what was logged in this one. met is
	// the damage that this round has met.
	told, met map[string]bool
}

// elected tells whether this process is to repair. To ask extends the lease, so what takes long asks again and again.
func (r *repairer) elected(ctx context.Context) bool {
	if r.lease != nil && r.lease.Extend(ctx) != nil {
		r.resign()
	}
	if r.lease != nil {
		return true
	}
	lease, err := r.Lock.Acquire(ctx, repairLock)
	if err == nil {
		r.lease = lease
	}
	return !errors.Is(err, lock.ErrTaken)
}

func (r *repairer) resign() {
	if r.lease != nil {
		r.lease.Release()
		r.lease = nil
	}
}

// tellDamage logs what the ledger says about runs that it cannot read, once for as long as every round meets it.
func (r *repairer) tellDamage(ctx context.Context, damage error) {
	if damage == nil {
		return
	}
	said := damage.Error()
	r.met[said] = true
	if !r.told[said] {
		r.told[said] = true
		r.Log.ErrorContext(ctx, "the ledger has runs that cannot be read: Redis is not repaired there", "error", damage)
	}
}

// roundDone forgets the damage that a whole round did not meet any more.
func (r *repairer) roundDone(ctx context.Context) {
	if len(r.told) > 0 && len(r.met) == 0 {
		r.Log.InfoContext(ctx, "the ledger can read every run again")
	}
	r.told, r.met = r.met, map[string]bool{}
}

// pass is one interval of repair: a reload where Redis has lost its data, else what was touched lately and the next
// page of the round.
func (r *repairer) pass(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	loaded, err := r.Cache.Loaded(limited)
	if err != nil {
		return err
	}
	if !loaded {
		return r.reload(ctx)
	}
	if err := r.compareTouched(limited); err != nil {
		return err
	}
	return r.comparePage(limited)
}

// reload loads every run, and then sets the marker that says so.
func (r *repairer) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	begun := time.Now()
	data, err := r.Cache.BeginLoad(ctx)
	if err != nil {
		return err
	}
	runs := 0
	for page, err := range pages(ctx, r.Ledger, pageSize) {
		if err != nil {
			return err
		}
		r.tellDamage(ctx, page.damage)
		if !r.elected(ctx) {
			return nil // This took too long, and another repairer has begun it.
		}
		if err := r.Cache.Load(ctx, page.items); err != nil {
			return err
		}
		runs += len(page.items)
	}
	if err := r.Cache.MarkLoaded(ctx, data); err != nil {
		return err
	}
	r.reloads.Add(1)
	r.Log.InfoContext(ctx, "Redis was loaded from the ledger", "runs", runs, "seconds", time.Since(begun).Seconds())
	return nil
}

// compareTouched compares what was touched lately.
func (r *repairer) compareTouched(ctx context.Context) error {
	if r.looks++; r.touched > fewTouched && r.looks < manyTouchedEvery {
		return nil
	}
	r.looks = 0
	truth, err := r.Ledger.Touched(ctx, touchedWindow)
	r.touched = len(truth)
	if err != nil && len(truth) == 0 && !isDamage(ctx, r.Ledger, err) {
		return err
	}
	r.tellDamage(ctx, err)
	return r.compare(ctx, truth)
}

// comparePage compares the next page of a round through all runs, so large that a round takes roundTime.
func (r *repairer) comparePage(ctx context.Context) error {
	const passes = int(roundTime / repairInterval)
	limit := max(minPage, (r.Runs()+passes-1)/passes)
	page, err := readPage(ctx, r.Ledger, r.after, limit)
	if err != nil {
		return err
	}
	r.tellDamage(ctx, page.damage)
	if err := r.compare(ctx, page.items); err != nil {
		return err
	}
	r.after = page.next
	if r.after == "" {
		r.roundDone(ctx)
	}
	return nil
}
