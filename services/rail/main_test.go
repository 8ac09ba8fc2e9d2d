package rail_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := rail.LoadZone(name)
	require.NoError(t, err)
	return loc
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return at
}

// hours makes call offsets readable: hours(25, 30) is half past one in the night after the service date.
func hours(h, m int32) int32 { return h*3600 + m*60 }

// t12 is a valid train of four calls, two classes and both kinds of fares; each test changes a copy of its own.
func t12() *rail.Train {
	second, err := rail.RowSeats("ABC DF", 1, 2, nil)
	if err != nil {
		panic(err)
	}
	formation := rail.NewFormation([]rail.Coach{
		{Number: "1", SeatClass: rail.Business, Seats: []rail.Seat{{Label: "1A", Position: rail.Window}}},
		{Number: "2", SeatClass: rail.Second, Seats: second},
	})
	return rail.NewTrain("T12", "T", "Asia/Shanghai", []rail.Call{
		{Station: "VNP", DepartureSeconds: hours(20, 0)},
		{Station: "TXP", ArrivalSeconds: hours(21, 0), DepartureSeconds: hours(21, 5), Metres: 137_000},
		{Station: "NJH", ArrivalSeconds: hours(29, 0), DepartureSeconds: hours(29, 10), Metres: 1_010_000},
		{Station: "AOH", ArrivalSeconds: hours(32, 30), Metres: 1_318_000},
	}, formation, &rail.Fares{
		Currency: "CNY",
		PerKm: []rail.KmRate{
			{SeatClass: rail.Second, MicrosPerKm: 46_000_000},
			{SeatClass: rail.Business, MicrosPerKm: 140_000_000},
		},
		Pairs: []rail.PairFare{{SeatClass: rail.Second, From: "VNP", To: "AOH", Minor: 55_300}},
	})
}

// with is a train like another but for what change does to its parts.
func with(t *rail.Train, change func(*rail.Train)) *rail.Train {
	c := *t
	c.Calls = append([]rail.Call(nil), t.Calls...)
	fares := *t.Fares
	c.Fares = &fares
	change(&c)
	return rail.NewTrain(c.Number, c.Kind, c.TimeZone, c.Calls, c.Formation, c.Fares)
}

// paths are where errors point at, as one string each.
func paths(errs rail.Errors) []string {
	var all []string
	for _, e := range errs {
		path := ""
		for _, element := range e.Path {
			path += "/" + element
		}
		all = append(all, string(e.Code)+" "+path)
	}
	return all
}
