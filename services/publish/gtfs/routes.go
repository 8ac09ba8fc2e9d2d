package gtfs

import "strings"

// maxRouteType is the end of the extended route types (taxis are 1500 to 1507).
const maxRouteType = 1_799

func (r *reader) readRoutes() error {
	t, err := r.open("routes.txt", "route_id", "route_type")
	if err != nil {
		return err
	}
	defer t.close()
	id, kind := t.column("route_id"), t.column("route_type")
	agency, desc := t.column("agency_id"), t.column("route_desc")
	short, long := t.column("route_short_name"), t.column("route_long_name")
	r.routes = map[string]*Route{}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		routeID := strings.Clone(t.get(id))
		if routeID == "" {
			return t.refuse("route_id is empty")
		}
		if r.routes[routeID] != nil {
			return t.refuse("route %q is there twice", routeID)
		}
		agencyID, agencyName, known := r.agencyOf(t.get(agency))
		if !known {
			return t.refuse("agency %q does not exist", t.get(agency))
		}
		if t.get(kind) == "" {
			return t.refuse("route_type is empty")
		}
		route := &Route{
			AgencyID: agencyID, AgencyName: agencyName,
			ShortName: oneLine(t.get(short)), LongName: oneLine(t.get(long)), Desc: oneLine(t.get(desc)),
		}
		if route.Type, err = smallNumber(t, kind, "route_type", maxRouteType); err != nil {
			return err
		}
		if err := t.keep(keptRoute, routeID, route.ShortName, route.LongName, route.Desc); err != nil {
			return err
		}
		r.routes[routeID] = route
	}
	return nil
}

// agencyOf finds a route's agency. A route may name none, which is the only one where there is one.
func (r *reader) agencyOf(id string) (agencyID, name string, known bool) {
	if id == "" && len(r.agencies) == 1 {
		for agencyID, name := range r.agencies {
			return agencyID, name, true
		}
	}
	name, known = r.agencies[id]
	return strings.Clone(id), name, known || id == ""
}
