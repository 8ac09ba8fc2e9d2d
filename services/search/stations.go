package search

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"interlock/services/rail"
)

// How well a station matches what was typed: its code, its name or a translation of it equals that, begins with it, or
// has it somewhere. Pinyin and its initials are translations. Of two that match alike, the one that is written as it
// was typed goes before the one that differs in its accents, and that one before the one with ue for ü.
const (
	rankExact  = 0
	rankPrefix = rankExact + spellingWays
	rankWithin = rankPrefix + spellingWays
	rankNone   = rankWithin + spellingWays
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
// accents do not matter, and ue may stand for ü. "" finds all stations. It returns at most limit of them from after a
// place on, and whether there are more.
func (t *Timetable) Stations(matching string, after *StationPlace, limit int) (matches []StationMatch, hasNext bool) {
	if len(matching) > maxMatching {
		return nil, false
	}
	typed := rail.Spell(matching)
	var byRank [rankNone][]StationMatch
	for _, entry := range t.view().stations.sorted {
		rank := entry.rank(&typed)
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

// stationEntry is a station and what it can be found by.
type stationEntry struct {
	station      *rail.Station
	name         rail.Spellings
	code         rail.Spellings
	translations []rail.Spellings
}

func newStations(byCode map[rail.StationCode]*rail.Station) *stations {
	s := &stations{byCode: byCode, sorted: make([]stationEntry, 0, len(byCode))}
	for _, station := range byCode {
		entry := stationEntry{station: station, name: rail.Spell(station.Name), code: rail.Spell(string(station.Code))}
		for _, name := range station.Names {
			entry.translations = append(entry.translations, rail.Spell(name))
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

// rank is how well the station matches what was typed.
func (e *stationEntry) rank(typed *rail.Spellings) int {
	if typed.Written == "" {
		return rankExact
	}
	within := utf8.RuneCountInString(typed.Written) >= minWithin
	rank := min(rankSpelled(&e.code, typed, false), rankSpelled(&e.name, typed, true))
	for i := range e.translations {
		rank = min(rank, rankSpelled(&e.translations[i], typed, within))
	}
	return rank
}

// spellingWays is how many ways there are to spell a text: see rail.Spellings.
const spellingWays = 3

// rankSpelled is how well a name matches what was typed; within says whether to look inside it too.
func rankSpelled(name, typed *rail.Spellings, within bool) int {
	rank := rankOf(name.Written, typed.Written, within)
	if name.Others == nil && typed.Others == nil || rank == rankExact {
		return rank
	}
	of, with := name.PlainAndLong(), typed.PlainAndLong()
	rank = min(rank, rankOf(of.Plain, with.Plain, within)+1)
	if of.Long != of.Plain || with.Long != with.Plain {
		rank = min(rank, rankOf(of.Long, with.Plain, within)+2, rankOf(of.Plain, with.Long, within)+2,
			rankOf(of.Long, with.Long, within)+2)
	}
	return rank
}

// rankOf is how well one spelling matches another.
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
