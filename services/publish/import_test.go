package publish_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/publish"
	"interlock/services/publish/gtfs"
	"interlock/services/publish/sample"
	"interlock/services/rail"
)

// smallFeed is a feed of three stations on Irish time and, unless changed, two trains.
func smallFeed(t *testing.T, changes map[string]string) *gtfs.Feed {
	t.Helper()
	feed, err := gtfs.Read(t.Context(), smallFiles(changes), gtfs.Options{})
	require.NoError(t, err)
	return feed
}

// smallFiles are the files of smallFeed.
func smallFiles(changes map[string]string) fstest.MapFS {
	files := map[string]string{
		"agency.txt": "agency_name,agency_url,agency_timezone\nRailway,https://example.org,Europe/Dublin\n",
		"stops.txt":  "stop_id,stop_name,stop_lat,stop_lon\na,Alpha,53,-6\nb,Beta,53,-7\nc,Gamma,53,-8\n",
		"routes.txt": "route_id,route_short_name,route_type\nr,IC,102\nn,Night,105\n",
		"calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
			"daily,1,1,1,1,1,1,1,20260101,20261231\nweekend,0,0,0,0,0,1,1,20260101,20261231\n" +
			"late,1,1,1,1,1,1,1,20261201,20261231\n",
		"trips.txt": "route_id,service_id,trip_id,trip_short_name\nr,daily,t1,A 201\nn,weekend,t2,A 999\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,07:00:00,07:00:00,a,1\nt1,08:00:00,08:05:00,b,2\nt1,09:00:00,09:00:00,c,3\n" +
			"t2,23:00:00,23:00:00,c,1\nt2,26:00:00,26:00:00,a,2\n",
	}
	maps.Copy(files, changes)
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

const euroTemplates = `currency: EUR
kinds:
  IC:
    coaches: [{ numbers: 1-2, class: STANDARD, rows: { letters: "AB CD", first: 1, last: 10 } }]
    fares: &fares [{ class: STANDARD, per_km: 0.20, minimum: 5 }]
  Night:
    coaches: [{ numbers: 1, class: STANDARD, rows: { letters: "AB CD", first: 1, last: 5 } }]
    fares: *fares
`

func importRequest(t *testing.T, changes map[string]string) publish.ImportRequest {
	t.Helper()
	return publish.ImportRequest{
		Feed: smallFeed(t, changes), Templates: parse(t, euroTemplates), From: rail.NewDate(2026, 3, 2), Days: 7,
		By: "importer",
	}
}

func TestImport_OnSale(t *testing.T) {
	h := newHouse(t)
	report, err := h.Import(t.Context(), importRequest(t, nil))
	require.NoError(t, err)
	require.Equal(t, publish.ImportReport{
		Feed: "Railway", Stations: 3, StationsChanged: 3, Trains: 2, Runs: 9, Created: 9,
		Kinds: []publish.KindReport{{Kind: "IC", Trains: 1, Runs: 7}, {Kind: "Night", Trains: 1, Runs: 2}},
	}, report)
	for _, id := range []rail.RunID{
		"A%20201@2026-03-02", "A%20201@2026-03-08", "A%20999@2026-03-07",
		"A%20999@2026-03-08",
	} {
		run, ok := h.timetable.Run(id)
		require.True(t, ok, id)
		require.Equal(t, "Europe/Dublin", run.Train.TimeZone)
		require.NoError(t, run.Train.Validate().OrNil())
		require.Len(t, h.availability.left[id].Counts, rail.Pairs(len(run.Train.Calls)))
	}
	night, _ := h.timetable.Run("A%20999@2026-03-07")
	require.Equal(t, "Night", night.Train.Kind)
	require.EqualValues(t, 20, h.availability.left["A%20999@2026-03-07"].Counts[0])
	require.Equal(t, "2026-03-08T02:00:00Z", night.Arrival(1).UTC().Format(time.RFC3339))
	_, ok := h.timetable.Station("a")
	require.True(t, ok)
	require.Equal(t, "importer", h.ledger.by[len(h.ledger.by)-1])
	require.Empty(t, h.log.String())
}

func TestImport_AgainChangesNothing(t *testing.T) {
	h := newHouse(t)
	_, err := h.Import(t.Context(), importRequest(t, nil))
	require.NoError(t, err)
	h.ledger.runs["A%20201@2026-03-04"].orders = []*rail.Order{{}}
	number, announced, loads := h.ledger.number, h.availability.announced, h.availability.loads
	h.now = h.now.Add(10 * time.Hour)
	var done, total int
	request := importRequest(t, nil)
	request.Progress = func(d, n int) { done, total = d, n }
	report, err := h.Import(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, 9, report.Unchanged)
	require.Zero(t, report.Created+report.Changed+report.StationsChanged)
	require.Equal(t, []int{9, 9}, []int{done, total})
	require.Equal(t, number, h.ledger.number)
	require.Equal(t, announced, h.availability.announced)
	require.Equal(t, loads, h.availability.loads)
}

func TestImport_BadInputWritesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		changes map[string]string
		spoil   func(*publish.ImportRequest)
		want    []string
	}{
		"past": {nil, func(r *publish.ImportRequest) {
			r.From--
		}, []string{"INVALID from 2026-03-01 is past"}},
		"no days": {nil, func(r *publish.ImportRequest) { r.Days = 0 }, []string{"INVALID days "}},
		"too many days": {nil, func(r *publish.ImportRequest) {
			r.Days = publish.MaxDates + 1
		}, []string{"INVALID days "}},
		"no sale": {nil, func(r *publish.ImportRequest) {
			days := -1
			r.SaleOpens.DaysBefore = &days
		}, []string{"INVALID saleOpens.daysBefore"}},
		"nothing runs": {nil, func(r *publish.ImportRequest) {
			r.From = rail.NewDate(2027, 3, 2)
		}, []string{"INVALID  no train of the feed runs from 2027-03-02 through 2027-03-08"}},
		"kinds without templates": {
			map[string]string{"routes.txt": "route_id,route_short_name,route_type\nr,,2\nn,Bus,3\n"},
			func(*publish.ImportRequest) {},
			[]string{
				`INVALID  kind "A" has no template, and the templates have no default: A 201`,
				`INVALID  kind "Bus" has no template, and the templates have no default: A 999`,
			},
		},
		"no train can be sold": {
			map[string]string{"stops.txt": "stop_id,stop_name\na,Alpha\nb,Beta\nc,Gamma\n"},
			func(*publish.ImportRequest) {},
			[]string{"INVALID  no train of the feed can be sold from 2026-03-02 through 2026-03-08"},
		},
		"strict": {
			map[string]string{"trips.txt": "route_id,service_id,trip_id,trip_short_name\nr,daily,t1,A 1\n" +
				"n,weekend,t2,A 1\n"},
			func(r *publish.ImportRequest) { r.Strict = true },
			[]string{`INVALID  trips.txt:3: train A 1 (trip "t2"): trip "t1" in line 2 is train A 1 on 2026-03-07 too`},
		},
		"all is skipped": {
			nil, func(r *publish.ImportRequest) {
				r.Templates = parse(t, "currency: EUR\ndefault: { skip: true }\n")
			},
			[]string{"INVALID  the templates skip every train of the feed from 2026-03-02 through 2026-03-08"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			writes := h.ledger.writes
			request := importRequest(t, c.changes)
			c.spoil(&request)
			_, err := h.Import(t.Context(), request)
			for _, want := range c.want {
				hasRefusal(t, err, want)
			}
			require.Len(t, refusals(t, err), len(c.want))
			require.Equal(t, writes, h.ledger.writes)
			require.Empty(t, h.ledger.runs)
		})
	}
}

