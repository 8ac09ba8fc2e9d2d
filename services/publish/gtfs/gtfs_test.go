package gtfs_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a valid feed of three stations and one train; tests change files of it.
func small() map[string]string {
	return map[string]string{
		"agency.txt": "agency_id,agency_name,agency_url,agency_timezone\nR,Railway,https://example.org,Europe/Berlin\n",
		"stops.txt": "stop_id,stop_code,stop_name,stop_lat,stop_lon\n" +
			"a,AA,Alpha,50,10\nb,BB,Beta,51,10\nc,CC,Gamma,52,10\n",
		"routes.txt": "route_id,agency_id,route_short_name,route_long_name,route_type\nr,R,IC,Intercity,102\n",
		"calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
			"s,1,1,1,1,1,0,0,20260101,20261231\n",
		"trips.txt": "route_id,service_id,trip_id,trip_short_name\nr,s,t1,IC 1\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
			"t1,08:00:00,08:00:00,a,1,0\nt1,09:00:00,09:05:00,b,2,120\nt1,10:00:00,10:00:00,c,3,240\n",
	}
}

// with is the small feed with some files changed; an empty text takes a file away.
func with(changes map[string]string) map[string]string {
	files := small()
	maps.Copy(files, changes)
	for name, text := range files {
		if text == "" {
			delete(files, name)
		}
	}
	return files
}

func fsOf(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func read(t *testing.T, changes map[string]string) *gtfs.Feed {
	t.Helper()
	feed, _ := readFound(t, changes, gtfs.Options{})
	return feed
}

// readFound reads a feed, and gives all findings as they are shown.
func readFound(t *testing.T, changes map[string]string, options gtfs.Options) (feed *gtfs.Feed, found []string) {
	t.Helper()
	options.Found = func(finding gtfs.Finding) { found = append(found, finding.String()) }
	feed, err := gtfs.Read(t.Context(), fsOf(with(changes)), options)
	require.NoError(t, err)
	return feed, found
}

// refusal reads a feed that must be refused, and gives all of what is said.
func refusal(t *testing.T, changes map[string]string) string {
	t.Helper()
	feed, err := gtfs.Read(t.Context(), fsOf(with(changes)), gtfs.Options{})
	require.Nil(t, feed)
	return said(t, err)
}

func said(t *testing.T, err error) string {
	t.Helper()
	require.Equal(t, rail.Invalid, rail.CodeOf(err), "%v", err)
	var all rail.Errors
	if !errors.As(err, &all) {
		var one *rail.Error
		require.ErrorAs(t, err, &one)
		return one.Message
	}
	var messages []string
	for _, each := range all {
		require.Equal(t, rail.Invalid, each.Code)
		messages = append(messages, each.Message)
	}
	return strings.Join(messages, "\n")
}

func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := archive.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(files[name]))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	return buffer.Bytes()
}

func readZip(t *testing.T, data []byte) (*gtfs.Feed, error) {
	t.Helper()
	return gtfs.ReadZip(t.Context(), bytes.NewReader(data), int64(len(data)), gtfs.Options{})
}

func TestRead_SmallFeed(t *testing.T) {
	feed, found := readFound(t, nil, gtfs.Options{})
	require.Empty(t, found)
	require.Equal(t, "Europe/Berlin", feed.TimeZone)
	require.Len(t, feed.Stations, 3)
	fifty, ten := 50.0, 10.0
	require.Equal(t, &rail.Station{
		Code: "AA", Name: "Alpha", TimeZone: "Europe/Berlin", Latitude: &fifty,
		Longitude: &ten,
	}, feed.Stations[0])
	require.Len(t, feed.Trips, 1)
	trip := feed.Trips[0]
	require.Equal(t, "t1", trip.ID)
	require.Equal(t, 2, trip.Line)
	require.Equal(t, "IC 1", trip.Number)
	require.Equal(t, &gtfs.Route{
		AgencyID: "R", AgencyName: "Railway", ShortName: "IC", LongName: "Intercity", Type: 102,
	}, trip.Route)
	require.Equal(t, []rail.Call{
		{Station: "AA", ArrivalSeconds: 8 * 3_600, DepartureSeconds: 8 * 3_600},
		{Station: "BB", ArrivalSeconds: 9 * 3_600, DepartureSeconds: 9*3_600 + 300, Metres: 120_000},
		{Station: "CC", ArrivalSeconds: 10 * 3_600, DepartureSeconds: 10 * 3_600, Metres: 240_000},
	}, trip.Calls)
}

