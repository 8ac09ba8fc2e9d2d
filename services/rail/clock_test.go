package rail_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
)

// What a clock in a zone shows, and how often, on the nights on which it changes and on others.
func TestDate_Clock(t *testing.T) {
	for _, c := range []struct {
		zone, date string
		hour, min  int32
		want       string // "" where it is never shown
		twice      bool
	}{
		{"Europe/Berlin", "2026-03-28", 0, 30, "2026-03-28T00:30:00+01:00", false},
		{"Europe/Berlin", "2026-03-29", 0, 30, "2026-03-29T00:30:00+01:00", false},
		{"Europe/Berlin", "2026-03-29", 1, 59, "2026-03-29T01:59:00+01:00", false},
		{"Europe/Berlin", "2026-03-29", 2, 0, "", false},
		{"Europe/Berlin", "2026-03-29", 2, 30, "", false},
		{"Europe/Berlin", "2026-03-29", 3, 0, "2026-03-29T03:00:00+02:00", false},
		{"Europe/Berlin", "2026-03-29", 8, 0, "2026-03-29T08:00:00+02:00", false},
		{"Europe/Berlin", "2026-03-28", 24, 30, "2026-03-29T00:30:00+01:00", false},
		{"Europe/Berlin", "2026-03-28", 26, 30, "", false},
		{"Europe/Berlin", "2026-03-28", 30, 0, "2026-03-29T06:00:00+02:00", false},
		{"Europe/Berlin", "2026-10-25", 0, 30, "2026-10-25T00:30:00+02:00", false},
		{"Europe/Berlin", "2026-10-25", 1, 59, "2026-10-25T01:59:00+02:00", false},
		{"Europe/Berlin", "2026-10-25", 2, 0, "either", true},
		{"Europe/Berlin", "2026-10-25", 2, 59, "either", true},
		{"Europe/Berlin", "2026-10-25", 3, 0, "2026-10-25T03:00:00+01:00", false},
		{"Europe/Berlin", "2026-10-24", 26, 30, "either", true},
		{"Europe/Berlin", "2026-10-24", 30, 0, "2026-10-25T06:00:00+01:00", false},
		{"Asia/Shanghai", "2026-03-29", 2, 30, "2026-03-29T02:30:00+08:00", false},
		{"Asia/Shanghai", "2026-10-25", 26, 30, "2026-10-26T02:30:00+08:00", false},
		{"UTC", "2026-10-25", 2, 30, "2026-10-25T02:30:00Z", false},
		{"America/New_York", "2026-03-08", 2, 30, "", false},
		{"America/New_York", "2026-03-08", 0, 30, "2026-03-08T00:30:00-05:00", false},
		{"America/New_York", "2026-11-01", 0, 30, "2026-11-01T00:30:00-04:00", false},
		{"America/New_York", "2026-11-01", 1, 30, "either", true},
		{"America/New_York", "2026-11-01", 2, 0, "2026-11-01T02:00:00-05:00", false},
		{"Australia/Lord_Howe", "2026-10-04", 1, 59, "2026-10-04T01:59:00+10:30", false},
		{"Australia/Lord_Howe", "2026-10-04", 2, 15, "", false},
		{"Australia/Lord_Howe", "2026-10-04", 2, 30, "2026-10-04T02:30:00+11:00", false},
		{"Australia/Lord_Howe", "2026-04-05", 1, 29, "2026-04-05T01:29:00+11:00", false},
		{"Australia/Lord_Howe", "2026-04-05", 1, 45, "either", true},
		{"Australia/Lord_Howe", "2026-04-05", 2, 0, "2026-04-05T02:00:00+10:30", false},
		{"Africa/Cairo", "2026-04-24", 0, 30, "", false},        // Put forward at midnight.
		{"America/Havana", "2026-11-01", 0, 30, "either", true}, // Put back to midnight.
		{"Pacific/Apia", "2011-12-30", 12, 0, "", false},        // The day that Samoa left out.
	} {
		date, err := rail.ParseDate(c.date)
		require.NoError(t, err)
		at, shown := date.Clock(hours(c.hour, c.min), zone(t, c.zone))
		what := c.zone + " " + c.date
		switch {
		case c.want == "":
			require.Zero(t, shown, "%s %d:%d", what, c.hour, c.min)
		case c.twice:
			require.Equal(t, 2, shown, "%s %d:%d", what, c.hour, c.min)
			require.Equal(t, c.min, int32(at.Minute()), what)
		default:
			require.Equal(t, 1, shown, "%s %d:%d", what, c.hour, c.min)
			require.Equal(t, c.want, at.Format(time.RFC3339), what)
		}
	}
}

