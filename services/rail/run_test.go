package rail_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
)

var twelfth = rail.NewDate(2019, 10, 12)

func TestRunID(t *testing.T) {
	for number, want := range map[string]rail.RunID{
		"T12":           "T12@2019-10-12",
		"D305/D308":     "D305%2FD308@2019-10-12",
		"ICE 599":       "ICE%20599@2019-10-12",
		"{T12}":         "%7BT12%7D@2019-10-12",
		"T12@1":         "T12%401@2019-10-12",
		"100%":          "100%25@2019-10-12",
		"高1":            "%E9%AB%981@2019-10-12",
		"T12@2019-10-1": "T12%402019-10-1@2019-10-12",
		"~":             "%7E@2019-10-12",
	} {
		id := rail.NewRunID(number, twelfth)
		require.Equal(t, want, id)
		require.True(t, id.Valid())
	}
	require.NotEqual(t, rail.NewRunID("T12", twelfth), rail.NewRunID("T12", twelfth.AddDays(1)))
}

func TestRunID_Invalid(t *testing.T) {
	for _, id := range []rail.RunID{
		"", "T12", "@2019-10-12", "T12@", "T12@2019-10-32", "T12@2019-10-12 ", " T12@2019-10-12", "T 12@2019-10-12",
		"T12@2019-10-12@",
		"{T12@2019-10-12", "T12}@2019-10-12", "高@2019-10-12", "T12\x00@2019-10-12", "T12\x7f@2019-10-12",
		"T12@19-10-12",
		rail.RunID(strings.Repeat("T", 150) + "@2019-10-12"),
	} {
		require.False(t, id.Valid(), "%q", id)
	}
	require.True(t, rail.RunID(strings.Repeat("T", 149)+"@2019-10-12").Valid())
}

// Numbers too long for an id are cut; their digest keeps them apart, and no short number can pose as one.
func TestRunID_LongNumbers(t *testing.T) {
	long := strings.Repeat("京", 128)
	id := rail.NewRunID(long, twelfth)
	require.True(t, id.Valid())
	require.NotEqual(t, id, rail.NewRunID(long[:len(long)-3]+"海", twelfth))
	require.NotEqual(t, id, rail.NewRunID(long[3:], twelfth))
	number, _, _ := strings.Cut(string(id), "@")
	digest := number[strings.IndexByte(number, '~'):]
	cut := number[:len(number)-len(digest)]
	for _, posing := range []string{number, cut + digest, strings.Repeat("京", len(cut)/9) + digest} {
		require.NotEqual(t, id, rail.NewRunID(posing, twelfth))
	}
	short := strings.Repeat("京", 12) + "12345678"
	cutShort := rail.NewRunID(short+strings.Repeat("京", 20), twelfth)
	digest = string(cutShort[strings.IndexByte(string(cutShort), '~'):strings.IndexByte(string(cutShort), '@')])
	require.NotEqual(t, cutShort, rail.NewRunID(short+digest, twelfth))
}

// safe is what Redis keys, SQL indexes of every dialect and URLs all take as it is.
func safe(id rail.RunID) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' || id[i] == '{' || id[i] == '}' {
			return false
		}
	}
	return len(id) <= 160 && id.Valid()
}

// Whatever the railway calls its trains: ids are safe everywhere, and different runs have different ids.
func FuzzNewRunID(f *testing.F) {
	f.Add("T12", "T13", int32(0))
	f.Add("D305/D308", "D305%2FD308", int32(18_000))
	f.Add("{a}", "~", int32(1))
	f.Add(strings.Repeat("京", 100), strings.Repeat("京", 99)+"海", int32(2_000_000))
	f.Add("a\xff", "a\xfe", int32(1))
	f.Fuzz(func(t *testing.T, a, b string, day int32) {
		date := rail.Date(day)
		if a == "" || b == "" || date < 0 || date > rail.NewDate(9999, 12, 31) {
			return
		}
		x, y := rail.NewRunID(a, date), rail.NewRunID(b, date)
		require.True(t, safe(x), "%q", x)
		require.True(t, safe(y), "%q", y)
		require.Equal(t, a == b, x == y)
		require.True(t, strings.HasSuffix(string(x), "@"+date.String()))
		run, ok := rail.RunOfOrder(rail.NewOrderID(x, 1, "0190f6a0000070008000000000"))
		require.True(t, ok)
		require.Equal(t, x, run)
	})
}

func TestNewRunID_DistinctAndSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.StringN(1, 128, -1), rapid.StringMatching(`[A-Z~%@{} ]{1,128}`))
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, y := rail.NewRunID(a, twelfth), rail.NewRunID(b, twelfth)
		require.True(t, safe(x), "%q", x)
		require.Equal(t, a == b, x == y)
	})
}

// t12run is on sale from 1 October, and sells until five minutes before each departure.
func t12run(t testing.TB) *rail.Run {
	train := t12()
	return &rail.Run{
		ID: rail.NewRunID(train.Number, twelfth), Train: train, Date: twelfth,
		SaleOpensAt:  instant(t, "2019-10-01T08:00:00+08:00"),
		ClosesBefore: 5 * time.Minute, Status: rail.Published,
	}
}

