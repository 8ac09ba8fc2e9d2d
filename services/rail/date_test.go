package rail_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
)

func TestParseDate(t *testing.T) {
	for _, s := range []string{"1970-01-01", "2000-02-29", "2019-10-12", "2024-02-29", "9999-12-31"} {
		d, err := rail.ParseDate(s)
		require.NoError(t, err)
		require.Equal(t, s, d.String())
	}
	for _, s := range []string{
		"", "2019-10-1", "2019-1-12", "19-10-12", "2019/10/12", "2019-02-29", "2019-13-01", "2019-00-01", "2019-10-00",
		"2019-10-32", "1969-12-31", "0000-01-01", "10000-01-01", "-2019-10-12", "2019-10-12 ", " 2019-10-12",
		"2019-10-12T00:00:00Z", "２019-10-12",
	} {
		_, err := rail.ParseDate(s)
		require.Error(t, err, "%q", s)
	}
}

// Day by day a Date is what the calendar says.
func TestDate_IsTheCalendar(t *testing.T) {
	day := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := range 366 * 150 {
		d := rail.Date(n)
		require.Equal(t, day.Format(time.DateOnly), d.String())
		require.Equal(t, day.Weekday(), d.Weekday())
		require.Equal(t, d, rail.NewDate(day.Date()))
		require.Equal(t, day, d.Time())
		day = day.AddDate(0, 0, 1)
	}
	require.Equal(t, rail.NewDate(2020, 3, 1), rail.NewDate(2020, 2, 28).AddDays(2))
	require.Equal(t, rail.NewDate(2019, 12, 31), rail.NewDate(2020, 1, 1).AddDays(-1))
	require.Equal(t, rail.NewDate(2020, 2, 1), rail.NewDate(2020, 1, 32))
	require.Equal(t, rail.Date(-1), rail.NewDate(1969, 12, 31))
}

func TestDateIn_DependsOnTheZone(t *testing.T) {
	at := instant(t, "2019-10-12T22:30:00Z")
	require.Equal(t, "2019-10-13", rail.DateIn(at, zone(t, "Asia/Shanghai")).String())
	require.Equal(t, "2019-10-13", rail.DateIn(at, zone(t, "Europe/Berlin")).String())
	require.Equal(t, "2019-10-12", rail.DateIn(at, zone(t, "America/New_York")).String())
	require.Equal(t, "2019-10-12", rail.DateIn(at, time.UTC).String())
}

// A train that leaves at 08:00 has the offset 8 h on every day, also where the day has 23 or 25 hours.
func TestServiceStart_WhenClocksChange(t *testing.T) {
	for _, c := range []struct{ zone, date, start, midnight, atEight, atOneInTheNight string }{
		{
			"Europe/Berlin", "2019-03-30", "2019-03-30T00:00:00+01:00", "2019-03-30T00:00:00+01:00",
			"2019-03-30T08:00:00+01:00", "2019-03-31T01:00:00+01:00",
		},
		{
			"Europe/Berlin", "2019-03-31", "2019-03-30T23:00:00+01:00", "2019-03-31T00:00:00+01:00",
			"2019-03-31T08:00:00+02:00", "2019-04-01T01:00:00+02:00",
		},
		{
			"Europe/Berlin", "2019-10-27", "2019-10-27T01:00:00+02:00", "2019-10-27T00:00:00+02:00",
			"2019-10-27T08:00:00+01:00", "2019-10-28T01:00:00+01:00",
		},
		// The night train of the day before meets the change on its way: its offsets go on by the clock of its own day.
		{
			"Europe/Berlin", "2019-10-26", "2019-10-26T00:00:00+02:00", "2019-10-26T00:00:00+02:00",
			"2019-10-26T08:00:00+02:00", "2019-10-27T01:00:00+02:00",
		},
		{
			"America/New_York", "2019-03-10", "2019-03-09T23:00:00-05:00", "2019-03-10T00:00:00-05:00",
			"2019-03-10T08:00:00-04:00", "2019-03-11T01:00:00-04:00",
		},
		{
			"America/New_York", "2019-11-03", "2019-11-03T01:00:00-04:00", "2019-11-03T00:00:00-04:00",
			"2019-11-03T08:00:00-05:00", "2019-11-04T01:00:00-05:00",
		},
		{
			"Asia/Shanghai", "2019-10-12", "2019-10-12T00:00:00+08:00", "2019-10-12T00:00:00+08:00",
			"2019-10-12T08:00:00+08:00", "2019-10-13T01:00:00+08:00",
		},
	} {
		loc := zone(t, c.zone)
		d, err := rail.ParseDate(c.date)
		require.NoError(t, err)
		at := func(offset time.Duration) string { return d.ServiceStart(loc).Add(offset).In(loc).Format(time.RFC3339) }
		require.Equal(t, instant(t, c.start).Unix(), d.ServiceStart(loc).Unix(), "%s %s", c.zone, c.date)
		require.Equal(t, instant(t, c.midnight).Unix(), d.Midnight(loc).Unix(), "%s %s", c.zone, c.date)
		require.Equal(t, c.atEight, at(8*time.Hour))
		require.Equal(t, c.atOneInTheNight, at(25*time.Hour))
	}
}

// In any zone and on any date, whatever the clocks do: noon is 12 h after the start of the service.
func TestServiceStart_NoonIsTwelveHoursOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, err := rail.LoadZone(rapid.SampledFrom([]string{
			"Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "America/Sao_Paulo",
			"Asia/Kathmandu",
		}).Draw(t, "zone"))
		require.NoError(t, err)
		d := rail.Date(rapid.Int32Range(0, 40_000).Draw(t, "date"))
		noon := d.ServiceStart(loc).Add(12 * time.Hour).In(loc)
		require.Equal(t, d.String()+" 12:00:00", noon.Format(time.DateTime))
		require.Equal(t, d, rail.DateIn(noon, loc))
		require.Equal(t, d, rail.DateIn(d.Midnight(loc), loc))
		require.Less(t, rail.DateIn(d.Midnight(loc).Add(-time.Second), loc), d)
	})
}
