// Package audit is the use case of checking: it repairs Redis all the time, rebuilds it on demand, and verifies that
// nothing was sold twice. The ledger is the truth that everything is held against.
//
// It never changes what was sold. Verify writes nothing at all. Repair writes to Redis only what the ledger says, and
// only in place of the very version that was compared. So it may run beside any number of sales and other repairers.
//
// A run that the ledger cannot read does not stop them: the others are repaired and verified, and the damage is
// reported.
package audit

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"

	"interlock/services/rail"
)

// Auditor holds Redis and the ledger's own rows against the ledger. Run, Rebuild and Verify may run at the same time.
type Auditor struct {
	Ledger Ledger
	// Cache may be nil for Verify, which then looks at the ledger only.
	Cache Cache
	// Payments is nil for Verify where all payments are made at once.
	Payments Payments
	// Idle tells Verify that no server runs: then what servers do when a time is over is not done.
	Idle bool
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

// Rebuild rewrites every entry of Redis that is not what the ledger says, and returns how many runs it compared. With
// jumpVersions it first raises every version in the ledger by a million: after a loss of data, versions from before it
// must not come again. It goes on past runs that the ledger cannot read, and ends with an error that names them.
func (a *Auditor) Rebuild(ctx context.Context, jumpVersions bool) (runs int, err error) {
	if jumpVersions {
		if _, err := a.Ledger.JumpVersions(ctx); err != nil {
			return 0, err
		}
	}
	data, err := a.Cache.BeginLoad(ctx)
	if err != nil {
		return 0, err
	}
	var damage error
	for page, err := range pages(ctx, a.Ledger, pageSize) {
		if err != nil {
			return runs, err
		}
		damage = errors.Join(damage, page.damage)
		if err := a.compare(ctx, page.items); err != nil {
			return runs, err
		}
		runs += len(page.items)
	}
	return runs, errors.Join(a.Cache.MarkLoaded(ctx, data), damage)
}

// compare holds what Redis has of some runs against what the ledger says, and rewrites what is not equal. Where Redis
// is ahead, either there was a sale in between, or Redis is wrong: compareAhead finds out.
func (a *Auditor) compare(ctx context.Context, truth []*rail.Availability) error {
	if len(truth) == 0 {
		return nil
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
	return a.compareAhead(ctx, ahead)
}

// compareAhead asks the ledger once more about runs of which Redis has more than the ledger had, given the version that
// Redis has. Where the ledger still has less, Redis speaks of what the ledger does not know, and is rewritten.
func (a *Auditor) compareAhead(ctx context.Context, ahead map[rail.RunID]int64) error {
	if len(ahead) == 0 {
		return nil
	}
	truth, err := a.Ledger.Left(ctx, slices.Collect(maps.Keys(ahead)))
	if err != nil && len(truth) == 0 {
		return err // Beside runs, an error is about damage to others. That was told when they were read first.
	}
	for _, left := range truth {
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
	a.Log.WarnContext(ctx, "Redis was not what the ledger says", "run", left.RunID, "redis_version", seen,
		"ledger_version", left.Version)
	return a.Cache.Replace(ctx, left, seen)
}

func equal(x, y *rail.Availability) bool {
	return x.Status == y.Status && x.TrainID == y.TrainID && slices.Equal(x.Counts, y.Counts)
}
