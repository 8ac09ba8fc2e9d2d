package gtfs

import (
	"fmt"
	"strings"

	"interlock/services/rail"
)

// agency is a row of agency.txt.
type agency struct {
	id, name, zone string
	line           int
	// fault is why no trip of the agency can be used, "" where all can.
	fault string
}

// readAgencies reads the agencies, and finds the time zone of all times: GTFS wants all agencies of a feed to have the
// same. Trips of an agency with another are left out.
func (r *reader) readAgencies() error {
	t, err := r.open("agency.txt", "agency_timezone")
	if err != nil {
		return err
	}
	defer t.close()
	zone, id, called := t.column("agency_timezone"), t.column("agency_id"), t.column("agency_name")
	r.agencies = map[string]*agency{}
	var first *agency // The first that cannot be used.
	for err := range t.rows() {
		if err != nil {
			return err
		}
		a := &agency{
			id: strings.Clone(t.get(id)), name: oneLine(t.get(called)), zone: strings.Clone(t.get(zone)),
			line: t.line, fault: t.fault,
		}
		if r.feed.Agency == "" {
			r.feed.Agency = a.name
		}
		if err := t.keep(keptAgency, a.id, a.name, a.zone, a.fault); err != nil {
			return err
		}
		if r.addAgency(a); a.fault != "" && first == nil {
			first = a
		}
	}
	if len(r.agencies) == 0 {
		return refuse(t.name, 0, "the file has no agency")
	}
	if err := lacks(t.name, "agency", r.options.Agencies, r.asked.agencies); err != nil {
		return err
	}
	if r.feed.TimeZone == "" {
		return refuse(t.name, first.line, "%s", first.fault)
	}
	return nil
}

// addAgency adds an agency, and notes what is wrong with it if it is asked for.
func (r *reader) addAgency(a *agency) {
	if before := r.agencies[a.id]; before != nil {
		if before.zone != a.zone || before.name != a.name {
			before.fault = fmt.Sprintf("agency %q is there again in line %d", a.id, a.line)
		}
		return
	}
	r.agencies[a.id] = a
	if !r.asked.hasAgency(a.id, a.name) || a.fault != "" {
		return
	}
	switch _, err := rail.LoadZone(a.zone); {
	case err != nil:
		a.fault = fmt.Sprintf("agency_timezone %q is not an IANA time zone", a.zone)
	case r.feed.TimeZone == "":
		r.feed.TimeZone = a.zone
	case r.feed.TimeZone != a.zone:
		a.fault = fmt.Sprintf("agency_timezone is %q here and %q before: all agencies of a feed share one", a.zone,
			r.feed.TimeZone)
	}
}

// agencyOf is a route's agency; nil where it does not exist. A route may name none, and is then of the only one. An
// agency that is the only one may have no id, and then every route is its.
func (r *reader) agencyOf(id string) *agency {
	if a := r.agencies[id]; a != nil {
		return a
	}
	if len(r.agencies) == 1 {
		for only, a := range r.agencies {
			if id == "" || only == "" {
				return a
			}
		}
	}
	return nil
}
