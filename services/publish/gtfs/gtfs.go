// Package gtfs reads a timetable in the General Transit Feed Specification (GTFS Schedule) into the words of rail:
// stations, trips with their calls, and the dates they run on. It takes any feed of any railway, and what can be used
// of one with defects.
//
// It knows no coaches, seats or fares, and not today's date. It writes nothing. What it leaves out or works out by
// itself it tells Options.Found, where a reader might wonder about it. Files without use here (shapes, pathways,
// transfers, levels, …) are not opened.
//
// Invariants: a defect of a row costs the trips that it touches, and each of them is a Finding with file and line. What
// is not asked for (Options) makes no finding, refuses nothing, and is not kept. A feed is refused for what concerns a
// file as a whole: it is missing, cannot be read, lacks a column, or passes a bound. A refusal is a *rail.Error (or
// rail.Errors) with code INVALID, and its message begins with the file and line that it is about
// ("stop_times.txt:17: …"). Every trip that comes back has an id of its own and at least two calls, at stations of the
// feed, with times that never go backwards; every station is called at. What is read and kept is bounded (limits.go): a
// small hostile archive costs no more than a small honest one.
//
// Files are read row by row. Of the large one, stop_times.txt, some 100 bytes a row are kept, of the trips asked for. A
// Feed is never changed once made, and may be shared by many goroutines.
package gtfs

import (
	"context"
	"io/fs"

	"interlock/services/rail"
)

// Options are what a feed cannot say by itself.
type Options struct {
	// MetresPerUnit is the length of one unit of shape_dist_traveled: GTFS leaves the unit to the feed. With 0 the unit
	// is the kilometre, or what the straight lines between the stops show it to be: the metre, the mile or the foot.
	MetresPerUnit float64
	// MaxMemory is how many bytes of memory the feed may take, as counted while reading; 0 is DefaultMaxMemory.
	MaxMemory int64
	// Found, if any, is called for each finding, in order, by the goroutine that reads.
	Found func(Finding)
	// Strict makes a refusal of the feed of what would be left out.
	Strict bool
	// From is the first service date asked for, and Days how many there are; with Days 0 it is every date of the feed.
	From rail.Date
	Days int
	// StationPrefix is before every station's code, at most MaxStationPrefix printable characters: where other feeds
	// have the same codes for other places.
	StationPrefix string
	// Agencies are the agencies asked for, by agency_id or agency_name; none is all.
	Agencies []string
	// Routes are the routes asked for, by route_id or route_short_name; none is all.
	Routes []string
	// RouteTypes are the kinds of route asked for; none is all.
	RouteTypes []RouteTypes
}

// RouteTypes are the route types from From through Through, as GTFS numbers them (100 to 117 are railways).
type RouteTypes struct{ From, Through int }

// Feed is what a GTFS feed says.
type Feed struct {
	// TimeZone is the agencies' time zone, in which the times of all trips count.
	TimeZone string
	// Agency is the first agency_name, "" where there is none.
	Agency string
	// StationPrefix is what the codes of the stations begin with, as Options has it.
	StationPrefix string
	// Stations are the stops and stations without a parent that the trips call at, in the feed's order.
	Stations []*rail.Station
	// Trips are those asked for, in the feed's order.
	Trips []*Trip
	// From and Through are the first and the last date that any service of the feed may run on, of all trips.
	From, Through rail.Date
}

// Trip is a train on the dates of its service.
type Trip struct {
	// ID is trip_id. A trip that frequencies.txt repeats has its Departure behind it: "t2 12:00".
	ID string
	// Line is where in trips.txt the trip is.
	Line int
	// Number is trip_short_name, else trip_id, in both cases with the Departure behind it.
	Number string
	// ShortName is trip_short_name, and Headsign is trip_headsign; either may be "".
	ShortName, Headsign string
	// Departure is when a trip that frequencies.txt repeats leaves its origin, such as "12:00" or "24:10:30"; "" for
	// every other trip. With it, names that all repetitions share become their own.
	Departure string
	Route     *Route
	Service   *Service
	Calls     []rail.Call
}

// Route is the line a trip belongs to.
type Route struct {
	// AgencyID and AgencyName are those of the route's agency; that of a feed with one agency may have no id.
	AgencyID, AgencyName string
	ShortName            string
	LongName             string
	Desc                 string
	Type                 int
}

// Read reads a feed from a file system, such as a folder or an opened archive.
func Read(ctx context.Context, fsys fs.FS, options Options) (*Feed, error) {
	return read(ctx, fsys, options, newBudget(&options, 0))
}

func read(ctx context.Context, fsys fs.FS, options Options, budget *budget) (*Feed, error) {
	root, err := locate(fsys)
	if err != nil {
		return nil, err
	}
	r := &reader{
		ctx: ctx, fsys: root, options: options, asked: newSelection(&options), budget: budget,
		feed: &Feed{StationPrefix: options.StationPrefix},
	}
	for _, step := range []func() error{
		r.readAgencies, r.readRoutes, r.readServices, r.readTrips, r.readStops, r.readStopTimes, r.readFrequencies,
		r.makeTrips, r.readTranslations, r.listStations, r.noticeFares,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if err := r.refusals.OrNil(); err != nil {
		return nil, err
	}
	return r.feed, nil
}

// reader is a feed that is being read.
type reader struct {
	ctx     context.Context
	fsys    fs.FS
	options Options
	asked   selection
	budget  *budget
	feed    *Feed
	// refusals are what would be left out of a feed that is read strictly.
	refusals rail.Errors

	agencies map[string]*agency
	routes   map[string]*routeRow
	services map[string]*Service
	tripByID map[string]int32
	// left tells which of feed.Trips are left out.
	left     []bool
	stops    []stop
	stopByID map[string]int32
	times    []stopTime
	// headways are the rows of frequencies.txt by trip.
	headways  map[int32][]headway
	distances distances
	metres    metres
	// hops are the pairs of stops between which a train was told to be too fast.
	hops map[[2]int32]bool
}
