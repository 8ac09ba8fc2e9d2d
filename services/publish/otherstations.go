package publish

import (
	"fmt"
	"time"

	"interlock/services/ledger"
	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// A feed's station may have the code of a station that another feed or a person published. Railways of one country
// share their codes; railways that count their stops from 1 have equal ones by chance.

// sameMetres is how far apart two positions of one station may be. Feeds have the building, the middle of the
// platforms, or degrees rounded to two decimals, which alone is up to 800 m; the largest stations are 2 km long.
// Stations that have one code by chance are rarely that near.
const sameMetres = 5_000

const kindOthersUsed = "stations of other feeds are used as they are, and have another name or position here"

// otherStation is a station that is not the feed's own.
type otherStation struct {
	ledger.OtherStation
	// fault is why it is not the feed's station, "" where it is the same place.
	fault string
	// used tells that a train calls there which is sold.
	used bool
}

type otherStations map[rail.StationCode]*otherStation

// compareStations holds the feed's stations against those of the same codes that are not its own.
func compareStations(request *ImportRequest) otherStations {
	all := make(otherStations, len(request.others))
	for _, other := range request.others {
		all[other.Station.Code] = &otherStation{OtherStation: other}
	}
	clocks := clocks{request.From, request.Days, map[[2]string]bool{}}
	for _, station := range request.Feed.Stations {
		if other := all[station.Code]; other != nil {
			other.fault = other.unlike(station, &clocks)
		}
	}
	return all
}

// unlike is why a feed's station is plainly not this one, or cannot be told to be; "" where it is.
func (o *otherStation) unlike(station *rail.Station, clocks *clocks) string {
	says := ""
	apart, known := metresApart(station, o.Station)
	switch {
	case known && apart > sameMetres:
		says = "is " + kilometres(apart) + " away"
	case !clocks.agree(station.TimeZone, o.Station.TimeZone):
		says = fmt.Sprintf("has the time of %s, not of %s", o.Station.TimeZone, station.TimeZone)
	case !known && !rail.SameSpelling(station.Name, o.Station.Name):
		says = "may be another place: they have no positions to compare"
	default:
		return ""
	}
	return fmt.Sprintf("stop %s is %s here, and %s %s: give this feed's stations a prefix, --station-prefix XX-",
		station.Code, station.Name, o.name(), says)
}

// name is the station's name, and whose it is.
func (o *otherStation) name() string {
	if o.Feed == "" {
		return o.Station.Name + ", which was published by hand,"
	}
	return fmt.Sprintf("%s of the feed %q", o.Station.Name, o.Feed)
}

// elsewhere is why a train with some calls cannot be sold, "" where it can: one of them is at another place than the
// station of its code.
func (all otherStations) elsewhere(calls []rail.Call) string {
	if len(all) == 0 {
		return ""
	}
	for i := range calls {
		if other := all[calls[i].Station]; other != nil && other.fault != "" {
			return other.fault
		}
	}
	return ""
}

// use notes that a train with some calls is sold.
func (all otherStations) use(calls []rail.Call) {
	if len(all) == 0 {
		return
	}
	for i := range calls {
		if other := all[calls[i].Station]; other != nil {
			other.used = true
		}
	}
}

// notice tells of the stations that sold trains call at, and that the feed has otherwise.
func (all otherStations) notice(request *ImportRequest) {
	for _, station := range request.Feed.Stations {
		other := all[station.Code]
		if other == nil || !other.used {
			continue
		}
		apart, known := metresApart(station, other.Station)
		moved := known && apart > 0
		if !moved && station.Name == other.Station.Name {
			continue
		}
		says := fmt.Sprintf("stop %s is %s here, and %s", station.Code, station.Name, other.name())
		if moved {
			says += " is " + kilometres(apart) + " away"
		}
		request.Findings.Add(gtfs.Finding{Kind: kindOthersUsed, File: "stops.txt", Message: short(says)})
	}
}

// metresApart is how far apart two stations are; known is false where one has no position.
func metresApart(a, b *rail.Station) (metres float64, known bool) {
	if a.Latitude == nil || a.Longitude == nil || b.Latitude == nil || b.Longitude == nil {
		return 0, false
	}
	return rail.GreatCircle(*a.Latitude, *a.Longitude, *b.Latitude, *b.Longitude), true
}

// kilometres are metres as a person reads them: "312 km", "5.2 km".
func kilometres(metres float64) string {
	if metres < 10_000 {
		return fmt.Sprintf("%.1f km", metres/1_000)
	}
	return fmt.Sprintf("%.0f km", metres/1_000)
}

// clocks compares the clocks of time zones on the dates of an import.
type clocks struct {
	from rail.Date
	days int
	// known are the answers by the names of the zones.
	known map[[2]string]bool
}

// agree tells whether two zones have the same time on all dates. Railways of two countries that share a station may
// write its zone in two ways, as Europe/Berlin and Europe/Zurich.
func (c *clocks) agree(a, b string) bool {
	if a == b {
		return true
	}
	names := [2]string{a, b}
	agree, known := c.known[names]
	if !known {
		agree = c.compare(a, b)
		c.known[names] = agree
	}
	return agree
}

func (c *clocks) compare(a, b string) bool {
	first, err1 := rail.LoadZone(a)
	second, err2 := rail.LoadZone(b)
	if err1 != nil || err2 != nil {
		return false
	}
	// A service date begins up to a day before it does in UTC. The last train is on its way for rail.MaxOffset.
	at := c.from.AddDays(-1).Time()
	for end := c.from.AddDays(c.days + 1).Time().Add(rail.MaxOffset); at.Before(end); at = at.Add(time.Hour) {
		_, offset1 := at.In(first).Zone()
		_, offset2 := at.In(second).Zone()
		if offset1 != offset2 {
			return false
		}
	}
	return true
}

func codesOf(stations []*rail.Station) []rail.StationCode {
	codes := make([]rail.StationCode, len(stations))
	for i, station := range stations {
		codes[i] = station.Code
	}
	return codes
}
