package publish

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// Templates are the coaches and fares of trains by their kind, for timetables that have neither.
type Templates struct {
	kinds map[string]*Template
	// fallback is what a kind without a template gets, nil where that is a refusal.
	fallback *Template
}

// Template is the coaches and fares of one kind of train. It is never changed once made, and shared by its trains.
type Template struct {
	// name is what the file calls the kind, "default" for the fallback.
	name string
	// Skip says that the kind is not sold at all: it has neither coaches nor fares.
	Skip      bool
	Formation *rail.Formation
	// Fares are those that all trains of the kind have.
	Fares *rail.Fares
	// pairs are the tables of fares from station to station, one for a class. They go before Fares.
	pairs []classPairs
}

// classPairs is a table of fares of a class.
type classPairs struct {
	class rail.SeatClass
	table *pairFile
	// free says that fares of 0.00 in it are meant.
	free bool
}

// hasFare tells whether there is any fare of a class.
func (t *Template) hasFare(class rail.SeatClass) bool {
	return slices.ContainsFunc(t.Fares.PerKm, func(rate rail.KmRate) bool { return rate.SeatClass == class }) ||
		slices.ContainsFunc(t.Fares.Flat, func(flat rail.FlatFare) bool { return flat.SeatClass == class }) ||
		slices.ContainsFunc(t.pairs, func(pairs classPairs) bool { return pairs.class == class })
}

// Of finds a trip's template. It looks for the route's short name, its description, its long name, the letters that the
// train's number begins with ("G" of "G1"), and the route's type ("type:101"), in this order, and then takes the
// default. kind is what the train is called: the name that the template was found by, or the route's short name.
// template is nil where none was found and there is no default.
func (t *Templates) Of(trip *gtfs.Trip) (kind string, template *Template) {
	return t.find(trip, trip.Number)
}

// find is Of for a trip that goes by a number other than its own.
func (t *Templates) find(trip *gtfs.Trip, number string) (kind string, template *Template) {
	for _, name := range []string{trip.Route.ShortName, trip.Route.Desc, trip.Route.LongName, letters(number)} {
		if template := t.kinds[name]; template != nil && name != "" {
			return shownKind(name), template
		}
	}
	kind = shownKind(trip.Route.ShortName)
	if template := t.kinds[typeName(trip)]; template != nil {
		return kind, template
	}
	return kind, t.fallback
}

// shownKind is the name of a kind if it can be shown as a train's, else "": a route's long name may be too long.
func shownKind(name string) string {
	if rail.CheckText("a kind", name, rail.MaxKind) != nil {
		return ""
	}
	return name
}

// kindOf is the word to refuse a trip without a template by.
func kindOf(trip *gtfs.Trip, number string) string {
	switch {
	case trip.Route.ShortName != "":
		return trip.Route.ShortName
	case letters(number) != "":
		return letters(number)
	}
	return typeName(trip)
}

func typeName(trip *gtfs.Trip) string { return fmt.Sprintf("type:%d", trip.Route.Type) }

// letters are what a number begins with before its first character that is no letter.
func letters(number string) string {
	end := strings.IndexFunc(number, func(r rune) bool { return !unicode.IsLetter(r) })
	if end < 0 {
		return number
	}
	return number[:end]
}
