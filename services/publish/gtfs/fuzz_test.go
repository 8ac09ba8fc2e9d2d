package gtfs_test

import (
	"bytes"
	"testing"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// FuzzRead reads feeds of any text: each is refused as what it is, or comes back with trips that can be sold. With
// days, the dates from the beginning of 2026 are asked for.
func FuzzRead(f *testing.F) {
	files := small()
	f.Add(files["agency.txt"], files["stops.txt"], files["routes.txt"], files["calendar.txt"], files["trips.txt"],
		files["stop_times.txt"], "", "", "", uint8(0))
	f.Add(files["agency.txt"],
		"\uFEFFstop_id,stop_code,stop_name,parent_station\r\na,X,\"Al\npha\",\r\nb,X,Beta,\r\nc,,Gamma,b\r\n",
		files["routes.txt"],
		"", files["trips.txt"],
		"trip_id,stop_id,stop_sequence,departure_time,arrival_time,shape_dist_traveled\nt1,c,9,,25:00:00,7\n"+
			"t1,b,3,,,6\nt1,a,1,24:00:00,,5\n",
		"service_id,date,exception_type\ns,20260103,1\n",
		"table_name,field_name,language,translation,field_value\nstops,stop_name,fr,Alphe,Alpha\n", "", uint8(7))
	f.Add(files["agency.txt"], files["stops.txt"], files["routes.txt"], files["calendar.txt"],
		files["trips.txt"]+"r,s,t2,\nx,s,t3,IC 3\nr,s,t1,IC 1\n",
		files["stop_times.txt"]+"t2,08:00:00,08:00:00,a,1,\nt2,09:00:00,09:00:00,\"b,2\nt2,9,,zz\n", "", "",
		"trip_id,start_time,end_time,headway_secs,exact_times\nt1,06:00:00,07:00:00,1200,1\nt2,1:00:00,2:00:00,0,0\n",
		uint8(30))
	f.Fuzz(func(t *testing.T, agency, stops, routes, calendar, trips, times, dates, translations, frequencies string,
		days uint8,
	) {
		options := gtfs.Options{From: rail.NewDate(2026, 1, 1), Days: int(days)}
		checked(t, options, func(options gtfs.Options) (*gtfs.Feed, error) {
			return gtfs.Read(t.Context(), fsOf(with(map[string]string{
				"agency.txt": agency, "stops.txt": stops, "routes.txt": routes, "calendar.txt": calendar,
				"trips.txt": trips, "stop_times.txt": times, "calendar_dates.txt": dates,
				"translations.txt": translations, "frequencies.txt": frequencies,
			})), options)
		})
	})
}

// FuzzReadZip reads archives of any bytes.
func FuzzReadZip(f *testing.F) {
	f.Add(zipped(f, small()))
	f.Add([]byte("PK\x05\x06" + string(make([]byte, 18))))
	f.Fuzz(func(t *testing.T, data []byte) {
		checked(t, gtfs.Options{}, func(options gtfs.Options) (*gtfs.Feed, error) {
			return gtfs.ReadZip(t.Context(), bytes.NewReader(data), int64(len(data)), options)
		})
	})
}

// checked reads a feed with its findings, and strictly, and holds both against what the package promises.
func checked(t *testing.T, options gtfs.Options, read func(gtfs.Options) (*gtfs.Feed, error)) {
	t.Helper()
	leftOut := false
	options.Found = func(finding gtfs.Finding) {
		leftOut = leftOut || finding.LeftOut
		if finding.Kind == "" || finding.File == "" || finding.Message == "" || finding.Line < 0 ||
			len(finding.String()) > 700 {
			t.Fatalf("a finding has a kind, a place and a message: %+v", finding)
		}
	}
	feed, err := read(options)
	check(t, feed, err)
	if err != nil {
		return
	}
	options.Strict = true
	strict, err := read(options)
	check(t, strict, err)
	if (err != nil) != leftOut {
		t.Fatalf("read strictly, a feed is refused where something would be left out: %v", err)
	}
}

// check holds what came back against what the package promises.
func check(t *testing.T, feed *gtfs.Feed, err error) {
	t.Helper()
	if err != nil {
		if feed != nil || rail.CodeOf(err) != rail.Invalid {
			t.Fatalf("a feed is refused as INVALID and nothing comes back of it: %v", err)
		}
		return
	}
	stations, served, ids := map[rail.StationCode]bool{}, map[rail.StationCode]bool{}, map[string]bool{}
	for _, station := range feed.Stations {
		if errs := station.Validate(); len(errs) > 0 || stations[station.Code] {
			t.Fatalf("station %q: %v", station.Code, errs)
		}
		stations[station.Code] = true
	}
	formation := rail.NewFormation([]rail.Coach{{
		Number: "1", SeatClass: rail.Standard,
		Seats: []rail.Seat{{Label: "1A"}},
	}})
	for _, trip := range feed.Trips {
		if ids[trip.ID] {
			t.Fatalf("two trips have the id %q", trip.ID)
		}
		ids[trip.ID] = true
		if trip.Service == nil || trip.Route == nil || len(trip.Calls) < 2 {
			t.Fatalf("trip %q is not whole: %+v", trip.ID, trip)
		}
		for i, call := range trip.Calls {
			served[call.Station] = true
			if !stations[call.Station] {
				t.Fatalf("trip %q calls at %q, which is no station of the feed", trip.ID, call.Station)
			}
			if i > 0 && call.ArrivalSeconds < trip.Calls[i-1].DepartureSeconds ||
				call.DepartureSeconds < call.ArrivalSeconds {
				t.Fatalf("trip %q goes back in time at call %d", trip.ID, i)
			}
		}
		train := rail.NewTrain(trip.Number, "", feed.TimeZone, trip.Calls, formation, &rail.Fares{})
		for _, wrong := range train.Validate() {
			if len(wrong.Path) > 0 && (wrong.Path[0] == "calls" || wrong.Path[0] == "number") {
				t.Fatalf("trip %q: %v", trip.ID, wrong)
			}
		}
	}
	if len(served) != len(stations) {
		t.Fatalf("of %d stations, trains call at %d", len(stations), len(served))
	}
}
