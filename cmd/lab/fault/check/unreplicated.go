package check

import "interlock/cmd/lab/fault/history"

// Unreplicated is C10: nothing was acknowledged while no replica could have had it. alone are the times without one: what
// was asked for in such a stretch may be answered, with an order or that there is none, only after it. Where there was one,
// somebody must have waited for an answer meanwhile: one that came before its end to who had asked before its beginning
// shows nothing, since a replica may have been there in time.
func Unreplicated(calls []history.Call, alone []history.Interval) *Result {
	r := begin("C10")
	for _, c := range calls {
		if c.Kind == history.Search {
			continue
		}
		for _, i := range alone {
			if c.Start.After(i.To) || c.Start.Before(i.From) && !c.End.After(i.To) {
				continue
			}
			r.Looked++
			// A refusal rests on a commit as well.
			if c.Outcome.Settles() && !c.End.After(i.To) {
				r.wrong("%s: a %s was asked %.3f s after the last replica was gone, and answered with order %s %s while it was",
					c.Server, c.Kind, c.Start.Sub(i.From).Seconds(), number(c.Order), c.Code)
			}
		}
	}
	r.figure("alone_intervals", float64(len(alone)))
	if len(alone) > 0 && r.Looked == 0 {
		r.wrong("nobody waited for an answer while no replica could acknowledge it")
	}
	return r
}

func number(o *history.Order) string {
	if o == nil {
		return "without a number"
	}
	return o.Number
}