// A number may belong to several trips as long as each date has one of them.
func TestImport_OneNumberOnDifferentDates(t *testing.T) {
	h := newHouse(t)
	report, err := h.Import(t.Context(), importRequest(t, map[string]string{
		"trips.txt": "route_id,service_id,trip_id,trip_short_name\nr,weekdays,t1,A 1\nn,weekend,t2,A 1\n",
		"calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
			"weekdays,1,1,1,1,1,0,0,20260101,20261231\nweekend,0,0,0,0,0,1,1,20260101,20261231\n",
	}))
	require.NoError(t, err)
	require.Equal(t, 7, report.Created)
	friday, _ := h.timetable.Run("A%201@2026-03-06")
	saturday, _ := h.timetable.Run("A%201@2026-03-07")
	require.Len(t, friday.Train.Calls, 3)
	require.Len(t, saturday.Train.Calls, 2)
}

func TestImport_StrictNamesTwentyAndCountsTheRest(t *testing.T) {
	var trips, times strings.Builder
	trips.WriteString("route_id,service_id,trip_id,trip_short_name\n")
	times.WriteString("trip_id,arrival_time,departure_time,stop_id,stop_sequence\n")
	for i := range 31 {
		id := rail.Index(i)
		trips.WriteString("r,daily," + id + ",same\n")
		times.WriteString(id + ",07:00:00,07:00:00,a,1\n" + id + ",08:00:00,08:00:00,b,2\n")
	}
	h := newHouse(t)
	request := importRequest(t, map[string]string{"trips.txt": trips.String(), "stop_times.txt": times.String()})
	request.Strict = true
	_, err := h.Import(t.Context(), request)
	said := refusals(t, err)
	require.Len(t, said, 21)
	require.Equal(t, "INVALID  10 more would be left out", said[20])
	require.Zero(t, h.ledger.rehearsals)
}

