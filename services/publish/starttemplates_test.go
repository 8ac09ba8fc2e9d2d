package publish_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/publish"
	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// filled is a file of templates with its blanks filled.
func filled(text []byte) string {
	return strings.NewReplacer("currency:", "currency: EUR", "numbers: #", "numbers: 1 #", "class: #", "class: FIRST #",
		"per_km:", "per_km: 0.20").Replace(string(text))
}

// startOf is a feed of trips with the names of their routes.
func startOf(trips ...*gtfs.Trip) *gtfs.Feed { return &gtfs.Feed{Trips: trips} }

// tripOf is a trip whose number is its own.
func tripOf(number, short, long, desc string, routeType int) *gtfs.Trip {
	made := trip(number, short, long, desc, routeType)
	made.ShortName = number
	return made
}

func TestStartTemplates_Kinds(t *testing.T) {
	lines := func(n, routeType int, desc string) []*gtfs.Trip {
		var trips []*gtfs.Trip
		for i := range n {
			trips = append(trips, tripOf(fmt.Sprint(i), fmt.Sprint("L", i), "", desc, routeType))
		}
		return trips
	}
	for name, c := range map[string]struct {
		feed *gtfs.Feed
		want map[string]string // the comment and skip by kind
	}{
		"short names": {
			startOf(tripOf("1", "RE", "A – B", "", 2), tripOf("2", "RE", "A – B", "", 2), tripOf("3", "S", "", "", 2)),
			map[string]string{"RE": `2 trips: rail, such as "1 A – B"`, "S": `1 trip: rail, such as "3 S"`},
		},
		"many lines": {startOf(lines(13, 1, "")...), map[string]string{"type:1": `13 trips: metro, such as "0 L0"`}},
		"few lines":  {startOf(lines(2, 1, "")...), map[string]string{"L0": "1 trip: metro", "L1": "1 trip: metro"}},
		"many lines of one description": {
			startOf(lines(13, 109, "S-Bahn")...), map[string]string{"S-Bahn": "13 trips: rail"},
		},
		"the letters of numbers": {
			startOf(append(lines(13, 1, ""), tripOf("EN 452", "", "", "", 105), tripOf("IC 2", "", "", "", 105))...),
			map[string]string{"type:1": "13 trips: metro", "EN": "1 trip: rail", "IC": "1 trip: rail"},
		},
		"numbers without letters": {
			startOf(tripOf("452", "", "", "", 105)), map[string]string{"type:105": `1 trip: rail, such as "452"`},
		},
		"a name of two types": {
			startOf(tripOf("1", "10", "", "", 0), tripOf("2", "10", "", "", 3), tripOf("3", "11", "", "", 0)),
			map[string]string{"type:0": "2 trips: tram", "type:3": "1 trip: bus, such as \"2 10\"\n    skip: true"},
		},
		"what runs on roads, on water and in the air": {
			startOf(tripOf("1", "10", "", "", 700), tripOf("2", "F", "", "", 4), tripOf("3", "A", "", "", 1100)),
			map[string]string{
				"type:700": "bus, such as \"1 10\"\n    skip: true", "type:4": "ship, such as \"2 F\"\n    skip: true",
				"type:1100": "air, such as \"3 A\"\n    skip: true",
			},
		},
		"a name that YAML would take for more": {
			startOf(tripOf("1", `a: "b" # {c`, "", "", 2)), map[string]string{`a: \"b\" # {c`: "1 trip: rail"},
		},
		"a name that YAML would take for a word": {
			startOf(tripOf("1", "no", "", "", 2), tripOf("1", "1", "", "", 2)),
			map[string]string{"no": "1 trip: rail", "1": "1 trip: rail"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, kinds, err := publish.StartTemplates(c.feed, "feed\n.zip", "")
			require.NoError(t, err)
			require.Equal(t, len(c.want), kinds)
			for kind, about := range c.want {
				_, after, there := strings.Cut(string(text), "\n  \""+kind+"\": # ")
				require.True(t, there, kind)
				require.Contains(t, strings.Split(after, "\n  \"")[0], about)
			}
			templates := parse(t, filled(text))
			for _, trip := range c.feed.Trips {
				_, template := templates.Of(trip)
				require.NotNil(t, template, trip.Number)
			}
		})
	}
}

