package search_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/search"
)

func ids(runs []*rail.Run) string {
	var all []string
	for _, run := range runs {
		all = append(all, string(run.ID))
	}
	return strings.Join(all, " ")
}

func TestRuns_FilterAndOrder(t *testing.T) {
	g1 := trainOf("G1", at("VNP", 9, 0), at("NJH", 12, 0), at("AOH", 13, 48))
	g10 := trainOf("G10", at("AOH", 9, 0), at("VNP", 13, 48))
	early := trainOf("Z9", at("AOH", 6, 0), at("VNP", 23, 0))
	slash := trainOf("D305/D308", at("VNP", 21, 0), at("AOH", 31, 0))
	notOpen := runOf(slash, tomorrow)
	notOpen.SaleOpensAt = noon.Add(time.Hour)
	timetable, _ := loaded(
		t, stationsOf("VNP", "NJH", "AOH"),
		runOf(g1, today), withStatus(runOf(g1, tomorrow), rail.Suspended), runOf(g10, today), runOf(g10, tomorrow),
		withStatus(runOf(early, tomorrow), rail.Withdrawn), notOpen,
	)
	for name, c := range map[string]struct {
		filter search.RunFilter
		want   string
	}{
		"all, by date, departure, number": {
			search.RunFilter{},
			"G1@2019-10-11 G10@2019-10-11 Z9@2019-10-12 G1@2019-10-12 G10@2019-10-12 D305%2FD308@2019-10-12",
		},
		"from a date":    {search.RunFilter{From: tomorrow, Train: "G1"}, "G1@2019-10-12"},
		"through a date": {search.RunFilter{Through: today}, "G1@2019-10-11 G10@2019-10-11"},
		"of a train":     {search.RunFilter{Train: "G1"}, "G1@2019-10-11 G1@2019-10-12"},
		"of an alias":    {search.RunFilter{Train: "D308"}, "D305%2FD308@2019-10-12"},
		"of no train":    {search.RunFilter{Train: "G3"}, ""},
		"at a station":   {search.RunFilter{Station: "NJH"}, "G1@2019-10-11 G1@2019-10-12"},
		"suspended": {
			search.RunFilter{States: []rail.RunState{rail.RunSuspended}},
			"G1@2019-10-12",
		},
		"closed or withdrawn": {search.RunFilter{States: []rail.RunState{
			rail.RunClosed,
			rail.RunWithdrawn,
		}}, "G1@2019-10-11 G10@2019-10-11 Z9@2019-10-12"},
		"not open": {
			search.RunFilter{States: []rail.RunState{rail.RunNotOpen}},
			"D305%2FD308@2019-10-12",
		},
		"an empty range of dates": {search.RunFilter{From: tomorrow, Through: today}, ""},
	} {
		runs, hasNext := timetable.Runs(c.filter, noon, nil, 100)
		require.Equal(t, c.want, ids(runs), name)
		require.False(t, hasNext, name)
		for limit := 1; limit < 4; limit++ {
			var paged []*rail.Run
			var after *search.RunPlace
			for {
				page, hasNext := timetable.Runs(c.filter, noon, after, limit)
				paged = append(paged, page...)
				if !hasNext {
					break
				}
				place := search.RunPlaceOf(page[len(page)-1])
				after = &place
			}
			require.Equal(t, c.want, ids(paged), "%s, by %d", name, limit)
		}
	}
}

// Without a first date, runs are listed from today on, and each has its own today.
func TestRuns_FromTodayOnWhereTheTrainRuns(t *testing.T) {
	pago := trainIn("Pacific/Pago_Pago", "P1", at("PPG", 12, 0), at("AOH", 14, 0))
	kiritimati := trainIn("Pacific/Kiritimati", "K1", at("CXI", 12, 0), at("AOH", 14, 0))
	berlin := trainIn("Europe/Berlin", "B1", at("BLS", 12, 0), at("AOH", 14, 0))
	var runs []*rail.Run
	for _, train := range []*rail.Train{pago, kiritimati, berlin} {
		runs = append(runs, runsOf(train, today.AddDays(-3), 6)...)
	}
	timetable, _ := loaded(t, stationsOf("PPG", "CXI", "BLS", "AOH"), runs...)
	for _, c := range []struct{ now, first string }{
		// It is three dates at once between 10:00 and 11:00 UTC.
		{"2019-10-11T10:30:00Z", "P1@2019-10-10 K1@2019-10-12 B1@2019-10-11"},
		{"2019-10-11T11:30:00Z", "P1@2019-10-11 K1@2019-10-12 B1@2019-10-11"},
		{"2019-10-11T21:59:00Z", "P1@2019-10-11 K1@2019-10-12 B1@2019-10-11"},
		{"2019-10-11T22:01:00Z", "P1@2019-10-11 K1@2019-10-12 B1@2019-10-12"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		require.NoError(t, err)
		var first []string
		for _, number := range []string{"P1", "K1", "B1"} {
			found, hasNext := timetable.Runs(search.RunFilter{Train: number}, now, nil, 100)
			require.False(t, hasNext)
			require.Equal(t, today.AddDays(2), found[len(found)-1].Date, "and all that come")
			first = append(first, string(found[0].ID))
		}
		require.Equal(t, c.first, strings.Join(first, " "), c.now)
	}
	found, _ := timetable.Runs(search.RunFilter{From: today.AddDays(-9)}, noon, nil, 100)
	require.Len(t, found, len(runs), "with a first date, the past too")
}
