package search

import (
	"maps"
	"slices"
	"time"

	"interlock/services/rail"
)

const (
	// archiveAfter is how long after its last arrival a run is kept as it is. No passenger can board it any more, so
	// that no search finds it. Two days are more than zones (26 hours) and servers' clocks can differ by.
	archiveAfter = 48 * time.Hour
	// archiveInterval is how often past runs are looked for: a few milliseconds' work, for runs that come by the day.
	archiveInterval = time.Hour
)

// bundle is a part of the archive: runs of a line that differ in their dates only. Packed so, a day of a national
// timetable costs a few bytes for each run instead of a few hundred. A bundle never changes.
type bundle struct {
	train        *rail.Train
	closesBefore time.Duration
	status       rail.RunStatus
	reason       string
	// opensAt is when the sale of the run on base opened. step is how much later that of each next day opened: 0 where
	// all opened at once, a day where each opened the same number of days before.
	base    rail.Date
	opensAt time.Time
	step    time.Duration
	// dates are sorted.
	dates []rail.Date
}

// run is the run on one of the dates.
func (b *bundle) run(key string, date rail.Date) *rail.Run {
	return &rail.Run{
		ID: rail.RunID(key + "@" + date.String()), Train: b.train, Date: date, SaleOpensAt: b.opens(b.step, date),
		ClosesBefore: b.closesBefore, Status: b.status, Reason: b.reason,
	}
}

// opens is when the sale of the run on a date opened, by a step.
func (b *bundle) opens(step time.Duration, date rail.Date) time.Time {
	return b.opensAt.Add(step * time.Duration(date-b.base))
}

// with is the bundle with a run; nil where the run differs in more than its date.
func (b *bundle) with(run *rail.Run) *bundle {
	if b.train.ID != run.Train.ID || b.closesBefore != run.ClosesBefore || b.status != run.Status ||
		b.reason != run.Reason {
		return nil
	}
	const day = 24 * time.Hour
	step := b.step
	if len(b.dates) == 1 && !b.opensAt.Equal(run.SaleOpensAt) {
		step = day // One run says nothing about the step.
	}
	if !b.opens(step, run.Date).Equal(run.SaleOpensAt) {
		return nil
	}
	next := *b
	next.step = step
	if last := b.dates[len(b.dates)-1]; last < run.Date {
		// To append is safe: a reader of the last snapshot looks only at its own length, and a snapshot has one
		// successor.
		next.dates = append(b.dates, run.Date)
		return &next
	}
	at, _ := slices.BinarySearch(b.dates, run.Date)
	next.dates = slices.Insert(slices.Clone(b.dates), at, run.Date)
	return &next
}

// isPast tells whether a run had come to its terminus by an instant.
func isPast(run *rail.Run, by time.Time) bool { return run.Arrival(run.Train.Legs()).Before(by) }

// archived is the snapshot with all runs archived that were over by an instant; itself where there are none.
func (s *snapshot) archived(by time.Time) *snapshot {
	next := *s
	next.lines = maps.Clone(s.lines)
	found := false
	for key, l := range s.lines {
		var past calendar
		if l.recent, past = l.recent.split(by); len(past) == 0 {
			continue
		}
		for _, run := range past {
			l.archiveRun(run)
		}
		next.lines[key] = l
		found = true
	}
	if !found {
		return s
	}
	empty := false
	next.services = slices.Clone(s.services)
	for number, v := range s.services {
		if left, past := v.runs.split(by); len(past) > 0 {
			next.replaceRuns(int32(number), func(calendar) calendar { return left })
		}
		empty = empty || len(next.services[number].runs) == 0
	}
	if empty {
		next.reindex()
	}
	return &next
}

// split parts the runs that were over by an instant from the others.
func (c calendar) split(by time.Time) (left, past calendar) {
	// A run is looked at closely only if its date had begun somewhere.
	end := c.from(rail.DateIn(by, time.UTC).AddDays(2))
	for _, run := range c[:end] {
		if isPast(run, by) {
			past = append(past, run)
		} else {
			left = append(left, run)
		}
	}
	if len(past) == 0 {
		return c, nil
	}
	return slices.Clip(append(left, c[end:]...)), past
}

// reindex takes trains without any run out of the index, so that searches do not look at all trains that ever ran. It
// is called before others may read the receiver.
func (s *snapshot) reindex() {
	var kept []*service
	var runs []*rail.Run
	for _, v := range s.services {
		if len(v.runs) > 0 {
			kept = append(kept, v)
			runs = append(runs, v.runs[0])
		}
	}
	s.services, s.index, s.codes, s.boards = nil, nil, nil, nil
	s.addTrains(runs)
	for number, v := range kept {
		s.services[number].runs = v.runs
	}
}
