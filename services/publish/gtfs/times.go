package gtfs

import (
	"strings"

	"interlock/services/rail"
)

// unknownTime is a time the feed does not give.
const unknownTime int32 = -1

// clock reads an offset from the start of the service date, in seconds: "H:MM:SS" or "HH:MM:SS", which pass 24:00 after
// midnight. An empty one is unknownTime.
func (t *table) clock(column int, name string) int32 {
	text := t.get(column)
	if text == "" {
		return unknownTime
	}
	hours, rest, ok1 := strings.Cut(text, ":")
	minutes, seconds, ok2 := strings.Cut(rest, ":")
	h, ok3 := digits(hours, 1, 3)
	m, ok4 := digits(minutes, 2, 2)
	s, ok5 := digits(seconds, 2, 2)
	if !(ok1 && ok2 && ok3 && ok4 && ok5) || m > 59 || s > 59 {
		t.wrong("%s %q is not a time like 08:05:00", name, text)
		return unknownTime
	}
	offset := h*3_600 + m*60 + s
	if offset > int32(rail.MaxOffset.Seconds()) {
		t.wrong("%s %q is more than %.0f hours after the start of the service date", name, text,
			rail.MaxOffset.Hours())
		return unknownTime
	}
	return offset
}

// digits reads a number of so many decimal digits.
func digits(text string, least, most int) (n int32, ok bool) {
	if len(text) < least || len(text) > most {
		return 0, false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int32(c-'0')
	}
	return n, true
}

// fillTimes completes the times of one trip's calls, which are in their order. A call with one time gets it for both.
// Calls without a time share the time between the calls around them that have one: by shape_dist_traveled, if all of
// these calls have it, else evenly.
func fillTimes(trip *Trip, calls []stopTime) *Finding {
	for i := range calls {
		c := &calls[i]
		switch {
		case c.arrival == unknownTime:
			c.arrival = c.departure
		case c.departure == unknownTime:
			c.departure = c.arrival
		}
	}
	first, last := &calls[0], &calls[len(calls)-1]
	for _, end := range []*stopTime{first, last} {
		if end.arrival == unknownTime {
			return leftOut(kindTimes, "stop_times.txt", int(end.line), "trip %q has no time at its first or last stop",
				trip.ID)
		}
	}
	// At the origin an arrival says nothing, at the terminus a departure: equal trains should be equal.
	first.arrival, last.departure = first.departure, last.arrival
	from := 0
	for to := 1; to < len(calls); to++ {
		if calls[to].arrival == unknownTime {
			continue
		}
		if to > from+1 {
			share(calls[from : to+1])
		}
		from = to
	}
	return checkTimes(trip, calls)
}

// share gives times to all calls but the first and the last.
func share(calls []stopTime) {
	last := len(calls) - 1
	start, length := calls[0].departure, calls[last].arrival-calls[0].departure
	byDistance := calls[0].hasDistance && calls[last].distance > calls[0].distance
	for _, c := range calls {
		byDistance = byDistance && c.hasDistance
	}
	for i := 1; i < last; i++ {
		part := float64(i) / float64(last)
		if byDistance {
			part = (calls[i].distance - calls[0].distance) / (calls[last].distance - calls[0].distance)
		}
		calls[i].arrival = start + int32(float64(length)*part+0.5)
		calls[i].departure = calls[i].arrival
	}
}

// checkTimes finds where a train goes back in time.
func checkTimes(trip *Trip, calls []stopTime) *Finding {
	for i := range calls {
		c := &calls[i]
		if c.departure < c.arrival {
			return leftOut(kindTimes, "stop_times.txt", int(c.line), "trip %q leaves before it arrives", trip.ID)
		}
		if i > 0 && c.arrival < calls[i-1].departure {
			return leftOut(kindTimes, "stop_times.txt", int(c.line),
				"trip %q arrives before it left the stop before (line %d)", trip.ID, calls[i-1].line)
		}
	}
	return nil
}
