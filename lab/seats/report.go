package seats

import (
	"slices"

	"interlock/services/rail"
)

// The goals.
const (
	// MinRatioToReseating is how much of what free re-seating sells, best-fit is to sell at each load.
	MinRatioToReseating = 0.985
	// MinRatioToFirstFit is never below first-fit. It is required against the first-fit that keeps parties together, as
	// best-fit does. The one that tears them apart may fill gaps that best-fit must not: against it the ratio is only
	// reported.
	MinRatioToFirstFit = 1.0
)

const metresPerKm = 1_000

// Report is the one document that `lab seats` prints.
type Report struct {
	// Season is with the demand that was asked for.
	Season
	// Alone is the same with every passenger alone and without a wish, so that only the fit decides. There first_fit
	// and first_fit_apart are the same.
	Alone Season `json:"alone"`
	// DemandModel is where passengers go, in a formula.
	DemandModel string `json:"demand_model"`
	// Seeds are the random numbers' seeds, one for each service date.
	Seeds  []int   `json:"seeds"`
	Trains []Train `json:"trains"`
}

// OK tells whether best-fit reaches its goals at every load, for either demand.
func (r *Report) OK() bool { return r.Season.ok() && r.Alone.ok() }

func (s *Season) ok() bool {
	return s.MinRatioToReseating >= MinRatioToReseating && s.MinRatioToFirstFit >= MinRatioToFirstFit
}

// Train is one that was sold.
type Train struct {
	Number string                 `json:"number"`
	Kind   string                 `json:"kind"`
	Calls  int                    `json:"calls"`
	Km     float64                `json:"km"`
	Seats  map[rail.SeatClass]int `json:"seats"`
}

func describe(train *rail.Train) Train {
	t := Train{Number: train.Number, Kind: train.Kind, Calls: len(train.Calls), Seats: map[rail.SeatClass]int{}}
	t.Km = float64(train.Calls[train.Legs()].Metres-train.Calls[0].Metres) / metresPerKm
	for _, class := range train.Formation.Classes {
		t.Seats[class] = len(train.Formation.Seats(class))
	}
	return t
}

// Season is what was sold over all dates, trains and classes. Seat-kilometres are passengers times the kilometres
// between the calls where they board and alight.
type Season struct {
	Demand Demand `json:"demand"`
	// MeanTripKm is how long the trips are that were asked for.
	MeanTripKm float64 `json:"mean_trip_km"`
	// The ratios are of the seat-kilometres best-fit sold over the season; each is the smallest over the loads.
	MinRatioToReseating     float64 `json:"min_ratio_to_reseating"`
	MinRatioToFirstFit      float64 `json:"min_ratio_to_first_fit"`
	MinRatioToFirstFitApart float64 `json:"min_ratio_to_first_fit_apart"`
	// WorstTrain and WorstCabin are where best-fit sold least of what re-seating sold, of one train, and of one class
	// of one train.
	WorstTrain Worst  `json:"worst_train"`
	WorstCabin Worst  `json:"worst_cabin"`
	Loads      []Load `json:"loads"`
}

// Worst is a part of the season, at one load.
type Worst struct {
	Train            string         `json:"train"`
	SeatClass        rail.SeatClass `json:"seat_class,omitempty"`
	Load             float64        `json:"load"`
	RatioToReseating float64        `json:"ratio_to_reseating"`
	RatioToFirstFit  float64        `json:"ratio_to_first_fit"`
}

// Load is what was sold where so many times the capacity was asked for.
type Load struct {
	Load           float64 `json:"load"`
	CapacitySeatKm float64 `json:"capacity_seat_km"`
	DemandedSeatKm float64 `json:"demanded_seat_km"`

	BestFit       Sold `json:"best_fit"`
	FirstFit      Sold `json:"first_fit"`
	FirstFitApart Sold `json:"first_fit_apart"`
	RandomFit     Sold `json:"random_fit"`
	Reseating     Sold `json:"reseating"`
	// Optimum knows the whole demand beforehand. It is for orientation: no seller can reach it.
	Optimum Sold `json:"optimum"`
}

// Sold is what one way sold.
type Sold struct {
	SeatKm           float64 `json:"seat_km"`
	RatioToCapacity  float64 `json:"ratio_to_capacity"`
	RatioToReseating float64 `json:"ratio_to_reseating"`
}

// ways are what was sold by each way, in the order of wayNames.
func (l *Load) ways() [allWays]*Sold {
	return [allWays]*Sold{&l.BestFit, &l.FirstFit, &l.FirstFitApart, &l.RandomFit, &l.Reseating, &l.Optimum}
}

// summarize adds the cabins up.
func summarize(demand Demand, loads []float64, dates int, cabins []*tally) Season {
	s := Season{Demand: demand}
	passengers, metres, capacity := 0, int64(0), int64(0)
	for _, t := range cabins {
		passengers += t.passengers
		metres += t.passengerMetres
		capacity += t.cabin.SeatMetres() * int64(dates)
	}
	s.MeanTripKm = float64(metres) / float64(max(1, passengers)) / metresPerKm
	for l, load := range loads {
		var all amounts
		trains := map[string]*amounts{}
		for _, t := range cabins {
			at := &t.loads[l]
			all.add(at)
			if trains[t.train] == nil {
				trains[t.train] = &amounts{}
			}
			trains[t.train].add(at)
			s.WorstCabin.orWorse(t.train, t.cabin.Class, load, at)
		}
		for _, t := range cabins { // In their order, not the map's.
			s.WorstTrain.orWorse(t.train, "", load, trains[t.train])
		}
		at := Load{
			Load: load, CapacitySeatKm: float64(capacity) / metresPerKm,
			DemandedSeatKm: float64(all.demanded) / metresPerKm,
		}
		for w, sold := range at.ways() {
			*sold = Sold{
				SeatKm: float64(all.sold[w]) / metresPerKm, RatioToCapacity: float64(all.sold[w]) / float64(capacity),
				RatioToReseating: all.ratio(w, reseatingWay),
			}
		}
		s.Loads = append(s.Loads, at)
	}
	s.MinRatioToReseating = s.least(func(l *Load) *Sold { return &l.Reseating })
	s.MinRatioToFirstFit = s.least(func(l *Load) *Sold { return &l.FirstFit })
	s.MinRatioToFirstFitApart = s.least(func(l *Load) *Sold { return &l.FirstFitApart })
	return s
}

// least is the smallest of best-fit's ratios to another way.
func (s *Season) least(other func(*Load) *Sold) float64 {
	var ratios []float64
	for l := range s.Loads {
		ratios = append(ratios, s.Loads[l].BestFit.SeatKm/other(&s.Loads[l]).SeatKm)
	}
	return slices.Min(ratios)
}

// orWorse keeps what is worse.
func (w *Worst) orWorse(train string, class rail.SeatClass, load float64, at *amounts) {
	if ratio := at.ratio(bestFitWay, reseatingWay); w.Train == "" || ratio < w.RatioToReseating {
		*w = Worst{train, class, load, ratio, at.ratio(bestFitWay, firstFitWay)}
	}
}
