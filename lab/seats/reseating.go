package seats

// reseating names no seats until the train leaves.
type reseating struct {
	seats int
	sold  []int // By leg.
}

// Reseating sells as if everybody could be given another seat with each sale: a party is refused only where a leg has
// not that many seats left. Trips are intervals, and as many seats as the fullest leg has passengers are enough for any
// set of intervals (interval graphs are perfect), so they can all be seated in the end, if not together. Nobody who sells
// to each who comes while there is room can refuse less.
func Reseating(c *Cabin) Seller { return &reseating{seats: c.Seats, sold: make([]int, c.Legs())} }

func (s *reseating) Sell(p Party) ([]int, bool) {
	legs := s.sold[p.From:p.To]
	for _, sold := range legs {
		if sold+p.Size() > s.seats {
			return nil, false
		}
	}
	for leg := range legs {
		legs[leg] += p.Size()
	}
	return nil, true
}
