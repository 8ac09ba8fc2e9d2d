package check

import (
	"fmt"
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

// Success is C11. It looks at the calls begun from RecoverTime after the healing until an end. At least 99 % of the
// placings, payments and cancellations did what was asked, or said a true no: wrongNo are the refusals that were
// untrue. At least 99 % of the searches said what is left. Searches are counted apart: they are so many that all orders
// might fail among them unnoticed.
func Success(calls []history.Call, healed, end time.Time, wrongNo map[history.Request]bool) *Result {
	r := begin("C11")
	from := healed.Add(RecoverTime)
	var orders, searches tally
	placings := 0
	for _, c := range calls {
		switch {
		case c.Start.Before(from) || c.Start.After(end) || c.Outcome == history.Waiting:
		case c.Kind == history.Search && c.Withdrawn && c.Outcome == history.Done:
			// Nothing is left of a run that was withdrawn, and none is said to be.
		case c.Kind == history.Search:
			searches.count(c, saysWhatIsLeft(c))
		default:
			if c.Kind == history.Place {
				placings++
			}
			trueNo := c.Outcome == history.Refused && honest(c) && !wrongNo[c.Request]
			orders.count(c, c.Outcome == history.Done || trueNo)
		}
	}
	r.Looked = orders.all
	r.figure("placings", float64(placings))
	r.figure("success_ratio", orders.ratio())
	r.figure("searches", float64(searches.all))
	r.figure("searches_failed", float64(searches.failed))
	switch {
	case float64(searches.failed) > (1-minSuccess)*float64(searches.all):
		r.wrong("%d of %d searches did not say what is left after the recovery", searches.failed, searches.all)
	case placings < minPlacings:
		r.wrong("only %d orders were asked for after the recovery", placings)
	case orders.ratio() < minSuccess:
		r.wrong("%d of %d calls failed after the recovery, first %s", orders.failed, orders.all, orders.first)
		r.Failed = orders.failed
	}
	return r
}

// tally counts calls, and those that failed.
type tally struct {
	all, failed int
	// first is the first that failed.
	first string
}

func (t *tally) count(c history.Call, ok bool) {
	t.all++
	if ok {
		return
	}
	t.failed++
	if t.first == "" {
		t.first = fmt.Sprintf("%s at %s: %s %s %s", c.Kind, c.Server, c.Outcome, c.Code, c.Problem)
	}
}

// ratio is the part that did not fail; 0 where there was no call.
func (t *tally) ratio() float64 {
	if t.all == 0 {
		return 0
	}
	return 1 - float64(t.failed)/float64(t.all)
}

// saysWhatIsLeft tells whether a search was answered, and with all counts.
func saysWhatIsLeft(c history.Call) bool { return c.Outcome == history.Done && c.Code == "" }

// honest tells whether a refusal is one that a correct request may get: nothing is left, the hold is over, or somebody
// else has given the ticket back or changed it. On a run that was withdrawn nothing is for sale, and no order is live.
func honest(c history.Call) bool {
	switch c.Code {
	case "SOLD_OUT":
		return c.Kind == history.Place || c.Kind == history.Change
	case "HOLD_EXPIRED":
		return c.Kind == history.Pay || c.Kind == history.Cancel
	case "WRONG_STATE":
		return c.Kind == history.Refund || c.Kind == history.Change || c.Withdrawn
	case "NOT_ON_SALE":
		return c.Withdrawn
	}
	return false
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
// whether searching stopped. It stopped where there was no search, where one had no answer, or where one searcher was
// told twice that it is not known what is left. Once is allowed: a machine that stands still for half a second fails
// every searcher once. A search that waits for what is broken fails again and again.
func Searched(calls []history.Call, from time.Time) (n, failed int, stopped bool) {
	unknown := map[string]int{}
	for _, c := range calls {
		if c.Kind != history.Search || !c.Start.After(from) {
			continue
		}
		n++
		if saysWhatIsLeft(c) {
			continue
		}
		failed++
		unknown[c.Buyer]++
		stopped = stopped || c.Outcome != history.Done || unknown[c.Buyer] > 1
	}
	return n, failed, stopped || n == 0
}
