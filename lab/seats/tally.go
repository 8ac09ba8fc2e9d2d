package seats

// The ways of selling.
const (
	bestFitWay = iota
	firstFitWay
	firstFitApartWay
	randomFitWay
	reseatingWay
	online              // How many sell to one after the other.
	optimumWay = online // It knows all.
	allWays    = optimumWay + 1
)

var wayNames = [allWays]string{"best_fit", "first_fit", "first_fit_apart", "random_fit", "reseating", "optimum"}

// tally is one class of one train, and what was sold of it over the season.
type tally struct {
	train  string
	cabin  *Cabin
	market *market
	// stream tells cabins' random numbers apart.
	stream uint64
	loads  []amounts
	// passengers are all that asked, at the highest load.
	passengers      int
	passengerMetres int64
}

// amounts are sums over the season at one load, in seat-metres.
type amounts struct {
	demanded int64
	sold     [allWays]int64
}

func (a *amounts) add(other *amounts) {
	a.demanded += other.demanded
	for w := range a.sold {
		a.sold[w] += other.sold[w]
	}
}

// ratio is how much one way sold over another; 1 where neither sold anything.
func (a *amounts) ratio(way, to int) float64 {
	if a.sold[to] == 0 {
		return 1
	}
	return float64(a.sold[way]) / float64(a.sold[to])
}
