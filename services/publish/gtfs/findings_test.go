package gtfs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// two is a feed of two railways, each with a route, a service, a train and stops of its own.
func two() map[string]string {
	return map[string]string{
		"agency.txt": "agency_id,agency_name,agency_timezone\nR,Railway,Europe/Berlin\nQ,Other,Europe/Berlin\n",
		"stops.txt": "stop_id,stop_code,stop_name,stop_lat,stop_lon,location_type,parent_station,stop_timezone\n" +
			"a,AA,Alpha,50,10,0,,\nb,BB,Beta,51,10,0,,\nc,CC,Gamma,52,10,0,,\nd,DD,Delta,50,9,0,,\ne,EE,Epsilon,51,9,0,,\n",
		"routes.txt": "route_id,agency_id,route_short_name,route_type\nr,R,IC,102\nq,Q,RE,106\n",
		"calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
			"s,1,1,1,1,1,1,1,20260101,20261231\nw,1,1,1,1,1,1,1,20260101,20261231\n",
		"trips.txt": "route_id,service_id,trip_id,trip_short_name,trip_headsign\nr,s,t1,IC 1,Gamma\nq,w,t2,RE 2,Epsilon\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled,timepoint," +
			"pickup_type\n" +
			"t1,08:00:00,08:00:00,a,1,0,1,0\nt1,09:00:00,09:05:00,b,2,120,1,0\nt1,10:00:00,10:00:00,c,3,240,1,0\n" +
			"t2,08:00:00,08:00:00,d,1,0,1,0\nt2,09:00:00,09:00:00,e,2,120,1,0\n",
	}
}

// replaced is the feed of two railways with the first of a text replaced in a file.
func replaced(t *testing.T, file, before, after string) map[string]string {
	t.Helper()
	files := two()
	if before == "" {
		files[file] += after
		return files
	}
	require.Contains(t, files[file], before)
	files[file] = strings.Replace(files[file], before, after, 1)
	return files
}

// numbers are the numbers of a feed's trips.
func numbers(feed *gtfs.Feed) string {
	var all []string
	for _, trip := range feed.Trips {
		all = append(all, trip.Number)
	}
	return strings.Join(all, ", ")
}

