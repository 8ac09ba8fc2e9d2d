package check

import (
	"time"

	"interlock/lab/fault/history"
)

const (
	// RecoverTime is how long after the healing requests may still fail.
	RecoverTime = 10 * time.Second
	// minSuccess is the part of requests that must succeed from then on.
	minSuccess = 0.99
	// minPlacings keeps a silent minute from passing for a good one.
	minPlacings = 20
)

// Success is C11: of the placings, payments and cancellations begun from RecoverTime after the healing until an end, at
// least 99 % did what was asked, or said a true no. wrongNo are the refusals that were not. Of the searches 99 % said
// what is left: they are counted by themselves, since there are so many that all orders might fail among them.
func Success(calls []history.Call, healed, end time.Time, wrongNo map[history.Request]bool) *Result {
	r := begin("C11")
	from, failed := healed.Add(RecoverTime), 0
	placings, searches, unknown, first := 0, 0, 0, ""
	for _, c := range calls {
		if c.Start.Before(from) || c.Start.After(end) {
			continue
		}
		if c.Kind == history.Search {
			searches++
			if c.Outcome != history.Done || c.Code != "" {
				unknown++
			}
			continue
		}
		r.Looked++
		if c.Kind == history.Place {
			placings++
		}
		if c.Outcome == history.Done || c.Outcome == history.Refused && honest(c) && !wrongNo[c.Request] {
			continue
		}
		failed++
		if first == "" {
			first = string(c.Kind) + " at " + c.Server + ": " + string(c.Outcome) + " " + c.Code + " " + c.Problem
		}
	}
	ratio := 0.0
	if r.Looked > 0 {
		ratio = 1 - float64(failed)/float64(r.Looked)
	}
	r.figure("placings", float64(placings))
	r.figure("success_ratio", ratio)
	r.figure("searches", float64(searches))
	r.figure("searches_failed", float64(unknown))
	switch {
	case float64(unknown) > (1-minSuccess)*float64(searches):
		r.wrong("%d of %d searches did not say what is left after the recovery", unknown, searches)
	case placings < minPlacings:
		r.wrong("only %d orders were asked for after the recovery", placings)
	case ratio < minSuccess:
		r.wrong("%d of %d calls failed after the recovery, first %s", failed, r.Looked, first)
		r.Failed = failed
	}
	return r
}

// honest tells whether a refusal is one that a correct request may get: nothing is left, or the hold is over.
func honest(c history.Call) bool {
	return c.Kind == history.Place && c.Code == "SOLD_OUT" || c.Kind != history.Place && c.Code == "HOLD_EXPIRED"
}

// Outage is the longest stretch from one time to another in which no client was told of a new order.
func Outage(calls []history.Call, from, to time.Time) time.Duration {
	last, longest := from, time.Duration(0)
	for _, c := range calls { // in the order in which answers came
		if c.Kind != history.Place || c.Outcome != history.Done || c.End.Before(from) || c.End.After(to) {
			continue
		}
		longest = max(longest, c.End.Sub(last))
		last = c.End
	}
	return max(longest, to.Sub(last))
}

// Searched is how many searches were begun after a moment, how many of them failed or could not say what is left, and
// whether searching stopped: there was none, one had no answer, or somebody was told twice that it is not known what is
// left. Once he may be, since a machine that stands still for half a second fails everybody once, and a search that
// waits for what is broken fails again and again.
func Searched(calls []history.Call, from time.Time) (n, failed int, stopped bool) {
	unknown := map[string]int{}
	for _, c := range calls {
		if c.Kind != history.Search || !c.Start.After(from) {
			continue
		}
		n++
		if c.Outcome == history.Done && c.Code == "" {
			continue
		}
		failed++
		unknown[c.Buyer]++
		stopped = stopped || c.Outcome != history.Done || unknown[c.Buyer] > 1
	}
	return n, failed, stopped || n == 0
}
