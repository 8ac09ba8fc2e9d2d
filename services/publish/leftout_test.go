package publish_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/publish"
	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

const (
	numberTwice  = "trains whose number another train has on the same date are left out"
	cannotBeSold = "trains that cannot be sold are left out"
)

// found are the first findings of a kind.
func found(findings *publish.Findings, kind string) []string {
	var all []string
	for _, each := range findings.Kinds() {
		for _, finding := range each.First {
			if each.Kind == kind {
				all = append(all, finding.String())
			}
		}
	}
	return all
}

func printed(t *testing.T, findings *publish.Findings) string {
	t.Helper()
	var screen bytes.Buffer
	require.NoError(t, findings.Print(&screen))
	return screen.String()
}

// onSale are the runs on one date, in their order.
func onSale(h *house, date rail.Date) []string {
	var all []string
	for _, run := range h.ledger.runs {
		if run.run.Date == date {
			all = append(all, run.run.Train.Number)
		}
	}
	slices.Sort(all)
	return all
}

// tripRow is a row of trips.txt: a trip of a service and agency.
type tripRow struct{ id, short, headsign, route, service string }

// feedOf is a feed of trips that all go from a to b. Route "r" is the agency 1's, "q" the agency 2's.
func feedOf(rows ...tripRow) map[string]string {
	trips := "route_id,service_id,trip_id,trip_short_name,trip_headsign\n"
	times := "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
	for _, row := range rows {
		trips += strings.Join([]string{row.route, row.service, row.id, row.short, row.headsign}, ",") + "\n"
		times += fmt.Sprintf("%s,07:00:00,07:00:00,a,1\n%s,08:00:00,08:00:00,b,2\n", row.id, row.id)
	}
	return map[string]string{
		"agency.txt": "agency_id,agency_name,agency_url,agency_timezone\n1,First Rail,https://example.org," +
			"Europe/Dublin\n2,Second,https://example.org,Europe/Dublin\n",
		"routes.txt": "route_id,agency_id,route_short_name,route_type\nr,1,IC,102\nq,2,IC,102\nn,1,Night,105\n",
		"trips.txt":  trips, "stop_times.txt": times,
	}
}