// Each defect costs the first railway's train, and nobody else anything. Read strictly, it refuses the feed. Where only
// the second railway is asked for, it is no concern at all.
func TestRead_ADefectCostsTheTripsItTouches(t *testing.T) {
	long := strings.Repeat("x", 16<<10+1)
	for name, c := range map[string]struct{ file, before, after, kind, want string }{
		"no call": {
			"stop_times.txt", "t1,08:00:00,08:00:00,a,1,0,1,0\nt1,09:00:00,09:05:00,b,2,120,1,0\n" +
				"t1,10:00:00,10:00:00,c,3,240,1,0\n", "",
			"trips with fewer than two stops are left out",
			`trips.txt:2: trip "t1" calls at no stop, and a train needs 2`,
		},
		"one call": {
			"stop_times.txt", "t1,09:00:00,09:05:00,b,2,120,1,0\nt1,10:00:00,10:00:00,c,3,240,1,0\n", "",
			"trips with fewer than two stops are left out",
			`trips.txt:2: trip "t1" calls at 1 stop, and a train needs 2`,
		},
		"a call without stop": {
			"stop_times.txt", "09:05:00,b,2", "09:05:00,,2", "trips with a row of stop_times.txt that cannot be used",
			`stop_times.txt:3: trip "t1" has a call without a stop_id`,
		},
		"a stop that does not exist": {
			"stop_times.txt", "09:05:00,b,2", "09:05:00,z,2", "trips with a stop that does not exist are left out",
			`stop_times.txt:3: trip "t1" calls at stop "z", which does not exist`,
		},
		"goes back": {
			"stop_times.txt", "09:00:00,09:05:00", "07:00:00,09:05:00", "trips whose times are missing or go back",
			`stop_times.txt:3: trip "t1" arrives before it left the stop before (line 2)`,
		},
		"leaves before it arrives": {
			"stop_times.txt", "09:00:00,09:05:00", "09:05:00,09:00:00", "trips whose times are missing or go back",
			`stop_times.txt:3: trip "t1" leaves before it arrives`,
		},
		"goes back between calls without times": {
			"stop_times.txt", "t1,09:00:00,09:05:00,b,2,120,1,0\nt1,10:00:00,10:00:00",
			"t1,,,b,2,120,,0\nt1,07:00:00,07:00:00", "trips whose times are missing or go back",
			`stop_times.txt:3: trip "t1" arrives before`,
		},
		"no time at the end": {
			"stop_times.txt", "10:00:00,10:00:00,c,3,240,1", ",,c,3,240,", "trips whose times are missing or go back",
			`stop_times.txt:4: trip "t1" has no time at its first or last stop`,
		},
		"a time that is none": {
			"stop_times.txt", "09:00:00,09:05:00", "9h,09:05:00", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1": arrival_time "9h" is not a time like 08:05:00`,
		},
		"61 minutes": {
			"stop_times.txt", "09:00:00,09:05:00", "08:60:00,09:05:00", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1": arrival_time "08:60:00"`,
		},
		"a time without seconds": {
			"stop_times.txt", "09:00:00,09:05:00", "09:00,09:05", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1": arrival_time "09:00"`,
		},
		"a time weeks away": {
			"stop_times.txt", "10:00:00,10:00:00", "337:00:00,337:00:00", "trips with a row of stop_times.txt",
			`stop_times.txt:4: trip "t1": arrival_time "337:00:00" is more than 336 hours`,
		},
		"a time of many digits": {
			"stop_times.txt", "10:00:00,10:00:00", "99999999999:00:00,10:00:00", "trips with a row of stop_times.txt",
			`stop_times.txt:4: trip "t1": arrival_time "99999999999:00:00" is not a time`,
		},
		"a promised time that is not there": {
			"stop_times.txt", "09:00:00,09:05:00", ",", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1": timepoint 1 promises an exact time`,
		},
		"a sequence twice": {
			"stop_times.txt", "b,2,", "b,1,", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1" has stop_sequence 1 twice (line 2)`,
		},
		"a negative sequence": {
			"stop_times.txt", "b,2,", "b,-2,", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1": stop_sequence "-2" is not a whole number`,
		},
		"a sequence of many digits": {
			"stop_times.txt", "b,2,", "b,99999999999999999999,", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1": stop_sequence "99999999999999999999"`,
		},
		"an unknown pickup_type": {
			"stop_times.txt", "b,2,120,1,0", "b,2,120,1,4", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1": pickup_type "4" is not a number from 0 to 3`,
		},
		"a comma that is not in quotes": {
			"stop_times.txt", "t1,09:00:00", "Berlin, Hbf,t1,09:00:00", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1": the row has 10 fields, the header has 8: is a comma not in quotes?`,
		},
		"a quote that is not closed": {
			"stop_times.txt", "t1,09:00:00,09:05:00,b", "t1,09:00:00,09:05:00,\"b", "trips with a row of stop_times.txt",
			`stop_times.txt:3: trip "t1": a quote is not closed`,
		},
		"text behind a quote": {
			"stop_times.txt", "t1,09:00:00,09:05:00,b", "\"t1\",09:00:00,09:05:00,\"b\"b",
			"trips with a row of stop_times.txt", `stop_times.txt:3: trip "t1": text follows a closing quote`,
		},
		"a stop without name": {
			"stops.txt", "BB,Beta", "BB,", "trips with a stop that cannot be used are left out",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": a station's name`,
		},
		"a stop with a name of a page": {
			"stops.txt", "BB,Beta", "BB," + strings.Repeat("n", 129), "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": a station's name`,
		},
		"no place on earth": {
			"stops.txt", "51,10", "91,10", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": a latitude is between -90 and 90`,
		},
		"half a position": {
			"stops.txt", "51,10", "51,", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": latitude and longitude go together`,
		},
		"a position in words": {
			"stops.txt", "51,10", "north,10", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": stop_lat "north" is not a number`,
		},
		"no number": {
			"stops.txt", "51,10", "51,NaN", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": stop_lon "NaN" is not a number`,
		},
		"a stop's time zone": {
			"stops.txt", "51,10,0,,", "51,10,0,,CET/Nowhere", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": "CET/Nowhere" is not an IANA time zone`,
		},
		"a parent that does not exist": {
			"stops.txt", "51,10,0,,", "51,10,0,z,", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": parent_station "z" does not exist`,
		},
		"a stop that is its own parent": {
			"stops.txt", "51,10,0,,", "51,10,0,b,", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": it has more than 3 parents above it`,
		},
		"an entrance": {
			"stops.txt", "51,10,0,,", "51,10,2,a,", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": trains do not call at a location_type 2`,
		},
		"the platform of an entrance": {
			"stops.txt", "51,10,0,,\n", "51,10,0,f,\nf,,Door,,,2,,\n", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": its parent "f" is no station (location_type 2)`,
		},
		"the platform of a station without name": {
			"stops.txt", "51,10,0,,\n", "51,10,0,f,\nf,,,51,10,1,,\n", "trips with a stop that cannot be used",
			`stops.txt:4: trip "t1" (stop_times.txt:3) calls at stop "b": a station's name`,
		},
		"an unknown location_type": {
			"stops.txt", "51,10,0", "51,10,5", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": location_type "5"`,
		},
		"a stop twice": {
			"stops.txt", "", "b,BB,Another,51,10,0,,\n", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": it is there again in line 7, and differs`,
		},
		"a stop in Windows-1252": {
			"stops.txt", "BB,Beta", "BB,Z\xfcrich", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": the field "stop_name" is not UTF-8: is the ` +
				`file in Windows-1252, where it is "Zürich"? Convert it`,
		},
		"a stop with a comma": {
			"stops.txt", "BB,Beta", "BB,Beta, West", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": location_type "10"`,
		},
		"a trip with a comma": {
			"trips.txt", "IC 1,Gamma", "IC 1,Gamma, West", "trips with a row of trips.txt",
			`trips.txt:2: trip "t1": the row has 6 fields, the header has 5: is a comma not in quotes?`,
		},
		"a stop with a quote that is not closed": {
			"stops.txt", "BB,Beta", "BB,\"Beta", "trips with a stop that cannot be used",
			`stops.txt:3: trip "t1" (stop_times.txt:3) calls at stop "b": a quote is not closed`,
		},
		"a route that does not exist": {
			"trips.txt", "r,s,t1", "x,s,t1", "trips of a route that does not exist are left out",
			`trips.txt:2: trip "t1": route "x" does not exist`,
		},
		"a service that does not exist": {
			"trips.txt", "r,s,t1", "r,x,t1", "trips of a service that does not exist are left out",
			`trips.txt:2: trip "t1": service "x" does not exist`,
		},
		"a trip without id": {
			"trips.txt", "r,s,t1", "r,s,", "trips with a row of trips.txt that cannot be used are left out",
			"trips.txt:2: trip_id is empty",
		},
		"a trip twice": {
			"trips.txt", "", "r,s,t1,IC 9,Gamma\n", "trips with a row of trips.txt",
			`trips.txt:4: trip "t1" is there already in line 2, and differs`,
		},
		"a trip in Windows-1252": {
			"trips.txt", "IC 1", "IC \xe9", "trips with a row of trips.txt",
			`trips.txt:2: trip "t1": the field "trip_short_name" is not UTF-8`,
		},
		"an agency that does not exist": {
			"routes.txt", "r,R", "r,X", "trips of a route that cannot be used are left out",
			`routes.txt:2: trip "t1" of route "r": agency "X" does not exist`,
		},
		"a route twice": {
			"routes.txt", "", "r,R,EC,102\n", "trips of a route that cannot be used",
			`routes.txt:2: trip "t1" of route "r": route "r" is there again in line 4, and differs`,
		},
		"a route without type": {
			"routes.txt", "IC,102", "IC,", "trips of a route that cannot be used",
			`routes.txt:2: trip "t1" of route "r": route_type is empty`,
		},
		"a route of an unknown type": {
			"routes.txt", "IC,102", "IC,1800", "trips of a route that cannot be used",
			`routes.txt:2: trip "t1" of route "r": route_type "1800"`,
		},
		"an agency in another time zone": {
			"agency.txt", "R,Railway,Europe/Berlin\nQ,Other,Europe/Berlin\n",
			"Q,Other,Europe/Berlin\nR,Railway,Europe/Paris\n", "trips of a route that cannot be used",
			`routes.txt:2: trip "t1" of route "r": agency "R" (agency.txt:3): agency_timezone is "Europe/Paris" here and ` +
				`"Europe/Berlin" before`,
		},
		"an agency in no time zone": {
			"agency.txt", "Railway,Europe/Berlin", "Railway,Berlin", "trips of a route that cannot be used",
			`routes.txt:2: trip "t1" of route "r": agency "R" (agency.txt:2): agency_timezone "Berlin" is not an IANA`,
		},
		"an agency twice": {
			"agency.txt", "", "R,Another,Europe/Berlin\n", "trips of a route that cannot be used",
			`routes.txt:2: trip "t1" of route "r": agency "R" (agency.txt:2): agency "R" is there again in line 4`,
		},
		"a day that is neither": {
			"calendar.txt", "s,1", "s,yes", "trips of a service that cannot be used are left out",
			`calendar.txt:2: trip "t1" of service "s": monday "yes" is not 0 or 1`,
		},
		"a date that does not exist": {
			"calendar.txt", "20260101,20261231", "20260230,20261231", "trips of a service that cannot be used",
			`calendar.txt:2: trip "t1" of service "s": start_date "20260230" is not a date`,
		},
		"a calendar that ends first": {
			"calendar.txt", "20260101,20261231", "20261231,20260101", "trips of a service that cannot be used",
			`calendar.txt:2: trip "t1" of service "s": end_date 2026-01-01 is before start_date 2026-12-31`,
		},
		"a service twice": {
			"calendar.txt", "", "s,1,1,1,1,1,1,1,20260101,20261230\n", "trips of a service that cannot be used",
			`calendar.txt:4: trip "t1" of service "s": service "s" is there twice, and differs`,
		},
		"an exception on no date": {
			"calendar_dates.txt", "", "service_id,date,exception_type\ns,2026,1\n",
			"trips of a service that cannot be used",
			`calendar_dates.txt:2: trip "t1" of service "s": date "2026" is not a date`,
		},
		"a field of a book": {
			"trips.txt", "Gamma", long, "trips with a row of trips.txt",
			`trips.txt:2: trip "t1": the field "trip_headsign" is longer than 16384 bytes`,
		},
		"by frequency": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,06:00:00,09:00:00,600,0\n",
			"trips that run every so often, without a timetable, are left out",
			`frequencies.txt:2: trip "t1" runs every 600 s without exact times`,
		},
		"by frequency as the column is missing": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs\nt1,06:00:00,09:00:00,600\n" +
				"t1,09:00:00,12:00:00,900\n", "trips that run every so often",
			`frequencies.txt:2: trip "t1" runs every 600 s without exact times`,
		},
		"by frequency and by timetable": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,06:00:00,09:00:00,600,1\n" +
				"t1,09:00:00,12:00:00,900,\n", "trips that run every so often",
			`frequencies.txt:3: trip "t1" runs every 900 s without exact times`,
		},
		"every 0 seconds": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,06:00:00,09:00:00,0,1\n",
			"trips with a row of frequencies.txt that cannot be used are left out",
			`frequencies.txt:2: trip "t1": headway_secs "0" is not a whole number from 1`,
		},
		"every so many seconds that it is none": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,06:00:00,09:00:00,ten,1\n",
			"trips with a row of frequencies.txt",
			`frequencies.txt:2: trip "t1": headway_secs "ten"`,
		},
		"a window that ends first": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,09:00:00,09:00:00,600,1\n",
			"trips with a row of frequencies.txt", `frequencies.txt:2: trip "t1": end_time is not after start_time`,
		},
		"a window without end": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,09:00:00,,600,1\n",
			"trips with a row of frequencies.txt", `frequencies.txt:2: trip "t1": start_time or end_time is empty`,
		},
		"exact or not": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,09:00:00,10:00:00,600,2\n",
			"trips with a row of frequencies.txt", `frequencies.txt:2: trip "t1": exact_times "2"`,
		},
		"windows that overlap": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,09:00:00,10:00:00,600,1\n" +
				"t1,06:00:00,09:30:00,600,1\n", "trips with a row of frequencies.txt",
			`frequencies.txt:2: trip "t1": the window overlaps with that in line 3`,
		},
		"every second": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,09:00:00,10:00:00,1,1\n",
			"trips with a row of frequencies.txt", `frequencies.txt:2: trip "t1" runs more than 3000 times`,
		},
		"repeated until it is too late": {
			"frequencies.txt", "", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,330:00:00,336:00:00,3600,1\n",
			"trips with a row of frequencies.txt",
			`frequencies.txt:2: trip "t1" arrives more than 336 hours after the start of the service date`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := replaced(t, c.file, c.before, c.after)
			var found []gtfs.Finding
			feed, err := gtfs.Read(t.Context(), fsOf(files), gtfs.Options{
				Found: func(finding gtfs.Finding) { found = append(found, finding) },
			})
			require.NoError(t, err)
			require.Equal(t, "RE 2", numbers(feed))
			require.Len(t, feed.Stations, 2, "stations that no train calls at are none")
			require.Len(t, found, 1)
			require.True(t, found[0].LeftOut)
			require.Contains(t, found[0].Kind, c.kind)
			require.Contains(t, found[0].String(), c.want)

			_, err = gtfs.Read(t.Context(), fsOf(files), gtfs.Options{Strict: true})
			require.Contains(t, said(t, err), c.want)

			for _, options := range []gtfs.Options{
				{Agencies: []string{"Q"}},
				{Agencies: []string{"Other"}},
				{Routes: []string{"q"}},
				{Routes: []string{"RE"}},
				{RouteTypes: []gtfs.RouteTypes{{From: 103, Through: 110}}},
			} {
				options.Strict = true
				options.Found = func(finding gtfs.Finding) { t.Error(finding) }
				feed, err = gtfs.Read(t.Context(), fsOf(files), options)
				require.NoError(t, err, "it is not asked for")
				require.Equal(t, "RE 2", numbers(feed))
			}
		})
	}
}

