package gtfs

import "strings"

// readTrips reads the trips that are asked for: those of a route that is, on a date that is. A trip whose route or
// service cannot be used, or does not exist, is left out.
func (r *reader) readTrips() error {
	t, err := r.open("trips.txt", "trip_id", "route_id", "service_id")
	if err != nil {
		return err
	}
	defer t.close()
	columns := tripColumns{
		id: t.column("trip_id"), route: t.column("route_id"), service: t.column("service_id"),
		number: t.column("trip_short_name"), headsign: t.column("trip_headsign"),
	}
	r.tripByID = map[string]int32{}
	runs := map[*Service]bool{}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		route, service := r.routes[t.get(columns.route)], r.services[t.get(columns.service)]
		if route == nil && !r.asked.everyRoute() {
			continue
		}
		if service != nil && service.fault == "" {
			on, known := runs[service]
			if !known {
				on = r.asked.runs(service)
				runs[service] = on
			}
			if !on && len(service.doubts) == 0 {
				continue
			}
		}
		if err := r.readTrip(t, &columns, route, service); err != nil {
			return err
		}
	}
	if t.read == 0 {
		return refuse(t.name, 0, "the file has no trip")
	}
	return nil
}

// tripColumns are the places of the columns of trips.txt that are read.
type tripColumns struct{ id, route, service, number, headsign int }

// readTrip adds the trip of the row that the table is at, or tells why it is left out.
func (r *reader) readTrip(t *table, c *tripColumns, route *routeRow, service *Service) error {
	id := strings.Clone(t.get(c.id))
	trip := &Trip{
		ID: id, Line: t.line, Service: service,
		ShortName: oneLine(t.get(c.number)), Headsign: oneLine(t.get(c.headsign)),
	}
	if route != nil {
		trip.Route = &route.Route
	}
	if before, twice := r.tripByID[id]; twice {
		other := r.feed.Trips[before]
		if t.fault == "" && trip.Route == other.Route && trip.Service == other.Service &&
			trip.ShortName == other.ShortName && trip.Headsign == other.Headsign {
			return nil // The same row again.
		}
		return r.leaveOut(before, leftOut(kindTrip, t.name, t.line, "trip %q is there already in line %d, and differs",
			id, other.Line))
	}
	if finding := tripFault(t, id, t.get(c.route), t.get(c.service), route, service); finding != nil {
		return r.tell(finding)
	}
	if err := r.tellDoubts(service); err != nil {
		return err
	}
	trip.Number = trip.Numbered(trip.ShortName)
	if err := t.keep(keptTrip, trip.ID, trip.Number, trip.ShortName, trip.Headsign); err != nil {
		return err
	}
	r.tripByID[trip.ID] = int32(len(r.feed.Trips))
	r.feed.Trips = append(r.feed.Trips, trip)
	r.left = append(r.left, false)
	return nil
}

// tripFault is why a trip cannot be used, as far as its own row and what that names tell; nil where it can.
func tripFault(t *table, id, routeID, serviceID string, route *routeRow, service *Service) *Finding {
	switch {
	case t.fault != "":
		return leftOut(kindTrip, t.name, t.line, "trip %q: %s", id, t.fault)
	case id == "":
		return leftOut(kindTrip, t.name, t.line, "trip_id is empty")
	case route == nil:
		return leftOut(kindNoRoute, t.name, t.line, "trip %q: route %q does not exist", id, routeID)
	case service == nil:
		return leftOut(kindNoService, t.name, t.line, "trip %q: service %q does not exist", id, serviceID)
	case route.fault != "":
		return leftOut(kindRoute, "routes.txt", route.line, "trip %q of route %q: %s", id, routeID, route.fault)
	case service.fault != "":
		return leftOut(kindService, service.file, service.line, "trip %q of service %q: %s", id, serviceID,
			service.fault)
	}
	return nil
}

// tellDoubts tells once of the dates for which a service contradicts itself.
func (r *reader) tellDoubts(service *Service) error {
	for _, doubt := range service.doubts {
		if err := r.tell(doubt); err != nil {
			return err
		}
	}
	service.doubts = nil
	return nil
}
