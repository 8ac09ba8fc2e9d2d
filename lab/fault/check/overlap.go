package check

import (
	"cmp"
	"slices"

	"interlock/lab/fault/history"
)

// Overlap is C1: on no member do two live tickets have one seat on one leg. It looks at coach and seat, as a passenger
// sees them, and not at the numbers of a seat map. Every member must have been read, except those whose data was
// deleted. Those must be fewer than the others.
func Overlap(members []history.Member) *Result {
	r := begin("C1")
	looked, restarted := 0, 0
	for _, m := range members {
		if m.Deleted {
			continue
		}
		if m.Problem != "" {
			r.wrong("%s could not be read: %s", m.Name, m.Problem)
			continue
		}
		looked++
		if m.Restarted {
			restarted++
		}
		overlapOn(r, m)
	}
	if looked <= len(members)/2 {
		r.wrong("only %d of %d members were read", looked, len(members))
	}
	r.figure("members_looked_at", float64(looked))
	r.figure("members_restarted", float64(restarted))
	return r
}

// overlapOn looks for two live tickets with one seat on one member.
func overlapOn(r *Result, m history.Member) {
	seats := map[place][]history.Stored{}
	for _, t := range m.Tickets {
		if t.Live() {
			at := place{t.Run, t.Coach, t.Seat}
			seats[at] = append(seats[at], t)
			r.Looked++
		}
	}
	for at, tickets := range seats {
		slices.SortFunc(tickets, func(a, b history.Stored) int { return cmp.Compare(a.From, b.From) })
		for i := 1; i < len(tickets); i++ {
			// Sorted by where they begin, some two overlap if and only if some two neighbours do.
			if a, b := tickets[i-1], tickets[i]; b.From < a.To {
				r.wrong("%s: %s coach %s seat %s is sold to %s from call %d to %d and to %s from call %d to %d",
					m.Name, at.run, at.coach, at.seat, a.Number, a.From+1, a.To+1, b.Number, b.From+1, b.To+1)
			}
		}
	}
}
