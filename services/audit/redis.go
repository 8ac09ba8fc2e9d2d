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

// verifyRedis compares a page of runs with Redis, each at one version. A sale that is under way is never accused: while
// Redis and the ledger are at different versions, both are read again, for at most catchUpTime. after is the run that
// the page begins after.
func (a *Auditor) verifyRedis(ctx context.Context, after rail.RunID, lefts []*rail.Availability, report *Report) error {
	c := redisCheck{report: report, deadline: time.Now().Add(catchUpTime), first: map[rail.RunID]int64{}}
	for {
		stored, err := a.Cache.Stored(ctx, lefts)
		if err != nil {
			return err
		}
		var open []*rail.Availability
		for i, left := range lefts {
			if c.check(left, stored[i]) {
				open = append(open, left)
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

// redisCheck compares entries until the deadline.
type redisCheck struct {
	report   *Report
	deadline time.Time
	// first is the version that Redis had of each run that was not at the ledger's, at the first look.
	first map[rail.RunID]int64
}

// check holds one entry against what is left by the tickets, and tells whether to look again.
func (c *redisCheck) check(left, stored *rail.Availability) (again bool) {
	wrong := func(format string, arguments ...any) {
		c.report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: fmt.Sprintf(format, arguments...)})
	}
	version := versionOf(stored)
	switch {
	case stored != nil && version == left.Version:
		if !equal(stored, left) {
			wrong("at version %d Redis has other counts than the tickets", left.Version)
		}
	case time.Now().Before(c.deadline):
		if _, seen := c.first[left.RunID]; !seen {
			c.first[left.RunID] = version
		}
		return true
	case version != c.first[left.RunID]:
		// It moves, so the run is being sold. Its counts can be compared at a quieter time.
	case stored == nil:
		wrong("Redis does not have the run")
	default:
		wrong("Redis stays at version %d, the ledger is at %d", version, left.Version)
	}
	return false
}

// versionOf is an entry's version, 0 where there is none.
func versionOf(left *rail.Availability) int64 {
	if left == nil {
		return 0
	}
	return left.Version
}

// readAgain recomputes some runs of a page from their tickets as they are now. Their rows were checked already, so
// defects are not reported again.
func (a *Auditor) readAgain(
	ctx context.Context, after rail.RunID, open []*rail.Availability,
) ([]*rail.Availability, error) {
	wanted := map[rail.RunID]bool{}
	for _, left := range open {
		wanted[left.RunID] = true
	}
	all, _, err := a.verifyPage(ctx, after, newSeen(), &Report{})
	return slices.DeleteFunc(all, func(left *rail.Availability) bool { return !wanted[left.RunID] }), err
}
