package report

import (
	"fmt"
	"slices"
	"strings"

	"interlock/lab/seats"
)

// seatsTable is what each way of choosing the seat sold, over what free re-seating of everybody sold.
func seatsTable(s seats.Season) string {
	t := newTable(0, "load", "best-fit", "first-fit, parties together", "first-fit, parties apart", "random-fit", "optimum", "best-fit sold of capacity")
	for _, l := range s.Loads {
		t.add(fmt.Sprint(l.Load), fine(l.BestFit.RatioToReseating), fine(l.FirstFit.RatioToReseating), fine(l.FirstFitApart.RatioToReseating),
			fine(l.RandomFit.RatioToReseating), fine(l.Optimum.RatioToReseating), percent(l.BestFit.RatioToCapacity))
	}
	return t.String()
}

// seatsTrains are the trains that were sold, in words.
func (in *Input) seatsTrains() string {
	var parts []string
	for _, t := range in.Seats.Trains {
		all := 0
		for _, n := range t.Seats {
			all += n
		}
		parts = append(parts, fmt.Sprintf("%s (%d calls, %s km, %s seats)", t.Number, t.Calls, count(int64(t.Km)), count(all)))
	}
	return strings.Join(parts, ", ")
}

// seatsSeeds are the seeds, in words.
func (in *Input) seatsSeeds() string {
	if len(in.Seats.Seeds) == 0 {
		return none
	}
	return fmt.Sprintf("%d to %d", slices.Min(in.Seats.Seeds), slices.Max(in.Seats.Seeds))
}