// The same feed with everything written as differently as the format allows reads the same.
func TestRead_EveryWayOfWritingCSV(t *testing.T) {
	files := small()
	files["stops.txt"] = "\uFEFF" + "zone_id,stop_lon, stop_lat ,stop_name,stop_desc,stop_code,stop_id\r\n" +
		"z,10,50,\"Alpha\",\"A place,\r\nwith \"\"two\"\" lines\",AA,a\r\n" +
		"\r\n" +
		",10, 51, Beta ,,BB,\"b\"\r\n" +
		",\"10\",\"52\",\"Gamma\",,\"CC\",c" // No line break at the end.
	files["stop_times.txt"] = "\uFEFFshape_dist_traveled,stop_id,trip_id,stop_sequence,departure_time,arrival_time," +
		"stop_headsign\r\n" +
		"240,c,t1,30,10:00:00,10:00:00,\r\n" + // Rows in no order, a sequence with gaps.
		"0,a,t1,0,8:00:00,8:00:00,\"x\r\ny\"\r\n" +
		"120,b,t1,7,9:05:00,09:00:00,\r\n"
	feed, err := gtfs.Read(t.Context(), fsOf(files), gtfs.Options{})
	require.NoError(t, err)
	require.Equal(t, read(t, nil), feed)
}

func TestRead_LineOfARefusalCountsQuotedLineBreaks(t *testing.T) {
	require.Contains(t, refusal(t, map[string]string{
		"stops.txt": "stop_id,stop_name,stop_desc,stop_lat,stop_lon\na,Alpha,\"one\ntwo\nthree\",50,10\n" +
			"b,Beta,,north,10\nc,Gamma,,52,10\n",
	}), `stops.txt:5: stop_lat "north"`)
}

func TestRead_StationIsTheParent(t *testing.T) {
	feed := read(t, map[string]string{
		"stops.txt": "stop_id,stop_code,stop_name,stop_lat,stop_lon,location_type,parent_station,stop_timezone\n" +
			"a1,AA,Alpha platform 1,50,10,0,a,\n" + // Before its parent, and with the parent's code.
			"a,AA,Alpha,50,10,1,,Europe/London\n" +
			"b,BB,Beta,51,10,,,\n" +
			"door,,,51,10,2,a,\n" +
			"node,,,,,3,a,\n" +
			"area,,,,,4,a1,\n" +
			"c,CC,Gamma,52,10,,,\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,08:00:00,08:00:00,a1,1\nt1,09:00:00,09:05:00,b,2\nt1,10:00:00,10:00:00,c,3\n",
	})
	var codes []rail.StationCode
	for _, station := range feed.Stations {
		codes = append(codes, station.Code)
	}
	require.Equal(t, []rail.StationCode{"AA", "BB", "CC"}, codes)
	require.Equal(t, "Alpha", feed.Stations[0].Name)
	require.Equal(t, "Europe/London", feed.Stations[0].TimeZone)
	require.EqualValues(t, "AA", feed.Trips[0].Calls[0].Station)
}

func TestRead_Codes(t *testing.T) {
	long := strings.Repeat("x", 64)
	for name, c := range map[string]struct{ stops, codes string }{
		"unique":                        {"a,X\nb,Y\nc,Z", "X Y Z"},
		"compared byte by byte":         {"a,x\nb,X\nc,é", "x X é"},
		"missing":                       {"a,\nb,Y\nc,", "a Y c"},
		"not unique":                    {"a,X\nb,X\nc,Z", "a b Z"},
		"another's own id":              {"a,b\nb,\nc,Z", "a b Z"},
		"crossed ids are still unique":  {"a,b\nb,c\nc,a", "b c a"},
		"falling back pushes others":    {"a,X\nb,X\nc,a", "a b c"},
		"not fit to be a code":          {"a,X" + long + "\nb,Y\nc,\u0007", "a Y c"},
		"64 characters":                 {"a," + long + "\nb,Y\nc,Z", long + " Y Z"},
		"an id that needs its own code": {long + "x,X\nb,Y\nc,Z", "X Y Z"},
	} {
		t.Run(name, func(t *testing.T) {
			rows := strings.Split(c.stops, "\n")
			for i := range rows {
				rows[i] += ",Name,50,10"
			}
			first, _, _ := strings.Cut(c.stops, ",")
			feed := read(t, map[string]string{
				"stops.txt": "stop_id,stop_code,stop_name,stop_lat,stop_lon\n" + strings.Join(rows, "\n") + "\n",
				"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
					"t1,08:00:00,08:00:00," + first + ",1\nt1,10:00:00,10:00:00,c,3\n",
			})
			var codes []string
			for _, station := range feed.Stations {
				codes = append(codes, string(station.Code))
			}
			require.Equal(t, c.codes, strings.Join(codes, " "))
			require.Equal(t, feed.Stations[0].Code, feed.Trips[0].Calls[0].Station)
		})
	}
}

func TestRead_Translations(t *testing.T) {
	feed := read(t, map[string]string{
		"translations.txt": "table_name,field_name,language,translation,record_id,record_sub_id,field_value\n" +
			"stops,stop_name,fr,Alphe,a,,\n" +
			"stops,stop_name,fr,never,,,Alpha\n" + // The record goes before the value.
			"stops,stop_name,nl,Bèta,,,Beta\n" +
			"stops,stop_name,x,,c,,\n" + // Nothing is no name.
			"stop_times,stop_headsign,fr,nowhere,t1,3,\n" +
			"stops,stop_desc,fr,nothing,a,,\n" +
			"routes,route_long_name,fr,Grandes lignes,r,,\n",
	})
	require.Equal(t, map[string]string{"fr": "Alphe"}, feed.Stations[0].Names)
	require.Equal(t, map[string]string{"nl": "Bèta"}, feed.Stations[1].Names)
	require.Empty(t, feed.Stations[2].Names)
}

