package gtfs

import (
	"math"

	"interlock/services/rail"
)

const (
	// detour is how much longer track is taken to be than the straight lines between stations, where a feed has no
	// distances: a few per cent on a line that stops often, more in mountains. A railway that charges by the exact
	// kilometre has distances in its feed.
	detour = 1.05
	// maxMetres is the longest train rail knows: more than twice around the earth.
	maxMetres = 100_000_000
	// earthMetres is the mean radius of the earth (IUGG).
	earthMetres = 6_371_008.8
	// likelyDetour is what shape_dist_traveled over straight lines is likely to be when the unit is the right one.
	likelyDetour = 1.2
	// enoughMetres of straight lines are needed to tell a unit; two stops of one station tell nothing.
	enoughMetres = 1_000
)

// unitsOfLength are what feeds are known to measure shape_dist_traveled in.
var unitsOfLength = []struct {
	name   string
	metres float64
}{{"kilometres", 1_000}, {"metres", 1}, {"miles", 1_609.344}, {"feet", 0.3048}}

// unit is how many metres one unit of shape_dist_traveled is. GTFS leaves that to the feed. With metres taken for
// kilometres, every fare would be a thousand times too high; the straight lines between the stops tell them apart.
func (r *reader) unit() float64 {
	if r.options.MetresPerUnit > 0 {
		return r.options.MetresPerUnit
	}
	var units, straight float64
	for i := 1; i < len(r.times); i++ {
		a, b := &r.times[i-1], &r.times[i]
		if a.trip != b.trip || !a.hasDistance || !b.hasDistance || b.distance < a.distance {
			continue
		}
		if metres, ok := r.straight(a, b); ok {
			units += b.distance - a.distance
			straight += metres
		}
	}
	best := unitsOfLength[0]
	if units > 0 && straight > enoughMetres {
		off := func(metres float64) float64 { return math.Abs(math.Log(units * metres / straight / likelyDetour)) }
		for _, unit := range unitsOfLength[1:] {
			if off(unit.metres) < off(best.metres) {
				best = unit
			}
		}
		if best != unitsOfLength[0] {
			r.notice("distances are in another unit than kilometres", "stop_times.txt", 0, "shape_dist_traveled is taken for %s: it is %.3g times the straight lines between the stops in "+
				"kilometres", best.name, units/straight*1_000)
		}
	}
	return best.metres
}

// metres are the distances of a trip's calls from its origin: by shape_dist_traveled where every call has it, else by
// straight lines where every stop has a position (byStraight), else none.
func (r *reader) metres(trip *Trip, rows []stopTime) (metres []int32, byStraight bool, err error) {
	metres = make([]int32, len(rows))
	travelled := true
	for i := range rows {
		travelled = travelled && rows[i].hasDistance
	}
	byStraight = !travelled
	var total float64
	for i := 1; i < len(rows); i++ {
		if travelled {
			// Distances count from where the shape begins, which may be before the first stop.
			total = (rows[i].distance - rows[0].distance) * r.perUnit
		} else {
			leg, ok := r.straight(&rows[i-1], &rows[i])
			if !ok {
				for j := range metres {
					metres[j] = rail.NoDistance
				}
				return metres, false, nil
			}
			total += leg * detour
		}
		if total > maxMetres {
			return nil, false, refuse("stop_times.txt", int(rows[i].line),
				"trip %q has come %.0f km: is shape_dist_traveled in another unit?", trip.ID, total/1_000)
		}
		metres[i] = int32(math.Round(total))
	}
	return metres, byStraight, nil
}

// straight is the great circle between two calls (haversine); false where a position is missing.
func (r *reader) straight(a, b *stopTime) (metres float64, ok bool) {
	from, to := &r.stops[a.stop], &r.stops[b.stop]
	if from.latitude == nil || to.latitude == nil || from.longitude == nil || to.longitude == nil {
		return 0, false
	}
	const radian = math.Pi / 180
	lat1, lat2 := *from.latitude*radian, *to.latitude*radian
	sinLat := math.Sin((lat2 - lat1) / 2)
	sinLon := math.Sin((*to.longitude - *from.longitude) * radian / 2)
	h := sinLat*sinLat + math.Cos(lat1)*math.Cos(lat2)*sinLon*sinLon
	return 2 * earthMetres * math.Asin(math.Sqrt(min(h, 1))), true
}
