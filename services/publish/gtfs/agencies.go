package gtfs

import (
	"strings"

	"interlock/services/rail"
)

// readAgencies finds the time zone of all times. GTFS wants every agency of a feed to have the same.
func (r *reader) readAgencies() error {
	t, err := r.open("agency.txt", "agency_timezone")
	if err != nil {
		return err
	}
	defer t.close()
	zone, id, called := t.column("agency_timezone"), t.column("agency_id"), t.column("agency_name")
	r.agencies = map[string]string{}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		name := t.get(zone)
		if _, err := rail.LoadZone(name); err != nil {
			return t.refuse("agency_timezone %q is not an IANA time zone", name)
		}
		if r.feed.TimeZone != "" && r.feed.TimeZone != name {
			return t.refuse("agency_timezone is %q here and %q before: all agencies of a feed share one", name,
				r.feed.TimeZone)
		}
		r.feed.TimeZone = strings.Clone(name)
		agency, agencyName := strings.Clone(t.get(id)), oneLine(t.get(called))
		if err := t.keep(keptAgency, agency, agencyName); err != nil {
			return err
		}
		r.agencies[agency] = agencyName
	}
	if r.feed.TimeZone == "" {
		return refuse(t.name, 0, "the file has no agency")
	}
	return nil
}
