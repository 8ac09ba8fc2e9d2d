package rail

import (
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// StationCode names a station: 1 to 64 printable characters, compared byte by byte.
type StationCode string

// Valid tells whether the code has 1 to 64 printable characters and no space at either end.
func (c StationCode) Valid() bool { return printable(string(c), 64) }

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

// Validate lists everything that is wrong with the station, each with its path below at.
func (s *Station) Validate(at ...string) Errors {
	var errs Errors
	if !s.Code.Valid() {
		errs.Add(Invalid, under(at, "code"), "a station's code has 1 to 64 printable characters")
	}
	if !printable(s.Name, 128) {
		errs.Add(Invalid, under(at, "name"), "a station's name has 1 to 128 printable characters")
	}
	for language, name := range s.Names {
		if !printable(language, 35) || !printable(name, 128) {
			errs.Add(Invalid, under(at, "names"), "the name for language %q has not 1 to 128 printable characters", language)
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

// zones remembers what time.LoadLocation read from disk: a search shows thousands of times.
var zones sync.Map // string → *time.Location

// LoadZone is time.LoadLocation with a memory, and without its special names "" and "Local": a timetable must not
// depend on the server it is read on.
func LoadZone(name string) (*time.Location, error) {
	if loc, ok := zones.Load(name); ok {
		return loc.(*time.Location), nil
	}
	if name == "" || name == "Local" {
		return nil, Refuse(Invalid, "%q is not an IANA time zone", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	zones.Store(name, loc)
	return loc, nil
}

// printable tells whether s has 1 to max printable characters, with no space at either end.
func printable(s string, max int) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > max {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return s[0] != ' ' && s[len(s)-1] != ' '
}

// under is a path element below a path, without changing the path it is given.
func under(path []string, elements ...string) []string {
	return append(path[:len(path):len(path)], elements...)
}