func TestRead_TranslationsOfOldAreIgnoredWithANotice(t *testing.T) {
	feed, found := readFound(t, map[string]string{
		"translations.txt": "trans_id,lang,translation\nAlpha,fr,Alphe\n",
	}, gtfs.Options{})
	require.Empty(t, feed.Stations[0].Names)
	require.Equal(t, []string{"translations.txt: it is in the form from before GTFS had translations"}, found)
}

func TestRead_NumberIsTripIDWhereThereIsNoShortName(t *testing.T) {
	feed := read(t, map[string]string{"trips.txt": "route_id,service_id,trip_id,trip_short_name\nr,s,t1,\n"})
	require.Equal(t, "t1", feed.Trips[0].Number)
	feed = read(t, map[string]string{"trips.txt": "route_id,service_id,trip_id\nr,s,t1\n"})
	require.Equal(t, "t1", feed.Trips[0].Number)
}

func TestRead_TimesPastMidnight(t *testing.T) {
	feed := read(t, map[string]string{
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,23:30:00,23:30:00,a,1\nt1,24:05:00,24:10:00,b,2\nt1,125:00:00,125:00:00,c,3\n",
	})
	require.EqualValues(t, 24*3_600+600, feed.Trips[0].Calls[1].DepartureSeconds)
	require.EqualValues(t, 125*3_600, feed.Trips[0].Calls[2].ArrivalSeconds)
}

func TestRead_AStationTwiceOnOneTrain(t *testing.T) {
	feed := read(t, map[string]string{
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,08:00:00,08:00:00,a,1\nt1,09:00:00,09:05:00,b,2\nt1,10:00:00,10:05:00,a,3\nt1,11:00:00,11:00:00,c,4\n",
	})
	train := rail.NewTrain("t1", "", feed.TimeZone, feed.Trips[0].Calls, rail.NewFormation(nil), &rail.Fares{})
	i, j, ok := train.Pair("AA", "CC")
	require.True(t, ok)
	require.Equal(t, []int{2, 3}, []int{i, j})
}

func TestRead_MissingTimesByDistance(t *testing.T) {
	feed := read(t, map[string]string{
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled,timepoint\n" +
			"t1,08:00:00,08:00:00,a,1,5,1\nt1,,,b,2,35,0\nt1,,,a,3,45,\nt1,09:00:00,09:00:00,c,4,65,1\n",
	})
	require.Equal(t, []int32{8 * 3_600, 8*3_600 + 1_800, 8*3_600 + 2_400, 9 * 3_600}, arrivals(feed.Trips[0]))
	require.Equal(t, feed.Trips[0].Calls[1].ArrivalSeconds, feed.Trips[0].Calls[1].DepartureSeconds)
}

func TestRead_MissingTimesEvenly(t *testing.T) {
	for name, distances := range map[string][4]string{
		"no distances":         {"", "", "", ""},
		"a distance missing":   {"0", "30", "", "60"},
		"all at one place":     {"7", "7", "7", "7"},
		"an end has none":      {"0", "30", "40", ""},
		"the beginning has no": {"", "30", "40", "60"},
	} {
		t.Run(name, func(t *testing.T) {
			feed := read(t, map[string]string{
				"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
					"t1,08:00:00,08:00:00,a,1," + distances[0] + "\nt1,,,b,2," + distances[1] + "\nt1,,,a,3," +
					distances[2] + "\nt1,09:00:00,09:00:00,c,4," + distances[3] + "\n",
			})
			require.Equal(t, []int32{8 * 3_600, 8*3_600 + 1_200, 8*3_600 + 2_400, 9 * 3_600}, arrivals(feed.Trips[0]))
		})
	}
}

func TestRead_MissingTimesBetweenSeveralKnownOnes(t *testing.T) {
	feed := read(t, map[string]string{
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,,08:00:00,a,1\nt1,,,b,2\nt1,08:20:00,08:40:00,c,3\nt1,,,b,4\nt1,09:00:00,,a,5\n",
	})
	require.Equal(t, []int32{28_800, 29_400, 30_000, 31_800, 32_400}, arrivals(feed.Trips[0]))
}

func TestRead_OneOfTwoTimesIsBoth(t *testing.T) {
	feed := read(t, map[string]string{
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,07:50:00,08:00:00,a,1\nt1,09:00:00,,b,2\nt1,10:00:00,10:30:00,c,3\n",
	})
	calls := feed.Trips[0].Calls
	require.EqualValues(t, 8*3_600, calls[0].ArrivalSeconds, "at the origin an arrival says nothing")
	require.EqualValues(t, 9*3_600, calls[1].DepartureSeconds)
	require.EqualValues(t, 10*3_600, calls[2].DepartureSeconds, "at the terminus a departure says nothing")
}

func arrivals(trip *gtfs.Trip) []int32 {
	var all []int32
	for _, call := range trip.Calls {
		all = append(all, call.ArrivalSeconds)
	}
	return all
}

