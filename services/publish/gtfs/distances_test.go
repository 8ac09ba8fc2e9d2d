package gtfs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// degree is a degree of latitude in metres.
const degree = 6_371_008.8 * 3.141592653589793 / 180

// The stops of the small feed are a degree of latitude apart: 111 km.
func TestRead_DistancesThatAreInNoUnitAreStraightLines(t *testing.T) {
	const header = "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n"
	estimated := "stop_times.txt: 1 trips have no shape_dist_traveled that can be used: their distances are the " +
		"straight lines between their stops × 1.05"
	for name, c := range map[string]struct {
		distances string
		metres    []float64
		found     []string
	}{
		"kilometres":          {"0 120 240", []float64{0, 120_000, 240_000}, nil},
		"kilometres of hills": {"0 222 444", []float64{0, 222_000, 444_000}, nil},
		"hectometres": {"0 1200 2400", []float64{0, degree * 1.05, 2 * degree * 1.05}, []string{
			"stop_times.txt: shape_dist_traveled is not used: it is 10.8 times the straight lines between the stops in " +
				"kilometres, and no known unit is", estimated,
		}},
		"degrees": {"0 1 2", []float64{0, degree * 1.05, 2 * degree * 1.05}, []string{
			"stop_times.txt: shape_dist_traveled is not used: it is 0.00899 times the straight lines between the stops " +
				"in kilometres, and no known unit is", estimated,
		}},
		"goes down": {"0 240 120", []float64{0, degree * 1.05, 2 * degree * 1.05}, []string{
			`stop_times.txt:4: trip "t1": shape_dist_traveled goes down`,
		}},
		"endless":  {"0 120 Inf", []float64{0, degree * 1.05, 2 * degree * 1.05}, []string{estimated}},
		"negative": {"-5 120 240", []float64{0, degree * 1.05, 2 * degree * 1.05}, []string{estimated}},
		"words":    {"0 far 240", []float64{0, degree * 1.05, 2 * degree * 1.05}, []string{estimated}},
		"beyond the earth": {"0 120 1e300", []float64{0, degree * 1.05, 2 * degree * 1.05}, []string{
			"stop_times.txt: shape_dist_traveled is not used: it is 4.5e+297 times the straight lines between the stops " +
				"in kilometres, and no known unit is", estimated,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := strings.Fields(c.distances)
			feed, found := readFound(t, map[string]string{"stop_times.txt": header + "t1,08:00:00,08:00:00,a,1," + d[0] +
				"\nt1,09:00:00,09:05:00,b,2," + d[1] + "\nt1,10:00:00,10:00:00,c,3," + d[2] + "\n"}, gtfs.Options{})
			require.InDeltaSlice(t, c.metres, metres(feed.Trips[0]), 1)
			require.Equal(t, c.found, found)
		})
	}
}

// One railway of a feed measures in kilometres, the other in metres: neither has fares a thousand times too high.
func TestRead_TwoUnitsInOneFeed(t *testing.T) {
	files := two()
	files["stop_times.txt"] = strings.Replace(files["stop_times.txt"], "e,2,120,", "e,2,120000,", 1)
	feed, found := readFound(t, files, gtfs.Options{})
	require.Equal(t, []int32{0, 120_000, 240_000}, metres(feed.Trips[0]))
	require.InDeltaSlice(t, []float64{0, degree * 1.05}, metres(feed.Trips[1]), 1)
	require.Equal(t, []string{
		`stop_times.txt:6: trip "t2": shape_dist_traveled makes 120000 km of 111 km of straight lines`,
	}, found)

	// Where most of it is in metres, they are the unit.
	files = two()
	files["stop_times.txt"] = strings.NewReplacer("b,2,120,", "b,2,120000,", "c,3,240,", "c,3,240000,").Replace(
		files["stop_times.txt"])
	feed, found = readFound(t, files, gtfs.Options{})
	require.Equal(t, []int32{0, 120_000, 240_000}, metres(feed.Trips[0]))
	require.InDeltaSlice(t, []float64{0, degree * 1.05}, metres(feed.Trips[1]), 1)
	require.Len(t, found, 2)
	require.Contains(t, found[0], "shape_dist_traveled is taken for metres")
	require.Contains(t, found[1], `trip "t2": shape_dist_traveled makes 0 km of 111 km of straight lines`)
}

// Railways in kilometres and in miles: with the mean, the kilometres would be miles, and fares too high by the half.
func TestRead_KilometresAndMilesInOneFeed(t *testing.T) {
	files := two()
	files["trips.txt"] += "r,s,t3\n"
	files["stop_times.txt"] = "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
		"t1,08:00:00,08:00:00,a,1,0\nt1,09:00:00,09:00:00,b,2,118\nt2,08:00:00,08:00:00,a,1,0\n" +
		"t2,09:00:00,09:00:00,b,2,118\nt3,08:00:00,08:00:00,a,1,0\nt3,09:00:00,09:00:00,b,2,70\n"
	feed, found := readFound(t, files, gtfs.Options{})
	require.Equal(t, []int32{0, 118_000}, metres(feed.Trips[0]))
	require.Equal(t, []int32{0, 118_000}, metres(feed.Trips[1]))
	require.InDeltaSlice(t, []float64{0, degree * 1.05}, metres(feed.Trips[2]), 1)
	require.Equal(t, []string{
		`stop_times.txt:7: trip "t3": shape_dist_traveled makes 70 km of 111 km of straight lines`,
	}, found)
}

func TestRead_DistancesBeyondTheEarth(t *testing.T) {
	_, found := readFound(t, map[string]string{
		"stops.txt": "stop_id,stop_name\na,Alpha\nb,Beta\nc,Gamma\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
			"t1,08:00:00,08:00:00,a,1,0\nt1,10:00:00,10:00:00,c,3,100001\n",
	}, gtfs.Options{})
	require.Equal(t, []string{
		`stop_times.txt:3: trip "t1" has come 100001 km: is shape_dist_traveled in another unit?`,
	}, found)
}

