package check

import (
	"time"

	"interlock/lab/fault/history"
)

// underWay is how long the answer to a commit that a replica still had may be on its way to the client.
const underWay = time.Second

// Unreplicated is C10: nothing was acknowledged while no replica could have had it. alone are the times without one:
// what was asked for in such a stretch may be answered, with an order or that there is none, only after it. What had
// been asked for before may have been committed before, too: it may be answered in it for a moment, and then only after
// it. late is how much later than usual answers come. In each stretch somebody must have wanted an answer: he asked in
// it, or he had asked before and was answered after it by who may not have known meanwhile.
func Unreplicated(calls []history.Call, alone []history.Interval, late time.Duration) *Result {
	r := begin("C10")
	sent := 0
	for _, i := range alone {
		wanted := 0
		for _, c := range calls {
			switch {
			case c.Kind == history.Search || c.Start.After(i.To):
			case c.Start.Before(i.From):
				switch {
				case c.End.After(i.To):
					if c.Outcome.Resolved() || c.Outcome == history.Pending {
						wanted++
					}
				case c.Outcome.Resolved() && c.End.After(i.From.Add(underWay+late)):
					r.wrong("%s: a %s that had been asked for before was answered with order %s %s %.3f s after the last replica was gone",
						c.Server, c.Kind, number(c.Order), c.Code, c.End.Sub(i.From).Seconds())
				}
			default:
				wanted++
				sent++
				// A refusal rests on a commit as well.
				if c.Outcome.Resolved() && !c.End.After(i.To) {
					r.wrong("%s: a %s was asked %.3f s after the last replica was gone, and answered with order %s %s while it was",
						c.Server, c.Kind, c.Start.Sub(i.From).Seconds(), number(c.Order), c.Code)
				}
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

func number(o *history.Order) string {
	if o == nil {
		return "without a number"
	}
	return o.Number
}
