package seats

import (
	"fmt"
	"strings"
)

// Text is a report for people.
func Text(r *Report) string {
	var b strings.Builder
	for _, t := range r.Trains {
		fmt.Fprintf(&b, "%-12s %d calls, %.0f km, seats %v\n", t.Number, t.Calls, t.Km, t.Seats)
	}
	fmt.Fprintf(&b, "seeds %d to %d\n", r.Seeds[0], r.Seeds[len(r.Seeds)-1])
	writeSeason(&b, "parties", &r.Season)
	writeSeason(&b, "everybody alone, no wishes", &r.Alone)
	return b.String()
}

func writeSeason(b *strings.Builder, name string, s *Season) {
	fmt.Fprintf(b, "\n%s: mean trip %.0f km; seat-km sold over those that free re-seating sells\n", name, s.MeanTripKm)
	fmt.Fprintf(b, "%5s %10s", "load", "sold")
	for w, way := range wayNames {
		if w != reseatingWay {
			fmt.Fprintf(b, " %16s", way)
		}
	}
	b.WriteString("\n")
	for l := range s.Loads {
		fmt.Fprintf(b, "%5.2f %8.2f %%", s.Loads[l].Load, 100*s.Loads[l].BestFit.RatioToCapacity)
		for w, sold := range s.Loads[l].ways() {
			if w != reseatingWay {
				fmt.Fprintf(b, " %16.4f", sold.RatioToReseating)
			}
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "least over the loads: %.4f of re-seating, %.4f of first-fit, %.4f of first-fit with parties "+
		"apart\n",
		s.MinRatioToReseating, s.MinRatioToFirstFit, s.MinRatioToFirstFitApart)
	for _, worst := range []Worst{s.WorstTrain, s.WorstCabin} {
		fmt.Fprintf(b, "worst: %s %s at load %g, %.4f of re-seating, %.4f of first-fit\n",
			worst.Train, worst.SeatClass, worst.Load, worst.RatioToReseating, worst.RatioToFirstFit)
	}
}