func TestRead_BoardingAndAlighting(t *testing.T) {
	feed := read(t, map[string]string{
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,pickup_type,drop_off_type\n" +
			"t1,08:00:00,08:00:00,a,1,0,1\nt1,09:00:00,09:05:00,b,2,1,0\nt1,09:10:00,09:15:00,a,3,,1\n" +
			"t1,09:20:00,09:25:00,b,4,2,3\nt1,10:00:00,10:00:00,c,5,1,0\n",
	})
	var got [][2]bool
	for _, call := range feed.Trips[0].Calls {
		got = append(got, [2]bool{call.NoBoarding, call.NoAlighting})
	}
	// What is said of alighting at the origin and of boarding at the terminus means nothing.
	require.Equal(t, [][2]bool{{false, false}, {true, false}, {false, true}, {false, false}, {false, false}}, got)
}

func TestRead_Services(t *testing.T) {
	feed := read(t, map[string]string{
		"calendar_dates.txt": "service_id,date,exception_type\ns,20260103,1\ns,20260105,2\nonly,20260107,1\n" +
			"s,20270101,1\n",
		"trips.txt": "route_id,service_id,trip_id\nr,s,t1\nr,only,t2\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,08:00:00,08:00:00,a,1\nt1,10:00:00,10:00:00,c,3\nt2,08:00:00,08:00:00,a,1\nt2,10:00:00,10:00:00,c,3\n",
	})
	runs := func(trip int) (days []string) {
		for date := rail.NewDate(2025, 12, 30); date <= rail.NewDate(2026, 1, 8); date++ {
			if feed.Trips[trip].Service.RunsOn(date) {
				days = append(days, date.String())
			}
		}
		return days
	}
	// 2026-01-01 is a Thursday and the first day, the 3rd an added Saturday, the 5th a Monday taken away.
	require.Equal(t, []string{"2026-01-01", "2026-01-02", "2026-01-03", "2026-01-06", "2026-01-07", "2026-01-08"},
		runs(0))
	require.Equal(t, []string{"2026-01-07"}, runs(1))
	require.True(t, feed.Trips[0].Service.RunsOn(rail.NewDate(2026, 12, 31)))
	require.False(t, feed.Trips[0].Service.RunsOn(rail.NewDate(2027, 1, 4)))
	require.True(t, feed.Trips[0].Service.RunsOn(rail.NewDate(2027, 1, 1)))
}

func TestRead_CalendarDatesAlone(t *testing.T) {
	feed := read(t, map[string]string{
		"calendar.txt":       "",
		"calendar_dates.txt": "service_id,date,exception_type\ns,20260103,1\n",
	})
	require.True(t, feed.Trips[0].Service.RunsOn(rail.NewDate(2026, 1, 3)))
	require.False(t, feed.Trips[0].Service.RunsOn(rail.NewDate(2026, 1, 2)))
	require.False(t, feed.Trips[0].Service.RunsOn(0))
}

func TestRead_DistancesBeginAtTheOrigin(t *testing.T) {
	feed := read(t, map[string]string{
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
			"t1,08:00:00,08:00:00,a,1,12.5\nt1,09:00:00,09:05:00,b,2,132.5\nt1,10:00:00,10:00:00,c,3,252.6\n",
	})
	require.Equal(t, []int32{0, 120_000, 240_100}, metres(feed.Trips[0]))
}

func TestRead_DistancesInAnotherUnit(t *testing.T) {
	// A degree of latitude is 111 km of straight line.
	for name, c := range map[string]struct{ second, third, notice string }{
		"metres": {"120000", "240000", "metres"},
		"miles":  {"74.565", "149.13", "miles"},
		"feet":   {"393701", "787402", "feet"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{
				"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
					"t1,08:00:00,08:00:00,a,1,0\nt1,09:00:00,09:05:00,b,2," + c.second + "\nt1,10:00:00,10:00:00,c,3," +
					c.third + "\n",
			}
			feed, found := readFound(t, files, gtfs.Options{})
			require.InDeltaSlice(t, []int32{0, 120_000, 240_000}, metres(feed.Trips[0]), 50)
			require.Len(t, found, 1)
			require.Contains(t, found[0], c.notice)
		})
	}
}

func TestRead_DistancesInTheUnitOneIsTold(t *testing.T) {
	feed, found := readFound(t, nil, gtfs.Options{MetresPerUnit: 500})
	require.Equal(t, []int32{0, 60_000, 120_000}, metres(feed.Trips[0]))
	require.Empty(t, found)
}

func TestRead_DistancesByStraightLines(t *testing.T) {
	feed, found := readFound(t, map[string]string{
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,08:00:00,08:00:00,a,1\nt1,09:00:00,09:05:00,b,2\nt1,10:00:00,10:00:00,c,3\n",
	}, gtfs.Options{})
	const degree = 6_371_008.8 * 3.141592653589793 / 180
	require.InDeltaSlice(t, []float64{0, degree * 1.05, 2 * degree * 1.05}, metres(feed.Trips[0]), 1)
	require.Len(t, found, 1)
	require.Contains(t, found[0], "1 trips have no shape_dist_traveled")
}

