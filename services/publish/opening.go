package publish

import (
	"strconv"
	"strings"
	"time"

	"interlock/services/rail"
)

// maxDaysBefore is the earliest a sale may open by a count of days: no railway opens one more than a year ahead.
const maxDaysBefore = 366

// SaleOpens says when the sale of a run opens. The zero value is at once.
type SaleOpens struct {
	// At is an instant, or zero.
	At time.Time
	// DaysBefore is so many days before the service date, or nil.
	DaysBefore *int
	// Clock is when on that day, as a clock at the origin shows it, in seconds from 00:00. Where the clock is put
	// forward over that time, the sale opens at the change; where the time comes twice, at the first.
	Clock int32
}

// atOnce is when a run opened that is on sale at once. It is always the same instant. Otherwise publishing the same
// again would be a change, and refused once a seat is sold.
func atOnce() time.Time { return time.Unix(0, 0).UTC() }

// secondsPerDay bounds SaleOpens.Clock.
const secondsPerDay = 24 * 60 * 60

// clockWord stands between a count of days and a time of the day.
const clockWord = " at "

// ParseSaleOpens reads "now", an instant in RFC 3339, "N-days-before", or "N-days-before at 08:00".
func ParseSaleOpens(s string) (SaleOpens, error) {
	if s == "now" {
		return SaleOpens{}, nil
	}
	day, clock, hasClock := strings.Cut(s, clockWord)
	for _, suffix := range []string{"-days-before", "-day-before"} {
		if number, ok := strings.CutSuffix(day, suffix); ok {
			days, err := strconv.Atoi(number)
			if err != nil {
				break
			}
			opens := SaleOpens{DaysBefore: &days}
			if hasClock {
				if opens.Clock, err = ParseOffset(strings.TrimSpace(clock)); err != nil {
					return SaleOpens{}, err
				}
			}
			return opens, opens.validate(nil).OrNil()
		}
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return SaleOpens{}, rail.Refuse(rail.Invalid,
			"%q is not now, an instant like 2019-10-12T09:00:00+08:00, or a count like 15-days-before or "+
				"15-days-before at 08:00", s)
	}
	opens := SaleOpens{At: at}
	return opens, opens.validate(nil).OrNil()
}

func (o SaleOpens) validate(path []string) rail.Errors {
	var errs rail.Errors
	switch {
	case !o.At.IsZero() && o.DaysBefore != nil:
		errs.Add(rail.Invalid, path, "a sale opens at an instant or so many days before, not both")
	case o.DaysBefore != nil && (*o.DaysBefore < 0 || *o.DaysBefore > maxDaysBefore):
		errs.Add(rail.Invalid, append(path, "daysBefore", "days"), "a sale opens 0 to %d days before", maxDaysBefore)
	case o.Clock < 0 || o.Clock >= secondsPerDay:
		errs.Add(rail.Invalid, append(path, "daysBefore", "at"), "a sale opens between 00:00 and 23:59:59 of its day")
	case !o.At.IsZero() && (o.At.UTC().Year() < 1970 || o.At.UTC().Year() > 9999):
		errs.Add(rail.Invalid, append(path, "at"), "a sale opens between 1970 and 9999")
	}
	return errs
}

// on is when the sale of a run on a date opens. Instants are cut to milliseconds, which every ledger keeps.
func (o SaleOpens) on(date rail.Date, origin *time.Location) time.Time {
	switch {
	case o.DaysBefore != nil:
		return date.AddDays(-*o.DaysBefore).FirstAt(o.Clock, origin).UTC()
	case !o.At.IsZero():
		return o.At.UTC().Truncate(time.Millisecond)
	}
	return atOnce()
}
