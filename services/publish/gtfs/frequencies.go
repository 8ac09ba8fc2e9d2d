package gtfs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"interlock/services/rail"
)

// headway is a row of frequencies.txt: a trip leaves its origin at start and then every seconds, before end.
type headway struct {
	start, end, every int32
	line              int
}

// readFrequencies reads which trips are repeated. With exact_times 1 they have a timetable, written short. With 0,
// which is also what an empty field means, they leave "every ten minutes": they have no times that a seat could be sold
// for.
func (r *reader) readFrequencies() error {
	t, err := r.openIfAny("frequencies.txt", "trip_id", "start_time", "end_time", "headway_secs")
	if err != nil || t == nil {
		return err
	}
	defer t.close()
	id, start, end := t.column("trip_id"), t.column("start_time"), t.column("end_time")
	every, exact := t.column("headway_secs"), t.column("exact_times")
	r.headways = map[int32][]headway{}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		i, asked := r.tripByID[t.get(id)]
		if !asked || r.left[i] {
			continue
		}
		row := headway{line: t.line, start: t.clock(start, "start_time"), end: t.clock(end, "end_time")}
		isExact := t.smallNumber(exact, "exact_times", 1) == 1
		row.every = t.headway(every)
		row.check(t)
		trip := r.feed.Trips[i]
		switch {
		case t.fault != "":
			err = r.leaveOut(i, leftOut(kindFrequency, t.name, t.line, "trip %q: %s", trip.ID, t.fault))
		case !isExact:
			err = r.leaveOut(i, leftOut(kindHeadway, t.name, t.line,
				"trip %q runs every %d s without exact times, and a seat is sold for a time", trip.ID, row.every))
		default:
			r.headways[i] = append(r.headways[i], row)
			err = t.keep(keptHeadway)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// headway reads headway_secs.
func (t *table) headway(column int) int32 {
	n, err := strconv.ParseInt(t.get(column), 10, 32)
	if err != nil || n <= 0 {
		t.wrong("headway_secs %q is not a whole number from 1", t.get(column))
		return 0
	}
	return int32(n)
}

// check notes what is wrong with the row.
func (h *headway) check(t *table) {
	switch {
	case t.fault != "":
	case h.start == unknownTime || h.end == unknownTime:
		t.wrong("start_time or end_time is empty")
	case h.end <= h.start:
		t.wrong("end_time is not after start_time")
	}
}

// departures are the times at which a repeated trip leaves its origin, in seconds from the start of the service date:
// start, start + every and so on, without end (GTFS reference, frequencies.txt). The finding says why there are none.
// GTFS wants the windows of a trip not to overlap: which of them is right cannot be told.
func departures(trip *Trip, rows []headway) (all []int32, finding *Finding) {
	slices.SortFunc(rows, func(a, b headway) int { return cmp.Or(cmp.Compare(a.start, b.start), a.line-b.line) })
	for i := range rows {
		row := &rows[i]
		if i > 0 {
			before := &rows[i-1]
			if row.start == before.start && row.end == before.end && row.every == before.every {
				continue // The same row again.
			}
			if row.start < before.end {
				return nil, leftOut(kindFrequency, "frequencies.txt", row.line,
					"trip %q: the window overlaps with that in line %d", trip.ID, before.line)
			}
		}
		for at := row.start; at < row.end; at += row.every {
			if len(all) == maxRepetitions {
				return nil, leftOut(kindFrequency, "frequencies.txt", row.line, "trip %q runs more than %d times",
					trip.ID, maxRepetitions)
			}
			all = append(all, at)
		}
	}
	return all, nil
}

// repeat makes the trips that frequencies.txt makes of one, which is made already. The times of the one are how long
// after the departure it calls where.
func (r *reader) repeat(trip *Trip, rows []headway) (all []*Trip, finding *Finding, err error) {
	starts, finding := departures(trip, rows)
	if finding != nil {
		return nil, finding, nil
	}
	last := trip.Calls[len(trip.Calls)-1].ArrivalSeconds
	for _, start := range starts {
		shift := start - trip.Calls[0].DepartureSeconds
		if last+shift > int32(rail.MaxOffset.Seconds()) {
			return nil, leftOut(kindFrequency, "frequencies.txt", rows[0].line,
				"trip %q arrives more than %.0f hours after the start of the service date", trip.ID,
				rail.MaxOffset.Hours()), nil
		}
		one := trip.repeated(start, shift)
		if _, taken := r.tripByID[one.ID]; taken {
			return nil, leftOut(kindFrequency, "frequencies.txt", rows[0].line,
				"trip %q is repeated as %q, which is another trip's id", trip.ID, one.ID), nil
		}
		if err := r.budget.keep("frequencies.txt", rows[0].line, keptTrip+len(one.Calls)*keptStopTime, one.ID,
			one.Number); err != nil {
			return nil, nil, err
		}
		all = append(all, one)
	}
	return all, nil, nil
}

// repeated is the trip when it leaves at a time, shift seconds later than the trip does.
func (t *Trip) repeated(start, shift int32) *Trip {
	one := *t
	one.Departure = clockText(start)
	one.ID = t.ID + " " + one.Departure
	one.Number = one.Numbered(one.ShortName)
	one.Calls = slices.Clone(t.Calls)
	for i := range one.Calls {
		one.Calls[i].ArrivalSeconds += shift
		one.Calls[i].DepartureSeconds += shift
	}
	return &one
}

// clockText is a time as a timetable shows it: "12:00", or "24:10:30" where it has seconds.
func clockText(seconds int32) string {
	text := fmt.Sprintf("%02d:%02d", seconds/3_600, seconds/60%60)
	if seconds%60 > 0 {
		text += fmt.Sprintf(":%02d", seconds%60)
	}
	return text
}
