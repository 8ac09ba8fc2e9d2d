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
	distance float64
	// straight is how many metres of straight line lead here from the row before of the same trip, or noStraight.
	straight           float32
	trip, stop, line   int32
	sequence           uint32
	arrival, departure int32
	hasDistance        bool
	noBoarding         bool
	noAlighting        bool
}

// readStopTimes reads the calls of all trips that are asked for, and sorts them by trip and stop_sequence.
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
		if t.fault != "" {
			if err := r.brokenRow(t); err != nil {
				return err
			}
			continue
		}
		trip, ok := r.tripOf(t, columns.trip)
		if !ok || r.left[trip] {
			continue
		}
		row, finding := r.stopTime(t, &columns, trip)
		if calls[trip]++; calls[trip] > rail.MaxCalls && finding == nil {
			finding = leftOut(kindManyStops, t.name, t.line, "trip %q calls at more than %d stops",
				r.feed.Trips[trip].ID, rail.MaxCalls)
		}
		if finding != nil {
			err = r.leaveOut(trip, finding)
		} else {
			r.times = append(r.times, row)
			err = t.keep(keptStopTime)
		}
		if err != nil {
			return err
		}
	}
	return r.sortStopTimes()
}

// brokenRow leaves out the trips that a row may be of which cannot be read: its fields may be in any column.
func (r *reader) brokenRow(t *table) error {
	for i := range min(len(t.row), maxColumns) {
		if trip, asked := r.tripByID[t.get(i)]; asked {
			id := r.feed.Trips[trip].ID
			if err := r.leaveOut(trip, leftOut(kindCall, t.name, t.line, "trip %q: %s", id, t.fault)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sortStopTimes brings the rows into the order of trips and calls.
func (r *reader) sortStopTimes() error {
	// Most feeds are in this order already, and sorting what is sorted costs one pass.
	slices.SortFunc(r.times, func(a, b stopTime) int {
		return cmp.Or(cmp.Compare(a.trip, b.trip), cmp.Compare(a.sequence, b.sequence), cmp.Compare(a.line, b.line))
	})
	for i := 1; i < len(r.times); i++ {
		if a, b := &r.times[i-1], &r.times[i]; a.trip == b.trip && a.sequence == b.sequence {
			finding := leftOut(kindCall, "stop_times.txt", int(b.line), "trip %q has stop_sequence %d twice (line %d)",
				r.feed.Trips[b.trip].ID, b.sequence, a.line)
			if err := r.leaveOut(b.trip, finding); err != nil {
				return err
			}
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

// stopTime reads the row that the table is at, which is of a trip.
func (r *reader) stopTime(t *table, c *stopTimeColumns, trip int32) (row stopTime, finding *Finding) {
	row.line, row.trip = int32(t.line), trip
	row.sequence = t.order(c.sequence)
	row.arrival, row.departure = t.clock(c.arrival, "arrival_time"), t.clock(c.departure, "departure_time")
	row.distance, row.hasDistance = t.travelled(c.distance)
	exact := t.smallNumber(c.timepoint, "timepoint", 1)
	if exact == 1 && row.arrival == unknownTime && row.departure == unknownTime {
		t.wrong("timepoint 1 promises an exact time, and there is none")
	}
	row.noBoarding = t.smallNumber(c.pickup, "pickup_type", handlingMax) == handlingNone
	row.noAlighting = t.smallNumber(c.dropOff, "drop_off_type", handlingMax) == handlingNone
	if t.fault != "" {
		return row, leftOut(kindCall, t.name, t.line, "trip %q: %s", r.feed.Trips[trip].ID, t.fault)
	}
	row.stop, finding = r.stopOf(t, c.stop, trip)
	return row, finding
}

// tripOf finds the trip of a row; ok is false where it is not asked for.
func (r *reader) tripOf(t *table, column int) (trip int32, ok bool) {
	id := t.get(column)
	// Rows of one trip mostly follow each other.
	if n := len(r.times); n > 0 && r.feed.Trips[r.times[n-1].trip].ID == id {
		return r.times[n-1].trip, true
	}
	trip, ok = r.tripByID[id]
	return trip, ok
}

// stopOf finds the root of a row's stop, or why no train can call there.
func (r *reader) stopOf(t *table, column int, trip int32) (root int32, finding *Finding) {
	id, tripID := t.get(column), r.feed.Trips[trip].ID
	if id == "" {
		return 0, leftOut(kindCall, t.name, t.line,
			"trip %q has a call without a stop_id: a train does not run on demand", tripID)
	}
	i, ok := r.stopByID[id]
	if !ok {
		return 0, leftOut(kindNoStop, t.name, t.line, "trip %q calls at stop %q, which does not exist", tripID, id)
	}
	if fault, line := r.stopFault(i); fault != "" {
		return 0, leftOut(kindStop, "stops.txt", line, "trip %q (%s) calls at stop %q: %s", tripID,
			at(t.name, t.line), id, fault)
	}
	return r.stops[i].root, nil
}

// order reads stop_sequence. It rises along a trip, from any number on, and may have gaps.
func (t *table) order(column int) uint32 {
	n, err := strconv.ParseUint(t.get(column), 10, 32)
	if err != nil {
		t.wrong("stop_sequence %q is not a whole number from 0", t.get(column))
	}
	return uint32(n)
}

// travelled reads shape_dist_traveled. One that cannot be read is as one that is not there: straight lines replace it.
func (t *table) travelled(column int) (distance float64, ok bool) {
	text := t.get(column)
	if text == "" {
		return 0, false
	}
	distance, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(distance) || math.IsInf(distance, 0) || distance < 0 {
		return 0, false
	}
	return distance, true
}
