package gtfs

import (
	"fmt"
	"slices"
	"strings"

	"interlock/services/rail"
)

// selection is what of a feed was asked for. The rest is not kept, and not looked at.
type selection struct {
	options *Options
	// agencies, routes and types are what was found of the feed's: names asked for that the feed lacks are refused.
	agencies, routes map[string]bool
	types            map[int]bool
}

func newSelection(options *Options) selection {
	return selection{options, map[string]bool{}, map[string]bool{}, map[int]bool{}}
}

// everyRoute tells whether all routes are asked for.
func (s *selection) everyRoute() bool {
	return len(s.options.Agencies) == 0 && len(s.options.Routes) == 0 && len(s.options.RouteTypes) == 0
}

// hasAgency tells whether an agency is asked for, by its id or its name.
func (s *selection) hasAgency(id, name string) bool {
	return asked(s.options.Agencies, s.agencies, id, name)
}

// hasRoute tells whether a route is asked for, by its id or its short name, of an agency and a type that are.
func (s *selection) hasRoute(id string, route *Route) bool {
	if !s.hasAgency(route.AgencyID, route.AgencyName) {
		return false
	}
	s.note(route.Type)
	if !asked(s.options.Routes, s.routes, id, route.ShortName) {
		return false
	}
	return len(s.options.RouteTypes) == 0 || slices.ContainsFunc(s.options.RouteTypes, func(types RouteTypes) bool {
		return types.From <= route.Type && route.Type <= types.Through
	})
}

// note remembers a route type, to tell of where none asked for is there.
func (s *selection) note(kind int) {
	if len(s.types) < maxNamed {
		s.types[kind] = true
	}
}

// asked tells whether an id or a name is in a list, of which an empty one is everything. It remembers which were found.
func asked(list []string, found map[string]bool, id, name string) bool {
	if len(list) == 0 {
		return true
	}
	is := false
	for _, each := range list {
		if each != "" && (each == id || each == name) {
			found[each], is = true, true
		}
	}
	return is
}

// lacks is the refusal of a name asked for that a file does not have: most likely it is misspelt.
func lacks(file, what string, list []string, found map[string]bool) error {
	for _, each := range list {
		if !found[each] {
			return refuse(file, 0, "%s %q is asked for, and is not there", what, each)
		}
	}
	return nil
}

// dates tells whether a date is asked for.
func (s *selection) hasDate(date rail.Date) bool {
	return s.options.Days <= 0 || date >= s.options.From && date < s.options.From.AddDays(s.options.Days)
}

// runs tells whether a service runs on a date asked for.
func (s *selection) runs(service *Service) bool {
	if s.options.Days <= 0 {
		return true
	}
	for date := s.options.From; s.hasDate(date); date++ {
		if service.RunsOn(date) {
			return true
		}
	}
	return false
}

// typesThere lists the route types of the feed, for a refusal.
func (s *selection) typesThere() string {
	var all []int
	for kind := range s.types {
		all = append(all, kind)
	}
	slices.Sort(all)
	return strings.Trim(fmt.Sprint(all), "[]")
}