func TestRead_NoDistancesAtAll(t *testing.T) {
	feed := read(t, map[string]string{
		"stops.txt": "stop_id,stop_name,stop_lat,stop_lon\na,Alpha,50,10\nb,Beta,,\nc,Gamma,52,10\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,08:00:00,08:00:00,a,1\nt1,09:00:00,09:05:00,b,2\nt1,10:00:00,10:00:00,c,3\n",
	})
	require.Equal(t, []int32{rail.NoDistance, rail.NoDistance, rail.NoDistance}, metres(feed.Trips[0]))
	require.Nil(t, feed.Stations[1].Latitude)
}

func metres(trip *gtfs.Trip) []int32 {
	var all []int32
	for _, call := range trip.Calls {
		all = append(all, call.Metres)
	}
	return all
}

func TestRead_FaresAreIgnoredWithANotice(t *testing.T) {
	_, found := readFound(t, map[string]string{
		"fare_attributes.txt": "no,feed\n", "fare_products.txt": "\"broken", "pathways.txt": "\"broken",
		"levels.txt": "x\n",
		"shapes.txt": "\"broken", "transfers.txt": "\"", "feed_info.txt": "\"", "README.md": "hello",
	}, gtfs.Options{})
	require.Equal(t, []string{"fare_attributes.txt: it is ignored", "fare_products.txt: it is ignored"}, found)
}

func TestRead_FrequenciesAreRefusedByName(t *testing.T) {
	require.NotNil(t, read(t, map[string]string{"frequencies.txt": "trip_id,start_time,end_time,headway_secs\n"}),
		"without rows there are none")
	got := refusal(t, map[string]string{
		"frequencies.txt": "trip_id,start_time,end_time,headway_secs\nt1,06:00:00,09:00:00,600\n" +
			"t1,09:00:00,12:00:00,900\nt2,06:00:00,09:00:00,600\n",
	})
	require.Contains(t, got, `frequencies.txt:2: trip "t1"`)
	require.Contains(t, got, `frequencies.txt:4: trip "t2"`)
	require.Equal(t, 1, strings.Count(got, `"t1"`))
}

func TestRead_UnusableTripsAreAllNamed(t *testing.T) {
	got := refusal(t, map[string]string{
		"trips.txt": "route_id,service_id,trip_id\nr,s,t1\nr,s,t2\nr,s,t3\nr,s,t4\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,08:00:00,08:00:00,a,1\nt1,10:00:00,10:00:00,c,3\n" +
			"t2,08:00:00,08:00:00,a,1\n" +
			"t4,08:00:00,08:00:00,a,1\nt4,07:00:00,07:00:00,c,3\n",
	})
	require.Equal(t, `trips.txt:3: trip "t2" calls at 1 stops, and a train needs 2
trips.txt:4: trip "t3" calls at 0 stops, and a train needs 2
stop_times.txt:6: trip "t4" arrives before it left the stop before (line 5)`, got)
}

