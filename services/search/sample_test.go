package search_test

import (
	"archive/zip"
	"encoding/csv"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/search"
)

// sampleDays is how many days the sample is put on sale for.
const sampleDays = 15

// readSample reads just enough of the sample timetable for a search. It is skipped where the sample is not there.
func readSample(t testing.TB) ([]*rail.Station, []*rail.Run) {
	t.Helper()
	const path = "../publish/sample/china-hsr-2016.gtfs.zip"
	if _, err := os.Stat(path); err != nil {
		t.Skip("the sample timetable is not there: ", err)
	}
	feed, err := zip.OpenReader(path)
	require.NoError(t, err)
	defer feed.Close()
	rows := func(name string) []map[string]string {
		file, err := feed.Open(name)
		require.NoError(t, err)
		defer file.Close()
		records, err := csv.NewReader(file).ReadAll()
		require.NoError(t, err)
		var rows []map[string]string
		for _, record := range records[1:] {
			row := map[string]string{}
			for i, column := range records[0] {
				row[column] = record[i]
			}
			rows = append(rows, row)
		}
		return rows
	}
	seconds := func(s string) int32 {
		var h, m, sec int32
		_, err := fmt.Sscanf(s, "%d:%d:%d", &h, &m, &sec)
		require.NoError(t, err)
		return h*3600 + m*60 + sec
	}
	byCode := map[string]*rail.Station{}
	var stations []*rail.Station
	for _, row := range rows("stops.txt") {
		station := &rail.Station{
			Code: rail.StationCode(row["stop_id"]), Name: row["stop_name"],
			Names: map[string]string{}, TimeZone: shanghai,
		}
		byCode[row["stop_id"]] = station
		stations = append(stations, station)
	}
	for _, row := range rows("translations.txt") {
		byCode[row["record_id"]].Names[row["language"]] = row["translation"]
	}
	var trips []string
	calls := map[string][]rail.Call{}
	for _, row := range rows("stop_times.txt") {
		trip := row["trip_id"]
		if calls[trip] == nil {
			trips = append(trips, trip)
		}
		km, err := strconv.ParseFloat(row["shape_dist_traveled"], 64)
		require.NoError(t, err)
		calls[trip] = append(calls[trip], rail.Call{
			Station: byCode[row["stop_id"]].Code, Metres: int32(km * 1_000),
			ArrivalSeconds: seconds(row["arrival_time"]), DepartureSeconds: seconds(row["departure_time"]),
		})
	}
	var runs []*rail.Run
	for _, trip := range trips {
		runs = append(runs, runsOf(trainOf(trip, calls[trip]...), today, sampleDays)...)
	}
	return stations, runs
}

func TestSample_FromBeijingToShanghai(t *testing.T) {
	stations, runs := readSample(t)
	timetable, _ := loaded(t, stations, runs...)
	numberOfStations, numberOfRuns := timetable.Size()
	require.Equal(t, []int{672, 65_910}, []int{numberOfStations, numberOfRuns})

	offers := find(t, timetable, query("VNP", "AOH", tomorrow))
	require.Len(t, offers, 41)
	require.Contains(t, offers, "G1@2019-10-12 VNP→AOH")

	run, _ := timetable.RunOf("D308", tomorrow)
	require.Equal(t, "D305/D308", run.Train.Number)
	matches, _ := timetable.Stations("beijingn", nil, 10)
	require.Equal(t, "VNP", codes(matches))
}

// The indexes over the runs of the whole sample must be small beside the runs themselves.
func TestSample_Memory(t *testing.T) {
	stations, runs := readSample(t)
	l := &fakeLedger{}
	l.publish(stations, runs...)
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	timetable := search.NewTimetable(l)
	require.NoError(t, timetable.Refresh(t.Context()))
	grown := heap() - before
	require.Less(t, grown, int64(20<<20), "the indexes of 65,910 runs")
	t.Logf("indexes of the whole sample: %.1f MB", float64(grown)/(1<<20))
	runtime.KeepAlive(timetable)
	runtime.KeepAlive(runs)
}

func BenchmarkFind(b *testing.B) {
	stations, runs := readSample(b)
	l := &fakeLedger{}
	l.publish(stations, runs...)
	timetable := search.NewTimetable(l)
	require.NoError(b, timetable.Refresh(b.Context()))
	finder := search.NewFinder(timetable, &availability{}, nil)
	for name, q := range map[string]search.Query{
		"VNP to AOH": query("VNP", "AOH", tomorrow.AddDays(4)),
		"8 to 8": {
			From: []rail.StationCode{"VNP", "BJP", "BXP", "TJP", "TIP", "JNK", "JGK", "NJH"},
			To:   []rail.StationCode{"AOH", "SHH", "SNH", "HGH", "HZH", "WXH", "SZH", "NGH"}, Date: tomorrow.AddDays(4),
			Now: noon, First: 100,
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			offers := 0
			for b.Loop() {
				result, err := finder.Find(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				offers = len(result.Offers)
			}
			b.ReportMetric(float64(offers), "offers")
		})
	}
}

func BenchmarkStations(b *testing.B) {
	stations, _ := readSample(b)
	l := &fakeLedger{}
	l.publish(stations)
	timetable := search.NewTimetable(l)
	require.NoError(b, timetable.Refresh(b.Context()))
	b.ReportAllocs()
	for b.Loop() {
		timetable.Stations("hongqiao", nil, 20)
	}
}

func BenchmarkRefresh(b *testing.B) {
	stations, runs := readSample(b)
	for name, step := range map[string]int{"one run of all": 1, "a hundredth of all": len(runs) / 100, "nothing": 0} {
		b.Run(name, func(b *testing.B) {
			l := &fakeLedger{}
			l.publish(stations, runs...)
			timetable := search.NewTimetable(l)
			require.NoError(b, timetable.Refresh(b.Context()))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if step > 0 {
					start := i * step % (len(runs) - step)
					l.publish(nil, runs[start:start+step]...)
				}
				if err := timetable.Refresh(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("all at once", func(b *testing.B) {
		l := &fakeLedger{}
		l.publish(stations, runs...)
		for b.Loop() {
			if err := search.NewTimetable(l).Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all in a hundred increments", func(b *testing.B) {
		for b.Loop() {
			l := &fakeLedger{}
			l.publish(stations)
			timetable := search.NewTimetable(l)
			for start := 0; start < len(runs); start += len(runs) / 100 {
				l.publish(nil, runs[start:min(start+len(runs)/100, len(runs))]...)
				if err := timetable.Refresh(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkRuns(b *testing.B) {
	stations, runs := readSample(b)
	l := &fakeLedger{}
	l.publish(stations, runs...)
	timetable := search.NewTimetable(l)
	require.NoError(b, timetable.Refresh(b.Context()))
	b.ReportAllocs()
	for b.Loop() {
		timetable.Runs(search.RunFilter{States: []rail.RunState{rail.RunOnSale}}, noon, nil, 100)
	}
}
