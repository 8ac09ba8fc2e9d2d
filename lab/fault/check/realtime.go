package check

import (
	"slices"
	"time"

	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// step is a change of a run's seats, as a client saw it. told is when the client knew of it; zero for never.
type step struct {
	kind        history.Kind
	number      string
	version     int64
	asked, told time.Time
}

// realTime compares the versions of each run with the clients' clocks: what was asked for after something else was
// answered has a higher version than that.
func realTime(r *Result, calls []history.Call, primary history.Member) {
	for run, steps := range stepsOf(calls, primary) {
		slices.SortFunc(steps, func(a, b step) int { return a.asked.Compare(b.asked) })
		told := slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return s.told.IsZero() })
		slices.SortFunc(told, func(a, b step) int { return a.told.Compare(b.told) })
		last := step{}
		for _, s := range steps {
			for len(told) > 0 && told[0].told.Before(s.asked) {
				if last.version < told[0].version {
					last = told[0]
				}
				told = told[1:]
			}
			r.Looked++
			if last.version > 0 && s.version <= last.version {
				r.wrong("the %s of order %s was asked for after the %s of order %s was answered, which is version "+
					"%d of %s, and is version %d",
					s.kind, s.number, last.kind, last.number, last.version, run, s.version)
			}
		}
	}
}

// stepsOf are the steps of each run that clients asked for.
func stepsOf(calls []history.Call, primary history.Member) map[rail.RunID][]step {
	asked, steps := history.ByRequest(calls), map[rail.RunID][]step{}
	add := func(t *history.Stored, kind history.Kind, key string, version int64) {
		attempts := asked[history.Request{Kind: kind, Buyer: t.Buyer, Key: key}]
		if len(attempts) == 0 {
			return // porcupine's half of the check says so
		}
		s := step{kind: kind, number: t.Number, version: version, asked: firstStart(attempts)}
		if done := firstDone(attempts); done != nil {
			s.told = done.End
		}
		steps[t.Run] = append(steps[t.Run], s)
	}
	for i := range primary.Tickets {
		t := &primary.Tickets[i]
		add(t, history.Place, t.Key, t.PlacedVersion)
		switch {
		case t.Own == rail.TicketRefunded:
			add(t, history.Refund, t.Number, t.EndedVersion)
		case t.State == rail.Cancelled && !t.WithRun():
			add(t, history.Cancel, t.Number, t.EndedVersion)
		}
	}
	return steps
}

// firstStart is when something was first asked for.
func firstStart(attempts []history.Call) time.Time {
	return slices.MinFunc(attempts, func(a, b history.Call) int { return a.Start.Compare(b.Start) }).Start
}

// firstDone is the first answer that it has taken place; nil where there is none. Attempts are in the order of their
// answers.
func firstDone(attempts []history.Call) *history.Call {
	for i := range attempts {
		if attempts[i].Outcome == history.Done {
			return &attempts[i]
		}
	}
	return nil
}