func TestRead_RefusedWithFileAndLine(t *testing.T) {
	const times = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\nt1,08:00:00,08:00:00,a,1\n"
	long := strings.Repeat("x", 129)
	for name, c := range map[string]struct {
		file, text, want string
	}{
		"a file is missing": {"stop_times.txt", "", "the feed lacks stop_times.txt"},
		"both calendars are missing": {
			"calendar.txt", "",
			"the feed lacks calendar.txt and calendar_dates.txt",
		},
		"an empty file": {"trips.txt", "\n\n", "trips.txt:1: the file is empty"},
		"a column is missing": {
			"stop_times.txt", "trip_id,stop_id\n",
			`stop_times.txt:1: the file has no column "stop_sequence"`,
		},
		"a column twice": {
			"trips.txt", "trip_id,route_id,service_id,trip_id\n",
			`trips.txt:1: the column "trip_id" is there twice`,
		},
		"too few fields": {
			"stop_times.txt", times + "t1,10:00:00\n",
			"stop_times.txt:3: the row has 2 fields, the header has 5",
		},
		"too many fields": {
			"stop_times.txt", times + "t1,10:00:00,10:00:00,c,3,\n",
			"stop_times.txt:3: the row has 6 fields, the header has 5",
		},
		"a stray quote": {
			"stop_times.txt", times + "t1,10:00:00,10:00:00,c\"c,3\n",
			`stop_times.txt:3: bare " in non-quoted-field`,
		},
		"an open quote": {
			"stops.txt", "stop_id,stop_name\n\"a,Alpha\n",
			`stops.txt:2: extraneous or missing "`,
		},
		"an endless row": {
			"stops.txt", "stop_id,stop_name\na,\"" + strings.Repeat("x\n", 1<<20),
			"stops.txt:2: the row is too long",
		},
		"not UTF-8": {
			"stops.txt", "stop_id,stop_name\na,\xff\n",
			`stops.txt:2: the field "stop_name" is not UTF-8`,
		},
		"no agency": {
			"agency.txt", "agency_name,agency_timezone\n",
			"agency.txt: the file has no agency",
		},
		"no such time zone": {
			"agency.txt", "agency_id,agency_timezone\nR,Berlin\n",
			`agency.txt:2: agency_timezone "Berlin"`,
		},
		"the server's time zone": {
			"agency.txt", "agency_id,agency_timezone\nR,Local\n",
			`agency.txt:2: agency_timezone "Local"`,
		},
		"two time zones": {
			"agency.txt",
			"agency_id,agency_timezone\nR,Europe/Berlin\nQ,Europe/Paris\n", "agency.txt:3: agency_timezone",
		},
		"a stop twice": {
			"stops.txt", "stop_id,stop_name\na,Alpha\na,Beta\n",
			`stops.txt:3: stop "a" is there already in line 2`,
		},
		"a stop without id": {
			"stops.txt", "stop_id,stop_name\n,Alpha\n",
			"stops.txt:2: stop_id is empty",
		},
		"a stop without name": {
			"stops.txt", "stop_id,stop_name\na,\n",
			`stops.txt:2: stop "a": a station's name`,
		},
		"a stop with a long id": {
			"stops.txt", "stop_id,stop_name\na,Alpha\n" + long + ",Beta\n",
			"stops.txt:3: stop",
		},
		"a parent that does not exist": {
			"stops.txt", "stop_id,stop_name,parent_station\na,Alpha,z\n",
			`stops.txt:2: parent_station "z"`,
		},
		"a stop that is its own parent": {
			"stops.txt", "stop_id,stop_name,parent_station\na,Alpha,b\nb,Beta,a\n",
			`stops.txt:2: stop "a" has more than 3 parents`,
		},
		"half a position": {
			"stops.txt", "stop_id,stop_name,stop_lat,stop_lon\na,Alpha,50,\n",
			`stops.txt:2: stop "a": latitude and longitude`,
		},
		"no place on earth": {
			"stops.txt", "stop_id,stop_name,stop_lat,stop_lon\na,Alpha,91,10\n",
			`stops.txt:2: stop "a": a latitude`,
		},
		"not a number": {
			"stops.txt", "stop_id,stop_name,stop_lat,stop_lon\na,Alpha,NaN,10\n",
			`stops.txt:2: stop_lat "NaN"`,
		},
		"an unknown location_type": {
			"stops.txt", "stop_id,stop_name,location_type\na,Alpha,5\n",
			`stops.txt:2: location_type "5"`,
		},
		"a stop's time zone": {
			"stops.txt", "stop_id,stop_name,stop_timezone\na,Alpha,CET/Nowhere\n",
			`stops.txt:2: stop "a": "CET/Nowhere"`,
		},
		"a route of nobody": {
			"routes.txt", "route_id,agency_id,route_type\nr,X,2\n",
			`routes.txt:2: agency "X" does not exist`,
		},
		"a route twice": {
			"routes.txt", "route_id,route_type\nr,2\nr,2\n",
			`routes.txt:3: route "r" is there twice`,
		},
		"a route without type": {
			"routes.txt", "route_id,route_type\nr,\n",
			"routes.txt:2: route_type is empty",
		},
		"a day that is neither": {
			"calendar.txt",
			"service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
				"s,1,1,1,1,1,0,yes,20260101,20261231\n", `calendar.txt:2: sunday "yes"`,
		},
		"a date that does not exist": {
			"calendar.txt",
			"service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
				"s,1,1,1,1,1,0,0,20260230,20261231\n", `calendar.txt:2: start_date "20260230"`,
		},
		"a calendar that ends first": {
			"calendar.txt",
			"service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
				"s,1,1,1,1,1,0,0,20261231,20260101\n", "calendar.txt:2: end_date 2026-01-01 is before",
		},
		"a service twice": {
			"calendar.txt",
			"service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
				"s,1,1,1,1,1,0,0,20260101,20261231\n" +
				"s,1,1,1,1,1,0,0,20260101,20261231\n", `calendar.txt:3: service "s" is there twice`,
		},
		"an exception of no kind": {
			"calendar_dates.txt", "service_id,date,exception_type\ns,20260101,3\n",
			`calendar_dates.txt:2: exception_type "3"`,
		},
		"added and taken away": {
			"calendar_dates.txt",
			"service_id,date,exception_type\ns,20260101,1\ns,20260101,2\n",
			`calendar_dates.txt:3: service "s" has 2026-01-01 both`,
		},
		"no trips": {
			"trips.txt", "route_id,service_id,trip_id\n",
			"trips.txt: the file has no trip",
		},
		"a trip twice": {
			"trips.txt", "route_id,service_id,trip_id\nr,s,t1\nr,s,t1\n",
			`trips.txt:3: trip "t1" is there already in line 2`,
		},
		"a trip without route": {
			"trips.txt", "route_id,service_id,trip_id\nx,s,t1\n",
			`trips.txt:2: trip "t1": route "x" does not exist`,
		},
		"a trip without service": {
			"trips.txt", "route_id,service_id,trip_id\nr,x,t1\n",
			`trips.txt:2: trip "t1": service "x" does not exist`,
		},
		"a call of no trip": {
			"stop_times.txt", times + "t9,10:00:00,10:00:00,c,3\n",
			`stop_times.txt:3: trip "t9" does not exist`,
		},
		"a stop that does not exist": {
			"stop_times.txt", times + "t1,10:00:00,10:00:00,z,3\n",
			`stop_times.txt:3: stop "z" does not exist`,
		},
		"a call without stop": {
			"stop_times.txt", times + "t1,10:00:00,10:00:00,,3\n",
			`stop_times.txt:3: trip "t1" has a call without a stop_id`,
		},
		"a sequence twice": {
			"stop_times.txt", times + "t1,10:00:00,10:00:00,c,1\n",
			`stop_times.txt:3: trip "t1" has stop_sequence 1 twice (line 2)`,
		},
		"a negative sequence": {
			"stop_times.txt", times + "t1,10:00:00,10:00:00,c,-1\n",
			`stop_times.txt:3: stop_sequence "-1"`,
		},
		"a time that is none": {
			"stop_times.txt", times + "t1,10:60:00,10:00:00,c,3\n",
			`stop_times.txt:3: arrival_time "10:60:00"`,
		},
		"a time without seconds": {
			"stop_times.txt", times + "t1,10:00,10:00:00,c,3\n",
			`stop_times.txt:3: arrival_time "10:00"`,
		},
		"a time weeks away": {
			"stop_times.txt", times + "t1,337:00:00,337:00:00,c,3\n",
			`stop_times.txt:3: arrival_time "337:00:00" is more than 336 hours`,
		},
		"no time at the end": {
			"stop_times.txt", times + "t1,,,c,3\n",
			`stop_times.txt:3: trip "t1" has no time at its first or last stop`,
		},
		"leaves before it arrives": {
			"stop_times.txt",
			times + "t1,09:30:00,09:00:00,b,2\nt1,10:00:00,10:00:00,c,3\n",
			`stop_times.txt:3: trip "t1" leaves before it arrives`,
		},
		"goes back in time between the ends": {
			"stop_times.txt", times + "t1,,,b,2\nt1,07:00:00,07:00:00,c,3\n",
			`stop_times.txt:3: trip "t1" arrives before`,
		},
		"a promised time that is not there": {
			"stop_times.txt",
			"trip_id,arrival_time,departure_time,stop_id,stop_sequence,timepoint\nt1,08:00:00,08:00:00,a,1,1\n" +
				"t1,,,b,2,1\nt1,10:00:00,10:00:00,c,3,1\n", "stop_times.txt:3: timepoint 1 promises",
		},
		"an unknown pickup_type": {
			"stop_times.txt",
			"trip_id,arrival_time,departure_time,stop_id,stop_sequence,pickup_type\nt1,08:00:00,08:00:00,a,1,4\n",
			`stop_times.txt:2: pickup_type "4"`,
		},
		"a distance that goes down": {
			"stop_times.txt",
			"trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
				"t1,08:00:00,08:00:00,a,1,20\n" +
				"t1,10:00:00,10:00:00,c,3,10\n", `stop_times.txt:3: trip "t1": shape_dist_traveled goes down`,
		},
		"a distance without end": {
			"stop_times.txt",
			"trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
				"t1,08:00:00,08:00:00,a,1,Inf\n", `stop_times.txt:2: shape_dist_traveled "Inf"`,
		},
		"a distance beyond the earth": {
			"stop_times.txt",
			"trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
				"t1,08:00:00,08:00:00,a,1,0\n" +
				"t1,10:00:00,10:00:00,c,3,1e300\n", "stop_times.txt:3: trip \"t1\" has come",
		},
		"translates what does not exist": {
			"translations.txt",
			"table_name,field_name,language,translation,record_id\nstops,stop_name,fr,Rien,z\n",
			`translations.txt:2: record_id: stop "z" does not exist`,
		},
		"translates nothing": {
			"translations.txt",
			"table_name,field_name,language,translation,record_id\nstops,stop_name,fr,Rien,\n",
			"translations.txt:2: neither record_id nor field_value",
		},
		"translates into no language": {
			"translations.txt",
			"table_name,field_name,language,translation,record_id\nstops,stop_name,,Rien,a\n",
			"translations.txt:2: language is empty",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, refusal(t, map[string]string{c.file: c.text}), c.want)
		})
	}
}

