package search

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"interlock/services/rail"
)

// How well a station matches what was typed: its code, its name or a translation of it equals that, begins with it, or
// has it somewhere. Pinyin and its initials are translations.
const (
	rankExact = iota
	rankPrefix
	rankWithin
	rankNone
)

const (
	// maxMatching is longer than any station's name; what is longer matches nothing and is not looked at.
	maxMatching = 1_024
	// minWithin is how many letters must be typed before they are looked for inside translations: one or two Latin
	// letters are in nearly all of them. A single Chinese character is a word, so names have no such limit.
	minWithin = 3
)

// StationMatch is a station that was found, and how well it matches; less is better.
type StationMatch struct {
	Station *rail.Station
	Rank    int
}

// StationPlace is the place of a match in a list: matches are sorted by (Rank, Code).
type StationPlace struct {
	Rank int
	Code rail.StationCode
}

// Place is the place of the match in its list.
func (m StationMatch) Place() StationPlace { return StationPlace{m.Rank, m.Station.Code} }

// Stations finds stations by what was typed of their code, name, or a translation of it. Case, spaces, punctuation and
// accents do not matter. "" finds all stations. It returns at most limit of them from after a place on, and whether
// there are more.
func (t *Timetable) Stations(matching string, after *StationPlace, limit int) (matches []StationMatch, hasNext bool) {
	if len(matching) > maxMatching {
		return nil, false
	}
	typed := fold(matching)
	var byRank [rankNone][]StationMatch
	for _, entry := range t.view().stations.sorted {
		rank := entry.rank(typed)
		if rank == rankNone || after != nil &&
			(rank < after.Rank || rank == after.Rank && entry.station.Code <= after.Code) {
			continue
		}
		// One more than asked for is enough to know whether there is a next.
		if len(byRank[rank]) <= limit {
			byRank[rank] = append(byRank[rank], StationMatch{entry.station, rank})
		}
	}
	for _, found := range byRank {
		matches = append(matches, found...)
	}
	if len(matches) > limit {
		return matches[:limit], true
	}
	return matches, false
}

// stations are all stations. They never change.
type stations struct {
	byCode map[rail.StationCode]*rail.Station
	// sorted is by code.
	sorted []stationEntry
}

// stationEntry is a station and what it can be found by, folded.
type stationEntry struct {
	station      *rail.Station
	name         string
	code         string
	translations []string
}

func newStations(byCode map[rail.StationCode]*rail.Station) *stations {
	s := &stations{byCode: byCode, sorted: make([]stationEntry, 0, len(byCode))}
	for _, station := range byCode {
		entry := stationEntry{station: station, name: fold(station.Name), code: fold(string(station.Code))}
		for _, name := range station.Names {
			entry.translations = append(entry.translations, fold(name))
		}
		s.sorted = append(s.sorted, entry)
	}
	slices.SortFunc(s.sorted, func(a, b stationEntry) int { return cmp.Compare(a.station.Code, b.station.Code) })
	return s
}

// with is the stations with some put in, in place of those with the same codes.
func (s *stations) with(changed []*rail.Station) *stations {
	byCode := cloned(s.byCode)
	for _, station := range changed {
		byCode[station.Code] = station
	}
	if maps.Equal(byCode, s.byCode) {
		return s
	}
	return newStations(byCode)
}

// zone is the time zone of a station.
func (s *stations) zone(code rail.StationCode) *time.Location { return s.byCode[code].Location() }

// rank is how well the station matches what was typed, folded.
func (e *stationEntry) rank(typed string) int {
	if typed == "" {
		return rankExact
	}
	rank := rankNone
	within := utf8.RuneCountInString(typed) >= minWithin
	rank = min(rank, rankOf(e.code, typed, false), rankOf(e.name, typed, true))
	for _, name := range e.translations {
		rank = min(rank, rankOf(name, typed, within))
	}
	return rank
}

// rankOf is how well one name matches; within says whether to look inside it too.
func rankOf(name, typed string, within bool) int {
	switch {
	case name == typed:
		return rankExact
	case strings.HasPrefix(name, typed):
		return rankPrefix
	case within && strings.Contains(name, typed):
		return rankWithin
	}
	return rankNone
}

// fold leaves of a text what people agree on when they type it: its letters made small, without accents, spaces,
// punctuation and invisible characters. The full-width letters of a Chinese keyboard become plain ones.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, leftOut, unicode.Cf, unicode.Variation_Selector), unicode.IsSpace(r), unicode.IsPunct(r):
			return -1
		case r == 'ʼ' || r == '`' || r == '´':
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(s))
}

// leftOut are the marks that people leave out when they type a name: accents, the vowels of Hebrew and Arabic, and the
// Arabic tatweel, which only makes a word longer. The marks of Indic scripts are letters and stay.
var leftOut = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0300, Hi: 0x036f, Stride: 1},
	{Lo: 0x0591, Hi: 0x05bd, Stride: 1},
	{Lo: 0x05bf, Hi: 0x05c7, Stride: 1}, // What is no mark among these is punctuation.
	{Lo: 0x0640, Hi: 0x0640, Stride: 1},
	{Lo: 0x064b, Hi: 0x065f, Stride: 1},
	{Lo: 0x0670, Hi: 0x0670, Stride: 1},
}}
