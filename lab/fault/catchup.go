package fault

import (
	"context"
	"time"

	"interlock/internal/pause"
	"interlock/lab/cluster"
	"interlock/lab/fault/check"
	"interlock/lab/load"
	"interlock/services/ledger"
	"interlock/services/rail"
)

// derivedPoll is how often the lab looks whether something has come right.
const derivedPoll = 100 * time.Millisecond

// until looks until what it sees is right, or its time is over, and says how long that took since a moment.
func until(
	ctx context.Context, since time.Time, limit time.Duration, look func() (right bool, err error),
) (took time.Duration, err error) {
	for {
		took = time.Since(since) // before the look, which takes time, too
		right, err := look()
		if err != nil {
			return 0, err
		}
		if right || took > limit {
			return took, nil
		}
		if pause.For(ctx, derivedPoll); ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

// derived looks at Redis until it has what the tickets say of the runs that were sold, and what the maps say of every
// run.
func (e *evidence) derived(
	ctx context.Context, rest time.Time, times check.DerivedTimes,
) (snapshots []*ledger.AuditSnapshot, r *check.Result, err error) {
	times.Sold, err = until(ctx, rest, check.SoldTime, func() (bool, error) {
		if snapshots, err = e.snapshots(ctx); err != nil {
			return false, err
		}
		lefts := make([]*rail.Availability, len(snapshots))
		for i, b := range snapshots {
			lefts[i] = &rail.Availability{RunID: b.Run.ID}
		}
		stored, err := e.cache.Stored(ctx, lefts)
		if err != nil {
			return false, err
		}
		r = check.Derived(snapshots, stored)
		return r.OK, nil
	})
	if err != nil {
		return nil, nil, err
	}
	sold := *r
	times.All, err = until(ctx, rest, check.AllTime, func() (bool, error) {
		truth, damaged := e.ledger.Availabilities(ctx, "", maxRuns)
		if truth == nil { // the ledger itself, and not some of its runs
			return false, damaged
		}
		stored, err := e.cache.Stored(ctx, truth)
		if err != nil {
			return false, err
		}
		*r = sold
		check.Everywhere(r, truth, stored, damaged)
		return r.Failed == sold.Failed, nil
	})
	check.InTime(r, times)
	return snapshots, r, err
}

// maxRuns is many more than the lab ever publishes on one cluster.
const maxRuns = 10_000

// caughtUp is how long after the healing Redis had, of every run that is sold, the ledger's version of a moment before,
// or a later one. Selling goes on meanwhile, so the two are never read at one moment. As long as either cannot be
// asked, it is not right yet.
func caughtUp(ctx context.Context, c *cluster.Cluster, runs []*load.Run, healed time.Time) time.Duration {
	took, err := until(ctx, healed, check.RecoverTime, func() (bool, error) {
		primary, err := primaryOf(ctx, c)
		if err != nil {
			return false, nil
		}
		for _, run := range runs {
			version, err := versionOn(ctx, primary, run.RunID)
			if err != nil {
				return false, nil
			}
			if stored, err := versionInRedis(ctx, c, run.RunID); err != nil || stored < version {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil { // there is no more time
		return time.Since(healed)
	}
	return took
}