func TestRead_NotAStopTrainsCallAt(t *testing.T) {
	stops := "stop_id,stop_name,location_type,parent_station\na,Alpha,1,\nb,,2,a\nc,Gamma,0,d\nd,Door,2,\n"
	require.Contains(t, refusal(t, map[string]string{
		"stops.txt": stops,
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\nt1,08:00:00,08:00:00,a,1\n" +
			"t1,09:00:00,09:00:00,b,2\n",
	}), `stop_times.txt:3: stop "b" is not one that trains call at (location_type 2)`)
	require.Contains(t, refusal(t, map[string]string{
		"stops.txt": stops,
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\nt1,08:00:00,08:00:00,a,1\n" +
			"t1,09:00:00,09:00:00,c,2\n",
	}), `stop_times.txt:3: the parent of stop "c" is not a station`)
}

func TestRead_TooManyCalls(t *testing.T) {
	var times strings.Builder
	times.WriteString("trip_id,arrival_time,departure_time,stop_id,stop_sequence\n")
	for i := range rail.MaxCalls + 1 {
		times.WriteString("t1,08:00:00,08:00:00,a," + rail.Index(i) + "\n")
	}
	require.Contains(t, refusal(t, map[string]string{"stop_times.txt": times.String()}),
		`stop_times.txt:258: trip "t1" calls at more than 256 stops`)
}

