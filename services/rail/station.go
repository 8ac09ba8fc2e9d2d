package rail

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// StationCode names a station: 1 to maxCode printable characters, compared byte by byte.
type StationCode string

const (
	maxCode        = 64
	maxStationName = 128
	// maxLanguage is the longest language tag that BCP 47 (RFC 5646, 4.4.1) expects anywhere.
	maxLanguage = 35
	// MaxStationNames is how many languages one station may be named in: more than any railway prints, and few enough
	// for every search to look at all of them.
	MaxStationNames = 64
)

// Valid tells whether the code is one that CheckText lets pass.
func (c StationCode) Valid() bool { return printable(string(c), maxCode) }

// Station is a place trains call at.
type Station struct {
	Code StationCode `json:"code"`
	// Name is in the railway's own language.
	Name string `json:"name"`
	// Names are translations by BCP 47 language tag, e.g. "zh-Latn": "Beijingnan".
	Names map[string]string `json:"names,omitempty"`
	// TimeZone is an IANA name, e.g. "Asia/Shanghai". Times at the station are shown in it.
	TimeZone string `json:"timeZone"`
	// Latitude and Longitude are WGS 84 degrees, both or neither.
	Latitude  *float64 `json:"latitude,omitempty"`
	Longitude *float64 `json:"longitude,omitempty"`
}

// Location is the station's time zone. A station that passed Validate always has one.
func (s *Station) Location() *time.Location {
	loc, err := LoadZone(s.TimeZone)
	if err != nil {
		return time.UTC
	}
	return loc
}

// NameIn is the translation for a language tag, or the railway's own name where there is none.
func (s *Station) NameIn(language string) string {
	if name, ok := s.Names[language]; ok {
		return name
	}
	return s.Name
}

// Normalize makes the station's names what NormalizeText makes of them. Its code stays as it is, since codes are
// compared byte by byte.
func (s *Station) Normalize() {
	s.Name = NormalizeText(s.Name)
	names := s.Names
	if len(names) > 0 {
		s.Names = make(map[string]string, len(names))
	}
	for language, name := range names {
		s.Names[language] = NormalizeText(name)
	}
}

// Validate lists everything that is wrong with the normalised station, each with its path below at.
func (s *Station) Validate(at ...string) Errors {
	var errs Errors
	errs.addText(under(at, "code"), "a station's code", string(s.Code), maxCode)
	errs.addText(under(at, "name"), "a station's name", s.Name, maxStationName)
	if len(s.Names) > MaxStationNames {
		errs.Add(Invalid, under(at, "names"), "a station has names in at most %d languages, not %d", MaxStationNames,
			len(s.Names))
	} else {
		for _, language := range slices.Sorted(maps.Keys(s.Names)) {
			errs.addText(under(at, "names"), "a language's tag", language, maxLanguage)
			errs.addText(under(at, "names"), "the name for language "+strconv.Quote(language), s.Names[language],
				maxStationName)
		}
	}
	if _, err := LoadZone(s.TimeZone); err != nil {
		errs.Add(Invalid, under(at, "timeZone"), "%q is not an IANA time zone", s.TimeZone)
	}
	if (s.Latitude == nil) != (s.Longitude == nil) {
		errs.Add(Invalid, under(at, "latitude"), "latitude and longitude go together")
	}
	if s.Latitude != nil && !(*s.Latitude >= -90 && *s.Latitude <= 90) {
		errs.Add(Invalid, under(at, "latitude"), "a latitude is between -90 and 90")
	}
	if s.Longitude != nil && !(*s.Longitude >= -180 && *s.Longitude <= 180) {
		errs.Add(Invalid, under(at, "longitude"), "a longitude is between -180 and 180")
	}
	return errs
}

// zoneName is how IANA writes names. time.LoadLocation would take "Europe//Berlin" as well, with any number of slashes,
// and LoadZone would remember each.
var zoneName = regexp.MustCompile(`^[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}$`)

// zones remembers what time.LoadLocation read from disk, since a search shows thousands of times of day.
var zones sync.Map // string → *time.Location

// LoadZone is time.LoadLocation with a memory. It refuses the special names "" and "Local": a timetable must not depend
// on the server that reads it.
func LoadZone(name string) (*time.Location, error) {
	if loc, ok := zones.Load(name); ok {
		return loc.(*time.Location), nil
	}
	if !zoneName.MatchString(name) || name == "Local" {
		return nil, Refuse(Invalid, "%q is not an IANA time zone", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	zones.Store(name, loc)
	return loc, nil
}

// under is a path element below a path, without changing the path it is given.
func under(path []string, elements ...string) []string {
	return append(path[:len(path):len(path)], elements...)
}