// What is told twice in the same words costs nothing, and so does what nobody reads.
func TestRead_WhatIsNoDefect(t *testing.T) {
	for name, c := range map[string]struct{ file, before, after string }{
		"a stop again":       {"stops.txt", "", "b,BB,Beta,51,10,0,,\n"},
		"a route again":      {"routes.txt", "", "r,R,IC,102\n"},
		"an agency again":    {"agency.txt", "", "R,Railway,Europe/Berlin\n"},
		"a service again":    {"calendar.txt", "", "s,1,1,1,1,1,1,1,20260101,20261231\n"},
		"a trip again":       {"trips.txt", "", "r,s,t1,IC 1,Gamma\n"},
		"a call of no trip":  {"stop_times.txt", "", "t9,10:60:00,,zz,3\n"},
		"a short row":        {"stops.txt", "51,10,0,,\n", "51,10\n"},
		"commas at the end":  {"stops.txt", "51,10,0,,\n", "51,10,0,,,,, \n"},
		"spaces and quotes":  {"stops.txt", "b,BB,Beta", "\"b\" , \"BB\"\t,  \"Beta\"  "},
		"no optional header": {"calendar_dates.txt", "", "\n\n"},
		"an empty file":      {"frequencies.txt", "", "\uFEFF"},
		"a file of a header": {"frequencies.txt", "", "trip\n\n"},
		"an unserved stop":   {"stops.txt", "", "f,FF,,91,10,7,zz,Nowhere\n\"g,GG\n,,\n\xff,,\n"},
		"an unused route":    {"routes.txt", "", "z,X,EC,\n"},
		"an unused service":  {"calendar.txt", "", "z,1,1,1,1,1,1,yes,20260230,20251231\n"},
		"an unused agency":   {"agency.txt", "", "Z,Zoo,Nowhere\n"},
		"a route's comment":  {"routes.txt", "", "z,R,IC,102\n"},
		"a platform's place": {
			"stops.txt", "b,BB,Beta,51,10,0,,\n", "b,BB,Beta,x,200,0,f,\nf,BB,Beta,51,10,1,,\n",
		},
		"a translation of no stop": {
			"translations.txt", "", "table_name,field_name,language,translation,record_id\nstops,stop_name,,Rien,zz\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := gtfs.Read(t.Context(), fsOf(two()), gtfs.Options{})
			require.NoError(t, err)
			feed, err := gtfs.Read(t.Context(), fsOf(replaced(t, c.file, c.before, c.after)), gtfs.Options{
				Strict: true, Found: func(finding gtfs.Finding) { t.Error(finding) },
			})
			require.NoError(t, err)
			require.Equal(t, want, feed)
		})
	}
}

