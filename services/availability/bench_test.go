package availability_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/availability"
	"interlock/services/rail"
)

// sampleRuns is as many as the sample timetable has in 15 days: 4,394 trains.
const sampleRuns = 65_910

// sample is runs of a usual length: 12 calls and 3 classes.
func sample(runs int, version int64) ([]*rail.Run, []*rail.Availability) {
	calls := make([]rail.Call, 12)
	for i := range calls {
		calls[i] = rail.Call{
			Station: rail.StationCode('A' + rune(i)), ArrivalSeconds: int32(i),
			DepartureSeconds: int32(i),
		}
	}
	var coaches []rail.Coach
	for _, class := range []rail.SeatClass{rail.Business, rail.First, rail.Second} {
		coaches = append(coaches, rail.Coach{
			Number: string(class[:1]), SeatClass: class,
			Seats: []rail.Seat{{Label: "1A"}},
		})
	}
	train := rail.NewTrain("G1", "", "Asia/Shanghai", calls, rail.NewFormation(coaches), &rail.Fares{Currency: "CNY"})
	date := rail.NewDate(2019, 10, 12)
	rs, ls := make([]*rail.Run, runs), make([]*rail.Availability, runs)
	for i := range rs {
		rs[i] = &rail.Run{ID: rail.NewRunID("G1", date.AddDays(i)), Train: train, Date: date.AddDays(i)}
		ls[i] = &rail.Availability{
			RunID: rs[i].ID, TrainID: train.ID, Version: version, Status: rail.Published,
			Counts: make([]uint16, rail.Pairs(len(calls))*len(coaches)),
		}
	}
	return rs, ls
}

func eachRedis(b *testing.B, bench func(b *testing.B, cache *availability.Cache, flush func())) {
	b.Run("redis", func(b *testing.B) {
		client := connect(b, serverstest.NewRedis(b).Addr())
		bench(b, availability.New(client), func() { require.NoError(b, client.FlushAll(b.Context()).Err()) })
	})
	b.Run("miniredis", func(b *testing.B) {
		m := miniredis.RunT(b)
		bench(b, availability.New(connect(b, m.Addr())), m.FlushAll)
	})
}

// BenchmarkLoad loads the sample: as after a FLUSHALL, then what is stored already, then newer versions of it.
func BenchmarkLoad(b *testing.B) {
	for _, name := range []string{"lost", "unchanged", "newer"} {
		b.Run(name, func(b *testing.B) {
			eachRedis(b, func(b *testing.B, cache *availability.Cache, flush func()) {
				_, lefts := sample(sampleRuns, 0)
				require.NoError(b, cache.Load(b.Context(), lefts))
				for b.Loop() {
					switch name {
					case "lost":
						flush()
					case "newer":
						for _, left := range lefts {
							left.Version++
						}
					}
					require.NoError(b, cache.Load(b.Context(), lefts))
				}
			})
		})
	}
}

// BenchmarkRemaining asks for the 41 trains of one search.
func BenchmarkRemaining(b *testing.B) {
	eachRedis(b, func(b *testing.B, cache *availability.Cache, _ func()) {
		runs, lefts := sample(41, 1)
		require.NoError(b, cache.Load(b.Context(), lefts))
		asks := make([]rail.Ask, len(runs))
		for i, run := range runs {
			asks[i] = rail.Ask{Run: run, From: 3, To: 9}
		}
		b.ReportAllocs()
		for b.Loop() {
			_, err := cache.Remaining(b.Context(), asks)
			require.NoError(b, err)
		}
	})
}

// BenchmarkApply is what a worker does after each batch.
func BenchmarkApply(b *testing.B) {
	eachRedis(b, func(b *testing.B, cache *availability.Cache, _ func()) {
		_, lefts := sample(1, 0)
		start := time.Now()
		for b.Loop() {
			lefts[0].Version++
			require.NoError(b, cache.Apply(b.Context(), lefts[0]))
		}
		b.ReportMetric(float64(time.Since(start).Microseconds())/float64(b.N), "µs/apply")
	})
}
