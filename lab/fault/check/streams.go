package check

import (
	"time"

	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// ReachTime is within what a subscriber must have the last version.
const ReachTime = 5 * time.Second

// Streams is C8. Every subscriber's versions only rise; a new connection may repeat the last one. Each subscriber has
// the last version of its run within ReachTime after the run has come to rest, or after the subscriber could connect,
// whichever is later.
func Streams(streams []history.Stream, last map[rail.RunID]int64, rest time.Time) *Result {
	r := begin("C8")
	latest := time.Duration(0)
	for _, s := range streams {
		r.Looked++
		top, reached := int64(-1), time.Time{}
		for _, e := range s.Events {
			if e.Version < top || e.Version == top && !e.First {
				r.wrong("%s saw version %d of %s after %d", s.Subscriber, e.Version, s.Run, top)
			}
			top = max(top, e.Version)
			if reached.IsZero() && top >= last[s.Run] {
				reached = e.At
			}
		}
		switch {
		case top > last[s.Run]:
			r.wrong("%s saw version %d of %s, which is at %d", s.Subscriber, top, s.Run, last[s.Run])
		case reached.IsZero():
			r.wrong("%s saw version %d of %s last, which is at %d", s.Subscriber, top, s.Run, last[s.Run])
		case reached.After(rest.Add(ReachTime)):
			r.wrong("%s saw the last version of %s only %.1f s after it came to rest", s.Subscriber, s.Run,
				reached.Sub(rest).Seconds())
		default:
			latest = max(latest, reached.Sub(rest))
		}
	}
	r.figure("latest_ms", latest.Seconds()*1e3)
	return r
}