// A quote that is not closed costs its row. Those behind it are read, whatever quotes they have.
func TestRead_AnOpenQuoteCostsItsRow(t *testing.T) {
	files := replaced(t, "stops.txt", "a,AA,Alpha", "a,AA,\"Alpha")
	files["stops.txt"] = strings.Replace(files["stops.txt"], "EE,Epsilon", "EE,\"Epsi\"\"lon\"", 1)
	feed, found := readFound(t, files, gtfs.Options{})
	require.Equal(t, "RE 2", numbers(feed))
	require.Equal(t, `Epsi"lon`, feed.Stations[1].Name)
	require.Len(t, found, 1)
	require.Contains(t, found[0], `stops.txt:2: trip "t1" (stop_times.txt:2) calls at stop "a"`)
}

func TestRead_StrictlyTellsOfTwenty(t *testing.T) {
	var trips strings.Builder
	trips.WriteString("route_id,service_id,trip_id\n")
	for i := range 50 {
		fmt.Fprintf(&trips, "r,s,t%d\n", i)
	}
	changes := map[string]string{"trips.txt": trips.String()}
	_, found := readFound(t, changes, gtfs.Options{})
	require.Len(t, found, 49)
	_, err := gtfs.Read(t.Context(), fsOf(with(changes)), gtfs.Options{Strict: true})
	require.Len(t, strings.Split(said(t, err), "\n"), 20)
}

