package gtfs_test

import (
	"bytes"
	"testing"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// FuzzRead reads feeds of any text: each is refused as what it is, or comes back with trips that can be sold.
func FuzzRead(f *testing.F) {
	files := small()
	f.Add(files["agency.txt"], files["stops.txt"], files["routes.txt"], files["calendar.txt"], files["trips.txt"],
		files["stop_times.txt"], "", "")
	f.Add(files["agency.txt"],
		"\uFEFFstop_id,stop_code,stop_name,parent_station\r\na,X,\"Al\npha\",\r\nb,X,Beta,\r\nc,,Gamma,b\r\n",
		files["routes.txt"],
		"", files["trips.txt"],
		"trip_id,stop_id,stop_sequence,departure_time,arrival_time,shape_dist_traveled\nt1,c,9,,25:00:00,7\n"+
			"t1,b,3,,,6\nt1,a,1,24:00:00,,5\n",
		"service_id,date,exception_type\ns,20260103,1\n",
		"table_name,field_name,language,translation,field_value\nstops,stop_name,fr,Alphe,Alpha\n")
	f.Fuzz(func(t *testing.T, agency, stops, routes, calendar, trips, times, dates, translations string) {
		feed, err := gtfs.Read(t.Context(), fsOf(with(map[string]string{
			"agency.txt": agency, "stops.txt": stops, "routes.txt": routes, "calendar.txt": calendar,
			"trips.txt":      trips,
			"stop_times.txt": times, "calendar_dates.txt": dates, "translations.txt": translations,
		})), gtfs.Options{})
		check(t, feed, err)
	})
}

// FuzzReadZip reads archives of any bytes.
func FuzzReadZip(f *testing.F) {
	f.Add(zipped(f, small()))
	f.Add([]byte("PK\x05\x06" + string(make([]byte, 18))))
	f.Fuzz(func(t *testing.T, data []byte) {
		feed, err := gtfs.ReadZip(t.Context(), bytes.NewReader(data), int64(len(data)), gtfs.Options{})
		check(t, feed, err)
	})
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
	stations := map[rail.StationCode]bool{}
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
		if trip.Service == nil || trip.Route == nil || len(trip.Calls) < 2 {
			t.Fatalf("trip %q is not whole: %+v", trip.ID, trip)
		}
		for i, call := range trip.Calls {
			if !stations[call.Station] {
				t.Fatalf("trip %q calls at %q, which is no station of the feed", trip.ID, call.Station)
			}
			if i > 0 && call.ArrivalSeconds < trip.Calls[i-1].DepartureSeconds ||
				call.DepartureSeconds < call.ArrivalSeconds {
				t.Fatalf("trip %q goes back in time at call %d", trip.ID, i)
			}
		}
		train := rail.NewTrain("1", "", feed.TimeZone, trip.Calls, formation, &rail.Fares{})
		for _, wrong := range train.Validate() {
			if len(wrong.Path) > 0 && wrong.Path[0] == "calls" {
				t.Fatalf("trip %q: %v", trip.ID, wrong)
			}
		}
	}
}