// manyTrips is a trips.txt and the stop_times.txt for it, of trips of one service.
func manyTrips(n int, route func(i int) string) map[string]string {
	var trips, times strings.Builder
	trips.WriteString("route_id,service_id,trip_id\n")
	times.WriteString("trip_id,arrival_time,departure_time,stop_id,stop_sequence\n")
	for i := range n {
		fmt.Fprintf(&trips, "%s,daily,t%d\n", route(i), i)
		fmt.Fprintf(&times, "t%d,07:00:00,07:00:00,a,1\nt%d,08:00:00,08:00:00,b,2\n", i, i)
	}
	return map[string]string{"trips.txt": trips.String(), "stop_times.txt": times.String()}
}

// Before a train is made of any: the ids of so many runs alone would take a gigabyte.
func TestImport_TooManyRuns(t *testing.T) {
	h := newHouse(t)
	request := importRequest(t, manyTrips(10_000, func(int) string { return "r" }))
	request.Days = 300
	_, err := h.Import(t.Context(), request)
	require.Equal(t,
		[]string{"INVALID  trips.txt:8335: the trips up to here make more than 2500000 runs in 300 days: import " +
			"fewer days at a time"}, refusals(t, err))
	require.Zero(t, h.ledger.rehearsals)
}

func TestImport_ManyKindsWithoutATemplateAreCountedAfterTwenty(t *testing.T) {
	h := newHouse(t)
	changes := manyTrips(100, func(i int) string { return fmt.Sprint("r", i) })
	routes := "route_id,route_short_name,route_type\n"
	for i := range 100 {
		routes += fmt.Sprintf("r%d,K%d,102\n", i, i)
	}
	changes["routes.txt"] = routes
	_, err := h.Import(t.Context(), importRequest(t, changes))
	said := refusals(t, err)
	require.Len(t, said, 21)
	require.Equal(t, "INVALID  80 more kinds have no template", said[20])

	request := importRequest(t, changes)
	request.Findings = &publish.Findings{}
	request.Templates = parse(t,
		euroTemplates+"default:\n"+
			"  coaches: [{ numbers: 1, class: STANDARD, rows: { letters: AB, first: 1, last: 5 } }]\n  fares: *fares\n")
	_, err = h.Import(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, "notice: kinds without a template have the default's coaches and fares: 100, such as routes.txt: "+
		"kind \"K0\": 1 train\n", printed(t, request.Findings), "one line")
}

func TestImport_DefaultTemplateIsNoticed(t *testing.T) {
	h := newHouse(t)
	request := importRequest(t, nil)
	templates, err := sample.Templates()
	require.NoError(t, err)
	request.Templates, request.Findings = templates, &publish.Findings{}
	_, err = h.Import(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, []string{`routes.txt: kind "IC": 1 train`, `routes.txt: kind "Night": 1 train`},
		found(request.Findings, "kinds without a template have the default's coaches and fares"))
	require.Zero(t, request.Findings.LeftOut())
}

func TestImport_SaleOpensAtTheOriginsMidnight(t *testing.T) {
	h := newHouse(t)
	request := importRequest(t, map[string]string{
		"stops.txt": "stop_id,stop_name,stop_lat,stop_lon,stop_timezone\na,Alpha,53,-6,Europe/Paris\nb,Beta,53,-7,\n" +
			"c,Gamma,53,-8,\n",
	})
	days := 1
	request.SaleOpens.DaysBefore = &days
	_, err := h.Import(t.Context(), request)
	require.NoError(t, err)
	paris, _ := h.timetable.Run("A%20201@2026-03-07")
	dublin, _ := h.timetable.Run("A%20999@2026-03-07")
	require.Equal(t, "2026-03-05T23:00:00Z", paris.SaleOpensAt.Format(time.RFC3339))
	require.Equal(t, "2026-03-06T00:00:00Z", dublin.SaleOpensAt.Format(time.RFC3339))
}

func TestImport_NobodySearchesHere(t *testing.T) {
	h := newHouse(t)
	h.Timetable, h.Stations, h.Runs = nil, nil, nil
	report, err := h.Import(t.Context(), importRequest(t, nil))
	require.NoError(t, err)
	require.Equal(t, 9, report.Created)
}

