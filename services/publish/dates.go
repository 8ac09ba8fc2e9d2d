package publish

import (
	"slices"
	"time"

	"interlock/services/rail"
)

// MaxDates is how many service dates one call publishes: a timetable year and a month over, in one transaction that a
// ledger still makes in a moment.
const MaxDates = 400

const daysOfWeek = 7

// serviceDates are the dates from from through through that fall on one of the weekdays (none given: on any), or what
// is wrong with them.
func serviceDates(from, through, today rail.Date, weekdays []time.Weekday) ([]rail.Date, rail.Errors) {
	var errs rail.Errors
	if len(weekdays) > daysOfWeek {
		errs.Add(rail.Invalid, input("weekdays"), "a week has %d days, not %d", daysOfWeek, len(weekdays))
		return nil, errs
	}
	for i, day := range weekdays {
		if day < time.Sunday || day > time.Saturday {
			errs.Add(rail.Invalid, input("weekdays", rail.Index(i)), "%d is not a day of the week", day)
		}
	}
	if from < today {
		errs.Add(rail.Invalid, input("from"), "%s is past: at the train's origin it is %s", from, today)
	}
	if through < from {
		errs.Add(rail.Invalid, input("through"), "%s is before %s", through, from)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	var dates []rail.Date
	for date := from; date <= through; date++ {
		if len(weekdays) > 0 && !slices.Contains(weekdays, date.Weekday()) {
			continue
		}
		if len(dates) == MaxDates {
			errs.Add(rail.Invalid, input("through"), "one call publishes at most %d dates", MaxDates)
			return nil, errs
		}
		dates = append(dates, date)
	}
	if len(dates) == 0 {
		errs.Add(rail.Invalid, input("weekdays"), "none of the days of the week falls between %s and %s", from, through)
	}
	return dates, errs
}
