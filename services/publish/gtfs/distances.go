package gtfs

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"interlock/services/rail"
)

const (
	// detour is how much longer track is taken to be than the straight lines between stations, where a feed has no
	// distances: a few per cent on a line that stops often, more in mountains. A railway that charges by the exact
	// kilometre has distances in its feed.
	detour = 1.05
	// maxMetres is the longest train rail knows: more than twice around the earth.
	maxMetres = 100_000_000
	// likelyDetour is what shape_dist_traveled over straight lines is likely to be when the unit is the right one.
	likelyDetour = 1.2
	// leastDetour and mostDetour are what it can be. Track is no shorter than a straight line, but positions are
	// rough; a mountain railway is twice as long, and a spiral more.
	leastDetour = 0.7
	mostDetour  = 3.0
	// enoughMetres of straight lines are needed to tell a unit; two stops of one station tell nothing.
	enoughMetres = 1_000
)

// unitsOfLength are what feeds are known to measure shape_dist_traveled in.
var unitsOfLength = []struct {
	name   string
	metres float64
}{{"kilometres", 1_000}, {"metres", 1}, {"miles", 1_609.344}, {"feet", 0.3048}}

// distances are how the distances of a feed's trips are found.
type distances struct {
	// perUnit is metres per unit of shape_dist_traveled; 0 where its unit is unknown, and it is not used.
	perUnit float64
	// trusted tells that the unit was given. Otherwise straight lines check it, trip by trip.
	trusted bool
	// straight counts the trips without distances of their own, whose distances are straight lines.
	straight int
}

// along adds up what two rows that follow each other are apart: by shape_dist_traveled, and by the straight line. Rows
// without either, and those between which no train is so fast, say nothing of a unit.
func along(a, b *stopTime) (units, straight float64) {
	if b.straight == noStraight || !a.hasDistance || !b.hasDistance || b.distance < a.distance ||
		tooFast(float64(b.straight), a, b) {
		return 0, 0
	}
	return b.distance - a.distance, float64(b.straight)
}

// measure finds how many metres one unit of shape_dist_traveled is. GTFS leaves that to the feed. With metres taken for
// kilometres, every fare would be a thousand times too high; the straight lines between the stops tell them apart.
func (r *reader) measure() distances {
	for i := range r.times {
		r.times[i].straight = noStraight
		if i > 0 && r.times[i-1].trip == r.times[i].trip {
			r.times[i].straight = r.straight(&r.times[i-1], &r.times[i])
		}
	}
	if r.options.MetresPerUnit > 0 {
		return distances{perUnit: r.options.MetresPerUnit, trusted: true}
	}
	unitsPerMetre, straight := r.evidence()
	best := unitsOfLength[0]
	if straight < enoughMetres {
		return distances{perUnit: best.metres}
	}
	off := func(metres float64) float64 { return math.Abs(math.Log(unitsPerMetre * metres / likelyDetour)) }
	for _, unit := range unitsOfLength[1:] {
		if off(unit.metres) < off(best.metres) {
			best = unit
		}
	}
	const what = "it is %.3g times the straight lines between the stops in kilometres"
	switch {
	case !likely(unitsPerMetre*best.metres, 1):
		r.notice(kindNoUnit, "stop_times.txt", 0, "shape_dist_traveled is not used: "+what+", and no known unit is",
			unitsPerMetre*1_000)
		return distances{}
	case best != unitsOfLength[0]:
		r.notice(kindUnit, "stop_times.txt", 0, "shape_dist_traveled is taken for %s: "+what, best.name,
			unitsPerMetre*1_000)
	}
	return distances{perUnit: best.metres}
}

// evidence is what is known of the unit: how many units of shape_dist_traveled a metre of straight line is, and how
// many metres of straight lines tell it. Some feeds join railways with units of their own, and a mean would be none of
// these. So it is the median of the trips, each weighted by its length.
func (r *reader) evidence() (unitsPerMetre, straight float64) {
	type evidence struct{ unitsPerMetre, straight float64 }
	var trips []evidence
	var trip struct{ units, straight float64 }
	for i := 1; i <= len(r.times); i++ {
		if i < len(r.times) {
			u, s := along(&r.times[i-1], &r.times[i])
			trip.units, trip.straight = trip.units+u, trip.straight+s
			if r.times[i-1].trip == r.times[i].trip {
				continue
			}
		}
		if trip.units > 0 && trip.straight > 0 {
			trips = append(trips, evidence{trip.units / trip.straight, trip.straight})
			straight += trip.straight
		}
		trip.units, trip.straight = 0, 0
	}
	slices.SortFunc(trips, func(a, b evidence) int { return cmp.Compare(a.unitsPerMetre, b.unitsPerMetre) })
	passed := 0.0
	for _, each := range trips {
		if passed += each.straight; passed >= straight/2 {
			return each.unitsPerMetre, straight
		}
	}
	return 0, straight
}

// likely tells whether track of so many metres may lie along straight lines of so many.
func likely(metres, straight float64) bool {
	return metres >= leastDetour*straight && metres <= mostDetour*straight
}