// A stop without a position, or at 0,0, is named where a straight line needs it, and once.
func TestRead_StopsWithoutAPosition(t *testing.T) {
	straight := strings.NewReplacer(",0\n", ",\n", ",120\n", ",\n", ",240\n", ",\n").Replace(small()["stop_times.txt"])
	for name, position := range map[string]string{"none": ",", "null island": "0,0", "null island again": "0.000,-0.0"} {
		t.Run(name, func(t *testing.T) {
			stops := "stop_id,stop_name,stop_lat,stop_lon\na,Alpha,50,10\nb,Beta," + position + "\nc,Gamma,52,10\n" +
				"d,Unserved," + position + "\n"
			trips := "route_id,service_id,trip_id\nr,s,t1\nr,s,t2\n"
			feed, found := readFound(t, map[string]string{
				"stops.txt": stops, "trips.txt": trips,
				"stop_times.txt": straight + strings.ReplaceAll(strings.TrimPrefix(straight,
					strings.SplitAfter(straight, "\n")[0]), "t1", "t2"),
			}, gtfs.Options{})
			require.Equal(t, []string{`stops.txt:3: stop "b" (Beta) has no position, or 0,0: trip "t1" calls there`}, found)
			for _, trip := range feed.Trips {
				require.Equal(t, []int32{rail.NoDistance, rail.NoDistance, rail.NoDistance}, metres(trip))
			}
			require.Nil(t, feed.Stations[1].Latitude)

			feed, found = readFound(t, map[string]string{"stops.txt": stops}, gtfs.Options{})
			require.Empty(t, found, "the feed has distances")
			require.Equal(t, []int32{0, 120_000, 240_000}, metres(feed.Trips[0]))
		})
	}
}

func TestRead_FasterThanAnyTrain(t *testing.T) {
	const header = "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n"
	swapped := "stop_id,stop_name,stop_lat,stop_lon\na,Alpha,50,10\nb,Beta,10,51\nc,Gamma,52,10\n"
	for name, c := range map[string]struct {
		stops, times string
		found        []string
	}{
		"as fast as trains are": {"", "", nil},
		"600 km/h": {
			"", "t1,08:00:00,08:00:00,a,1,0\nt1,08:11:00,08:11:00,b,2,120\nt1,10:00:00,10:00:00,c,3,240\n", nil,
		},
		"faster": {"", "t1,08:00:00,08:00:00,a,1,0\nt1,08:10:00,08:11:00,b,2,120\nt1,10:00:00,10:00:00,c,3,240\n", []string{
			`stop_times.txt:3: trip "t1" goes 120 km in 10 minutes, from stop "a" (Alpha, 50,10) to "b" (Beta, 51,10)`,
		}},
		"swapped coordinates": {swapped, "", []string{
			`stop_times.txt:3: trip "t1" goes 5822 km in 60 minutes, from stop "a" (Alpha, 50,10) to "b" (Beta, 10,51)`,
			`stop_times.txt:4: trip "t1" goes 5952 km in 55 minutes, from stop "b" (Beta, 10,51) to "c" (Gamma, 52,10)`,
		}},
		"no positions, and metres": {
			"stop_id,stop_name\na,Alpha\nb,Beta\nc,Gamma\n",
			"t1,08:00:00,08:00:00,a,1,0\nt1,10:00:00,10:00:00,c,3,24000\n",
			[]string{
				`stop_times.txt:3: trip "t1" goes 24000 km in 120 minutes, from stop "a" (Alpha, no position) to "c" ` +
					`(Gamma, no position)`,
			},
		},
		"a minute for two stops of a metro": {
			"stop_id,stop_name,stop_lat,stop_lon\na,Alpha,50,10\nb,Beta,50.02,10\nc,Gamma,52,10\n",
			"t1,08:00:00,08:00:00,a,1,\nt1,08:00:00,08:00:00,b,2,\nt1,10:00:00,10:00:00,c,3,\n",
			[]string{"stop_times.txt: 1 trips have no shape_dist_traveled that can be used: their distances are the " +
				"straight lines between their stops × 1.05"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			changes := map[string]string{}
			if c.stops != "" {
				changes["stops.txt"] = c.stops
			}
			if c.times != "" {
				changes["stop_times.txt"] = header + c.times
			}
			feed, found := readFound(t, changes, gtfs.Options{})
			require.Equal(t, c.found, found)
			require.Len(t, feed.Trips, 1, "it is a notice")
		})
	}
}

// A stop in the wrong place does not make the distances of the feed wrong.
func TestRead_SwappedCoordinatesAreNoUnit(t *testing.T) {
	feed := read(t, map[string]string{
		"stops.txt": "stop_id,stop_name,stop_lat,stop_lon\na,Alpha,50,10\nb,Beta,10,51\nc,Gamma,52,10\n",
	})
	require.Equal(t, []int32{0, 120_000, 240_000}, metres(feed.Trips[0]))
}

// Two trips over the same too long hop make one notice.
func TestRead_AHopIsToldOnce(t *testing.T) {
	times := "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n"
	for _, trip := range []string{"t1", "t2", "t3"} {
		times += trip + ",08:00:00,08:00:00,a,1,0\n" + trip + ",08:01:00,08:01:00,b,2,120\n"
	}
	_, found := readFound(t, map[string]string{
		"trips.txt": "route_id,service_id,trip_id\nr,s,t1\nr,s,t2\nr,s,t3\n", "stop_times.txt": times,
	}, gtfs.Options{})
	require.Len(t, found, 1)
}
