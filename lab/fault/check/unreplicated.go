package check

import (
	"time"

	"interlock/lab/fault/history"
)

// underWay is how long the answer to a commit that a replica still had may be on its way to the client.
const underWay = time.Second

// Unreplicated is C10: nothing was acknowledged while no replica could have had it. alone are the times without one.
// What was asked for in such a time may be answered only after it, with an order or that there is none: a refusal rests
// on a commit as well. What was asked for before may have been committed before, so it may be answered for a moment
// longer. late is how much later than usual answers come. In each time a call must have wanted an answer.
func Unreplicated(calls []history.Call, alone []history.Interval, late time.Duration) *Result {
	r := begin("C10")
	sent := 0
	for _, i := range alone {
		wanted := 0
		for _, c := range calls {
			switch {
			case c.Kind == history.Search || c.Start.After(i.To):
			case c.Start.Before(i.From):
				if askedBefore(r, c, i, late) {
					wanted++
				}
			default:
				askedMeanwhile(r, c, i)
				wanted++
				sent++
			}
		}
		if wanted == 0 {
			r.wrong("nobody wanted an answer while no replica could acknowledge it, for %s", i.To.Sub(i.From))
		}
		r.Looked += wanted
	}
	r.figure("alone_intervals", float64(len(alone)))
	r.figure("sent_while_alone", float64(sent))
	return r
}

// askedBefore judges a call that began before a time without a replica, and tells whether it wanted an answer in that
// time: it was answered after it, by a server that may not have known the outcome meanwhile.
func askedBefore(r *Result, c history.Call, alone history.Interval, late time.Duration) (wanted bool) {
	if c.End.After(alone.To) {
		return c.Outcome.Resolved() || c.Outcome == history.Pending
	}
	if c.Outcome.Resolved() && c.End.After(alone.From.Add(underWay+late)) {
		r.wrong("%s: a %s that had been asked for before was answered with order %s %s %.3f s after "+
			"the last replica was gone", c.Server, c.Kind, number(c.Order), c.Code, c.End.Sub(alone.From).Seconds())
	}
	return false
}

// askedMeanwhile judges a call that began in a time without a replica.
func askedMeanwhile(r *Result, c history.Call, alone history.Interval) {
	if c.Outcome.Resolved() && !c.End.After(alone.To) {
		r.wrong("%s: a %s was asked %.3f s after the last replica was gone, and answered with order %s %s while it was",
			c.Server, c.Kind, c.Start.Sub(alone.From).Seconds(), number(c.Order), c.Code)
	}
}

// number is an order's number in a sentence.
func number(o *history.Order) string {
	if o == nil {
		return "without a number"
	}
	return o.Number
}
