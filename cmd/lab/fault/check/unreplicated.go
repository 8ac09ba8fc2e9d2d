package check

import "interlock/cmd/lab/fault/history"

// Unreplicated is C10: nothing was acknowledged while no replica could have had it. alone are the times without one: what
// was asked for in such a stretch may be answered, with an order or that there is none, only after it. In each of them
// somebody must have wanted an answer: he asked in it, or he had asked before and was answered after it by who may not have
// known meanwhile.
func Unreplicated(calls []history.Call, alone []history.Interval) *Result {
	r := begin("C10")
	sent := 0
	for _, i := range alone {
		wanted := 0
		for _, c := range calls {
			switch {
			case c.Kind == history.Search || c.Start.After(i.To):
			case c.Start.Before(i.From):
				if c.End.After(i.To) && (c.Outcome.Settles() || c.Outcome == history.Pending) {
					wanted++
				}
			default:
				wanted++
				sent++
				// A refusal rests on a commit as well.
				if c.Outcome.Settles() && !c.End.After(i.To) {
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