// A date for which a service contradicts itself is left out, and the others are not.
func TestRead_ADateInDoubt(t *testing.T) {
	for want, exceptions := range map[string]string{
		`calendar_dates.txt:3: service "s" has 2026-03-02 both added and taken away`: "s,20260302,1\ns,20260302,2\n",
		`calendar_dates.txt:2: exception_type "3" of 2026-03-02`:                     "s,20260302,3\n",
	} {
		files := replaced(t, "calendar_dates.txt", "", "service_id,date,exception_type\n"+exceptions)
		feed, found := readFound(t, files, gtfs.Options{From: rail.NewDate(2026, 3, 2), Days: 2})
		require.Equal(t, "IC 1, RE 2", numbers(feed))
		require.Len(t, found, 1)
		require.Contains(t, found[0], want)
		require.False(t, feed.Trips[0].Service.RunsOn(rail.NewDate(2026, 3, 2)))
		require.True(t, feed.Trips[0].Service.RunsOn(rail.NewDate(2026, 3, 3)))

		_, found = readFound(t, files, gtfs.Options{From: rail.NewDate(2026, 3, 3), Days: 2})
		require.Empty(t, found, "the date is not asked for")
	}
}

func TestRead_DatesAskedFor(t *testing.T) {
	files := two()
	files["calendar.txt"] = strings.Replace(files["calendar.txt"], "w,1,1,1,1,1,1,1,20260101,20261231",
		"w,1,0,0,0,0,0,0,20260301,20260310", 1)
	files["calendar_dates.txt"] = "service_id,date,exception_type\nw,20260320,1\nw,20260309,2\n"
	for _, c := range []struct {
		from rail.Date
		days int
		want string
	}{
		{0, 0, "IC 1, RE 2"},
		{rail.NewDate(2026, 3, 1), 1, "IC 1"}, // A Sunday.
		{rail.NewDate(2026, 3, 1), 2, "IC 1, RE 2"},
		{rail.NewDate(2026, 3, 9), 7, "IC 1"},        // Its Monday is taken away.
		{rail.NewDate(2026, 3, 14), 7, "IC 1, RE 2"}, // The last day is added.
		{rail.NewDate(2026, 3, 14), 6, "IC 1"},
		{rail.NewDate(2027, 1, 1), 400, ""},
	} {
		feed, found := readFound(t, files, gtfs.Options{From: c.from, Days: c.days})
		require.Empty(t, found)
		require.Equal(t, c.want, numbers(feed), "%s, %d days", c.from, c.days)
		require.Len(t, feed.Stations, map[string]int{"": 0, "IC 1": 3, "IC 1, RE 2": 5}[c.want])
		require.Equal(t, "2026-01-01 2026-12-31", feed.From.String()+" "+feed.Through.String())
	}
}

