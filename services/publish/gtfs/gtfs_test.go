package gtfs_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
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

func TestRead_LineOfAFindingCountsQuotedLineBreaks(t *testing.T) {
	_, found := readFound(t, map[string]string{
		"stops.txt": "stop_id,stop_name,stop_desc,stop_lat,stop_lon\na,Alpha,\"one\ntwo\nthree\",50,10\n" +
			"b,Beta,,north,10\nc,Gamma,,52,10\n",
	}, gtfs.Options{})
	require.Equal(t, []string{
		`stops.txt:5: trip "t1" (stop_times.txt:3) calls at stop "b": stop_lat "north" is not a number`,
	}, found)
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
					"t1,08:00:00,08:00:00," + first + ",1\nt1,,,b,2\nt1,10:00:00,10:00:00,c,3\n",
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
	require.Equal(t, []rail.CallPair{{From: 2, To: 3}}, train.CallPairs("AA", "CC"))
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

func TestRead_FilesAreRefusedWithFileAndLine(t *testing.T) {
	for name, c := range map[string]struct {
		file, text, want string
	}{
		"a file is missing": {"stop_times.txt", "", "the feed lacks stop_times.txt"},
		"both calendars are missing": {
			"calendar.txt", "",
			"the feed lacks calendar.txt and calendar_dates.txt",
		},
		"an empty file":        {"trips.txt", "\n\n", "trips.txt:1: the file is empty"},
		"a file of spaces":     {"trips.txt", "  \n", "trips.txt:1: the file is empty"},
		"a file of separators": {"trips.txt", ", ,\n", "trips.txt:1: the file is empty"},
		"a column is missing": {
			"stop_times.txt", "trip_id,stop_id\n",
			`stop_times.txt:1: the file has no column "stop_sequence"`,
		},
		"a column is missing from calendar_dates.txt": {
			"calendar_dates.txt", "service_id,date\ns,20260101\n",
			`calendar_dates.txt:1: the file has no column "exception_type"`,
		},
		"a column is missing from frequencies.txt": {
			"frequencies.txt", "trip_id,headway_secs\nt1,600\n",
			`frequencies.txt:1: the file has no column "start_time"`,
		},
		"a column twice": {
			"trips.txt", "trip_id,route_id,service_id,trip_id\n",
			`trips.txt:1: the column "trip_id" is there twice`,
		},
		"an optional column twice": {
			"trips.txt", "trip_id,route_id,service_id,trip_headsign,trip_headsign\nt1,r,s,A,B\n",
			`trips.txt:1: the column "trip_headsign" is there twice`,
		},
		"a header with an open quote": {
			"stops.txt", "stop_id,\"stop_name\na,Alpha\n",
			"stops.txt:1: the header cannot be read: a quote is not closed",
		},
		"UTF-16 of Windows": {
			"stops.txt", "\xff\xfes\x00t\x00o\x00p\x00_\x00i\x00d\x00\n\x00",
			"stops.txt: the file is in UTF-16",
		},
		"UTF-16 without a mark": {
			"stops.txt", "\x00s\x00t\x00o\x00p\x00_\x00i\x00d\x00\n", "stops.txt: the file is in UTF-16",
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
		"no trips": {
			"trips.txt", "route_id,service_id,trip_id\n",
			"trips.txt: the file has no trip",
		},
		"a row without end": {
			"stops.txt", "stop_id,stop_name\na," + strings.Repeat("x", 1<<20+1<<18),
			"stops.txt:2: the row is too long",
		},
		"quotes without end": {
			"stops.txt", "stop_id,stop_name\n" + strings.Repeat("a,\"x\nb,\"y\n", 600),
			"more than 1000 quotes are not closed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, refusal(t, map[string]string{c.file: c.text}), c.want)
		})
	}
}

func TestRead_TooManyCalls(t *testing.T) {
	var times strings.Builder
	times.WriteString("trip_id,arrival_time,departure_time,stop_id,stop_sequence\n")
	for i := range rail.MaxCalls + 1 {
		times.WriteString("t1,08:00:00,08:00:00,a," + rail.Index(i) + "\n")
	}
	feed, found := readFound(t, map[string]string{"stop_times.txt": times.String()}, gtfs.Options{})
	require.Equal(t, []string{`stop_times.txt:258: trip "t1" calls at more than 256 stops`}, found)
	require.Empty(t, feed.Trips)
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

func TestReadZip_WhatCannotBeUnpackedIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		file   string
		flags  uint16
		method uint16
		want   string
	}{
		"encrypted":        {"trips.txt", 1, zip.Deflate, "trips.txt: the file cannot be read: it is encrypted"},
		"encrypted by AES": {"trips.txt", 1, 99, "trips.txt: the file cannot be read: it is encrypted"},
		"Deflate64": {
			"stops.txt", 0, 9, "stops.txt: the file cannot be read: it is packed by a method that is not read " +
				"(Deflate64, 9): pack it again, with Deflate",
		},
		"LZMA":               {"stops.txt", 0, 14, "(LZMA, 14)"},
		"Zstandard":          {"stops.txt", 0, 93, "(Zstandard, 93)"},
		"an unknown method":  {"stops.txt", 0, 77, "(unknown, 77)"},
		"an optional file":   {"frequencies.txt", 0, 9, "frequencies.txt: the file cannot be read: it is packed by"},
		"a file of no use":   {"shapes.txt", 1, 9, ""},
		"a note in a folder": {"notes/readme.txt", 1, 9, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var buffer bytes.Buffer
			archive := zip.NewWriter(&buffer)
			files := small()
			files[c.file] = "packed"
			for name, text := range files {
				header := &zip.FileHeader{
					Name: name, UncompressedSize64: uint64(len(text)),
					CompressedSize64: uint64(len(text)), CRC32: crc32.ChecksumIEEE([]byte(text)),
				}
				if name == c.file {
					header.Flags, header.Method = c.flags, c.method
				}
				w, err := archive.CreateRaw(header)
				require.NoError(t, err)
				_, err = io.WriteString(w, text)
				require.NoError(t, err)
			}
			require.NoError(t, archive.Close())
			feed, err := readZip(t, buffer.Bytes())
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, read(t, nil), feed)
				return
			}
			require.Contains(t, said(t, err), c.want)
		})
	}
}

