package gtfs

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"interlock/services/rail"
)

// The values of pickup_type and drop_off_type: 0 is regular, and 1 is none. With 2 and 3 the passenger has to arrange
// it with the railway, which buying a ticket does.
const (
	handlingNone = 1
	handlingMax  = 3
)

// stopTime is a row of stop_times.txt.
type stopTime struct {
	distance           float64
	trip, stop, line   int32
	sequence           uint32
	arrival, departure int32
	hasDistance        bool
	noBoarding         bool
	noAlighting        bool
}

// readStopTimes reads the calls of all trips, and sorts them by trip and stop_sequence.
func (r *reader) readStopTimes() error {
	t, err := r.open("stop_times.txt", "trip_id", "stop_id", "stop_sequence")
	if err != nil {
		return err
	}
	defer t.close()
	columns := stopTimeColumnsOf(t)
	calls := make([]int16, len(r.feed.Trips)) // Of each trip so far.
	for err := range t.rows() {
		if err != nil {
			return err
		}
		row, err := r.stopTime(t, &columns)
		if err != nil {
			return err
		}
		if calls[row.trip]++; calls[row.trip] > rail.MaxCalls {
			return t.refuse("trip %q calls at more than %d stops", r.feed.Trips[row.trip].ID, rail.MaxCalls)
		}
		if err := t.keep(keptStopTime); err != nil {
			return err
		}
		r.times = append(r.times, row)
	}
	// Most feeds are in this order already, and sorting what is sorted costs one pass.
	slices.SortFunc(r.times, func(a, b stopTime) int {
		return cmp.Or(cmp.Compare(a.trip, b.trip), cmp.Compare(a.sequence, b.sequence), cmp.Compare(a.line, b.line))
	})
	for i := 1; i < len(r.times); i++ {
		if a, b := &r.times[i-1], &r.times[i]; a.trip == b.trip && a.sequence == b.sequence {
			return refuse(t.name, int(b.line), "trip %q has stop_sequence %d twice (line %d)", r.feed.Trips[b.trip].ID,
				b.sequence, a.line)
		}
	}
	return nil
}

// stopTimeColumns are the places of the columns of stop_times.txt that are read.
type stopTimeColumns struct {
	trip, stop, sequence, arrival, departure, distance, timepoint, pickup, dropOff int
}

func stopTimeColumnsOf(t *table) stopTimeColumns {
	return stopTimeColumns{
		trip: t.column("trip_id"), stop: t.column("stop_id"), sequence: t.column("stop_sequence"),
		arrival: t.column("arrival_time"), departure: t.column("departure_time"), timepoint: t.column("timepoint"),
		distance: t.column("shape_dist_traveled"), pickup: t.column("pickup_type"), dropOff: t.column("drop_off_type"),
	}
}

// stopTime reads the row that the table is at.
func (r *reader) stopTime(t *table, c *stopTimeColumns) (row stopTime, err error) {
	row.line = int32(t.line)
	if row.trip, err = r.tripOf(t, c.trip); err != nil {
		return row, err
	}
	if row.stop, err = r.stopOf(t, c.stop, row.trip); err != nil {
		return row, err
	}
	if row.sequence, err = order(t, c.sequence); err != nil {
		return row, err
	}
	if row.arrival, err = clock(t, c.arrival, "arrival_time"); err != nil {
		return row, err
	}
	if row.departure, err = clock(t, c.departure, "departure_time"); err != nil {
		return row, err
	}
	if row.distance, row.hasDistance, err = travelled(t, c.distance); err != nil {
		return row, err
	}
	exact, err := smallNumber(t, c.timepoint, "timepoint", 1)
	if err != nil {
		return row, err
	}
	if exact == 1 && row.arrival == unknownTime && row.departure == unknownTime {
		return row, t.refuse("timepoint 1 promises an exact time, and there is none")
	}
	if row.noBoarding, err = isNone(t, c.pickup, "pickup_type"); err != nil {
		return row, err
	}
	row.noAlighting, err = isNone(t, c.dropOff, "drop_off_type")
	return row, err
}

