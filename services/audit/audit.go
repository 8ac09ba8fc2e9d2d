// Package audit holds everything against the ledger: it repairs Redis all the time, rebuilds it on demand, and verifies
// that nothing was sold twice.
//
// It never changes what was sold. Repair writes to Redis only what the ledger says, and only in place of the very version
// it was compared with, so that it may run beside any number of sales and other repairers; Verify writes nothing at all.
package audit

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"interlock/services/rail"
)

// The rhythm of repair. A server that died between its commit and Redis is made good in one interval; the window is
// forty of them, so that a repairer that was just elected sees what its predecessor missed.
const (
	repairInterval = 250 * time.Millisecond
	touchedWindow  = 10 * time.Second
	// roundTime is within what every run is compared. A little below the minute that is promised.
	roundTime = 50 * time.Second
	// minPage keeps a round over a small timetable from being a page of nothing, pageSize bounds memory in a reload.
	minPage  = 100
	pageSize = 2_000
	// passTimeout bounds one pass of repair, reloadTimeout a full reload.
	passTimeout   = 10 * time.Second
	reloadTimeout = 2 * time.Minute
)

// repairLock elects the repairer. It is not a run id, so it is no run's lock.
const repairLock = "repair"

// Auditor holds Redis and the ledger's own books against the ledger. Run, Rebuild and Verify may run at the same time.
type Auditor struct {
	Ledger Ledger
	// Cache may be nil for Verify, which then looks at the ledger only.
	Cache Cache
	// Lock and Runs are needed by Run; Runs says about how many runs there are, which sets its pace.
	Lock Lock
	Runs func() int
	Log  *slog.Logger

	repaired atomic.Int64
	reloads  atomic.Int64
}

// Stats are what repair has done since the start.
type Stats struct {
	// Repaired counts entries that were not what the ledger says, Reloads how often Redis had lost its data.
	Repaired, Reloads int64
}

// Stats reads the counters.
func (a *Auditor) Stats() Stats { return Stats{Repaired: a.repaired.Load(), Reloads: a.reloads.Load()} }

