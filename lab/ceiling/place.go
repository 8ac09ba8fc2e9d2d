package ceiling

import (
	"math/rand/v2"

	"interlock/lab/load"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// place is a trip and the seat that was chosen for it.
type place struct {
	load.Trip
	seat int
}

// season are the places of one run that a sale sells, in their order, until the load would move on to a fresh run.
func season(formation *rail.Formation, random *rand.Rand) []place {
	maps := newMaps()
	var layouts [len(load.Classes)]*seatmap.Layout
	for i, class := range load.Classes {
		layouts[i] = seatmap.NewLayout(formation, class)
	}
	var all []place
	whole := len(load.Classes) * load.SeatsPerClass * (load.Calls - 1)
	for sold := 0; sold*100 < whole*load.MoveOnPercent; {
		t := load.RandomTrip(random)
		if seats, ok := maps[t.Class].Allocate(layouts[t.Class], t.From, t.To, []rail.Wish{{}}); ok {
			all = append(all, place{t, seats[0]})
			sold += t.To - t.From
		}
	}
	return all
}

// newMaps are those of a fresh run.
func newMaps() (maps [len(load.Classes)]*seatmap.Map) {
	for i := range maps {
		maps[i] = seatmap.New(load.Calls-1, load.SeatsPerClass)
	}
	return maps
}
