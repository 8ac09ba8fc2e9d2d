package gtfs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

func TestRead_ExactFrequenciesAreATimetable(t *testing.T) {
	const header = "trip_id,start_time,end_time,headway_secs,exact_times\n"
	for name, c := range map[string]struct{ rows, want string }{
		"every hour, without the end": {"t1,12:00:00,15:00:00,3600,1\n", "12:00 13:00 14:00"},
		"a second before the end":     {"t1,12:00:00,15:00:01,3600,1\n", "12:00 13:00 14:00 15:00"},
		"once":                        {"t1,12:00:00,12:00:01,86400,1\n", "12:00"},
		"seconds":                     {"t1,06:00:00,06:03:00,90,1\n", "06:00 06:01:30"},
		"past midnight":               {"t1,23:50:00,24:30:00,1200,1\n", "23:50 24:10"},
		"two windows side by side":    {"t1,07:00:00,08:00:00,1800,1\nt1,06:00:00,07:00:00,3600,1\n", "06:00 07:00 07:30"},
		"the same window twice":       {"t1,06:00:00,07:00:00,3600,1\nt1,06:00:00,07:00:00,3600,1\n", "06:00"},
		"a window of nobody":          {"t1,06:00:00,07:00:00,3600,1\nt9,06:00:00,05:00:00,0,7\n", "06:00"},
	} {
		t.Run(name, func(t *testing.T) {
			feed, found := readFound(t, map[string]string{"frequencies.txt": header + c.rows}, gtfs.Options{})
			require.Empty(t, found)
			var departures, ids, numbers []string
			for _, trip := range feed.Trips {
				departures = append(departures, trip.Departure)
				ids, numbers = append(ids, trip.ID), append(numbers, trip.Number)
				require.Equal(t, "IC 1", trip.ShortName)
				require.Equal(t, 2, trip.Line)
			}
			require.Equal(t, c.want, strings.Join(departures, " "))
			for i, departure := range departures {
				require.Equal(t, "t1 "+departure, ids[i])
				require.Equal(t, "IC 1 "+departure, numbers[i])
			}
		})
	}
}

// The times of a repeated trip are those of its stop times, as much later as it leaves.
func TestRead_ARepetitionsTimes(t *testing.T) {
	feed := read(t, map[string]string{
		"frequencies.txt": "trip_id,start_time,end_time,headway_secs,exact_times\nt1,12:00:00,15:00:00,3600,1\n",
		"trips.txt":       "route_id,service_id,trip_id,trip_headsign\nr,s,t1,Gamma\n",
	})
	require.Len(t, feed.Trips, 3)
	second := feed.Trips[1]
	require.Equal(t, []rail.Call{
		{Station: "AA", ArrivalSeconds: 13 * 3_600, DepartureSeconds: 13 * 3_600},
		{Station: "BB", ArrivalSeconds: 14 * 3_600, DepartureSeconds: 14*3_600 + 300, Metres: 120_000},
		{Station: "CC", ArrivalSeconds: 15 * 3_600, DepartureSeconds: 15 * 3_600, Metres: 240_000},
	}, second.Calls)
	require.Equal(t, "t1 13:00", second.Number)
	require.Equal(t, "Gamma 13:00", second.Numbered(second.Headsign))
	require.Equal(t, "t1 13:00", second.Numbered(""))
}

// A train that runs at 13:00 is the same train when the window begins later, or is longer.
func TestRead_ARepetitionIsTheSameInAnotherWindow(t *testing.T) {
	of := func(window string) map[string]*gtfs.Trip {
		all := map[string]*gtfs.Trip{}
		for _, trip := range read(t, map[string]string{
			"frequencies.txt": "trip_id,start_time,end_time,headway_secs,exact_times\nt1," + window + ",1\n",
		}).Trips {
			all[trip.ID] = trip
		}
		return all
	}
	before, after := of("12:00:00,15:00:00,3600"), of("13:00:00,18:00:00,1800")
	require.Equal(t, before["t1 13:00"].Number, after["t1 13:00"].Number)
	require.Equal(t, before["t1 13:00"].Calls, after["t1 13:00"].Calls)
	require.NotContains(t, after, "t1 12:00")
}

func TestRead_ARepetitionThatIsAnotherTrip(t *testing.T) {
	feed, found := readFound(t, map[string]string{
		"trips.txt": "route_id,service_id,trip_id\nr,s,t1\nr,s,t1 12:00\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
			"t1,08:00:00,08:00:00,a,1,0\nt1,09:00:00,09:05:00,b,2,120\n" +
			"t1 12:00,08:00:00,08:00:00,a,1,0\nt1 12:00,09:00:00,09:05:00,b,2,120\n",
		"frequencies.txt": "trip_id,start_time,end_time,headway_secs,exact_times\nt1,12:00:00,13:00:00,3600,1\n",
	}, gtfs.Options{})
	require.Equal(t, "t1 12:00", numbers(feed))
	require.Equal(t, []string{
		`frequencies.txt:2: trip "t1" is repeated as "t1 12:00", which is another trip's id`,
	}, found)
}

// Repetitions are kept like other trips, and charged like them: a row of text makes thousands.
func TestRead_RepetitionsAreCharged(t *testing.T) {
	files := small()
	var trips, times, rows strings.Builder
	trips.WriteString("route_id,service_id,trip_id\n")
	times.WriteString("trip_id,arrival_time,departure_time,stop_id,stop_sequence\n")
	rows.WriteString("trip_id,start_time,end_time,headway_secs,exact_times\n")
	for i := range 100 {
		fmt.Fprintf(&trips, "r,s,t%d\n", i)
		fmt.Fprintf(&rows, "t%d,00:00:00,24:00:00,60,1\n", i)
		for j := range 20 {
			fmt.Fprintf(&times, "t%d,%02d:00:00,%02d:00:00,a,%d\n", i, j, j, j)
		}
	}
	files["trips.txt"], files["stop_times.txt"], files["frequencies.txt"] = trips.String(), times.String(), rows.String()
	_, err := readZip(t, zipped(t, files))
	require.Contains(t, said(t, err), "frequencies.txt:")
	require.Contains(t, said(t, err), "MiB to keep in memory, which is too much for an archive of")
	feed, err := gtfs.Read(t.Context(), fsOf(files), gtfs.Options{})
	require.NoError(t, err)
	require.Len(t, feed.Trips, 100*1_440)
}