// In any zone, a time is shown as often as looking at the clock every quarter of an hour shows it.
func TestDate_Clock_IsWhatLookingAtItShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, err := rail.LoadZone(rapid.SampledFrom([]string{
			"Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "America/Sao_Paulo",
			"Africa/Casablanca",
			"America/Havana", "Pacific/Apia", "Asia/Kathmandu",
		}).Draw(t, "zone"))
		require.NoError(t, err)
		date := rail.Date(rapid.Int32Range(0, 30_000).Draw(t, "date"))
		if rapid.Bool().Draw(t, "near a change") {
			if _, change := date.Midnight(loc).ZoneBounds(); !change.IsZero() {
				date = rail.DateIn(change, loc).AddDays(rapid.IntRange(-1, 0).Draw(t, "days"))
			}
		}
		const quarter = 900
		seconds := rapid.Int32Range(0, 2*96).Draw(t, "quarters") * quarter
		face := date.Time().Add(time.Duration(seconds) * time.Second).Format(time.DateTime)
		seen := map[int64]bool{}
		for look := date.Time().Unix() +
			int64(seconds) - 27*3600; look < date.Time().Unix()+int64(seconds)+27*3600; look += quarter {
			if time.Unix(look, 0).In(loc).Format(time.DateTime) == face {
				seen[look] = true
			}
		}
		at, shown := date.Clock(seconds, loc)
		require.Equal(t, len(seen), shown, "%s %s", loc, face)
		if shown > 0 {
			require.True(t, seen[at.Unix()])
		}
	})
}

// clocked is a train whose calls have the clocks of two cities.
func clocked(zones [2]string, departure, arrival int32) *rail.Train {
	base := t12()
	return rail.NewTrain("1", "", zones[0], []rail.Call{
		{Station: "A", Clock: zones[0], ArrivalSeconds: departure, DepartureSeconds: departure, Metres: 0},
		{Station: "B", Clock: zones[1], ArrivalSeconds: arrival, DepartureSeconds: arrival, Metres: 1_000},
	}, base.Formation, &rail.Fares{
		Currency: "EUR",
		PerKm:    []rail.KmRate{{SeatClass: rail.Business, Free: true}, {SeatClass: rail.Second, Free: true}},
	})
}

