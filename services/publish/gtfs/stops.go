package gtfs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"interlock/services/rail"
)

// The kinds of location that trains call at; entrances (2), pathway nodes (3) and boarding areas (4) are not.
const (
	locationStop    = 0
	locationStation = 1
	locationMax     = 4
	// maxParents is how many parents up a location's station is: a boarding area, its platform, its station.
	maxParents = 3
)

// stop is a row of stops.txt.
type stop struct {
	id, code, name, zone, parent string
	location                     int
	// latitude and longitude are nil where the row has none, or 0 for both, which is no place where trains run.
	latitude, longitude *float64
	line                int
	// root is the stop without a parent that this one belongs to: itself, or its parent's root.
	root int32
	// fault is why no train can call here, "" where trains can. positionFault is what is wrong with the position, which
	// concerns roots alone.
	fault, positionFault string
	// stationCode is the code of the station that a root is.
	stationCode rail.StationCode
	// station is what a root became that a train calls at, else nil. checked tells that it cannot become more.
	station *rail.Station
	checked bool
	// served tells that a trip calls here which is not left out.
	served bool
	// told tells that a notice was given of the missing position.
	told bool
}

// calledAt tells whether a train may call here.
func (s *stop) calledAt() bool { return s.location == locationStop || s.location == locationStation }

// readStops reads all stops. What is wrong with one concerns the trains that call there.
func (r *reader) readStops() error {
	t, err := r.open("stops.txt", "stop_id")
	if err != nil {
		return err
	}
	defer t.close()
	id, code, name := t.column("stop_id"), t.column("stop_code"), t.column("stop_name")
	zone, parent := t.column("stop_timezone"), t.column("parent_station")
	latitude, longitude, location := t.column("stop_lat"), t.column("stop_lon"), t.column("location_type")
	r.stopByID = map[string]int32{}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		s := stop{
			id: strings.Clone(t.get(id)), code: strings.Clone(t.get(code)), name: oneLine(t.get(name)),
			zone: strings.Clone(t.get(zone)), parent: strings.Clone(t.get(parent)), line: t.line,
			location: t.smallNumber(location, "location_type", locationMax),
		}
		s.fault = t.fault
		s.latitude, s.longitude = t.degrees(latitude, "stop_lat"), t.degrees(longitude, "stop_lon")
		if s.fault == "" {
			s.positionFault = t.fault
		}
		if s.latitude != nil && s.longitude != nil && *s.latitude == 0 && *s.longitude == 0 {
			s.latitude, s.longitude = nil, nil
		}
		if before, twice := r.stopByID[s.id]; twice {
			r.stops[before].again(&s)
			continue
		}
		if err := t.keep(keptStop, s.id, s.code, s.name, s.zone, s.parent, t.fault); err != nil {
			return err
		}
		r.stopByID[s.id] = int32(len(r.stops))
		r.stops = append(r.stops, s)
	}
	r.findRoots()
	r.chooseCodes()
	return nil
}

// again notes that another row has the same id. A row that is there again changes nothing; where the two differ,
// neither can be used.
func (s *stop) again(other *stop) {
	same := s.code == other.code && s.name == other.name && s.zone == other.zone && s.parent == other.parent &&
		s.location == other.location && equal(s.latitude, other.latitude) && equal(s.longitude, other.longitude)
	if (!same || other.fault != "") && s.fault == "" {
		s.fault = fmt.Sprintf("it is there again in line %d, and differs", other.line)
	}
}

func equal(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }

// findRoots follows parent_station to the top: a stop with a parent is its parent.
func (r *reader) findRoots() {
	for i := range r.stops {
		s := &r.stops[i]
		at := int32(i)
		s.root = at
		for parents := 0; r.stops[at].parent != ""; parents++ {
			parent, ok := r.stopByID[r.stops[at].parent]
			switch {
			case !ok:
				s.fail("parent_station %q does not exist", r.stops[at].parent)
			case parents == maxParents:
				s.fail("it has more than %d parents above it, or is its own", maxParents)
			}
			if !ok || parents == maxParents {
				break
			}
			at = parent
			s.root = at
		}
	}
}

// fail notes why no train can call here. The first reason is the one that is told.
func (s *stop) fail(format string, args ...any) {
	if s.fault == "" {
		s.fault = shortened(fmt.Sprintf(format, args...))
	}
}