// Which trains are on sale on Friday and on Saturday, and what is said of the others. The service "weekend" is on
// Saturday, "daily" on both.
func TestImport_Numbers(t *testing.T) {
	const friday, saturday = 4, 5
	for name, c := range map[string]struct {
		rows             []tripRow
		from             publish.NumberFrom
		agencies         []string
		friday, saturday []string
		leftOut          []string
	}{
		"by the short name": {
			rows:   []tripRow{{"t1", "A 1", "Beta", "r", "daily"}, {"t2", "", "Beta", "r", "daily"}},
			friday: []string{"A 1", "t2"}, saturday: []string{"A 1", "t2"},
		},
		"by the trip": {
			rows: []tripRow{{"t1", "A 1", "Beta", "r", "daily"}, {"t2", "A 1", "Beta", "r", "daily"}},
			from: publish.NumberFromTripID, friday: []string{"t1", "t2"}, saturday: []string{"t1", "t2"},
		},
		"by the headsign": {
			rows: []tripRow{{"t1", "x", "IC 7", "r", "daily"}, {"t2", "x", "", "r", "daily"}},
			from: publish.NumberFromHeadsign, friday: []string{"IC 7", "t2"}, saturday: []string{"IC 7", "t2"},
		},
		"the later one is left out, on the dates of both": {
			rows:   []tripRow{{"t1", "A 1", "", "n", "weekend"}, {"t2", "A 1", "", "r", "daily"}},
			friday: []string{"A 1"}, saturday: []string{"A 1"},
			leftOut: []string{`trips.txt:3: train A 1 (trip "t2"): trip "t1" in line 2 is train A 1 on 2026-03-07 ` +
				`too; it is left out on 2 of its 7 dates`},
		},
		"of two agencies, by default": {
			rows:   []tripRow{{"t1", "IC 1", "", "r", "daily"}, {"t2", "IC 1", "", "q", "weekend"}},
			friday: []string{"IC 1"}, saturday: []string{"IC 1"},
			leftOut: []string{`trips.txt:3: train IC 1 (trip "t2"): trip "t1" in line 2 is train IC 1 on 2026-03-07 ` +
				`too; they are of two agencies, "2" and "1", which a ` +
				`number can tell apart (--number-with-agency)`},
		},
		"of two agencies, one of them in the number": {
			rows:     []tripRow{{"t1", "IC 1", "", "r", "daily"}, {"t2", "IC 1", "", "q", "weekend"}},
			agencies: []string{"Second"}, friday: []string{"IC 1"}, saturday: []string{"IC 1", "Second IC 1"},
		},
		"of two agencies, both in the number, by their ids": {
			rows:     []tripRow{{"t1", "IC 1", "", "r", "daily"}, {"t2", "IC 1", "", "q", "daily"}},
			agencies: []string{"1", "2"}, friday: []string{"1 IC 1", "2 IC 1"}, saturday: []string{"1 IC 1", "2 IC 1"},
		},
		"two numbers the other way round": {
			rows:   []tripRow{{"t1", "Z305/Z308", "", "r", "daily"}, {"t2", "Z308/Z305", "", "r", "daily"}},
			friday: []string{"Z305/Z308"}, saturday: []string{"Z305/Z308"},
			leftOut: []string{`trips.txt:3: train Z308/Z305 (trip "t2"): trip "t1" in line 2 is train Z305/Z308 on ` +
				`2026-03-02 too`},
		},
		"one of two numbers": {
			rows: []tripRow{
				{"t1", "Z305/Z308", "", "r", "weekend"},
				{"t2", "Z305/Z309", "", "r", "daily"},
				{"t3", "Z309", "", "r", "weekend"},
			},
			friday: []string{"Z305/Z309"}, saturday: []string{"Z305/Z308", "Z309"},
			leftOut: []string{`trips.txt:3: train Z305/Z309 (trip "t2"): trip "t1" in line 2 is train Z305/Z308 on ` +
				`2026-03-07 too; it is left out on 2 of its 7 dates`},
		},
		"the number of one half": {
			rows:   []tripRow{{"t1", "Z305 / Z308", "", "r", "daily"}, {"t2", "Z308", "", "r", "weekend"}},
			friday: []string{"Z305 / Z308"}, saturday: []string{"Z305 / Z308"},
			leftOut: []string{`trips.txt:3: train Z308 (trip "t2"): trip "t1" in line 2 is train Z305 / Z308 on ` +
				`2026-03-07 too`},
		},
		"a slash in a trip_id is only a slash": {
			rows:   []tripRow{{"2026/55/1", "", "", "r", "daily"}, {"2026/55/2", "", "", "r", "daily"}},
			friday: []string{"2026/55/1", "2026/55/2"}, saturday: []string{"2026/55/1", "2026/55/2"},
		},
		"a slash between words is only a slash": {
			rows:   []tripRow{{"t1", "North/South", "", "r", "daily"}, {"t2", "South/North", "", "r", "daily"}},
			friday: []string{"North/South", "South/North"}, saturday: []string{"North/South", "South/North"},
		},
		"a number that is a novel is shortened": {
			rows:     []tripRow{{"t1", strings.Repeat("x", 129), "", "r", "daily"}, {"t2", "A 1", "", "r", "daily"}},
			friday:   []string{"A 1", strings.Repeat("x", 111) + "~0ec9eb33e74510bc"},
			saturday: []string{"A 1", strings.Repeat("x", 111) + "~0ec9eb33e74510bc"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			request := importRequest(t, feedOf(c.rows...))
			request.NumberFrom, request.NumberWithAgency = c.from, c.agencies
			request.Findings = &publish.Findings{}
			_, err := h.Import(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, c.friday, onSale(h, request.From+friday))
			require.Equal(t, c.saturday, onSale(h, request.From+saturday))
			require.Equal(t, c.leftOut, append(found(request.Findings, numberTwice),
				found(request.Findings, cannotBeSold)...))
			require.Equal(t, len(c.leftOut), request.Findings.LeftOut())
			// A day by itself is the same as that day of a week.
			alone := newHouse(t)
			request.From, request.Days = request.From+saturday, 1
			_, err = alone.Import(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, c.saturday, onSale(alone, request.From))
		})
	}
}

func TestImport_SkippedKindsAreNoLoss(t *testing.T) {
	h := newHouse(t)
	request := importRequest(t, nil)
	request.Findings = &publish.Findings{}
	request.Templates = parse(t, strings.Split(euroTemplates, "  Night:")[0]+"  Night: { skip: true }\n")
	report, err := h.Import(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, []publish.KindReport{{Kind: "IC", Trains: 1, Runs: 7}, {Kind: "Night", Skipped: 1}}, report.Kinds)
	require.Equal(t, 7, report.Created)
	require.Zero(t, request.Findings.LeftOut())
	require.Equal(t, []string{`routes.txt: kind "Night": 1 trip`},
		found(request.Findings, "kinds that the templates skip"))
}