func TestStartTemplates_UnfilledIsRefusedByEachBlank(t *testing.T) {
	text, _, err := publish.StartTemplates(startOf(tripOf("1", "RE", "", "", 2)), "feed.zip", "")
	require.NoError(t, err)
	_, err = publish.ParseTemplates("t.yaml", text)
	said := refusals(t, err)
	require.Len(t, said, 5)
	for i, name := range []string{"currency", "numbers", "class", "class", "per_km"} {
		require.Regexp(t, `^INVALID  t\.yaml:[0-9]+: `+name+` is to be filled in$`, said[i])
		line := strings.Split(strings.Split(said[i], ":")[1], ":")[0]
		var n int
		_, err := fmt.Sscan(line, &n)
		require.NoError(t, err)
		require.Contains(t, strings.Split(string(text), "\n")[n-1], name+":", "the line that it says")
	}
}

func TestStartTemplates_ManyBlanksAreCounted(t *testing.T) {
	var trips []*gtfs.Trip
	for i := range 12 {
		trips = append(trips, tripOf("1", fmt.Sprint("K", i), "", "", 2))
	}
	text, _, err := publish.StartTemplates(startOf(trips...), "feed.zip", "")
	require.NoError(t, err)
	_, err = publish.ParseTemplates("t.yaml", text)
	said := refusals(t, err)
	require.Len(t, said, 21)
	require.Equal(t, "INVALID  t.yaml: 29 more values are to be filled in", said[20])
}

func TestStartTemplates_BoundsAndNothing(t *testing.T) {
	_, _, err := publish.StartTemplates(startOf(), "feed.zip", "")
	require.ErrorContains(t, err, "no trip")
	var trips []*gtfs.Trip
	for i := range 50 {
		trips = append(trips, tripOf("1", fmt.Sprint("K", i%4, "-", i/4), "", "", 100+i/4))
	}
	text, kinds, err := publish.StartTemplates(startOf(trips...), strings.Repeat("x", 5_000), "")
	require.NoError(t, err)
	require.Equal(t, 50, kinds)
	require.NotEmpty(t, parse(t, filled(text)))
	trips = nil
	for i := range 151 {
		trips = append(trips, tripOf("1", fmt.Sprint("K", i), "", "", 100+i/4))
	}
	_, _, err = publish.StartTemplates(startOf(trips...), "feed.zip", "")
	require.Equal(t, rail.Invalid, rail.CodeOf(err))
	require.ErrorContains(t, err, "151 kinds")
}

// What --number-from says counts for the letters of numbers, too.
func TestStartTemplates_NumbersFromTheHeadsign(t *testing.T) {
	named := trip("t1", "", "", "", 2)
	named.ID, named.Headsign = "t1", "IC 7"
	text, _, err := publish.StartTemplates(startOf(named), "feed.zip", publish.NumberFromHeadsign)
	require.NoError(t, err)
	require.Contains(t, string(text), `  "IC": # 1 trip: rail, such as "IC 7"`)
}

// A feed that is read, its file filled, and imported.
func TestStartTemplates_AreEnoughToImport(t *testing.T) {
	h := newHouse(t)
	changes := feedOf(tripRow{"t1", "A 1", "", "r", "daily"}, tripRow{"t2", "A 2", "", "n", "daily"})
	maps.Copy(changes, map[string]string{
		"routes.txt": "route_id,agency_id,route_short_name,route_type\nr,1,IC,102\nn,1,12,3\n",
	})
	request := importRequest(t, changes)
	text, _, err := publish.StartTemplates(request.Feed, "feed.zip", "")
	require.NoError(t, err)
	request.Templates = parse(t, filled(text))
	report, err := h.Import(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, []publish.KindReport{{Kind: "IC", Trains: 1, Runs: 7}, {Kind: "type:3", Skipped: 1}}, report.Kinds)
}