func TestRun_ByTheClocksOfItsStations(t *testing.T) {
	for name, c := range map[string]struct {
		zones                [2]string
		date                 string
		leaves, arrives      int32
		departure, arrival   string
		refused, refusedPath string
	}{
		"the night clocks go forward": {
			zones: [2]string{"Europe/Berlin", "Europe/Berlin"}, date: "2026-03-29", leaves: hours(0, 30),
			arrives:   hours(6, 0),
			departure: "2026-03-29T00:30:00+01:00", arrival: "2026-03-29T06:00:00+02:00",
		},
		"the night clocks go back": {
			zones: [2]string{"Europe/Berlin", "Europe/Berlin"}, date: "2026-10-25", leaves: hours(0, 30),
			arrives:   hours(6, 0),
			departure: "2026-10-25T00:30:00+02:00", arrival: "2026-10-25T06:00:00+01:00",
		},
		"a night train over the change": {
			zones: [2]string{"Europe/Berlin", "Europe/Berlin"}, date: "2026-03-28", leaves: hours(22, 0),
			arrives:   hours(31, 0),
			departure: "2026-03-28T22:00:00+01:00", arrival: "2026-03-29T07:00:00+02:00",
		},
		"into another zone": {
			zones: [2]string{"Europe/Paris", "Europe/London"}, date: "2026-07-01", leaves: hours(10, 13),
			arrives:   hours(11, 30),
			departure: "2026-07-01T10:13:00+02:00", arrival: "2026-07-01T11:30:00+01:00",
		},
		"an earlier hour in another zone": {
			zones: [2]string{"Europe/Lisbon", "Atlantic/Azores"}, date: "2026-07-01", leaves: hours(10, 0),
			arrives:   hours(9, 30),
			departure: "2026-07-01T10:00:00+01:00", arrival: "2026-07-01T09:30:00Z",
		},
		"never shown": {
			zones: [2]string{"Europe/Berlin", "Europe/Berlin"}, date: "2026-03-29", leaves: hours(1, 30),
			arrives:     hours(2, 30),
			refused:     "the run of 2026-03-29: at B the clock (Europe/Berlin) is put forward and never shows 02:30",
			refusedPath: "INVALID /input/calls/1/arrival",
		},
		"shown twice": {
			zones: [2]string{"Europe/Berlin", "Europe/Berlin"}, date: "2026-10-24", leaves: hours(26, 30),
			arrives:     hours(28, 0),
			refused:     "the run of 2026-10-24: at A the clock (Europe/Berlin) is put back and shows 26:30 twice",
			refusedPath: "INVALID /input/calls/0/departure",
		},
		"back in time": {
			zones: [2]string{"Europe/Paris", "Asia/Shanghai"}, date: "2026-07-01", leaves: hours(10, 0),
			arrives:     hours(12, 0),
			refused:     "the run of 2026-07-01: the train is at B at 12:00, before it left the call before",
			refusedPath: "INVALID /input/calls/1/arrival",
		},
	} {
		t.Run(name, func(t *testing.T) {
			train := clocked(c.zones, c.leaves, c.arrives)
			require.Empty(t, train.Validate())
			date, err := rail.ParseDate(c.date)
			require.NoError(t, err)
			wrong := train.ValidateOn(date, "input")
			if c.refused != "" {
				require.Equal(t, []string{c.refusedPath}, paths(wrong))
				require.Equal(t, c.refused, wrong[0].Message)
				return
			}
			require.Empty(t, wrong)
			run := &rail.Run{Train: train, Date: date}
			require.Equal(t, c.departure, run.Departure(0).Format(time.RFC3339))
			require.Equal(t, c.arrival, run.Arrival(1).Format(time.RFC3339))
		})
	}
}

func TestTrain_ClocksAreKeptWithIt(t *testing.T) {
	train := clocked([2]string{"Europe/Paris", "Europe/London"}, hours(10, 0), hours(11, 0))
	document, err := train.Document()
	require.NoError(t, err)
	again, err := rail.DecodeTrain(train.ID, document, train.Formation)
	require.NoError(t, err)
	date := rail.NewDate(2026, 7, 1)
	require.Equal(t, (&rail.Run{Train: train, Date: date}).Arrival(1), (&rail.Run{Train: again, Date: date}).Arrival(1))
	require.NotEqual(t, train.ID, clocked([2]string{"Europe/Paris", "Europe/Paris"}, hours(10, 0), hours(11, 0)).ID)

	wrong := clocked([2]string{"Europe/Paris", "Europe/Atlantis"}, hours(10, 0), hours(11, 0))
	require.Equal(t, []string{"INVALID /input/calls/1"}, paths(wrong.Validate("input")))
}

// A train without clocks keeps GTFS's way of counting, and its id.
func TestTrain_WithoutClocksCountsFromNoon(t *testing.T) {
	train := with(t12(), func(c *rail.Train) { c.TimeZone = "Europe/Berlin" })
	date := rail.NewDate(2026, 3, 29)
	require.Empty(t, train.ValidateOn(date))
	require.Equal(t, "2026-03-29T20:00:00+02:00",
		(&rail.Run{Train: train, Date: date}).Departure(0).Format(time.RFC3339))
	document, err := train.Document()
	require.NoError(t, err)
	require.NotContains(t, string(document), "clock")
}

// The first instant of a day, also where it comes twice or begins at one.
func TestDate_Midnight_WhenClocksChangeAtMidnight(t *testing.T) {
	require.Equal(t, "2026-11-01T00:00:00-04:00",
		rail.NewDate(2026, 11, 1).Midnight(zone(t, "America/Havana")).Format(time.RFC3339))
	require.Equal(t, "2026-04-24T01:00:00+03:00",
		rail.NewDate(2026, 4, 24).Midnight(zone(t, "Africa/Cairo")).Format(time.RFC3339))
	require.Equal(t, "2026-03-08T01:00:00-04:00",
		rail.NewDate(2026, 3, 8).Midnight(zone(t, "America/Havana")).Format(time.RFC3339))
	require.Equal(t, "2026-09-06T01:00:00-03:00",
		rail.NewDate(2026, 9, 6).Midnight(zone(t, "America/Santiago")).Format(time.RFC3339))
	require.Equal(t, "2021-10-29T00:00:00+03:00",
		rail.NewDate(2021, 10, 29).Midnight(zone(t, "Asia/Amman")).Format(time.RFC3339))
	// The day that Samoa left out begins with the next.
	require.Equal(t, "2011-12-31T00:00:00+14:00",
		rail.NewDate(2011, 12, 30).Midnight(zone(t, "Pacific/Apia")).Format(time.RFC3339))
}

