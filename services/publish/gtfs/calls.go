package gtfs

import (
	"math"

	"interlock/services/rail"
)

const (
	// fastest is the speed of the fastest train there was (603 km/h, Yamanashi 2015), in metres per second. What is
	// faster is a wrong position or a wrong time.
	fastest = 600_000.0 / 3_600
	// slack is how many seconds a timetable in whole minutes may be off between two calls.
	slack = 60
)

// makeTrips makes calls of the rows, trip by trip, and repeats what frequencies.txt repeats. What is left of the feed's
// trips are those that can be sold.
func (r *reader) makeTrips() error {
	r.distances = r.measure()
	r.hops = map[[2]int32]bool{}
	var made []*Trip
	next := 0
	for i, trip := range r.feed.Trips {
		first := next
		for next < len(r.times) && r.times[next].trip == int32(i) {
			next++
		}
		if r.left[i] {
			continue
		}
		rows := r.times[first:next]
		finding, err := r.makeTrip(int32(i), trip, rows, &made)
		if err != nil {
			return err
		}
		if finding != nil {
			if err := r.leaveOut(int32(i), finding); err != nil {
				return err
			}
			continue
		}
		for _, row := range rows {
			r.stops[row.stop].served = true
		}
	}
	r.feed.Trips, r.times, r.headways = made, nil, nil
	r.distances.tell(r)
	return nil
}

// makeTrip makes the trips that one row of trips.txt and its calls stand for, one or its repetitions, and adds them.
// The finding says why there are none.
func (r *reader) makeTrip(i int32, trip *Trip, rows []stopTime, made *[]*Trip) (*Finding, error) {
	if len(rows) < 2 {
		says := "calls at no stop"
		if len(rows) == 1 {
			says = "calls at 1 stop"
		}
		return leftOut(kindFewStops, "trips.txt", trip.Line, "trip %q %s, and a train needs 2", trip.ID, says), nil
	}
	m := &r.metres
	if finding := r.makeCalls(trip, rows, m); finding != nil {
		return finding, nil
	}
	if headways := r.headways[i]; len(headways) > 0 {
		all, finding, err := r.repeat(trip, headways)
		if finding != nil || err != nil {
			return finding, err
		}
		*made = append(*made, all...)
	} else {
		*made = append(*made, trip)
	}
	m.tell(r, trip, rows)
	return nil, r.checkSpeed(trip, rows)
}

// makeCalls makes one trip's calls of its rows, and finds their distances.
func (r *reader) makeCalls(trip *Trip, rows []stopTime, m *metres) *Finding {
	falling := forgetFalling(rows)
	if finding := fillTimes(trip, rows); finding != nil {
		return finding
	}
	if finding := m.find(r, trip, rows, falling); finding != nil {
		return finding
	}
	trip.Calls = make([]rail.Call, len(rows))
	for i, row := range rows {
		trip.Calls[i] = rail.Call{
			Station: r.stops[row.stop].stationCode, ArrivalSeconds: row.arrival, DepartureSeconds: row.departure,
			Metres: m.fromOrigin[i], NoBoarding: row.noBoarding && i < len(rows)-1,
			NoAlighting: row.noAlighting && i > 0,
		}
	}
	return nil
}

// checkSpeed tells of stops between which a train is faster than any: once for each two stops.
func (r *reader) checkSpeed(trip *Trip, rows []stopTime) error {
	for i := 1; i < len(rows); i++ {
		a, b := &rows[i-1], &rows[i]
		metres := float64(b.straight)
		if from, to := trip.Calls[i-1].Metres, trip.Calls[i].Metres; from != rail.NoDistance {
			metres = max(metres, float64(to-from))
		}
		if pair := [2]int32{a.stop, b.stop}; tooFast(metres, a, b) && !r.hops[pair] {
			r.hops[pair] = true
			if err := r.budget.keep("stop_times.txt", int(b.line), keptHop); err != nil {
				return err
			}
			from, to := &r.stops[a.stop], &r.stops[b.stop]
			r.notice(kindSpeed, "stop_times.txt", int(b.line),
				"trip %q goes %.0f km in %d minutes, from stop %q (%s, %s) to %q (%s, %s)", trip.ID,
				math.Round(metres/1_000), (b.arrival-a.departure)/60, from.id, from.name, from.place(), to.id, to.name,
				to.place())
		}
	}
	return nil
}

// tooFast tells whether no train goes so far between two calls. Calls without times say nothing.
func tooFast(metres float64, a, b *stopTime) bool {
	return a.departure != unknownTime && b.arrival != unknownTime &&
		metres > float64(b.arrival-a.departure+slack)*fastest
}