func TestRead_SpanOfTheFeed(t *testing.T) {
	files := two()
	files["calendar_dates.txt"] = "service_id,date,exception_type\nx,20270105,1\nx,20251224,1\nx,20300101,2\n"
	feed, _ := readFound(t, files, gtfs.Options{Routes: []string{"r"}})
	require.Equal(t, "2025-12-24 2027-01-05", feed.From.String()+" "+feed.Through.String())
}

func TestRead_WhatIsAskedForMustBeThere(t *testing.T) {
	for want, options := range map[string]gtfs.Options{
		`agency.txt: agency "SBB" is asked for, and is not there`: {Agencies: []string{"R", "SBB"}},
		`routes.txt: route "EC" is asked for, and is not there`:   {Routes: []string{"IC", "EC"}},
		`routes.txt: route "RE" is asked for, and is not there`:   {Agencies: []string{"R"}, Routes: []string{"RE"}},
		"routes.txt: no route is of a type asked for: the types are 102 106": {
			RouteTypes: []gtfs.RouteTypes{{From: 3, Through: 3}},
		},
	} {
		_, err := gtfs.Read(t.Context(), fsOf(two()), options)
		require.Equal(t, want, said(t, err))
	}
	feed, found := readFound(t, two(), gtfs.Options{
		Agencies: []string{"R", "Other"}, Routes: []string{"IC", "q"},
		RouteTypes: []gtfs.RouteTypes{{From: 1, Through: 1}, {From: 100, Through: 102}},
	})
	require.Empty(t, found)
	require.Equal(t, "IC 1", numbers(feed))
}

