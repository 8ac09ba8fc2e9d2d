package gtfs

import (
	"cmp"
	"strings"

	"interlock/services/rail"
)

func (r *reader) readTrips() error {
	t, err := r.open("trips.txt", "trip_id", "route_id", "service_id")
	if err != nil {
		return err
	}
	defer t.close()
	id, route, service := t.column("trip_id"), t.column("route_id"), t.column("service_id")
	number, headsign := t.column("trip_short_name"), t.column("trip_headsign")
	r.tripByID = map[string]int32{}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		trip := &Trip{
			ID: strings.Clone(t.get(id)), Line: t.line,
			ShortName: oneLine(t.get(number)), Headsign: oneLine(t.get(headsign)),
			Route: r.routes[t.get(route)], Service: r.services[t.get(service)],
		}
		if trip.ID == "" {
			return t.refuse("trip_id is empty")
		}
		if before, twice := r.tripByID[trip.ID]; twice {
			return t.refuse("trip %q is there already in line %d", trip.ID, r.feed.Trips[before].Line)
		}
		if trip.Route == nil {
			return t.refuse("trip %q: route %q does not exist", trip.ID, t.get(route))
		}
		if trip.Service == nil {
			return t.refuse("trip %q: service %q does not exist", trip.ID, t.get(service))
		}
		trip.Number = rail.NormalizeLabel(cmp.Or(trip.ShortName, trip.ID))
		if err := t.keep(keptTrip, trip.ID, trip.Number, trip.ShortName, trip.Headsign); err != nil {
			return err
		}
		r.tripByID[trip.ID] = int32(len(r.feed.Trips))
		r.feed.Trips = append(r.feed.Trips, trip)
	}
	if len(r.feed.Trips) == 0 {
		return refuse(t.name, 0, "the file has no trip")
	}
	return nil
}

// refuseFrequencies refuses trips that leave "every ten minutes": they have no times that a seat could be sold for.
func (r *reader) refuseFrequencies() error {
	const name = "frequencies.txt"
	if !exists(r.fsys, name) {
		return nil
	}
	t, err := r.open(name, "trip_id")
	if err != nil {
		return err
	}
	defer t.close()
	id := t.column("trip_id")
	var errs rail.Errors
	named := map[string]bool{}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		trip := strings.Clone(t.get(id))
		if named[trip] {
			continue
		}
		named[trip] = true
		refusal := t.refuse("trip %q runs by frequency, and a seat is sold for a time", trip)
		if goOn, _ := collect(&errs, refusal); !goOn {
			return errs
		}
	}
	return errs.OrNil()
}