// stopFault is why a train cannot call at a stop, with the line that says so; "" where it can.
func (r *reader) stopFault(i int32) (fault string, line int) {
	s := &r.stops[i]
	root := &r.stops[s.root]
	switch {
	case s.fault != "":
		return s.fault, s.line
	case !s.calledAt():
		return fmt.Sprintf("trains do not call at a location_type %d", s.location), s.line
	case !root.calledAt():
		return fmt.Sprintf("its parent %q is no station (location_type %d)", root.id, root.location), s.line
	}
	r.makeStation(root)
	return root.fault, root.line
}

// makeStation makes a station of a root, once, or notes why it cannot be one.
func (r *reader) makeStation(root *stop) {
	if root.checked || root.fault != "" {
		return
	}
	root.checked = true
	if root.positionFault != "" {
		root.fault = root.positionFault
		return
	}
	station := &rail.Station{
		Code: root.stationCode, Name: root.name, TimeZone: root.zone, Latitude: root.latitude,
		Longitude: root.longitude,
	}
	if station.TimeZone == "" {
		station.TimeZone = r.feed.TimeZone
	}
	if wrong := station.Validate(); len(wrong) > 0 {
		root.fault = wrong[0].Message
		return
	}
	root.station = station
}

// listStations lists the stations that trains call at, in the feed's order.
func (r *reader) listStations() error {
	for i := range r.stops {
		s := &r.stops[i]
		if !s.served {
			continue
		}
		r.feed.Stations = append(r.feed.Stations, s.station)
		own := r.options.StationPrefix + cmp.Or(s.code, s.id)
		if len(own) > maxCode && strings.Contains(string(s.stationCode), "~") {
			r.notice(kindCode, "stops.txt", s.line, "stop %q has the code %q", s.id, s.stationCode)
		}
	}
	return nil
}

// chooseCodes gives every root a code: its stop_code where that is a valid code and no other root's, else its stop_id.
// Options.StationPrefix is before both. A stop_code may also be the stop_id that another root has fallen back on: then
// its own root falls back too. So one may lead to the next. It ends, because no root falls back twice. Stops that no
// train calls at count as well: so a station has one code for every selection.
func (r *reader) chooseCodes() {
	takenBy := make(map[rail.StationCode][]int32, len(r.stops))
	// The codes that more than one station has taken, each noted once, by its second station. A station that takes a
	// code after the code was looked at has no other, and keeps it.
	var shared []rail.StationCode
	take := func(root int32, code rail.StationCode) {
		r.stops[root].stationCode = code
		takenBy[code] = append(takenBy[code], root)
		if len(takenBy[code]) == 2 {
			shared = append(shared, code)
		}
	}
	id := func(root int32) rail.StationCode {
		return rail.StationCode(fitting(r.prefixed(r.stops[root].id), maxCode))
	}
	for i := range r.stops {
		if s := &r.stops[i]; s.root == int32(i) && s.calledAt() {
			code := rail.StationCode(r.prefixed(s.code))
			if rail.NormalizeText(s.code) == "" || !code.Valid() {
				code = id(int32(i))
			}
			take(int32(i), code)
		}
	}
	for len(shared) > 0 {
		code := shared[len(shared)-1]
		shared = shared[:len(shared)-1]
		all := takenBy[code]
		takenBy[code] = nil
		for _, root := range all {
			if own := id(root); own != code {
				take(root, own)
			} else {
				takenBy[code] = append(takenBy[code], root) // It has nothing else to be called by.
			}
		}
	}
	r.tellApart(takenBy)
}

// prefixed is a stop's code or id with the prefix of all codes. A prefix cuts nothing off: what is too long with it
// becomes a digest.
func (r *reader) prefixed(own string) string {
	return rail.NormalizeText(r.options.StationPrefix + own)
}

// tellApart gives codes of their own to roots whose ids are one but for how accents are composed, or for their spaces:
// a digest of the bytes of the id goes behind. The first root keeps the code.
func (r *reader) tellApart(takenBy map[rail.StationCode][]int32) {
	for code, all := range takenBy {
		if len(all) < 2 {
			continue
		}
		slices.Sort(all)
		for _, root := range all[1:] {
			r.stops[root].stationCode = rail.StationCode(withDigest(string(code), r.stops[root].id, maxCode))
		}
	}
}

// smallNumber reads an enumeration; empty is 0.
func (t *table) smallNumber(column int, name string, maximum int) int {
	text := t.get(column)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maximum {
		t.wrong("%s %q is not a number from 0 to %d", name, text, maximum)
		return 0
	}
	return n
}

// degrees reads a latitude or longitude; nil where there is none.
func (t *table) degrees(column int, name string) *float64 {
	text := t.get(column)
	if text == "" {
		return nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		t.wrong("%s %q is not a number", name, text)
		return nil
	}
	return &value
}