func TestImport_DryRunWritesNothing(t *testing.T) {
	h := newHouse(t)
	_, err := h.Import(t.Context(), importRequest(t, nil))
	require.NoError(t, err)
	writes, announced := h.ledger.writes, h.availability.announced
	request := importRequest(t, map[string]string{
		"trips.txt": "route_id,service_id,trip_id,trip_short_name\nr,daily,t1,A 201\nr,weekend,t2,A 999\n",
	})
	request.DryRun, request.Days = true, 14
	request.Progress = func(int, int) { t.Error("nothing is published") }
	report, err := h.Import(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, []int{18, 9, 2, 7}, []int{report.Runs, report.Created, report.Changed, report.Unchanged})
	require.Equal(t, []publish.KindReport{{Kind: "IC", Trains: 2, Runs: 18}}, report.Kinds)
	require.Equal(t, writes, h.ledger.writes)
	require.Equal(t, announced, h.availability.announced)
	require.Len(t, h.ledger.runs, 9)
}

func TestImport_DatesBeyondTheFeed(t *testing.T) {
	for name, c := range map[string]struct {
		from rail.Date
		days int
		want []string
	}{
		"within":       {rail.NewDate(2026, 12, 1), 31, nil},
		"beyond":       {rail.NewDate(2026, 12, 30), 12, []string{"10 of the 12 dates asked for are not among them"}},
		"on both ends": {rail.NewDate(2026, 12, 1) - 2, 40, []string{"9 of the 40 dates asked for are not among them"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			request := importRequest(t, nil)
			request.Feed.From, request.Feed.Through = rail.NewDate(2026, 12, 1), rail.NewDate(2026, 12, 31)
			if c.from < request.Feed.From {
				request.Feed.From = rail.NewDate(2026, 12, 1)
			}
			request.From, request.Days, request.Findings = c.from, c.days, &publish.Findings{}
			_, err := h.Import(t.Context(), request)
			require.NoError(t, err)
			var want []string
			for _, says := range c.want {
				want = append(want, "calendar.txt: the feed's dates are 2026-12-01 through 2026-12-31: "+says)
			}
			require.Equal(t, want, found(request.Findings, "dates asked for are beyond the feed's own"))
			require.Zero(t, request.Findings.LeftOut())
		})
	}
}

func TestFindings_AFewOfEachKindOnTheScreenAndAllInTheReport(t *testing.T) {
	var report bytes.Buffer
	findings := publish.NewFindings(&report)
	for i := range 150 {
		line := i + 2
		findings.Add(gtfs.Finding{Kind: "fast hops", File: "stop_times.txt", Line: line, Message: "from a, to \"b\""})
		findings.Add(gtfs.Finding{
			Kind: "short trips are left out", LeftOut: true, File: "trips.txt", Line: line, Message: "one stop",
		})
	}
	require.Equal(t, 150, findings.LeftOut())
	lines := strings.Split(printed(t, findings), "\n")
	require.Len(t, lines, 1+20+1+1+1)
	require.Equal(t, "short trips are left out: 150", lines[0])
	require.Equal(t, "  trips.txt:2: one stop", lines[1])
	require.Equal(t, "  … and 130 more", lines[21])
	require.Equal(t, `notice: fast hops: 150, such as stop_times.txt:2: from a, to "b"`, lines[22])
	require.NoError(t, findings.Flush())
	rows, err := csv.NewReader(&report).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+300)
	require.Equal(t, strings.Split(publish.FindingsHeader, ","), rows[0])
	require.Equal(t, []string{"notice", "fast hops", "stop_times.txt", "2", `from a, to "b"`}, rows[1])
	require.Equal(t, []string{"left out", "short trips are left out", "trips.txt", "2", "one stop"}, rows[2])
}

func TestFindings_KindsAreBounded(t *testing.T) {
	findings := &publish.Findings{}
	for i := range 1_000 {
		findings.Add(gtfs.Finding{Kind: fmt.Sprint("kind ", i), LeftOut: i%2 == 0, Message: "x"})
	}
	require.Len(t, findings.Kinds(), 102)
	require.Equal(t, 500, findings.LeftOut())
}

func TestFindings_AReportThatCannotBeWrittenIsAnError(t *testing.T) {
	findings := publish.NewFindings(full{})
	for range 1_000 {
		findings.Add(gtfs.Finding{Kind: "k", Message: strings.Repeat("x", 100)})
	}
	require.ErrorIs(t, findings.Flush(), errFull)
}

var errFull = errors.New("the disk is full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
