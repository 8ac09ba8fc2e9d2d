package search

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"interlock/services/rail"
)

// RunFilter says which runs to list, by date, then departure, then number.
type RunFilter struct {
	// Train is a number or an alias; Station is called at.
	Train         string
	Station       rail.StationCode
	From, Through rail.Date
	States        []rail.RunState
}

// RunPlace is the place of a run in a list: runs are sorted by service date, then departure from their origin, then
// number.
type RunPlace struct {
	Date      rail.Date
	Departure time.Time
	RunID     rail.RunID
}

// RunPlaceOf is the place of a run in a list.
func RunPlaceOf(run *rail.Run) RunPlace { return RunPlace{run.Date, run.Departure(0), run.ID} }

func (p RunPlace) compare(q RunPlace) int {
	return cmp.Or(cmp.Compare(p.Date, q.Date), p.Departure.Compare(q.Departure), compareIDs(p.RunID, q.RunID))
}

// Runs lists runs, at most limit of them from after a place on, and tells whether there are more. An empty part of the
// filter lets all runs pass. Only an empty From stands for today, which is a run's own, in the time zone of its train.
func (t *Timetable) Runs(filter RunFilter, now time.Time, after *RunPlace, limit int) (runs []*rail.Run, hasNext bool) {
	first := filter.From
	if first == 0 {
		// It is this date or a later one everywhere; matches looks closer.
		first = rail.DateIn(now, time.UTC).AddDays(-1)
	}
	if after != nil {
		first = max(first, after.Date)
	}
	lines := t.view().linesOf(rail.NormalizeLabel(filter.Train))
	// Days are looked at one after the other until the page is full, so that only they need sorting and states.
	for _, date := range datesOf(lines, first, filter.Through) {
		var day []RunPlace
		byID := map[rail.RunID]*rail.Run{}
		for key, l := range lines {
			run := l.on(key, date)
			if run == nil {
				continue
			}
			place := RunPlaceOf(run)
			if (after == nil || place.compare(*after) > 0) && matches(run, &filter, now) {
				day = append(day, place)
				byID[run.ID] = run
			}
		}
		slices.SortFunc(day, RunPlace.compare)
		for _, place := range day {
			if len(runs) == limit {
				return runs, true
			}
			runs = append(runs, byID[place.RunID])
		}
	}
	return runs, false
}

// linesOf are the lines with a number or alias, all for "".
func (s *snapshot) linesOf(number string) map[string]line {
	if number == "" {
		return s.lines
	}
	lines := map[string]line{}
	for _, key := range append([]string{lineKey(rail.NewRunID(number, 0))}, s.aliases[number]...) {
		lines[key] = s.lines[key]
	}
	return lines
}

// matches tells whether a run has the station and the state that are asked for and, where there is no first date, is of
// today or later.
func matches(run *rail.Run, filter *RunFilter, now time.Time) bool {
	if filter.From == 0 && run.Date < rail.DateIn(now, run.Train.Location()) {
		return false
	}
	if filter.Station != "" && !slices.ContainsFunc(run.Train.Calls,
		func(c rail.Call) bool { return c.Station == filter.Station }) {
		return false
	}
	return len(filter.States) == 0 || slices.Contains(filter.States, run.StateAt(now))
}

// compareIDs sorts run ids by number, then date. (As bytes, "G10@…" would come before "G1@…".)
func compareIDs(a, b rail.RunID) int {
	return cmp.Or(strings.Compare(lineKey(a), lineKey(b)), cmp.Compare(a, b))
}
