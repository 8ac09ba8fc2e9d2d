package seats

import (
	"math"
	"math/rand/v2"
	"slices"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// demandModel is the formula for the reader of a report.
const demandModel = "parties from call i to call j in proportion to mass(i) * mass(j) * exp(-km(i, j) / decay_km); " +
	"a station's mass is how many trains of the timetable call there"

// Demand is a model of the trips that are wanted.
//
// It is the gravity model of transport planning in its usual form with an exponential decay (Wilson, A statistical
// theory of spatial distribution models, 1967): the chance that a party goes from call i to call j is in proportion to
//
//	mass(i) · mass(j) · exp(-km(i, j) / DecayKm)
//
// where a station's mass is how many trains of the whole timetable call there, so that hubs stand out as they do, and
// km is along the train. Parties come in random order. All are of one class and take no other.
type Demand struct {
	// DecayKm is the distance over which demand falls to 1/e.
	DecayKm float64 `json:"decay_km"`
	// PartySizes are the shares of parties of 1, 2, … passengers; together 1.
	PartySizes []float64 `json:"party_sizes"`
	// WishShare is the share of passengers that wish for a position, half of them a window and half an aisle. Only our
	// allocation hears them.
	WishShare float64 `json:"wish_share"`
}

// UsualDemand is the demand that is simulated where no other is given.
//
// DecayKm makes the mean trip on the sample's five longest trains 318 km, which is what China's high-speed trains had:
// 214 billion passenger-kilometres of 672 million passengers in 2013 (Ollivier, Bullock, Ying, Zhou: High-Speed
// Railways in China: A Look at Traffic, World Bank, 2014). Sizes and wishes are assumptions: most travel alone, a third
// would rather have a window or an aisle.
func UsualDemand() Demand {
	return Demand{DecayKm: 515, PartySizes: []float64{0.6, 0.26, 0.08, 0.06}, WishShare: 0.3}
}

// alone is the demand of as many passengers, each alone and without a wish.
func (d Demand) alone() Demand {
	d.PartySizes, d.WishShare = []float64{1}, 0
	return d
}

// maxParty is the largest party that is simulated: some more than an order may have.
const maxParty = 16

// sumTolerance is for shares such as a third.
const sumTolerance = 1e-6

func (d Demand) validate() error {
	sum := 0.0
	for _, share := range d.PartySizes {
		if !(share >= 0) {
			return rail.Refuse(rail.Invalid, "a share of parties is not %g", share)
		}
		sum += share
	}
	if len(d.PartySizes) > maxParty || !(math.Abs(sum-1) <= sumTolerance) {
		return rail.Refuse(rail.Invalid, "the shares of parties of 1 to at most %d are 1 together, not %g",
			maxParty, sum)
	}
	if !(d.DecayKm > 0) || !(d.WishShare >= 0 && d.WishShare <= 1) {
		return rail.Refuse(rail.Invalid, "demand decays over a distance above 0 km, and the share of wishes is 0 to 1")
	}
	return nil
}

// massesOf counts by station how many trips call there.
func massesOf(trips []*gtfs.Trip) map[rail.StationCode]int {
	masses := map[rail.StationCode]int{}
	for _, trip := range trips {
		for i := range trip.Calls {
			masses[trip.Calls[i].Station]++
		}
	}
	return masses
}

// market is the demand for one train.
type market struct {
	demand Demand
	// pairs are calls to board and alight at, chances their weights summed up.
	pairs   [][2]int
	chances []float64
	sizes   []float64
}

func newMarket(demand Demand, train *rail.Train, masses map[rail.StationCode]int) *market {
	m := &market{demand: demand}
	sum := 0.0
	for i := range train.Calls {
		for j := i + 1; j < len(train.Calls); j++ {
			if !train.Sellable(i, j) {
				continue
			}
			km := float64(train.Calls[j].Metres-train.Calls[i].Metres) / metresPerKm
			mass := float64(masses[train.Calls[i].Station]) * float64(masses[train.Calls[j].Station])
			sum += mass * math.Exp(-km/demand.DecayKm)
			m.pairs, m.chances = append(m.pairs, [2]int{i, j}), append(m.chances, sum)
		}
	}
	sum = 0
	for _, share := range demand.PartySizes {
		sum += share
		m.sizes = append(m.sizes, sum)
	}
	return m
}

// draw makes the next party.
func (m *market) draw(random *rand.Rand) Party {
	pair := m.pairs[pick(m.chances, random)]
	p := Party{From: pair[0], To: pair[1], Wishes: make([]rail.Wish, pick(m.sizes, random)+1)}
	for who := range p.Wishes {
		if random.Float64() < m.demand.WishShare {
			p.Wishes[who].Position = []rail.SeatPosition{rail.Window, rail.Aisle}[random.IntN(2)]
		}
	}
	return p
}

// pick draws an index by weights that are summed up.
func pick(summed []float64, random *rand.Rand) int {
	at, _ := slices.BinarySearch(summed, random.Float64()*summed[len(summed)-1])
	return at
}