func TestRead_StopsWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := gtfs.Read(ctx, fsOf(small()), gtfs.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestReadZip_SameAsTheFolder(t *testing.T) {
	for name, prefix := range map[string]string{
		"at the root": "", "in a folder": "feed/",
		"in a folder of a folder": "a/b/",
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for name, text := range small() {
				files[prefix+name] = text
				files["__MACOSX/"+prefix+"._"+name] = "shadow"
				files["__MACOSX/"+prefix+name] = "shadow"
			}
			feed, err := readZip(t, zipped(t, files))
			require.NoError(t, err)
			require.Equal(t, read(t, nil), feed)
		})
	}
}

func TestReadZip_TheRootGoesBeforeAFolder(t *testing.T) {
	files := small()
	files["old/stops.txt"] = "broken"
	feed, err := readZip(t, zipped(t, files))
	require.NoError(t, err)
	require.Len(t, feed.Trips, 1)
}

func TestReadZip_TwoFeedsAreRefused(t *testing.T) {
	files := map[string]string{}
	for name, text := range small() {
		files["2025/"+name] = text
		files["2026/"+name] = text
	}
	_, err := readZip(t, zipped(t, files))
	require.Contains(t, said(t, err), `more than one feed: in the folders "2025" and "2026"`)
}

func TestReadZip_NotAZip(t *testing.T) {
	for _, data := range []string{"", "hello", "PK\x03\x04"} {
		_, err := readZip(t, []byte(data))
		require.Contains(t, said(t, err), "not a zip archive")
	}
}

func TestReadZip_AnArchiveOfSomethingElse(t *testing.T) {
	_, err := readZip(t, zipped(t, map[string]string{"letter.txt": "hello"}))
	require.Contains(t, said(t, err), "the feed lacks agency.txt")
}

func TestReadZip_DamagedInside(t *testing.T) {
	files := small()
	files["stop_times.txt"] += strings.Repeat("t1,,,b,5,\n", 1_000)
	data := zipped(t, files)
	at := bytes.Index(data, []byte("stop_times.txt"))
	require.Positive(t, at)
	for i := range 8 {
		data[at+len("stop_times.txt")+8+i] ^= 0xff
	}
	_, err := readZip(t, data)
	require.Contains(t, said(t, err), "stop_times.txt: the file cannot be read")
}

func TestReadZip_Encrypted(t *testing.T) {
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	_, err := archive.CreateRaw(&zip.FileHeader{Name: "agency.txt", Flags: 1})
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	_, err = readZip(t, buffer.Bytes())
	require.Contains(t, said(t, err), "agency.txt: it is encrypted")
}

func TestReadZip_Bomb(t *testing.T) {
	files := small()
	// 16 MiB of one row: refused after a megabyte of it.
	files["stops.txt"] = "stop_id,stop_name\na," + strings.Repeat("x", 16<<20)
	data := zipped(t, files)
	require.Less(t, len(data), 64<<10)
	_, err := readZip(t, data)
	require.Contains(t, said(t, err), "stops.txt:2: the row is too long")
}

func TestReadZip_ThousandsOfEntries(t *testing.T) {
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	for i := range 10_001 {
		_, err := archive.CreateRaw(&zip.FileHeader{Name: rail.Index(i)})
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	_, err := readZip(t, buffer.Bytes())
	require.Contains(t, said(t, err), "10001 entries, more than 10000")
}

func TestReadFile_ZipAndFolder(t *testing.T) {
	folder := t.TempDir()
	inside := filepath.Join(folder, "feed")
	require.NoError(t, os.Mkdir(inside, 0o700))
	for name, text := range small() {
		require.NoError(t, os.WriteFile(filepath.Join(inside, name), []byte(text), 0o600))
	}
	name := filepath.Join(folder, "feed.zip")
	require.NoError(t, os.WriteFile(name, zipped(t, small()), 0o600))
	for _, path := range []string{name, inside} {
		feed, err := gtfs.ReadFile(t.Context(), path, gtfs.Options{})
		require.NoError(t, err)
		require.Equal(t, read(t, nil), feed)
	}
	require.NoError(t, os.WriteFile(name, []byte("no zip"), 0o600))
	_, err := gtfs.ReadFile(t.Context(), name, gtfs.Options{})
	require.Equal(t, "feed.zip: it is not a zip archive", said(t, err))
	_, err = gtfs.ReadFile(t.Context(), filepath.Join(folder, "none.zip"), gtfs.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}
