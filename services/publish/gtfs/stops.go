package gtfs

import (
	"math"
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
	latitude, longitude          *float64
	line                         int
	// root is the stop without a parent that this one belongs to: itself, or its parent's root.
	root int32
	// names are the translations of the name.
	names map[string]string
	// station is what the stop became; nil for one with a parent, and for what no train calls at.
	station *rail.Station
}

// calledAt tells whether a train may call here.
func (s *stop) calledAt() bool { return s.location == locationStop || s.location == locationStation }

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
		}
		if s.id == "" {
			return t.refuse("stop_id is empty")
		}
		if before, twice := r.stopByID[s.id]; twice {
			return t.refuse("stop %q is there already in line %d", s.id, r.stops[before].line)
		}
		if s.location, err = smallNumber(t, location, "location_type", locationMax); err != nil {
			return err
		}
		if s.latitude, err = degrees(t, latitude, "stop_lat"); err != nil {
			return err
		}
		if s.longitude, err = degrees(t, longitude, "stop_lon"); err != nil {
			return err
		}
		if err := t.keep(keptStop, s.id, s.code, s.name, s.zone, s.parent); err != nil {
			return err
		}
		r.stopByID[s.id] = int32(len(r.stops))
		r.stops = append(r.stops, s)
	}
	return r.findRoots()
}

// findRoots follows parent_station to the top: a stop with a parent is its parent.
func (r *reader) findRoots() error {
	for i := range r.stops {
		at := int32(i)
		for parents := 0; r.stops[at].parent != ""; parents++ {
			parent, ok := r.stopByID[r.stops[at].parent]
			if !ok {
				return refuse("stops.txt", r.stops[at].line, "parent_station %q of stop %q does not exist",
					r.stops[at].parent, r.stops[at].id)
			}
			if parents == maxParents {
				return refuse("stops.txt", r.stops[i].line, "stop %q has more than %d parents above it, or is its own",
					r.stops[i].id, maxParents)
			}
			at = parent
		}
		r.stops[i].root = at
	}
	return nil
}

// makeStations makes a station of every stop without a parent that a train may call at.
func (r *reader) makeStations() error {
	var roots []int32
	for i := range r.stops {
		if s := &r.stops[i]; s.root == int32(i) && s.calledAt() {
			roots = append(roots, int32(i))
		}
	}
	codes := r.chooseCodes(roots)
	lines := make(map[rail.StationCode]int, len(roots))
	var errs rail.Errors
	for _, root := range roots {
		s := &r.stops[root]
		if line, twice := lines[codes[root]]; twice { // Their ids are one but for how accents are composed.
			return refuse("stops.txt", s.line, "stop %q has the same code as the stop in line %d", s.id, line)
		}
		lines[codes[root]] = s.line
		station := &rail.Station{
			Code: codes[root], Name: s.name, Names: s.names, TimeZone: s.zone, Latitude: s.latitude,
			Longitude: s.longitude,
		}
		if station.TimeZone == "" {
			station.TimeZone = r.feed.TimeZone
		}
		for _, wrong := range station.Validate() {
			goOn, _ := collect(&errs, refuse("stops.txt", s.line, "stop %q: %s", s.id, wrong.Message))
			if !goOn {
				return errs
			}
		}
		s.station = station
		r.feed.Stations = append(r.feed.Stations, station)
	}
	return errs.OrNil()
}

// chooseCodes gives every root a code: its stop_code where that is a valid code and no other root's, else its stop_id.
// A stop_code may also be the stop_id that another root has fallen back on: then its own root falls back too. So one
// may lead to the next. It ends, because no root falls back twice.
func (r *reader) chooseCodes(roots []int32) map[int32]rail.StationCode {
	codes := make(map[int32]rail.StationCode, len(roots))
	takenBy := make(map[rail.StationCode][]int32, len(roots))
	// The codes that more than one station has taken, each noted once, by its second station. A station that takes a
	// code after the code was looked at has no other, and keeps it.
	var shared []rail.StationCode
	take := func(root int32, code rail.StationCode) {
		codes[root] = code
		takenBy[code] = append(takenBy[code], root)
		if len(takenBy[code]) == 2 {
			shared = append(shared, code)
		}
	}
	id := func(root int32) rail.StationCode { return rail.StationCode(rail.NormalizeText(r.stops[root].id)) }
	for _, root := range roots {
		code := rail.StationCode(rail.NormalizeText(r.stops[root].code))
		if !code.Valid() {
			code = id(root)
		}
		take(root, code)
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
	return codes
}

// smallNumber reads an enumeration; empty is 0.
func smallNumber(t *table, column int, name string, maximum int) (int, error) {
	text := t.get(column)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maximum {
		return 0, t.refuse("%s %q is not a number from 0 to %d", name, text, maximum)
	}
	return n, nil
}

// degrees reads a latitude or longitude; nil where there is none.
func degrees(t *table, column int, name string) (*float64, error) {
	text := t.get(column)
	if text == "" {
		return nil, nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, t.refuse("%s %q is not a number", name, text)
	}
	return &value, nil
}

// oneLine makes one line of a name: a quoted field may have line breaks, a name may not.
// It is a copy: most names are as they were read, and would keep their whole row in memory.
func oneLine(s string) string {
	return strings.Clone(rail.NormalizeText(strings.Join(strings.Fields(s), " ")))
}