// forgetFalling takes shape_dist_traveled from the rows of one trip where it goes down, and gives the row that shows
// it; -1 where it does not.
func forgetFalling(rows []stopTime) int {
	for i := 1; i < len(rows); i++ {
		if !rows[i].hasDistance || !rows[i-1].hasDistance || rows[i].distance >= rows[i-1].distance {
			continue
		}
		for j := range rows {
			rows[j].hasDistance = false
		}
		return i
	}
	return -1
}

// tell tells of the trips without distances.
func (d *distances) tell(r *reader) {
	if d.straight > 0 {
		r.notice(kindEstimated, "stop_times.txt", 0, "%d trips have no shape_dist_traveled that can be used: their "+
			"distances are the straight lines between their stops × %g", d.straight, detour)
	}
}

// metres are the distances of one trip, found anew for each.
type metres struct {
	// fromOrigin are those of its calls from its origin in metres, or rail.NoDistance for all of them.
	fromOrigin []int32
	// straight tells that they are straight lines.
	straight bool
	// doubt is why its own distances are not used, in the line of a call; "" where they are, or there are none.
	doubt string
	line  int32
	// nowhere is a call at a stop without a position, which a straight line needs; -1 where there is none.
	nowhere int
}

// find finds a trip's distances: by shape_dist_traveled where every call has it and it can be, else by straight lines
// where every stop has a position, else none. falling is the row whose shape_dist_traveled goes down, or -1.
func (m *metres) find(r *reader, trip *Trip, rows []stopTime, falling int) *Finding {
	*m = metres{fromOrigin: append(m.fromOrigin[:0], 0), nowhere: -1}
	travelled := r.distances.perUnit > 0
	for i := range rows {
		travelled = travelled && rows[i].hasDistance
	}
	if falling >= 0 {
		m.doubt, m.line = "shape_dist_traveled goes down", rows[falling].line
	} else if travelled {
		m.doubt, m.line = r.distances.doubt(rows)
	}
	var total float64
	m.straight = !travelled || m.doubt != ""
	for i := 1; i < len(rows); i++ {
		if !m.straight {
			// Distances count from where the shape begins, which may be before the first stop.
			total = (rows[i].distance - rows[0].distance) * r.distances.perUnit
		} else {
			if rows[i].straight == noStraight {
				m.none(r, rows, i-1)
				return nil
			}
			total += float64(rows[i].straight) * detour
		}
		if total > maxMetres {
			return leftOut(kindDistances, "stop_times.txt", int(rows[i].line),
				"trip %q has come %.0f km: is shape_dist_traveled in another unit?", trip.ID, total/1_000)
		}
		m.fromOrigin = append(m.fromOrigin, int32(math.Round(total)))
	}
	return nil
}

// none takes the distances away, because the stop of a row or of the next has no position.
func (m *metres) none(r *reader, rows []stopTime, at int) {
	m.fromOrigin = m.fromOrigin[:0]
	for range rows {
		m.fromOrigin = append(m.fromOrigin, rail.NoDistance)
	}
	m.straight, m.nowhere = false, at
	if r.stops[rows[at].stop].hasPosition() {
		m.nowhere++
	}
}

// doubt is why the shape_dist_traveled of a trip is not used, with the line of its last call: in no unit does it come
// near the straight lines, as where a second railway of the feed has another unit.
func (d *distances) doubt(rows []stopTime) (doubt string, line int32) {
	var units, straight float64
	for i := 1; i < len(rows); i++ {
		u, s := along(&rows[i-1], &rows[i])
		units, straight = units+u, straight+s
	}
	metres := units * d.perUnit
	if d.trusted || straight < enoughMetres || likely(metres, straight) {
		return "", 0
	}
	return fmt.Sprintf("shape_dist_traveled makes %.0f km of %.0f km of straight lines", metres/1_000, straight/1_000),
		rows[len(rows)-1].line
}

// tell tells what was found of a trip's distances.
func (m *metres) tell(r *reader, trip *Trip, rows []stopTime) {
	switch {
	case m.doubt != "":
		r.notice(kindNoUnit, "stop_times.txt", int(m.line), "trip %q: %s", trip.ID, m.doubt)
	case m.straight:
		r.distances.straight++
	}
	if m.nowhere < 0 {
		return
	}
	if s := &r.stops[rows[m.nowhere].stop]; !s.told {
		s.told = true
		r.notice(kindNoPosition, "stops.txt", s.line, "stop %q (%s) has no position, or 0,0: trip %q calls there",
			s.id, s.name, trip.ID)
	}
}

// hasPosition tells whether a stop has a position.
func (s *stop) hasPosition() bool { return s.latitude != nil && s.longitude != nil }

// place is a stop's position as a person reads it.
func (s *stop) place() string {
	if !s.hasPosition() {
		return "no position"
	}
	return fmt.Sprintf("%g,%g", *s.latitude, *s.longitude)
}

// noStraight stands for a straight line where a position is missing.
const noStraight float32 = -1

// straight is the great circle between two calls in metres.
func (r *reader) straight(a, b *stopTime) float32 {
	from, to := &r.stops[a.stop], &r.stops[b.stop]
	if !from.hasPosition() || !to.hasPosition() {
		return noStraight
	}
	return float32(rail.GreatCircle(*from.latitude, *from.longitude, *to.latitude, *to.longitude))
}
