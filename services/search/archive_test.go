package search_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/search"
)

// daysBefore has the sale of each run open as many days before its date.
func daysBefore(runs []*rail.Run, days int) []*rail.Run {
	for _, run := range runs {
		run.SaleOpensAt = run.Date.AddDays(-days).ServiceStart(zone(shanghai)).UTC()
	}
	return runs
}

// onClock is a timetable that packs what is past by a clock.
func onClock(t *testing.T, clock *time.Time, l *fakeLedger) *search.Timetable {
	t.Helper()
	timetable := search.NewTimetable(l)
	timetable.Now = func() time.Time { return *clock }
	require.NoError(t, timetable.Refresh(t.Context()))
	return timetable
}

func TestTimetable_PastRunsStayReadable(t *testing.T) {
	calls := []rail.Call{at("VNP", 9, 0), at("AOH", 13, 48)}
	runs := daysBefore(runsOf(trainOf("G1/G4", calls...), today.AddDays(-400), 403), 15)
	runs = append(runs, runsOf(trainOf("G2", calls...), today.AddDays(-30), 5)...)
	l := &fakeLedger{}
	l.publish(stationsOf("VNP", "AOH"), runs...)
	clock := noon
	timetable := onClock(t, &clock, l)
	all := func() {
		t.Helper()
		for _, run := range runs {
			found, ok := timetable.Run(run.ID)
			require.True(t, ok, run.ID)
			require.Equal(t, run, found)
		}
		listed, more := timetable.Runs(search.RunFilter{From: 1}, noon, nil, len(runs))
		require.Len(t, listed, len(runs))
		require.False(t, more)
		_, size := timetable.Size()
		require.Equal(t, len(runs), size)
	}
	all()
	for _, id := range []rail.RunID{"G2@2019-09-10", "G2@2019-09-16", "G1%2FG4@2018-09-05", "G2@", "G3@2019-09-11"} {
		_, ok := timetable.Run(id)
		require.False(t, ok, id)
	}
	byAlias, ok := timetable.RunOf("G4", today.AddDays(-100))
	require.True(t, ok)
	require.Equal(t, runs[300], byAlias)
	page, more := timetable.Runs(search.RunFilter{From: today.AddDays(-30), Through: today.AddDays(-29)}, noon, nil, 3)
	require.Equal(t, "G1%2FG4@2019-09-11 G2@2019-09-11 G1%2FG4@2019-09-12", ids(page))
	require.True(t, more)

	// What is past can still be decided about: it was withdrawn after the event, say.
	was, _ := timetable.Run(runs[200].ID)
	runs[200] = withStatus(was, rail.Withdrawn)
	l.publish(nil, runs[200])
	require.NoError(t, timetable.Refresh(t.Context()))
	all()
	for range 3 {
		clock = clock.AddDate(0, 0, 1)
		require.NoError(t, timetable.Refresh(t.Context()))
		all()
	}
	runs[200] = was
	l.publish(nil, was)
	require.NoError(t, timetable.Refresh(t.Context()))
	all()

	l.publish(nil, runsOf(trainOf("G2", at("AOH", 9, 0), at("VNP", 13, 48)), today.AddDays(3), 1)...)
	require.NoError(t, timetable.Refresh(t.Context()))
	finder := search.NewFinder(timetable, &availability{}, nil)
	found, err := finder.Find(t.Context(), search.Query{
		From: []rail.StationCode{"AOH"}, To: []rail.StationCode{"VNP"}, Date: today.AddDays(3), Now: noon, First: 10,
	})
	require.NoError(t, err)
	require.Len(t, found.Offers, 1)
}

// A server that runs for years must not grow with every day: a past run costs a few bytes.
func TestTimetable_PastRunsCostLittle(t *testing.T) {
	const trains, days = 50, 730
	l := &fakeLedger{}
	for i := range trains {
		run := daysBefore(runsOf(trainOf(fmt.Sprint("G", i), at("VNP", 9, 0), at("AOH", 13, 48)), today, days), 15)
		l.publish(stationsOf("VNP", "AOH"), run...)
	}
	clock := noon
	timetable := search.NewTimetable(l)
	timetable.Now = func() time.Time { return clock }
	require.NoError(t, timetable.Refresh(t.Context()))
	l.set(func(l *fakeLedger) { clear(l.publications) }) // What it holds itself is not to be counted.
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range days - 10 {
		clock = clock.AddDate(0, 0, 1)
		require.NoError(t, timetable.Refresh(t.Context()))
	}
	after := heap()
	_, runs := timetable.Size()
	require.Equal(t, trains*days, runs)
	perRun := func(bytes uint64) float64 { return float64(bytes) / (trains * days) }
	t.Logf("%.0f bytes a run, %.0f fewer than before", perRun(after), perRun(before)-perRun(after))
	require.Greater(t, perRun(before)-perRun(after), 100.0)
}
