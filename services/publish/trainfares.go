package publish

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// trainFares makes the fares of an import's trains. Where its kind has no table of fares between stations, a train has
// the fares of its kind, and shares them. Otherwise it gets the fares between its own calls. Trains of one kind with
// the same calls share these.
type trainFares struct {
	tables map[*pairFile]*pairTable
	made   map[callsOfKind]*rail.Fares
	key    strings.Builder
}

type callsOfKind struct {
	template *Template
	// stations are the codes of the calls, with their lengths.
	stations string
}

// faresBetween looks the stations of a feed up in the tables of the templates. What is wrong in them is listed.
func (t *Templates) faresBetween(feed *gtfs.Feed) (*trainFares, error) {
	f := &trainFares{tables: map[*pairFile]*pairTable{}, made: map[callsOfKind]*rail.Fares{}}
	names := newStationNames(feed)
	for _, template := range t.all() {
		for _, pairs := range template.pairs {
			if f.tables[pairs.table] != nil {
				continue
			}
			table, err := pairs.table.between(names)
			if err != nil {
				return nil, err
			}
			f.tables[pairs.table] = table
		}
	}
	return f, nil
}

// all are the templates in the order of their kinds, the default last.
func (t *Templates) all() []*Template {
	kinds := make([]string, 0, len(t.kinds))
	for kind := range t.kinds {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	all := make([]*Template, 0, len(kinds)+1)
	for _, kind := range kinds {
		all = append(all, t.kinds[kind])
	}
	if t.fallback != nil {
		all = append(all, t.fallback)
	}
	return all
}

// of makes the fares of a train with a template and calls.
func (f *trainFares) of(template *Template, calls []rail.Call) *rail.Fares {
	if len(template.pairs) == 0 || len(calls) > rail.MaxCalls {
		return template.Fares
	}
	f.key.Reset()
	for i := range calls {
		fmt.Fprintf(&f.key, "%d %s", len(calls[i].Station), calls[i].Station)
	}
	key := callsOfKind{template, f.key.String()}
	if made := f.made[key]; made != nil {
		return made
	}
	fares := *template.Fares
	for _, pairs := range template.pairs {
		between := rail.CallFares{SeatClass: pairs.class, Free: pairs.free}
		between.Minor = f.tables[pairs.table].fares(pairs.class, calls)
		fares.ByCalls = append(fares.ByCalls, between)
	}
	f.made[key] = &fares
	return &fares
}

// noticeUnknown tells of each table how many of its stations the feed lacks, and names a few.
func (f *trainFares) noticeUnknown(findings *Findings) {
	byName := func(a, b *pairFile) int { return cmp.Compare(a.name, b.name) }
	for _, file := range slices.SortedFunc(maps.Keys(f.tables), byName) {
		if unknown := f.tables[file].unknown; len(unknown) > 0 {
			findings.Add(gtfs.Finding{
				Kind: "stations of a table of fares are not in the feed", File: file.name,
				Message: short(fmt.Sprintf("of its %d stations the feed lacks %d: %s", len(file.stations), len(unknown),
					some(unknown))),
			})
		}
	}
}

// stationNames finds stations by their codes or names.
type stationNames struct {
	byCode map[rail.StationCode]int32
	// byName has the numbers of all stations of a name.
	byName map[string][]int32
	codes  []rail.StationCode
	// prefix is before the codes of all stations, and not in tables: they have the codes of the feed.
	prefix string
}

func newStationNames(feed *gtfs.Feed) *stationNames {
	n := &stationNames{
		byCode: map[rail.StationCode]int32{}, byName: map[string][]int32{}, prefix: feed.StationPrefix,
	}
	for i, station := range feed.Stations {
		n.byCode[station.Code] = int32(i)
		n.codes = append(n.codes, station.Code)
		name := foldedName(station.Name)
		n.byName[name] = append(n.byName[name], int32(i))
	}
	return n
}

// foldedName is equal for names that differ in capitals, or in how their accents are composed.
func foldedName(name string) string { return strings.ToLower(rail.NormalizeText(name)) }

// find numbers the stations that a text may mean: by its code, or else all of its name.
func (n *stationNames) find(text string) []int32 {
	if number, is := n.byCode[rail.StationCode(n.prefix+text)]; is {
		return []int32{number}
	}
	return n.byName[foldedName(text)]
}

// codeOf is a station's code as a table has it.
func (n *stationNames) codeOf(number int32) string {
	return strings.TrimPrefix(string(n.codes[number]), n.prefix)
}

// pairTable is a pairFile whose stations are those of a feed.
type pairTable struct {
	stations *stationNames
	hasClass bool
	// fares are sorted by their keys, each key once.
	fareOf []tableFare
	// unknown are what rows call stations that the feed lacks.
	unknown []string
}

type tableFare struct {
	key   uint64
	minor int64
	line  int32
	// back says that the row is of the other direction.
	back bool
}

// tableKey is of a class, -1 for any, and two stations. A feed has fewer than 2^28 stations.
func tableKey(class int8, from, to int32) uint64 {
	const bits = 28
	return uint64(class+1)<<(2*bits) | uint64(from)<<bits | uint64(to)
}

// between finds the fares of a file between the stations of a feed. Rows of other stations are left out: a table may be
// of a whole network. It refuses a name that several stations have, and two fares for one pair.
func (f *pairFile) between(names *stationNames) (*pairTable, error) {
	table := &pairTable{stations: names, hasClass: f.hasClass}
	var errs rail.Errors
	numbers := make([]int32, len(f.stations))
	for i, text := range f.stations {
		switch found := names.find(text); len(found) {
		case 0:
			numbers[i] = -1
			table.unknown = append(table.unknown, text)
		case 1:
			numbers[i] = found[0]
		default:
			numbers[i] = -1
			errs.Add(rail.Invalid, nil, "%s:%d: several stations are called %q: write the code of the one that is meant, "+
				"such as %s or %s", f.name, f.lineOf(int32(i)), shorten(text), names.codeOf(found[0]),
				names.codeOf(found[1]))
		}
	}
	for _, row := range f.rows {
		from, to := numbers[row.from], numbers[row.to]
		switch {
		case from < 0 || to < 0:
		case from == to:
			errs.Add(rail.Invalid, nil, "%s:%d: from and to are the same station", f.name, row.line)
		default:
			table.fareOf = append(table.fareOf, tableFare{tableKey(row.class, from, to), row.minor, row.line, false})
			if !row.oneWay {
				table.fareOf = append(table.fareOf, tableFare{tableKey(row.class, to, from), row.minor, row.line, true})
			}
		}
		if len(errs) >= maxPairProblems {
			return nil, errs
		}
	}
	table.sort(f, &errs)
	return table, errs.OrNil()
}

// lineOf is the first line that names a station.
func (f *pairFile) lineOf(station int32) int32 {
	for i := range f.rows {
		if row := &f.rows[i]; row.from == station || row.to == station {
			return row.line
		}
	}
	return 0
}

// sort sorts the fares, and leaves one of each key: a row of the direction itself goes before one of the other.
func (t *pairTable) sort(f *pairFile, errs *rail.Errors) {
	slices.SortFunc(t.fareOf, func(a, b tableFare) int {
		switch {
		case a.key != b.key:
			return cmp.Compare(a.key, b.key)
		case a.back != b.back:
			if b.back {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.line, b.line)
	})
	kept := t.fareOf[:0]
	for _, fare := range t.fareOf {
		last := len(kept) - 1
		switch {
		case last < 0 || kept[last].key != fare.key:
			kept = append(kept, fare)
		case !fare.back && kept[last].minor != fare.minor && len(*errs) < maxPairProblems:
			errs.Add(rail.Invalid, nil, "%s:%d: line %d has another fare for the same stations and class", f.name,
				fare.line, kept[last].line)
		}
	}
	t.fareOf = slices.Clip(kept)
}

// fares are the fares of a class for each pair of calls, rail.NoFare where the table has none.
func (t *pairTable) fares(class rail.SeatClass, calls []rail.Call) []int64 {
	of := int8(-1)
	if t.hasClass {
		of = int8(slices.Index(rail.SeatClasses, class))
	}
	fares := slices.Repeat([]int64{rail.NoFare}, rail.Pairs(len(calls)))
	for i := range calls {
		from, known := t.stations.byCode[calls[i].Station]
		if !known {
			continue
		}
		for j := i + 1; j < len(calls); j++ {
			to, known := t.stations.byCode[calls[j].Station]
			if !known {
				continue
			}
			at, found := slices.BinarySearchFunc(t.fareOf, tableKey(of, from, to),
				func(fare tableFare, key uint64) int { return cmp.Compare(fare.key, key) })
			if found {
				fares[rail.PairIndex(len(calls), i, j)] = t.fareOf[at].minor
			}
		}
	}
	return fares
}