// The sample, 4,394 trains for 15 days.
func TestImport_TheSample(t *testing.T) {
	h := newHouse(t)
	request := sampleRequest(t, 15)
	last := 0
	request.Progress = func(done, total int) {
		require.Equal(t, 65_910, total)
		require.Greater(t, done, last)
		last = done
	}
	report, err := h.Import(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, publish.ImportReport{
		Stations: 672, StationsChanged: 669, Trains: 4_394, Runs: 65_910,
		Feed:    "中国铁路",
		Created: 65_910,
		Kinds: []publish.KindReport{
			{Kind: "C", Trains: 981, Runs: 14_715},
			{Kind: "D", Trains: 1_557, Runs: 23_355},
			{Kind: "G", Trains: 1_856, Runs: 27_840},
		},
	}, report)
	require.Equal(t, 65_910, last)
	require.Len(t, h.ledger.runs, 65_910)
	require.Len(t, h.availability.left, 65_910)
	require.LessOrEqual(t, h.ledger.largest, 1_500)
	direct := 0
	for _, run := range h.ledger.runs {
		if len(run.run.Train.CallPairs("VNP", "AOH")) > 0 && run.run.Date == request.From {
			direct++
		}
	}
	require.Equal(t, 41, direct)

	// A server that has it all shares trains, formations and counts between runs.
	g1 := h.ledger.runs["G1@2026-03-02"]
	require.Same(t, g1.run.Train, h.ledger.runs["G1@2026-03-16"].run.Train)
	require.Same(t, g1.run.Train.Formation, h.ledger.runs["G2@2026-03-02"].run.Train.Formation)
	require.Same(t, &h.availability.left["G1@2026-03-02"].Counts[0], &h.availability.left["G1@2026-03-16"].Counts[0])
}

func sampleRequest(t testing.TB, days int) publish.ImportRequest {
	t.Helper()
	feed, err := sample.Feed(t.Context())
	require.NoError(t, err)
	templates, err := sample.Templates()
	require.NoError(t, err)
	return publish.ImportRequest{
		Feed: feed, Templates: templates, From: rail.NewDate(2026, 3, 2), Days: days,
		By: "importer",
	}
}

func TestImport_InterruptedLeavesWholeTrainsAndFinishesLater(t *testing.T) {
	h := newHouse(t)
	request := sampleRequest(t, 2)
	h.ledger.failAfter, h.ledger.failWith = 3, errors.New("the primary is gone")
	announced := h.availability.announced
	report, err := h.Import(t.Context(), request)
	require.Equal(t, h.ledger.failWith, err)
	require.Positive(t, report.Created)
	require.Len(t, h.ledger.runs, report.Created)
	require.Zero(t, report.Created%2)
	dates := map[string]int{}
	for _, run := range h.ledger.runs {
		dates[run.run.Train.Number]++
	}
	for number, n := range dates {
		require.Equal(t, 2, n, number)
	}
	require.Equal(t, announced+1, h.availability.announced, "what was published is told of")
	require.Len(t, h.availability.left, report.Created)

	h.ledger.failWith = nil
	rest, err := h.Import(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, 2*4_394, report.Created+rest.Created)
	require.Equal(t, report.Created, rest.Unchanged)
}

// An import whose chunk may or may not have been published says so, and importing again finds out.
func TestImport_AnswerLost(t *testing.T) {
	h := newHouse(t)
	request := sampleRequest(t, 1)
	h.ledger.lost = true
	_, err := h.Import(t.Context(), request)
	requireUnsure(t, err) // of the stations
	h.ledger.lost = false
	h.ledger.failAfter, h.ledger.failWith = 1, fmt.Errorf("%w: broken pipe", ledger.ErrInDoubt)
	report, err := h.Import(t.Context(), request)
	requireUnsure(t, err)
	h.ledger.failWith = nil
	rest, err := h.Import(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, rest.Runs, report.Created+rest.Created)
}

func TestImport_StopsWhenToldTo(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	request := sampleRequest(t, 2)
	request.Progress = func(int, int) { cancel() }
	report, err := h.Import(ctx, request)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, h.ledger.runs, report.Created)
	require.Positive(t, report.Created)
	require.Len(t, h.availability.left, report.Created)
}

func TestImport_CacheDownIsAskedOnceAndLogged(t *testing.T) {
	h := newHouse(t)
	h.availability.failLoad = errors.New("connection refused")
	loads := h.availability.loads
	report, err := h.Import(t.Context(), sampleRequest(t, 2))
	require.NoError(t, err)
	require.Equal(t, 2*4_394, report.Created)
	require.Equal(t, loads+1, h.availability.loads)
	require.Equal(t, 1, strings.Count(h.log.String(), "connection refused"))
}

func BenchmarkImport_TheSample(b *testing.B) {
	request := sampleRequest(b, 15)
	for b.Loop() {
		h := newHouse(b)
		if _, err := h.Import(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
}
