package search

import (
	"cmp"
	"maps"
	"slices"

	"interlock/services/rail"
)

// line is the runs of one train number.
type line struct {
	// recent are those that may be searched for.
	recent calendar
	// archive has those that are over. They are only looked up, for their orders and by admins.
	archive []*bundle
}

// on is the run on a date, nil where there is none. key is the line's: its runs' ids without their dates.
func (l line) on(key string, date rail.Date) *rail.Run {
	if run := l.recent.on(date); run != nil {
		return run
	}
	for _, b := range l.archive {
		if _, is := slices.BinarySearch(b.dates, date); is {
			return b.run(key, date)
		}
	}
	return nil
}

// archiveRun puts a run among those that are over.
func (l *line) archiveRun(run *rail.Run) {
	for i, b := range l.archive {
		if next := b.with(run); next != nil {
			l.archive = slices.Clone(l.archive)
			l.archive[i] = next
			return
		}
	}
	l.archive = append(slices.Clip(l.archive), &bundle{
		train: run.Train, closesBefore: run.ClosesBefore, status: run.Status, reason: run.Reason,
		base: run.Date, opensAt: run.SaleOpensAt, dates: []rail.Date{run.Date},
	})
}

// takeOut takes the run on a date out of those that are over, if it is there.
func (l *line) takeOut(date rail.Date) {
	for i, b := range l.archive {
		at, is := slices.BinarySearch(b.dates, date)
		if !is {
			continue
		}
		l.archive = slices.Clone(l.archive)
		if len(b.dates) == 1 {
			l.archive = slices.Delete(l.archive, i, i+1)
			return
		}
		next := *b
		next.dates = slices.Concat(b.dates[:at], b.dates[at+1:])
		l.archive[i] = &next
		return
	}
}

// size is how many runs there are.
func (l line) size() int {
	n := len(l.recent)
	for _, b := range l.archive {
		n += len(b.dates)
	}
	return n
}

// dates calls yield with the dates of all runs from one date on, in no order, some of them twice.
func (l line) dates(from rail.Date, yield func(rail.Date)) {
	for _, run := range l.recent[l.recent.from(from):] {
		yield(run.Date)
	}
	for _, b := range l.archive {
		at, _ := slices.BinarySearch(b.dates, from)
		for _, date := range b.dates[at:] {
			yield(date)
		}
	}
}

// datesOf are the dates on which lines have runs, from one to another, sorted; 0 is no last one.
func datesOf(lines map[string]line, first, last rail.Date) []rail.Date {
	dates := map[rail.Date]struct{}{}
	for _, l := range lines {
		l.dates(first, func(date rail.Date) {
			if last == 0 || date <= last {
				dates[date] = struct{}{}
			}
		})
	}
	return slices.SortedFunc(maps.Keys(dates), cmp.Compare[rail.Date])
}
