package seatmap_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/seatmap"
)

// trip is what one buyer of the simulation asks for.
type trip struct{ i, j int }

// demand draws a tenth more trips than a train holds: mostly short ones in random order, one in so many from end to
// end.
func demand(random *rand.Rand, legs, seats, oneLongIn int) []trip {
	var trips []trip
	for wanted := 0; wanted < legs*seats*11/10; {
		i := random.IntN(legs)
		next := trip{i, min(legs, i+1+random.IntN(max(1, legs/3)))}
		if random.IntN(oneLongIn) == 0 {
			next = trip{0, legs}
		}
		trips = append(trips, next)
		wanted += next.j - next.i
	}
	return trips
}

// bestFit and firstFit sell every trip that still fits, and answer how much was sold, in seats times legs.
func bestFit(l *seatmap.Layout, legs, seats int, trips []trip) int {
	m := seatmap.New(legs, seats)
	for _, trip := range trips {
		m.Allocate(l, trip.i, trip.j, []rail.Wish{{}})
	}
	return m.SoldLegs()
}

func firstFit(t *testing.T, legs, seats int, trips []trip) int {
	m := seatmap.New(legs, seats)
	for _, trip := range trips {
		for seat := range seats {
			if m.IsFree(seat, trip.i, trip.j) {
				require.NoError(t, m.Sell(seat, trip.i, trip.j))
				break
			}
		}
	}
	return m.SoldLegs()
}

// Trips packed where they waste least leave more whole: over many seeds more is sold than by giving the first free
// seat.
func TestAllocate_SellsNoLessThanFirstFit(t *testing.T) {
	for name, c := range map[string]struct{ legs, seats, oneLongIn int }{
		"many short, few long":      {10, 60, 10},
		"only short":                {10, 60, 1_000_000},
		"as many long as short":     {10, 60, 2},
		"the longest of the sample": {37, 120, 20},
		"two legs":                  {2, 60, 5},
	} {
		t.Run(name, func(t *testing.T) {
			const seeds = 200
			l := seatmap.NewLayout(plain(c.seats, 30), rail.Second)
			best, first, better, worse := 0, 0, 0, 0
			for seed := range uint64(seeds) {
				trips := demand(rand.New(rand.NewPCG(seed, 0)), c.legs, c.seats, c.oneLongIn)
				b, f := bestFit(l, c.legs, c.seats, trips), firstFit(t, c.legs, c.seats, trips)
				best, first = best+b, first+f
				if b > f {
					better++
				} else if b < f {
					worse++
				}
			}
			t.Logf("best fit %d, first fit %d seat-legs: %+.2f %%; better on %d seeds, worse on %d", best, first,
				100*float64(best-first)/float64(first), better, worse)
			require.GreaterOrEqual(t, best, first)
			require.GreaterOrEqual(t, better, worse)
		})
	}
}