func TestRun_Times(t *testing.T) {
	run := t12run(t)
	for _, c := range []struct {
		got  time.Time
		want string
	}{
		{run.Departure(0), "2019-10-12T20:00:00+08:00"},
		{run.Arrival(1), "2019-10-12T21:00:00+08:00"},
		{run.Departure(1), "2019-10-12T21:05:00+08:00"},
		{run.Arrival(2), "2019-10-13T05:00:00+08:00"},
		{run.Arrival(3), "2019-10-13T08:30:00+08:00"},
		{run.SaleClosesAt(0), "2019-10-12T19:55:00+08:00"},
		{run.SaleClosesAt(2), "2019-10-13T05:05:00+08:00"},
		{run.ClosesAt(), "2019-10-13T05:05:00+08:00"},
	} {
		require.Equal(t, c.want, c.got.Format(time.RFC3339))
	}
}

func TestClosesAt_TheLastCallWhereSomebodyBoards(t *testing.T) {
	run := t12run(t)
	run.Train = with(run.Train, func(t *rail.Train) { t.Calls[2].NoBoarding = true })
	require.Equal(t, run.SaleClosesAt(1), run.ClosesAt())
	run.Train = with(run.Train, func(t *rail.Train) { t.Calls[0].NoBoarding, t.Calls[1].NoBoarding = true, true })
	require.Equal(t, run.SaleClosesAt(0), run.ClosesAt(), "nobody boards anywhere")
}

// A run is what was decided about it and what the clock says; a passenger is told the same by both.
func TestStateAt_MaySell(t *testing.T) {
	const (
		before, opens, sells = "2019-10-01T07:59:59+08:00", "2019-10-01T08:00:00+08:00",
			"2019-10-10T12:00:00+08:00"
		lastSecond, closed         = "2019-10-12T19:54:59+08:00", "2019-10-12T19:55:00+08:00"
		lastSecondOfAll, allClosed = "2019-10-13T05:04:59+08:00", "2019-10-13T05:05:00+08:00"
	)
	for _, c := range []struct {
		status rail.RunStatus
		now    string
		state  rail.RunState
		first  rail.Code // selling from the origin
		third  rail.Code // selling from the last call where passengers board
	}{
		{rail.Published, before, rail.RunNotOpen, rail.SaleNotOpen, rail.SaleNotOpen},
		{rail.Published, opens, rail.RunOnSale, "", ""},
		{rail.Published, sells, rail.RunOnSale, "", ""},
		{rail.Published, lastSecond, rail.RunOnSale, "", ""},
		{rail.Published, closed, rail.RunOnSale, rail.SaleClosed, ""},
		{rail.Published, lastSecondOfAll, rail.RunOnSale, rail.SaleClosed, ""},
		{rail.Published, allClosed, rail.RunClosed, rail.SaleClosed, rail.SaleClosed},
		{rail.Suspended, before, rail.RunSuspended, rail.NotOnSale, rail.NotOnSale},
		{rail.Suspended, sells, rail.RunSuspended, rail.NotOnSale, rail.NotOnSale},
		{rail.Suspended, closed, rail.RunSuspended, rail.SaleClosed, rail.NotOnSale},
		{rail.Suspended, allClosed, rail.RunClosed, rail.SaleClosed, rail.SaleClosed},
		{rail.Withdrawn, before, rail.RunWithdrawn, rail.NotOnSale, rail.NotOnSale},
		{rail.Withdrawn, sells, rail.RunWithdrawn, rail.NotOnSale, rail.NotOnSale},
		{rail.Withdrawn, allClosed, rail.RunWithdrawn, rail.NotOnSale, rail.NotOnSale},
	} {
		run := t12run(t)
		run.Status, run.Reason = c.status, "snow"
		now := instant(t, c.now)
		require.Equal(t, c.state, run.StateAt(now), "%s at %s", c.status, c.now)
		for call, want := range map[int]rail.Code{0: c.first, 2: c.third} {
			refusal := run.MaySell(call, now)
			if want == "" {
				require.Nil(t, refusal, "%s at %s from %d", c.status, c.now, call)
			} else {
				require.NotNil(t, refusal, "%s at %s from %d", c.status, c.now, call)
				require.Equal(t, want, refusal.Code, "%s at %s from %d", c.status, c.now, call)
				require.True(t, refusal.Code.IsRefusal())
			}
		}
	}
}

// Where selling is allowed from any call the state says so, and only there.
func TestStateAt_AgreesWithMaySell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := &rail.Run{
			Train: t12(), Date: twelfth,
			ClosesBefore: time.Duration(rapid.Int64Range(0, 1e14).Draw(t, "closes before")),
		}
		run.Status = rapid.SampledFrom([]rail.RunStatus{rail.Published, rail.Suspended, rail.Withdrawn}).Draw(t,
			"status")
		start := run.Departure(0).Unix()
		run.SaleOpensAt = time.Unix(start+rapid.Int64Range(-1e6, 1e5).Draw(t, "opens"), 0)
		now := time.Unix(start+rapid.Int64Range(-1e6, 1e5).Draw(t, "now"), 0)
		may := false
		for i := range run.Train.Legs() {
			may = may || run.MaySell(i, now) == nil
		}
		require.Equal(t, run.StateAt(now) == rail.RunOnSale, may)
	})
}

func TestRunCall(t *testing.T) {
	run := t12run(t)
	first, last := rail.RunCall{Run: run}, rail.RunCall{Run: run, Index: 3}
	require.True(t, first.IsOrigin())
	require.False(t, first.IsTerminus())
	require.Equal(t, 1, first.Sequence())
	require.True(t, last.IsTerminus())
	require.False(t, last.IsOrigin())
	require.Equal(t, 4, last.Sequence())
	require.Equal(t, rail.StationCode("AOH"), last.Call().Station)
}
