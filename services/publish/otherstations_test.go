package publish_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/publish"
	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// West's trains, by other numbers than those of the small feed. B 1 calls at a, and B 2 does not.
var westTrains = map[string]string{
	"agency.txt": "agency_name,agency_url,agency_timezone\nWest,https://example.org,Europe/Dublin\n",
	"trips.txt":  "route_id,service_id,trip_id,trip_short_name\nr,daily,t1,B 1\nn,weekend,t2,B 2\n",
	"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
		"t1,07:00:00,07:00:00,a,1\nt1,08:00:00,08:05:00,b,2\nt1,09:00:00,09:00:00,c,3\n" +
		"t2,23:00:00,23:00:00,c,1\nt2,26:00:00,26:00:00,b,2\n",
}

// west is a request to import West's feed, in which the stop a is as given.
func west(t *testing.T, stop, zone string, options gtfs.Options) publish.ImportRequest {
	t.Helper()
	files := map[string]string{
		"stops.txt": "stop_id,stop_name,stop_lat,stop_lon,stop_timezone\na," + stop + "," + zone +
			"\nb,Beta,53,-7,\nc,Gamma,53,-8,\n",
	}
	maps.Copy(files, westTrains)
	request := importRequest(t, nil)
	request.Templates = parse(t, strings.ReplaceAll(euroTemplates, "per_km: 0.20, minimum: 5", "flat: 5"))
	feed, err := gtfs.Read(t.Context(), smallFiles(files), options)
	require.NoError(t, err)
	request.Feed = feed
	return request
}