// Stop times of trips that are not asked for take no memory.
func TestRead_WhatIsNotAskedForIsNotKept(t *testing.T) {
	files := two()
	var trips, times strings.Builder
	trips.WriteString(files["trips.txt"])
	times.WriteString(files["stop_times.txt"])
	for i := range 2_000 {
		fmt.Fprintf(&trips, "r,s,x%d,IC %d,\n", i, i)
		for j := range 20 {
			fmt.Fprintf(&times, "x%d,%02d:00:00,%02d:00:00,a,%d\n", i, j, j, j)
		}
	}
	files["trips.txt"], files["stop_times.txt"] = trips.String(), times.String()
	_, err := gtfs.Read(t.Context(), fsOf(files), gtfs.Options{MaxMemory: 1 << 20})
	require.Contains(t, said(t, err), "to keep in memory")
	for _, options := range []gtfs.Options{
		{MaxMemory: 100 << 10, Routes: []string{"q"}}, {MaxMemory: 100 << 10, Agencies: []string{"Q"}},
	} {
		_, err = gtfs.Read(t.Context(), fsOf(files), options)
		require.NotNil(t, err, "2 MiB of text are more than 200 KiB")
		options.MaxMemory = 2 << 20
		feed, err := gtfs.Read(t.Context(), fsOf(files), options)
		require.NoError(t, err)
		require.Equal(t, "RE 2", numbers(feed))
	}
}

func TestRead_AFeedOfOneAgencyWithoutID(t *testing.T) {
	files := two()
	files["agency.txt"] = "agency_name,agency_timezone\nRailway,Europe/Berlin\n"
	feed, found := readFound(t, files, gtfs.Options{Agencies: []string{"Railway"}})
	require.Empty(t, found)
	require.Equal(t, "IC 1, RE 2", numbers(feed))
	require.Equal(t, "Railway", feed.Trips[0].Route.AgencyName)
	files = replaced(t, "agency.txt", "Q,Other,Europe/Berlin\n", "")
	files["routes.txt"] = strings.ReplaceAll(files["routes.txt"], ",Q,", ",,")
	feed, found = readFound(t, files, gtfs.Options{})
	require.Empty(t, found)
	require.Equal(t, "R", feed.Trips[1].Route.AgencyID)
}
