package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"interlock/internal/pause"
	"interlock/services/rail"
)

// catchUpTime is how long Redis may stay behind the ledger before Verify calls it wrong: repair promises a second.
// catchUpPoll is how often it looks meanwhile.
const (
	catchUpTime = 3 * time.Second
	catchUpPoll = 200 * time.Millisecond
)

// verifyRedis compares a page of runs with Redis, each at one version. A sale in flight is never accused: while Redis
// and the ledger are at different versions, both are read again, and only what has not come together after catchUpTime
// is a defect: Redis either has not moved at all, or is still not what the ledger says.
func (a *Auditor) verifyRedis(ctx context.Context, after rail.RunID, lefts []*rail.Availability, report *Report) error {
	deadline := time.Now().Add(catchUpTime)
	first := map[rail.RunID]int64{}
	for {
		stored, err := a.Cache.Stored(ctx, lefts)
		if err != nil {
			return err
		}
		var open []*rail.Availability
		for i, left := range lefts {
			seen := stored[i]
			switch {
			case seen != nil && seen.Version == left.Version:
				if !equal(seen, left) {
					report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: fmt.Sprintf("at version %d Redis has other counts than the tickets", left.Version)})
				}
				continue
			case time.Now().Before(deadline):
				if _, ok := first[left.RunID]; !ok {
					first[left.RunID] = versionOf(seen)
				}
				open = append(open, left)
			case versionOf(seen) != first[left.RunID]:
				// It moves: the run is being sold, and its versions are compared by somebody who comes at a quieter
				// time.
			case seen == nil:
				report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: "Redis does not have the run"})
			default:
				report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: fmt.Sprintf("Redis stays at version %d, the ledger is at %d", seen.Version, left.Version)})
			}
		}
		if len(open) == 0 {
			return nil
		}
		if !pause.For(ctx, catchUpPoll) {
			return ctx.Err()
		}
		if lefts, err = a.readAgain(ctx, after, open); err != nil {
			return err
		}
	}
}

// versionOf is an entry's version, 0 where there is none.
func versionOf(left *rail.Availability) int64 {
	if left == nil {
		return 0
	}
	return left.Version
}

// readAgain recomputes some runs of a page from their tickets as they are now. Their rows were checked already; what
// is wrong with them is not said twice.
func (a *Auditor) readAgain(ctx context.Context, after rail.RunID, open []*rail.Availability) ([]*rail.Availability, error) {
	wanted := map[rail.RunID]bool{}
	for _, left := range open {
		wanted[left.RunID] = true
	}
	all, _, err := a.verifyPage(ctx, after, newSeen(), &Report{})
	return slices.DeleteFunc(all, func(left *rail.Availability) bool { return !wanted[left.RunID] }), err
}