// isNone reads pickup_type or drop_off_type, and tells whether there is none.
func isNone(t *table, column int, name string) (bool, error) {
	handling, err := smallNumber(t, column, name, handlingMax)
	return handling == handlingNone, err
}

func (r *reader) tripOf(t *table, column int) (int32, error) {
	id := t.get(column)
	// Rows of one trip mostly follow each other.
	if n := len(r.times); n > 0 && r.feed.Trips[r.times[n-1].trip].ID == id {
		return r.times[n-1].trip, nil
	}
	trip, ok := r.tripByID[id]
	if !ok {
		return 0, t.refuse("trip %q does not exist", id)
	}
	return trip, nil
}

func (r *reader) stopOf(t *table, column int, trip int32) (int32, error) {
	id := t.get(column)
	if id == "" {
		return 0, t.refuse("trip %q has a call without a stop_id: a train does not run on demand",
			r.feed.Trips[trip].ID)
	}
	i, ok := r.stopByID[id]
	if !ok {
		return 0, t.refuse("stop %q does not exist", id)
	}
	if !r.stops[i].calledAt() {
		return 0, t.refuse("stop %q is not one that trains call at (location_type %d)", id, r.stops[i].location)
	}
	root := r.stops[i].root
	if r.stops[root].station == nil {
		return 0, t.refuse("the parent of stop %q is not a station (location_type %d)", id, r.stops[root].location)
	}
	return root, nil
}

// order reads stop_sequence. It rises along a trip, from any number on, and may have gaps.
func order(t *table, column int) (uint32, error) {
	n, err := strconv.ParseUint(t.get(column), 10, 32)
	if err != nil {
		return 0, t.refuse("stop_sequence %q is not a whole number from 0", t.get(column))
	}
	return uint32(n), nil
}

func travelled(t *table, column int) (distance float64, ok bool, err error) {
	text := t.get(column)
	if text == "" {
		return 0, false, nil
	}
	distance, err = strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(distance) || math.IsInf(distance, 0) || distance < 0 {
		return 0, false, t.refuse("shape_dist_traveled %q is not a number from 0", text)
	}
	return distance, true, nil
}

// makeTrips makes calls of the rows, trip by trip, and refuses by name the trips that no seat could be sold on.
func (r *reader) makeTrips() error {
	r.perUnit = r.unit()
	var errs rail.Errors
	straight := 0
	next := 0
	for i, trip := range r.feed.Trips {
		first := next
		for next < len(r.times) && r.times[next].trip == int32(i) {
			next++
		}
		byStraight, err := r.makeCalls(trip, r.times[first:next])
		goOn, other := collect(&errs, err)
		if other != nil {
			return other
		}
		if !goOn {
			return errs
		}
		if byStraight {
			straight++
		}
	}
	r.times = nil
	if straight > 0 {
		r.notice("distances are estimated", "stop_times.txt", 0, "%d trips have no shape_dist_traveled: their distances are the straight lines between their stops "+
			"× %g", straight, detour)
	}
	return errs.OrNil()
}

// makeCalls makes one trip's calls of its rows; byStraight says that their distances are no more than an estimate.
func (r *reader) makeCalls(trip *Trip, rows []stopTime) (byStraight bool, err error) {
	if len(rows) < 2 {
		return false, refuse("trips.txt", trip.Line, "trip %q calls at %d stops, and a train needs 2", trip.ID,
			len(rows))
	}
	if err := fillTimes(trip, rows); err != nil {
		return false, err
	}
	metres, byStraight, err := r.metres(trip, rows)
	if err != nil {
		return false, err
	}
	trip.Calls = make([]rail.Call, len(rows))
	for i, row := range rows {
		trip.Calls[i] = rail.Call{
			Station: r.stops[row.stop].station.Code, ArrivalSeconds: row.arrival, DepartureSeconds: row.departure,
			Metres: metres[i], NoBoarding: row.noBoarding && i < len(rows)-1, NoAlighting: row.noAlighting && i > 0,
		}
	}
	return byStraight, nil
}
