package publish

import (
	"regexp"
	"slices"
	"strings"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// NumberFrom says which field of trips.txt has the numbers of trains.
type NumberFrom string

// The fields a number may come from. Where a trip's is empty, its number is its trip_id.
const (
	NumberFromShortName NumberFrom = "short-name"
	NumberFromTripID    NumberFrom = "trip-id"
	NumberFromHeadsign  NumberFrom = "headsign"
)

// numbering gives trips their numbers. A number depends on the trip alone, and never on other trips or on the dates
// asked for: so the next import of the feed, or of a newer one, gives a train the number it has already.
type numbering struct {
	from NumberFrom
	// agencies are the agencies whose trains have them in their numbers, as they are to be shown: ids or names.
	agencies []string
}

// of is a trip's number without its agency.
func (n *numbering) of(trip *gtfs.Trip) string { return trip.Numbered(n.field(trip)) }

// field is what the field has that numbers come from, "" where that is trip_id.
func (n *numbering) field(trip *gtfs.Trip) string {
	switch n.from {
	case NumberFromTripID:
		return ""
	case NumberFromHeadsign:
		return trip.Headsign
	}
	return trip.ShortName
}

// agencyOf is what a trip's number begins with, such as "SBB ", or "".
func (n *numbering) agencyOf(trip *gtfs.Trip) string {
	for _, agency := range n.agencies {
		if agency != "" && (agency == trip.Route.AgencyID || agency == trip.Route.AgencyName) {
			return rail.NormalizeLabel(agency) + " "
		}
	}
	return ""
}

// partPattern is a number that one of several in a train's number is taken for: "Z305" of "Z305/Z308".
var partPattern = regexp.MustCompile(`^\p{L}{0,5} ?[0-9]{1,6}\p{L}?$`)

// parts are the numbers that a train goes by: a train that changes its direction, or is divided, has several, with a
// slash between them. They are in the number's order, each once. A number of any other form is a single part, and so is
// a trip_id, in which a slash may mean anything.
func (n *numbering) parts(trip *gtfs.Trip) []string {
	number, agency := n.of(trip), n.agencyOf(trip)
	if n.field(trip) == "" {
		return []string{agency + number}
	}
	parts := strings.Split(number, "/")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
		if !partPattern.MatchString(parts[i]) {
			return []string{agency + number}
		}
	}
	var all []string
	for _, part := range parts {
		if !slices.Contains(all, agency+part) {
			all = append(all, agency+part)
		}
	}
	return all
}
