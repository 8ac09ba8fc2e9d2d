// Package availabilitytest is what package availability promises, as tests that run against any Redis.
//
// The tests of one Run share its Redis and empty it, so they do not run in parallel.
package availabilitytest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"interlock/services/availability"
	"interlock/services/rail"
)

// Redis is a server under test.
type Redis interface {
	// Addr stays the same over Kill and Start.
	Addr() string
	FlushAll(ctx context.Context) error
	// Kill ends the server as a crash would; all its data is lost.
	Kill() error
	Start(ctx context.Context) error
}

// patience is far more than anything takes on a machine that is busy with other things.
const patience = 20 * time.Second

// Run holds package availability against a Redis.
func Run(t *testing.T, server Redis) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"Apply_NewerWins", applyNewerWins},
		{"Apply_AnyOrder", applyAnyOrder},
		{"Apply_Refuses", applyRefuses},
		{"Remaining_EveryPair", remainingEveryPair},
		{"Remaining_Status", remainingStatus},
		{"Remaining_Unknown", remainingUnknown},
		{"Remaining_BadAsk", remainingBadAsk},
		{"Remaining_Torn", remainingTorn},
		{"Remaining_RacingWriters", remainingRacingWriters},
		{"Versions", versionsOfRuns},
		{"Load_Empty", loadEmpty},
		{"Load_OverOthers", loadOverOthers},
		{"Load_Refuses", loadRefuses},
		{"Scripts_Forgotten", scriptsForgotten},
		{"Replace_ComparesVersions", replaceComparesVersions},
		{"Replace_HealsDamage", replaceHealsDamage},
		{"Stored_WholeEntries", storedWholeEntries},
		{"Marker_LostWithTheData", markerLostWithTheData},
		{"Listen_EveryWriteTells", listenEveryWriteTells},
		{"Listen_OnlyFollowed", listenOnlyFollowed},
		{"Listen_AnythingPublished", listenAnythingPublished},
		{"Listen_BehindLosesOldest", listenBehindLosesOldest},
		{"Listen_Close", listenClose},
		{"Publications_Told", publicationsTold},
		{"StreamTickets_Once", streamTicketsOnce},
		{"StreamTickets_Bounded", streamTicketsBounded},
		{"StreamTickets_Forgotten", streamTicketsForgotten},
		{"Redis_KilledAndBack", redisKilledAndBack},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, server.FlushAll(t.Context()))
			f := &fixture{server: server}
			f.client = f.connect(t)
			f.cache = availability.New(f.client)
			test.run(t, f)
		})
	}
}

// fixture is a Cache on an empty Redis.
type fixture struct {
	server Redis
	client redis.UniversalClient
	cache  *availability.Cache
}

func (f *fixture) connect(t *testing.T) redis.UniversalClient {
	client, err := availability.Connect(availability.Options{Addrs: []string{f.server.Addr()}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// short is a train whose entry is read in one command, long one whose entry is read in three.
func short() *rail.Train { return train("G1", 5, rail.Business, rail.Second) }

func long() *rail.Train { return train("K1", 64, rail.SoftSleeper, rail.HardSleeper, rail.HardSeat) }

func train(number string, calls int, classes ...rail.SeatClass) *rail.Train {
	route := make([]rail.Call, calls)
	for i := range route {
		at := int32(3_600 * (i + 1))
		route[i] = rail.Call{
			Station: rail.StationCode(fmt.Sprintf("S%d", i)), ArrivalSeconds: at, DepartureSeconds: at + 60,
			Metres: rail.NoDistance,
		}
	}
	coaches := make([]rail.Coach, len(classes))
	for i, class := range classes {
		coaches[i] = rail.Coach{Number: fmt.Sprint(i + 1), SeatClass: class, Seats: []rail.Seat{{Label: "1A"}}}
	}
	return rail.NewTrain(number, "", "Asia/Shanghai", route, rail.NewFormation(coaches), &rail.Fares{Currency: "CNY"})
}

// run is a train's run some days after the first.
func run(train *rail.Train, day int) *rail.Run {
	date := rail.NewDate(2019, 10, 12).AddDays(day)
	return &rail.Run{ID: rail.NewRunID(train.Number, date), Train: train, Date: date, Status: rail.Published}
}

// last is an ask for the run's last pair of calls, the farthest in its entry.
func last(run *rail.Run) rail.Ask {
	return rail.Ask{Run: run, From: run.Train.Legs() - 1, To: run.Train.Legs()}
}

// left says that on every pair as many seats are left as the version says (modulo 2¹⁶).
func left(run *rail.Run, version int64) *rail.Availability {
	a := &rail.Availability{
		RunID: run.ID, TrainID: run.Train.ID, Version: version, Status: run.Status,
		Counts: make([]uint16, rail.Pairs(len(run.Train.Calls))*len(run.Train.Formation.Classes)),
	}
	for i := range a.Counts {
		a.Counts[i] = uint16(version)
	}
	return a
}

// with is an availability with another content.
func with(a *rail.Availability, count uint16) *rail.Availability {
	b := *a
	b.Counts = make([]uint16, len(a.Counts))
	for i := range b.Counts {
		b.Counts[i] = count
	}
	return &b
}

func (f *fixture) apply(t *testing.T, lefts ...*rail.Availability) {
	t.Helper()
	for _, left := range lefts {
		require.NoError(t, f.cache.Apply(t.Context(), left))
	}
}

// remaining asks for the last pair of a run.
func (f *fixture) remaining(t *testing.T, run *rail.Run) rail.Left {
	t.Helper()
	lefts, err := f.cache.Remaining(t.Context(), []rail.Ask{last(run)})
	require.NoError(t, err)
	require.Len(t, lefts, 1)
	return lefts[0]
}

// stored reads the whole entry of a run.
func (f *fixture) stored(t *testing.T, run *rail.Run) *rail.Availability {
	t.Helper()
	stored, err := f.cache.Stored(t.Context(), []*rail.Availability{left(run, 0)})
	require.NoError(t, err)
	require.Len(t, stored, 1)
	return stored[0]
}

// key is where a run's entry is. It is part of the contract, for people who look into Redis by hand.
func key(run *rail.Run) string { return "{" + string(run.ID) + "}:left" }

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, time.Millisecond)
}
