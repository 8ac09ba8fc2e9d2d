package seatmap_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/seatmap"
)

// The largest class the design asks for, on the longest train of the sample.
const (
	benchLegs  = 37
	benchSeats = 4_096
)

// highSpeed is a formation of coaches in the layout of a Chinese second class with that many seats in all.
func highSpeed(tb testing.TB, seats int) *rail.Formation {
	tb.Helper()
	var coaches []rail.Coach
	for n := 1; seats > 0; n++ {
		all, err := rail.RowSeats("ABC DF", 1, 18, nil)
		require.NoError(tb, err)
		all = all[:min(len(all), seats)]
		coaches = append(coaches, rail.Coach{Number: strconv.Itoa(n), SeatClass: rail.Second, Seats: all})
		seats -= len(all)
	}
	return rail.NewFormation(coaches)
}

// busy is a map with that share of random trips sold, 0 to 1.
func busy(l *seatmap.Layout, share float64) *seatmap.Map {
	m := seatmap.New(benchLegs, benchSeats)
	random := rand.New(rand.NewPCG(1, 2))
	for range int(share * 4 * benchSeats) {
		i := random.IntN(benchLegs)
		j := i + 1 + random.IntN(min(benchLegs-i, 20))
		m.Allocate(l, i, j, []rail.Wish{{}})
	}
	return m
}

// shares are how full the maps are that things are measured on.
var shares = map[string]float64{"empty": 0, "half": 0.5, "full": 1}

func BenchmarkRemaining(b *testing.B) {
	l := seatmap.NewLayout(highSpeed(b, benchSeats), rail.Second)
	m := busy(l, 0.5)
	b.ReportAllocs()
	for b.Loop() {
		m.Remaining(0, benchLegs)
	}
}

func BenchmarkCounts38x4096(b *testing.B) {
	l := seatmap.NewLayout(highSpeed(b, benchSeats), rail.Second)
	dst := make([]uint16, rail.Pairs(benchLegs+1)*3)
	for name, share := range shares {
		b.Run(name, func(b *testing.B) {
			m := busy(l, share)
			b.ReportAllocs()
			for b.Loop() {
				m.Counts(dst, 3, 1)
			}
		})
	}
}

func BenchmarkAllocate1(b *testing.B) {
	benchmarkAllocate(b, []rail.Wish{{}}, []rail.Wish{{Position: rail.Window}}, []rail.Wish{{Letter: "E"}})
}

func BenchmarkAllocateParty(b *testing.B) {
	window := rail.Wish{Position: rail.Window}
	benchmarkAllocate(b, make([]rail.Wish, 2), make([]rail.Wish, 5), make([]rail.Wish, 9),
		[]rail.Wish{window, {}}, []rail.Wish{window, {}, {}, window, {}, {Letter: "C", Coach: "7"}, {}, {}, window})
}

// benchmarkAllocate sells to a party and takes the seats back, so that the map stays as it is.
func benchmarkAllocate(b *testing.B, parties ...[]rail.Wish) {
	l := seatmap.NewLayout(highSpeed(b, benchSeats), rail.Second)
	for _, wishes := range parties {
		wished := 0
		for _, wish := range wishes {
			if wish != (rail.Wish{}) {
				wished++
			}
		}
		for name, share := range shares {
			for _, trip := range []trip{{0, benchLegs}, {9, 30}} {
				b.Run(fmt.Sprintf("%d-passengers-%d-wish/%s/%d-to-%d", len(wishes), wished, name, trip.i, trip.j),
					func(b *testing.B) {
						m := busy(l, share)
						b.ReportAllocs()
						for b.Loop() {
							seats, _ := m.Allocate(l, trip.i, trip.j, wishes)
							for _, seat := range seats {
								if err := m.Release(seat, trip.i, trip.j); err != nil {
									b.Fatal(err)
								}
							}
						}
					})
			}
		}
	}
}

func BenchmarkNewLayout(b *testing.B) {
	f := highSpeed(b, benchSeats)
	b.ReportAllocs()
	for b.Loop() {
		seatmap.NewLayout(f, rail.Second)
	}
}

func BenchmarkEncode(b *testing.B) {
	l := seatmap.NewLayout(highSpeed(b, benchSeats), rail.Second)
	m := busy(l, 0.5)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = m.AppendEncode(dst[:0])
	}
}
