package search

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// snapshot is the timetable at one publication number. It never changes once it can be read. Its successor is made by
// with, and by one goroutine at a time.
type snapshot struct {
	number   int64
	stations *stations
	// lines has the runs of each train number. The key is a run's id without its date; so a run is found by its id
	// without an index over all runs.
	lines map[string]line
	// aliases has, for each alias of a number, the keys of the lines it may mean, sorted.
	aliases map[string][]string
	// services are the distinct trains; index finds one by the train's id.
	services []*service
	index    map[string]int32
	// codes numbers the stations that trains call at. boards has, by that number, the services that take passengers
	// there.
	codes  map[rail.StationCode]int32
	boards [][]int32
}

// emptySnapshot is the timetable before anything was published. It is never changed.
var emptySnapshot = &snapshot{stations: newStations(nil)}

// service is a train and the runs it has. It never changes.
type service struct {
	train *rail.Train
	// calls are the numbers of the stations called at, as in snapshot.codes.
	calls []int32
	// repeats says that the train calls at some station twice.
	repeats bool
	// runs may be empty: a train that has lost all its runs stays until runs are archived the next time.
	runs calendar
}

// calendar is runs in the order of their dates, no two on one date.
type calendar []*rail.Run

// from is the index of the first run on a date or after it.
func (c calendar) from(date rail.Date) int {
	at, _ := slices.BinarySearchFunc(c, date, func(r *rail.Run, d rail.Date) int { return cmp.Compare(r.Date, d) })
	return at
}

// on is the run on a date, nil where there is none.
func (c calendar) on(date rail.Date) *rail.Run {
	if at := c.from(date); at < len(c) && c[at].Date == date {
		return c[at]
	}
	return nil
}

// with is a calendar with runs put in, in place of those on the same dates. The runs are sorted, no two on one date.
func (c calendar) with(runs calendar) calendar {
	merged := make(calendar, 0, len(c)+len(runs))
	for _, run := range runs {
		at := c.from(run.Date)
		merged = append(append(merged, c[:at]...), run)
		if at < len(c) && c[at].Date == run.Date {
			at++
		}
		c = c[at:]
	}
	return slices.Clip(append(merged, c...))
}

// without is a calendar less one run.
func (c calendar) without(run *rail.Run) calendar {
	if at := slices.Index(c, run); at >= 0 {
		return slices.Concat(c[:at], c[at+1:])
	}
	return c
}

// lineKey is a run's id without its date.
func lineKey(id rail.RunID) string {
	at := strings.LastIndexByte(string(id), '@')
	if at < 0 {
		return string(id)
	}
	return string(id[:at])
}

// run is the run with an id.
func (s *snapshot) run(id rail.RunID) (*rail.Run, bool) {
	key := lineKey(id)
	if len(key) == len(id) {
		return nil, false
	}
	date, err := rail.ParseDate(string(id[len(key)+1:]))
	if err != nil {
		return nil, false
	}
	run := s.lines[key].on(key, date)
	return run, run != nil
}

// with is the next snapshot.
func (s *snapshot) with(changes *ledger.TimetableChanges) *snapshot {
	next := *s
	next.number = changes.Number
	if len(changes.Stations) > 0 {
		next.stations = s.stations.with(changes.Stations)
	}
	if len(changes.Runs) > 0 {
		next.addTrains(changes.Runs)
		next.putRuns(changes.Runs)
	}
	return &next
}

// addTrains makes services of the trains that are new, and puts them in the indexes. It is called before others may
// read the receiver. The receiver shares its parts with the last snapshot, so that what changes is cloned first. A
// slice may be appended to as it is: a reader of the last snapshot looks only at its own length, and a snapshot has one
// successor.
func (s *snapshot) addTrains(runs []*rail.Run) {
	fresh := s.freshTrains(runs)
	if len(fresh) == 0 {
		return
	}
	s.index = cloned(s.index)
	s.codes = cloned(s.codes)
	s.aliases = cloned(s.aliases)
	s.boards = slices.Clone(s.boards)
	for _, train := range fresh {
		number := int32(len(s.services))
		s.services = append(s.services, s.newService(train, number))
		s.index[train.ID] = number
		for _, alias := range train.Aliases() {
			key := lineKey(rail.NewRunID(train.Number, 0))
			if at, known := slices.BinarySearch(s.aliases[alias], key); !known {
				s.aliases[alias] = slices.Insert(slices.Clone(s.aliases[alias]), at, key)
			}
		}
	}
}

// freshTrains are the trains of runs that are not in the index, each once.
func (s *snapshot) freshTrains(runs []*rail.Run) (fresh []*rail.Train) {
	seen := map[string]bool{}
	for _, run := range runs {
		if _, known := s.index[run.Train.ID]; !known && !seen[run.Train.ID] {
			seen[run.Train.ID] = true
			fresh = append(fresh, run.Train)
		}
	}
	return fresh
}

// newService makes the service of a train, and puts its number at each station where it takes passengers. A station
// that is called at for the first time gets a number of its own.
func (s *snapshot) newService(train *rail.Train, number int32) *service {
	made := &service{train: train, calls: make([]int32, len(train.Calls))}
	for i, call := range train.Calls {
		code, known := s.codes[call.Station]
		if !known {
			code = int32(len(s.boards))
			s.codes[call.Station] = code
			s.boards = append(s.boards, nil)
		}
		if slices.Contains(made.calls[:i], code) {
			made.repeats = true
		}
		made.calls[i] = code
		if at := s.boards[code]; !call.NoBoarding && (len(at) == 0 || at[len(at)-1] != number) {
			s.boards[code] = append(at, number)
		}
	}
	return made
}

// putRuns puts runs in their lines and services, and takes those that changed their train out of the old one.
func (s *snapshot) putRuns(runs []*rail.Run) {
	changes := map[string]calendar{}
	for _, run := range runs {
		key := lineKey(run.ID)
		changes[key] = append(changes[key], run)
	}
	s.lines = cloned(s.lines)
	s.services = slices.Clone(s.services)
	put := map[int32]calendar{}
	for key, changed := range changes {
		changed = lastOfEachDate(changed)
		l := s.lines[key]
		for _, run := range changed {
			l.takeOut(run.Date)
			if was := l.recent.on(run.Date); was != nil && was.Train.ID != run.Train.ID {
				s.replaceRuns(s.index[was.Train.ID], func(c calendar) calendar { return c.without(was) })
			}
			number := s.index[run.Train.ID]
			put[number] = append(put[number], run)
		}
		l.recent = l.recent.with(changed)
		s.lines[key] = l
	}
	for number, changed := range put {
		s.replaceRuns(number, func(c calendar) calendar { return c.with(changed) })
	}
}

// replaceRuns puts a service with other runs in place of a service.
func (s *snapshot) replaceRuns(number int32, change func(calendar) calendar) {
	changed := *s.services[number]
	changed.runs = change(changed.runs)
	s.services[number] = &changed
}

// lastOfEachDate sorts runs by date and keeps of each date the one that came last: the newest.
func lastOfEachDate(runs calendar) calendar {
	slices.SortStableFunc(runs, func(a, b *rail.Run) int { return cmp.Compare(a.Date, b.Date) })
	kept := runs[:0]
	for i, run := range runs {
		if i+1 == len(runs) || runs[i+1].Date != run.Date {
			kept = append(kept, run)
		}
	}
	return kept
}

// cloned is maps.Clone, and an empty map for nil.
func cloned[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}
