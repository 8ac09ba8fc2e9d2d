package check

import (
	"time"

	"interlock/cmd/lab/fault/history"
)

// Unreplicated is C10: nothing was acknowledged while no replica could have had it. alone are the times without one: what
// was asked in such a stretch, after slack for what was on its way, and answered in it, had no replica.
func Unreplicated(calls []history.Call, alone []history.Interval, slack time.Duration) *Result {
	r := begin("C10")
	for _, c := range calls {
		if c.Kind == history.Search {
			continue
		}
		for _, i := range alone {
			if c.Start.Before(i.From.Add(slack)) || c.End.After(i.To) {
				continue
			}
			r.Looked++
			if c.Outcome == history.Done {
				r.wrong("%s: a %s was asked %.3f s after the last replica was gone, and answered with order %s while it was",
					c.Server, c.Kind, c.Start.Sub(i.From).Seconds(), number(c.Order))
			}
		}
	}
	r.figure("alone_intervals", float64(len(alone)))
	return r
}

func number(o *history.Order) string {
	if o == nil {
		return "without a number"
	}
	return o.Number
}
