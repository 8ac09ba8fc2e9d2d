package gtfs

import (
	"fmt"
	"strings"
)

// maxRouteType is the end of the extended route types (taxis are 1500 to 1507).
const maxRouteType = 1_799

// routeRow is a row of routes.txt.
type routeRow struct {
	Route
	line int
	// fault is why no trip of the route can be used, "" where all can.
	fault string
}

// readRoutes reads the routes asked for.
func (r *reader) readRoutes() error {
	t, err := r.open("routes.txt", "route_id", "route_type")
	if err != nil {
		return err
	}
	defer t.close()
	id, kind := t.column("route_id"), t.column("route_type")
	agencyID, desc := t.column("agency_id"), t.column("route_desc")
	short, long := t.column("route_short_name"), t.column("route_long_name")
	r.routes = map[string]*routeRow{}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		route := &routeRow{line: t.line, Route: Route{
			AgencyID:  strings.Clone(t.get(agencyID)),
			ShortName: oneLine(t.get(short)), LongName: oneLine(t.get(long)), Desc: oneLine(t.get(desc)),
			Type: t.smallNumber(kind, "route_type", maxRouteType),
		}}
		if t.get(kind) == "" {
			t.wrong("route_type is empty")
		}
		route.fault = t.fault
		r.giveAgency(route)
		if err := r.addRoute(t, t.get(id), route); err != nil {
			return err
		}
	}
	if err := lacks(t.name, "route", r.options.Routes, r.asked.routes); err != nil {
		return err
	}
	if len(r.routes) == 0 && len(r.options.RouteTypes) > 0 {
		return refuse(t.name, 0, "no route is of a type asked for: the types are %s", r.asked.typesThere())
	}
	return nil
}

// giveAgency gives a route its agency, or notes that the agency cannot be used.
func (r *reader) giveAgency(route *routeRow) {
	a := r.agencyOf(route.AgencyID)
	switch {
	case a != nil:
		route.AgencyID, route.AgencyName = a.id, a.name
		if a.fault != "" && route.fault == "" {
			route.fault = fmt.Sprintf("agency %q (%s): %s", a.id, at("agency.txt", a.line), a.fault)
		}
	case route.AgencyID != "" && route.fault == "":
		route.fault = fmt.Sprintf("agency %q does not exist", route.AgencyID)
	}
}

// addRoute adds a route that is asked for. A row that is there again changes nothing; where the two differ, neither can
// be used.
func (r *reader) addRoute(t *table, id string, route *routeRow) error {
	if !r.asked.hasRoute(id, &route.Route) {
		return nil
	}
	if before := r.routes[id]; before != nil {
		if before.Route != route.Route && before.fault == "" {
			before.fault = fmt.Sprintf("route %q is there again in line %d, and differs", id, t.line)
		}
		return nil
	}
	id = strings.Clone(id)
	r.routes[id] = route
	return t.keep(keptRoute, id, route.ShortName, route.LongName, route.Desc, route.fault)
}
