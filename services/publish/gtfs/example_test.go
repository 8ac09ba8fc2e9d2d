package gtfs_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// A feed of two stations and one train that runs from Monday to Friday.
func ExampleReadZip() {
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	for _, file := range []struct{ name, text string }{
		{"agency.txt", "agency_name,agency_url,agency_timezone\nCoast Rail,https://rail.example,Asia/Shanghai\n"},
		{"stops.txt", "stop_id,stop_name,stop_lat,stop_lon\nN,North,31.0,121.0\nS,South,30.0,121.0\n"},
		{"routes.txt", "route_id,route_short_name,route_type\nR1,G,101\n"},
		{"calendar.txt", "service_id,start_date,end_date,monday,tuesday,wednesday,thursday,friday,saturday,sunday\n" +
			"weekdays,20191001,20191231,1,1,1,1,1,0,0\n"},
		{"trips.txt", "trip_id,route_id,service_id,trip_short_name\nt1,R1,weekdays,G1\n"},
		{"stop_times.txt", "trip_id,stop_id,stop_sequence,arrival_time,departure_time\n" +
			"t1,N,1,09:00:00,09:00:00\nt1,S,2,09:45:00,09:45:00\n"},
	} {
		w, err := archive.Create(file.name)
		if err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, file.text); err != nil {
			panic(err)
		}
	}
	if err := archive.Close(); err != nil {
		panic(err)
	}

	var findings []gtfs.Finding
	feed, err := gtfs.ReadZip(context.Background(), bytes.NewReader(packed.Bytes()), int64(packed.Len()),
		gtfs.Options{Found: func(finding gtfs.Finding) { findings = append(findings, finding) }})
	if err != nil {
		panic(err) // A *rail.Error, whose message names the file and the line.
	}
	for _, station := range feed.Stations {
		fmt.Println(station.Code, station.Name, station.TimeZone)
	}
	for _, trip := range feed.Trips {
		friday := rail.NewDate(2019, 10, 11)
		fmt.Println(trip.Number, "on", friday, trip.Service.RunsOn(friday), "on the day after",
			trip.Service.RunsOn(friday+1))
		for _, call := range trip.Calls {
			fmt.Println(call.Station, call.ArrivalSeconds/60, "minutes,", call.Metres/1_000, "km")
		}
	}
	for _, finding := range findings {
		fmt.Println(finding)
	}
	// Output:
	// N North Asia/Shanghai
	// S South Asia/Shanghai
	// G1 on 2019-10-11 true on the day after false
	// N 540 minutes, 0 km
	// S 585 minutes, 116 km
	// stop_times.txt: 1 trips have no shape_dist_traveled that can be used: their distances are the straight lines between their stops × 1.05
}
