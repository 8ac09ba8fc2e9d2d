package search

import (
	"cmp"
	"slices"
	"time"

	"interlock/services/rail"
)

const (
	// secondsPerDay turns the offset of a call into days after the service date.
	secondsPerDay = 24 * 60 * 60
	// dateSpread is how many days the local date of a call may differ from the date that its offset alone gives. Zones
	// are at most 26 hours apart, and a service day begins up to two hours from midnight when clocks change.
	dateSpread = 2
)

// hit is a run that was found.
type hit struct {
	run       *rail.Run
	from, to  int
	departure time.Time
}

func (h hit) place() Place { return Place{h.departure, h.run.ID, h.from} }

// ends marks the stations of a search.
type ends uint8

const (
	isFrom ends = 1 << iota
	isTo
)

// find is all that Find finds after a place, in order.
func (s *snapshot) find(q *Query) []hit {
	marks := make([]ends, len(s.boards))
	for _, code := range q.To {
		if number, called := s.codes[code]; called {
			marks[number] |= isTo
		}
	}
	var hits []hit
	seen := make([]bool, len(s.services))
	// All origins are marked before any service is looked at: a service is looked at once for all of them.
	for _, code := range q.From {
		if number, called := s.codes[code]; called {
			marks[number] |= isFrom
		}
	}
	for _, code := range q.From {
		number, called := s.codes[code]
		if !called {
			continue
		}
		for _, at := range s.boards[number] {
			if !seen[at] {
				seen[at] = true
				hits = s.services[at].find(s, q, marks, hits)
			}
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return a.place().compare(b.place()) })
	return hits
}

// find appends the runs of a service that a query finds. Calls are looked at from the last to the first, as
// Train.CallPairs does, so that of two ways of one run the one within the other is found first.
func (v *service) find(s *snapshot, q *Query, marks []ends, hits []hit) []hit {
	first := len(hits)
	if v.repeats {
		for _, p := range v.pairs(q) {
			hits = v.board(s, q, p.From, p.To, hits, first)
		}
		return hits
	}
	to := -1
	for from := len(v.calls) - 1; from >= 0; from-- {
		mark := marks[v.calls[from]]
		if mark == 0 {
			continue
		}
		call := &v.train.Calls[from]
		if mark&isFrom != 0 && !call.NoBoarding && to > from {
			hits = v.board(s, q, from, to, hits, first)
		}
		if mark&isTo != 0 && !call.NoAlighting {
			to = from
		}
	}
	return hits
}

// pairs are the calls that orders between the stations of a query would be for: the last boarding first, then the first
// alighting. It looks at every two stations, and is for trains that call at some station twice.
func (v *service) pairs(q *Query) []rail.CallPair {
	var pairs []rail.CallPair
	for _, from := range q.From {
		for _, to := range q.To {
			pairs = append(pairs, v.train.CallPairs(from, to)...)
		}
	}
	slices.SortFunc(pairs, func(a, b rail.CallPair) int {
		return cmp.Or(cmp.Compare(b.From, a.From), cmp.Compare(a.To, b.To))
	})
	return pairs
}

// board appends the runs that leave a call on the query's date and can still be had. It leaves out those that are among
// the hits from first on with a way within this one: such a one boards as late, and was found before.
func (v *service) board(s *snapshot, q *Query, from, to int, hits []hit, first int) []hit {
	call := &v.train.Calls[from]
	zone := v.train.Location()
	if station := s.stations.byCode[call.Station]; station != nil {
		zone = station.Location()
	}
	near := q.Date.AddDays(-int(call.DepartureSeconds / secondsPerDay))
	for _, run := range v.runs[v.runs.from(near.AddDays(-dateSpread)):] {
		if run.Date > near.AddDays(dateSpread) {
			break
		}
		if run.Status == rail.Withdrawn {
			continue
		}
		found := hit{run: run, from: from, to: to, departure: run.Departure(from)}
		switch {
		case rail.DateIn(found.departure, zone) != q.Date:
		case !q.Now.Before(run.SaleClosesAt(from)):
		case q.After != nil && found.place().compare(*q.After) <= 0:
		case slices.ContainsFunc(hits[first:], func(h hit) bool { return h.run == run && h.to <= to }):
		default:
			hits = append(hits, found)
		}
	}
	return hits
}