// TestImport_StationsOfOthers imports a second feed with the codes of the first, of which the stop a is as given. It is
// Alpha at 53,-6 in Dublin already, of another feed or by hand.
func TestImport_StationsOfOthers(t *testing.T) {
	const used = "notice: stations of other feeds are used as they are, and have another name or position here: "
	const left = "trains that call where a station of the same code is another place are left out: 1\n" +
		"  trips.txt:2: train B 1 (trip \"t1\"): stop a is "
	const prefix = ": give this feed's stations a prefix, --station-prefix XX-\n"
	for name, c := range map[string]struct {
		stop, zone string
		// first is what the first feed or a person has, where that is not Alpha at 53,-6 in Dublin.
		first  rail.Station
		byHand bool
		says   string
		left   bool
	}{
		"the same":         {stop: "Alpha,53,-6"},
		"the same by hand": {stop: "Alpha,53,-6", byHand: true},
		"another name": {
			stop: "Omega,53,-6",
			says: used + "stops.txt: stop a is Omega here, and Alpha of the feed \"Railway\"\n",
		},
		"near": {
			stop: "Alpha,53.04,-6",
			says: used + "stops.txt: stop a is Alpha here, and Alpha of the feed \"Railway\" is 4.4 km away\n",
		},
		"too far": {
			stop: "Alpha,53.05,-6", left: true,
			says: left + "Alpha here, and Alpha of the feed \"Railway\" is 5.6 km away" + prefix,
		},
		"another place": {
			stop: "Omega,50,-6", left: true,
			says: left + "Omega here, and Alpha of the feed \"Railway\" is 334 km away" + prefix,
		},
		"by hand elsewhere": {
			stop: "Omega,50,-6", byHand: true, left: true,
			says: left + "Omega here, and Alpha, which was published by hand, is 334 km away" + prefix,
		},
		"another zone": {
			stop: "Alpha,53,-6", zone: "Europe/Paris", left: true,
			says: left + "Alpha here, and Alpha of the feed \"Railway\"" +
				" has the time of Europe/Dublin, not of Europe/Paris" + prefix,
		},
		"another zone's name": {stop: "Alpha,53,-6", zone: "Europe/London"},
		"the same time until summer": {
			stop: "Alpha,53,-6", zone: "Atlantic/Reykjavik", left: true,
			says: left + "Alpha here, and Alpha of the feed \"Railway\"" +
				" has the time of Europe/Dublin, not of Atlantic/Reykjavik" + prefix,
		},
		"no position here": {
			stop: "ALPHA.,,",
			says: used + "stops.txt: stop a is ALPHA. here, and Alpha of the feed \"Railway\"\n",
		},
		"no position there": {
			stop: "Zuerich,53,-6", first: rail.Station{Name: "Zürich", TimeZone: "Europe/Dublin"},
			says: used + "stops.txt: stop a is Zuerich here, and Zürich of the feed \"Railway\"\n",
		},
		"no position and another name": {
			stop: "Omega,,", left: true,
			says: left + "Omega here," +
				" and Alpha of the feed \"Railway\" may be another place: they have no positions to compare" + prefix,
		},
		"no position and another zone": {
			stop: "Alpha,,", zone: "Europe/Paris", left: true,
			says: left + "Alpha here, and Alpha of the feed \"Railway\"" +
				" has the time of Europe/Dublin, not of Europe/Paris" + prefix,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.imported(t, importRequest(t, nil))
			if c.first.Name != "" {
				c.first.Code = "a"
				h.ledger.stations["a"] = &c.first
			}
			if c.byHand {
				h.ledger.stationFeeds["a"] = ""
			}
			before, number := *h.ledger.stations["a"], h.ledger.number
			request := west(t, c.stop, c.zone, gtfs.Options{})
			request.Days = 28 // Reykjavik has Dublin's time until 29 March.
			if name == "the same time until summer" {
				request.Days = 40
			}
			request.DryRun = true
			_, dry := h.imported(t, request)
			require.Equal(t, number, h.ledger.number, "a dry run writes nothing")
			request.DryRun = false
			report, screen := h.imported(t, request)
			require.Equal(t, c.says, screen)
			require.Equal(t, screen, dry)
			require.Equal(t, before, *h.ledger.stations["a"])
			_, sold := h.timetable.Run("B%201@2026-03-03")
			require.Equal(t, c.left, !sold)
			_, sold = h.timetable.Run("B%202@2026-03-07")
			require.True(t, sold, "it does not call at a")
			require.Zero(t, report.StationsChanged)

			request.Strict, request.Findings = true, nil
			_, err := h.Import(t.Context(), request)
			if c.left {
				require.ErrorContains(t, err, "--station-prefix")
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// A feed changes and adds its own stations, and those that it no longer has stay. A person takes one over.
func TestImport_ItsOwnStations(t *testing.T) {
	h := newHouse(t)
	h.imported(t, west(t, "Alpha,53,-6", "", gtfs.Options{}))
	report, screen := h.imported(t, west(t, "Omega,50,-6", "", gtfs.Options{}))
	require.Equal(t, 1, report.StationsChanged, "its own station may move")
	require.NotContains(t, screen, "stop a")
	require.Equal(t, "Omega", h.ledger.stations["a"].Name)

	_, err := h.PublishStation(t.Context(), rail.Station{Code: "a", Name: "Alpha", TimeZone: "Europe/Dublin"}, "mei")
	require.NoError(t, err)
	report, screen = h.imported(t, west(t, "Omega,50,-6", "", gtfs.Options{}))
	require.Zero(t, report.StationsChanged)
	require.Contains(t, screen, "stop a is Omega here, and Alpha, which was published by hand, may be another place")
	require.Equal(t, "Alpha", h.ledger.stations["a"].Name)
}

// Where another import puts a station between the plan and the writing, nothing is written.
func TestImport_StationsOfOthersMeanwhile(t *testing.T) {
	h := newHouse(t)
	request := west(t, "Alpha,53,-6", "", gtfs.Options{})
	h.Publisher.Ledger = &meanwhile{h.ledger, func() {
		h.ledger.stations["a"], h.ledger.stationFeeds["a"] = &rail.Station{Code: "a", Name: "Omega"}, "East"
	}}
	number := h.ledger.number
	_, err := h.Import(t.Context(), request)
	require.Equal(t, rail.WrongState, rail.CodeOf(err))
	require.Equal(t, number, h.ledger.number)
	require.Empty(t, h.ledger.runs)
}

// meanwhile is a ledger into which another import writes after a plan was made.
type meanwhile struct {
	*fakeLedger
	write func()
}

func (l *meanwhile) PublishFeed(
	ctx context.Context, feed ledger.Feed, runs []*rail.Run, by string, validateOnly bool,
) ([]ledger.Publication, error) {
	l.write()
	return l.fakeLedger.PublishFeed(ctx, feed, runs, by, validateOnly)
}

// A prefix is before all codes. A table of fares has the codes of the feed, without it.
func TestImport_StationPrefix(t *testing.T) {
	h := newHouse(t)
	h.imported(t, importRequest(t, nil))
	request := west(t, "Omega,50,-6", "", gtfs.Options{StationPrefix: "WE-"})
	var err error
	request.Templates, _, err = readTemplates(t, fareTemplates("{ class: STANDARD, pairs: fares.csv, flat: 3 }"),
		"from;to;amount\na;b;7,50\n")
	require.NoError(t, err)
	report, screen := h.imported(t, request)
	require.Equal(t, 3, report.StationsChanged)
	require.NotContains(t, screen, "stop")
	run, sold := h.timetable.Run("B%201@2026-03-02")
	require.True(t, sold)
	require.Equal(t, []rail.StationCode{"WE-a", "WE-b", "WE-c"}, []rail.StationCode{
		run.Train.Calls[0].Station, run.Train.Calls[1].Station, run.Train.Calls[2].Station,
	})
	fare, sold := run.Train.Price(rail.Standard, 0, 1)
	require.True(t, sold)
	require.EqualValues(t, 750, fare.Minor)
	require.Equal(t, "Alpha", h.ledger.stations["a"].Name)

	report, _ = h.imported(t, request)
	require.Zero(t, report.StationsChanged+report.Created+report.Changed, "codes are the same again")
}