// Run repairs until ctx ends, while it is the elected repairer, or while nobody can say who is.
func (a *Auditor) Run(ctx context.Context) {
	ticker := time.NewTicker(repairInterval)
	defer ticker.Stop()
	var lease rail.Lease
	defer func() {
		if lease != nil {
			lease.Release()
		}
	}()
	var after rail.RunID
	failing := false
	for {
		if lease != nil && lease.Extend(ctx) != nil {
			lease.Release()
			lease = nil
		}
		taken := false
		if lease == nil {
			var err error
			lease, err = a.Lock.Acquire(ctx, repairLock)
			taken = errors.Is(err, rail.ErrLockTaken)
		}
		if !taken {
			err := a.pass(ctx, &after)
			if err != nil && !failing && ctx.Err() == nil {
				// Told once, and not four times a second for as long as it lasts.
				a.Log.ErrorContext(ctx, "repair cannot compare Redis with the ledger", "error", err)
			} else if err == nil && failing {
				a.Log.InfoContext(ctx, "repair goes on")
			}
			failing = err != nil
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// pass is one interval of repair: a reload where Redis has lost its data, else what was touched lately and the next page
// of the round, which goes on after a run.
func (a *Auditor) pass(ctx context.Context, after *rail.RunID) error {
	limited, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	loaded, err := a.Cache.Loaded(limited)
	if err != nil {
		return err
	}
	if !loaded {
		return a.reload(ctx)
	}
	if err := a.compare(limited, func() ([]*rail.Availability, error) { return a.Ledger.Touched(limited, touchedWindow) }); err != nil {
		return err
	}
	return a.comparePage(limited, after)
}

// reload loads every run, and then sets the marker that says so.
func (a *Auditor) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	begun := time.Now()
	runs, err := a.pages(ctx, func(page []*rail.Availability) error { return a.Cache.Load(ctx, page) })
	if err != nil {
		return err
	}
	a.reloads.Add(1)
	a.Log.InfoContext(ctx, "Redis was loaded from the ledger", "runs", runs, "seconds", time.Since(begun).Seconds())
	return a.Cache.MarkLoaded(ctx)
}

// pages goes through all runs.
func (a *Auditor) pages(ctx context.Context, each func([]*rail.Availability) error) (runs int, err error) {
	var after rail.RunID
	for {
		page, err := a.Ledger.Availabilities(ctx, after, pageSize)
		if err != nil || len(page) == 0 {
			return runs, err
		}
		if err := each(page); err != nil {
			return runs, err
		}
		runs += len(page)
		after = page[len(page)-1].RunID
	}
}

// Rebuild rewrites every entry of Redis that is not what the ledger says. With leap it first raises every version in the
// ledger by a million: after a loss of data, versions from before it must not come again.
func (a *Auditor) Rebuild(ctx context.Context, leap bool) (runs int, err error) {
	if leap {
		if _, err := a.Ledger.Leap(ctx); err != nil {
			return 0, err
		}
	}
	var after rail.RunID
	for {
		var page []*rail.Availability
		err := a.compare(ctx, func() (_ []*rail.Availability, err error) {
			page, err = a.Ledger.Availabilities(ctx, after, pageSize)
			return page, err
		})
		if err != nil {
			return runs, err
		}
		if len(page) == 0 {
			return runs, a.Cache.MarkLoaded(ctx)
		}
		runs += len(page)
		after = page[len(page)-1].RunID
	}
}

// compare holds what Redis has of some runs against what the ledger says, and rewrites what is not equal. read is asked
// for the truth again where Redis is ahead of it: either there was a sale in between, or Redis is wrong.
func (a *Auditor) compare(ctx context.Context, read func() ([]*rail.Availability, error)) error {
	truth, err := read()
	if err != nil || len(truth) == 0 {
		return err
	}
	stored, err := a.Cache.Stored(ctx, truth)
	if err != nil {
		return err
	}
	var behind []*rail.Availability
	ahead := map[rail.RunID]int64{}
	for i, left := range truth {
		switch seen := stored[i]; {
		case seen == nil || seen.Version < left.Version:
			behind = append(behind, left)
		case seen.Version > left.Version:
			ahead[left.RunID] = seen.Version
		case !equal(seen, left):
			if err := a.replace(ctx, left, seen.Version); err != nil {
				return err
			}
		}
	}
	if err := a.Cache.Load(ctx, behind); err != nil {
		return err
	}
	a.repaired.Add(int64(len(behind)))
	if len(ahead) == 0 {
		return nil
	}
	if truth, err = read(); err != nil {
		return err
	}
	for _, left := range truth {
		// This was read after Redis had said more: Redis speaks of something the ledger does not know.
		if seen, ok := ahead[left.RunID]; ok && seen > left.Version {
			if err := a.replace(ctx, left, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Auditor) replace(ctx context.Context, left *rail.Availability, seen int64) error {
	a.repaired.Add(1)
	a.Log.WarnContext(ctx, "Redis was not what the ledger says", "run", left.RunID, "redis_version", seen, "ledger_version", left.Version)
	return a.Cache.Replace(ctx, left, seen)
}

func equal(x, y *rail.Availability) bool {
	return x.Status == y.Status && x.TrainID == y.TrainID && slices.Equal(x.Counts, y.Counts)
}

// comparePage compares the next page of a round through all runs, so large that a round takes roundTime.
func (a *Auditor) comparePage(ctx context.Context, after *rail.RunID) error {
	const passes = int(roundTime / repairInterval)
	limit := max(minPage, (a.Runs()+passes-1)/passes)
	var page []*rail.Availability
	err := a.compare(ctx, func() (_ []*rail.Availability, err error) {
		page, err = a.Ledger.Availabilities(ctx, *after, limit)
		return page, err
	})
	if err != nil {
		return err
	}
	*after = ""
	if len(page) == limit {
		*after = page[len(page)-1].RunID
	}
	return nil
}
