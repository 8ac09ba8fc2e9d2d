package publish

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

const (
	// maxStartNames is how many kinds of one route type get a template each in a file to start from. Where there are
	// more, all of the type get one: a person lays out the coaches of a few lines, and not of a hundred.
	maxStartNames = 12
	// maxStartKinds is how many kinds the file has: far more than a railway has, and few enough for maxTemplateBytes.
	maxStartKinds = 150
)

// StartTemplates is a templates file to start from: the kinds of a feed's trips with their counts, and blanks for their
// coaches and fares. Road, water and air services are skipped in it. name is what the feed is called. numberFrom is
// that of the import. The file can be read once its blanks are filled; until then it is refused, and each blank named.
func StartTemplates(feed *gtfs.Feed, name string, numberFrom NumberFrom) (text []byte, kindsFound int, err error) {
	kinds := startKinds(feed, &numbering{from: numberFrom})
	if len(kinds) == 0 {
		return nil, 0, rail.Refuse(rail.Invalid, "the feed has no trip to make a template for")
	}
	if len(kinds) > maxStartKinds {
		return nil, 0, rail.Refuse(rail.Invalid, "the feed has %d kinds, more than %d: ask for some of its agencies, "+
			"routes or route types", len(kinds), maxStartKinds)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, startHead, short(quoted(name)))
	for _, kind := range kinds {
		fmt.Fprintf(&b, "  %s: # %s", quoted(kind.name), Counted(kind.trips, "trip"))
		if kind.about != "" {
			fmt.Fprintf(&b, ": %s", kind.about)
		}
		fmt.Fprintf(&b, ", such as %s\n", quoted(kind.example))
		if kind.skip {
			b.WriteString("    skip: true # No train. Take this line away to sell it, and add coaches and fares.\n")
		} else {
			b.WriteString(startKind)
		}
	}
	return b.Bytes(), len(kinds), nil
}

const startHead = `# Coaches and fares by kind of train, to start from. The kinds are those of the feed
# %s.
# Fill in each value that is missing. Add coaches and fares where a kind has several; write "skip: true" in place of
# both where it is not to be sold. "interlock import … --dry-run" then says what would be on sale.

# Of all amounts in this file: an ISO 4217 code such as EUR or CHF.
currency:

kinds:
`

const startKind = `    coaches:
      - numbers: # One coach (1), or several that are alike (2-5).
        class: # FIRST, SECOND, STANDARD, …
        rows: { letters: "AB CD", first: 1, last: 18 } # The seats of a row, a space for the aisle; first and last row.
    fares:
      - class: # As above: each class needs a fare.
        per_km: # Or flat, or pairs with the name of a table, in its place.
`

// kindToStart is a kind of a feed's trips.
type kindToStart struct {
	name, about, example string
	trips, routeType     int
	skip                 bool
}

// startKinds are the kinds of a feed, by their route types and names. Every trip of the feed is of one of them.
func startKinds(feed *gtfs.Feed, numbers *numbering) []*kindToStart {
	byType := map[int][]*gtfs.Trip{}
	for _, trip := range feed.Trips {
		byType[trip.Route.Type] = append(byType[trip.Route.Type], trip)
	}
	// typesOf says which route types have trips of a name: a template by name would be for all of them.
	typesOf := map[string]map[int]bool{}
	for routeType, trips := range byType {
		for _, trip := range trips {
			for _, name := range namesOf(trip, numbers) {
				if typesOf[name] == nil {
					typesOf[name] = map[int]bool{}
				}
				typesOf[name][routeType] = true
			}
		}
	}
	var kinds []*kindToStart
	for routeType, trips := range byType {
		kinds = append(kinds, kindsOfType(routeType, trips, numbers, typesOf)...)
	}
	slices.SortFunc(kinds, func(a, b *kindToStart) int {
		return cmp.Or(cmp.Compare(a.routeType, b.routeType), cmp.Compare(a.name, b.name))
	})
	return kinds
}

// namesOf are the names by which a template for a trip is looked for, as Templates.find does, but for the type.
func namesOf(trip *gtfs.Trip, numbers *numbering) []string {
	return []string{trip.Route.ShortName, trip.Route.Desc, trip.Route.LongName, letters(numbers.of(trip))}
}

// kindsOfType are the kinds of one route type: by the first of the names that all its trips have, that is of few
// values, and that no trip of another type has. Where there is none, they are one kind by the type.
func kindsOfType(
	routeType int, trips []*gtfs.Trip, numbers *numbering, typesOf map[string]map[int]bool,
) []*kindToStart {
	about, isTrain := routeTypeWords(routeType)
	whole := &kindToStart{
		name: fmt.Sprintf("type:%d", routeType), about: about, trips: len(trips), routeType: routeType, skip: !isTrain,
		example: shownTrip(trips[0], numbers),
	}
	if !isTrain {
		return []*kindToStart{whole}
	}
	for which := range namesOf(trips[0], numbers) {
		kinds := map[string]*kindToStart{}
		for _, trip := range trips {
			name := namesOf(trip, numbers)[which]
			if shownKind(name) == "" || len(typesOf[name]) > 1 || len(kinds) > maxStartNames {
				kinds = nil
				break
			}
			if kinds[name] == nil {
				kinds[name] = &kindToStart{
					name: name, about: about, routeType: routeType, example: shownTrip(trip, numbers),
				}
			}
			kinds[name].trips++
		}
		if n := len(kinds); n > 0 && n <= maxStartNames {
			all := make([]*kindToStart, 0, n)
			for _, kind := range kinds {
				all = append(all, kind)
			}
			return all
		}
	}
	return []*kindToStart{whole}
}

// shownTrip is a trip as an example: its number, and where its line goes.
func shownTrip(trip *gtfs.Trip, numbers *numbering) string {
	number := numbers.of(trip)
	name := cmp.Or(trip.Route.LongName, trip.Route.ShortName, trip.Headsign)
	if name == number {
		return short(number)
	}
	return short(strings.TrimSpace(number + " " + name))
}

// quoted is a text as YAML and comments can have it on one line.
func quoted(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // A string can always be encoded.
	return strings.TrimSpace(b.String())
}

// routeTypeWords says what a route type is, by the GTFS reference (0 to 12) and by the extended types that Google
// Transit took over from TPEG (100 to 1700). train is false for what runs on roads, on water or in the air.
func routeTypeWords(routeType int) (words string, train bool) {
	for _, each := range routeTypes {
		if routeType >= each.first && routeType <= each.last {
			return each.words, each.train
		}
	}
	return fmt.Sprintf("route type %d", routeType), true
}

// routeTypes are the route types that have a word.
var routeTypes = []struct {
	first, last int
	words       string
	train       bool
}{
	{0, 0, "tram", true},
	{1, 1, "metro", true},
	{2, 2, "rail", true},
	{3, 3, "bus", false},
	{4, 4, "ship", false},
	{11, 11, "bus", false},
	{12, 12, "monorail", true},
	{100, 199, "rail", true},
	{200, 299, "bus", false},
	{400, 699, "metro", true},
	{700, 899, "bus", false},
	{900, 999, "tram", true},
	{1_000, 1_000, "ship", false},
	{1_100, 1_100, "air", false},
	{1_200, 1_200, "ship", false},
	{1_500, 1_599, "taxi", false},
}