// In any zone: it is that date, and it never was before.
func TestDate_Midnight_IsTheFirstInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, err := rail.LoadZone(rapid.SampledFrom([]string{
			"Europe/Berlin", "America/Havana", "America/Santiago", "America/Sao_Paulo", "Asia/Amman", "Asia/Beirut",
			"Africa/Cairo",
			"Atlantic/Azores", "Pacific/Apia", "Australia/Lord_Howe",
		}).Draw(t, "zone"))
		require.NoError(t, err)
		date := rail.Date(rapid.Int32Range(0, 30_000).Draw(t, "date"))
		if rapid.Bool().Draw(t, "near a change") {
			if _, change := date.Midnight(loc).ZoneBounds(); !change.IsZero() {
				date = rail.DateIn(change, loc).AddDays(rapid.IntRange(-1, 1).Draw(t, "days"))
			}
		}
		first := date.Midnight(loc)
		require.GreaterOrEqual(t, rail.DateIn(first, loc), date)
		begin := first.Add(-27 * time.Hour)
		for before := first.Add(-time.Second); before.After(begin); before = before.Add(-15 * time.Minute) {
			require.Less(t, rail.DateIn(before, loc), date)
		}
	})
}

func TestDate_FirstAt_WhenClocksChange(t *testing.T) {
	for name, c := range map[string]struct {
		zone  string
		date  rail.Date
		clock int32
		want  string
	}{
		"an ordinary day":       {"Europe/Berlin", rail.NewDate(2026, 3, 28), 8 * 3_600, "2026-03-28T08:00:00+01:00"},
		"after the change":      {"Europe/Berlin", rail.NewDate(2026, 3, 29), 8 * 3_600, "2026-03-29T08:00:00+02:00"},
		"put forward over it":   {"Europe/Berlin", rail.NewDate(2026, 3, 29), 9_000, "2026-03-29T03:00:00+02:00"},
		"comes twice":           {"Europe/Berlin", rail.NewDate(2026, 10, 25), 9_000, "2026-10-25T02:30:00+02:00"},
		"west: put forward":     {"America/New_York", rail.NewDate(2026, 3, 8), 9_000, "2026-03-08T03:00:00-04:00"},
		"west: comes twice":     {"America/New_York", rail.NewDate(2026, 11, 1), 5_400, "2026-11-01T01:30:00-04:00"},
		"a day that never came": {"Pacific/Apia", rail.NewDate(2011, 12, 30), 8 * 3_600, "2011-12-31T00:00:00+14:00"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.date.FirstAt(c.clock, zone(t, c.zone)).Format(time.RFC3339))
		})
	}
}

// In any zone: a clock never showed the time, or a later one, before.
func TestDate_FirstAt_IsTheFirstInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, err := rail.LoadZone(rapid.SampledFrom([]string{
			"Europe/Berlin", "America/New_York", "America/Havana", "Africa/Cairo", "Pacific/Apia",
			"Australia/Lord_Howe",
		}).Draw(t, "zone"))
		require.NoError(t, err)
		date := rail.Date(rapid.Int32Range(0, 30_000).Draw(t, "date"))
		if _, change := date.Midnight(loc).ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(t, "near a change") {
			date = rail.DateIn(change, loc).AddDays(rapid.IntRange(-1, 1).Draw(t, "days"))
		}
		seconds := rapid.Int32Range(0, 1_439).Draw(t, "minute") * 60
		face := date.Time().Unix() + int64(seconds)
		shows := func(at time.Time) int64 {
			_, offset := at.In(loc).Zone()
			return at.Unix() + int64(offset)
		}
		first := date.FirstAt(seconds, loc)
		require.GreaterOrEqual(t, shows(first), face)
		for before := first.Add(-time.Second); before.After(first.Add(-27 * time.Hour)); before = before.Add(
			-15 * time.Minute) {
			require.Less(t, shows(before), face)
		}
	})
}
