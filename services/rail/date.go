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

// ServiceStart is the instant that call offsets count from: noon minus twelve hours, local time. On a day when clocks
// change this is not midnight, and that is the point: a train that leaves at 08:00 has the offset 8 h on every day.
// (GTFS Schedule Reference, field type Time.)
func (d Date) ServiceStart(loc *time.Location) time.Time {
	t := d.Time()
	return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, loc).Add(-12 * time.Hour)
}

// Midnight is the first instant of the day in a time zone.
func (d Date) Midnight(loc *time.Location) time.Time {
	t := d.Time()
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, loc)
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