func TestReadZip_BackslashesAreSeparators(t *testing.T) {
	files := map[string]string{}
	for name, text := range small() {
		files[`feed\`+name] = text
	}
	feed, err := readZip(t, zipped(t, files))
	require.NoError(t, err)
	require.Equal(t, read(t, nil), feed)
	_, err = readZip(t, zipped(t, map[string]string{strings.Repeat(`d\`, 9) + "x": ""}))
	require.Contains(t, said(t, err), "deeper than 8 folders")
}

func TestReadZip_ArchivesInTheArchive(t *testing.T) {
	_, err := readZip(t, zipped(t, map[string]string{
		"bus/gtfs.zip": "PK", "rail/GTFS.ZIP": "PK", "readme.txt": "hello",
	}))
	require.Equal(t, "the archive has no feed, but archives in it (bus/gtfs.zip, rail/GTFS.ZIP): unpack it, and import "+
		"one of them", said(t, err))
	files := small()
	files["more.zip"] = "PK"
	_, err = readZip(t, zipped(t, files))
	require.NoError(t, err)
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
	_, err := gtfs.ReadFile(t.Context(), filepath.Join(folder, "none.zip"), gtfs.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestReadFile_WhatIsNoZipIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"no zip":               "it is not a zip archive",
		"":                     "it is not a zip archive",
		"\x1f\x8b\x08":         "it is a gzip archive: unpack it, and give the folder",
		"7z\xbc\xaf\x27\x1c":   "it is a 7z archive: unpack it, and give the folder",
		"Rar!\x1a\x07\x00":     "it is a RAR archive: unpack it, and give the folder",
		"\xfd7zXZ\x00":         "it is an xz archive: unpack it, and give the folder",
		"\x28\xb5\x2f\xfd":     "it is a Zstandard archive: unpack it, and give the folder",
		"PK\x03\x04 and so on": "it is a zip archive without its end: was it loaded whole?",
		"<!DOCTYPE html>":      "it is not a zip archive, but as it looks a web page: does its address want a key?",
		"{\"error\": 401}":     "it is not a zip archive, but as it looks JSON: does its address want a key?",
	} {
		name := filepath.Join(t.TempDir(), "feed.zip")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		_, err := gtfs.ReadFile(t.Context(), name, gtfs.Options{})
		require.Equal(t, "feed.zip: "+want, said(t, err))
	}
}
