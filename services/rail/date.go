package rail

import (
	"fmt"
	"io"
	"strconv"
	"time"
)

// Date is a calendar day, counted in days since 1970-01-01. As a service date it is the date at the train's origin.
type Date int32

const secondsPerDay = 24 * 60 * 60

// The dates the ledger and the wire can carry: four-digit years.
var (
	minDate = NewDate(1970, 1, 1)
	maxDate = NewDate(9999, 12, 31)
)

// NewDate makes a Date; days and months out of range overflow as in time.Date.
func NewDate(year int, month time.Month, day int) Date {
	return Date(floorDiv(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix(), secondsPerDay))
}

// DateIn is the calendar day of an instant in a time zone.
func DateIn(t time.Time, loc *time.Location) Date {
	y, m, d := t.In(loc).Date()
	return NewDate(y, m, d)
}

// ParseDate reads "2006-01-02", from 1970-01-01 to 9999-12-31.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a date like 2019-10-12", s)
	}
	d := NewDate(t.Year(), t.Month(), t.Day())
	if d < minDate || d > maxDate {
		return 0, fmt.Errorf("%q is not between %s and %s", s, minDate, maxDate)
	}
	return d, nil
}

// Time is midnight UTC of the day.
func (d Date) Time() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

func (d Date) String() string { return d.Time().Format(time.DateOnly) }

// AddDays is the date n days later.
func (d Date) AddDays(n int) Date { return d + Date(n) }

// Weekday is the day of the week.
func (d Date) Weekday() time.Weekday { return d.Time().Weekday() }

// ServiceStart is the instant that call offsets count from: noon minus twelve hours, local time (GTFS Schedule
// Reference, field type Time). On a day when clocks change it differs from midnight. So a train that leaves at 08:00
// has the offset 8 h on every day.
func (d Date) ServiceStart(loc *time.Location) time.Time {
	t := d.Time()
	return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, loc).Add(-12 * time.Hour)
}

// Clock is when a clock in a time zone shows a time of the day: 5,400 seconds are 01:30, and 91,800 are 01:30 of the
// next day. shown is how often it does. It is 0 where the clock is put forward over that time; at is then an instant
// beside the change. It is 2 where the clock is put back and shows the time again; at is then one of the two instants.
func (d Date) Clock(seconds int32, loc *time.Location) (at time.Time, shown int) {
	at = d.clock(seconds, loc)
	// What the clock would show if no zone had an offset.
	face := int64(d)*secondsPerDay + int64(seconds)
	_, offset := at.Zone()
	if at.Unix()+int64(offset) != face {
		return at, 0
	}
	// A clock is put back by less than a day, and at most once in two days. So where it shows a time twice, one of them
	// is by the offset of a day before or after.
	for _, beside := range []time.Time{at.AddDate(0, 0, -1), at.AddDate(0, 0, 1)} {
		if _, other := beside.Zone(); other != offset {
			if _, there := time.Unix(face-int64(other), 0).In(loc).Zone(); there == other {
				return at, 2
			}
		}
	}
	return at, 1
}

// clock is the instant of Clock alone.
func (d Date) clock(seconds int32, loc *time.Location) time.Time {
	t := d.Time()
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, int(seconds), 0, loc)
}

// Midnight is the first instant of the day in a time zone. For a day that the zone left out, it is that of the next
// day.
func (d Date) Midnight(loc *time.Location) time.Time { return d.FirstAt(0, loc) }

// FirstAt is the first instant at which a clock in a time zone shows a time of the day, in seconds from 00:00. Where
// the clock is put forward over that time, it is the instant of the change.
func (d Date) FirstAt(seconds int32, loc *time.Location) time.Time {
	at := d.clock(seconds, loc)
	face := int64(d)*secondsPerDay + int64(seconds)
	begun, changes := at.ZoneBounds()
	_, offset := at.Zone()
	switch shown := at.Unix() + int64(offset); {
	case shown < face:
		return changes // The clock is put forward over the time, and at is before the change.
	case shown > face:
		return begun // The same, and at is after it.
	}
	if !begun.IsZero() {
		_, offset := begun.Add(-time.Second).Zone()
		if first := time.Unix(face-int64(offset), 0); first.Before(begun) {
			return first.In(loc) // It is put back over the time, and at is the second one.
		}
	}
	return at
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// MarshalGQL writes the date as a GraphQL scalar.
func (d Date) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(d.String())) }

// UnmarshalGQL reads the date from a GraphQL scalar.
func (d *Date) UnmarshalGQL(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("a date is a string like \"2019-10-12\"")
	}
	parsed, err := ParseDate(s)
	*d = parsed
	return err
}
