package seats

import "math/rand/v2"

// randomFit gives free seats at random, and hears no wish: what passengers choose who click on a plan of the train
// without a preference.
type randomFit struct {
	sold   []legSet
	random *rand.Rand
	// free is kept only to be used again.
	free []int
}

// RandomFit sells random seats of those that are free.
func RandomFit(c *Cabin, random *rand.Rand) Seller {
	return &randomFit{sold: make([]legSet, c.Seats), random: random, free: make([]int, 0, c.Seats)}
}

func (s *randomFit) Sell(p Party) ([]int, bool) {
	legs := legsOf(p.From, p.To)
	free := s.free[:0]
	for seat := range s.sold {
		if !s.sold[seat].meets(&legs) {
			free = append(free, seat)
		}
	}
	if len(free) < p.Size() {
		return nil, false
	}
	for n := range p.Size() {
		other := n + s.random.IntN(len(free)-n)
		free[n], free[other] = free[other], free[n]
	}
	free = free[:p.Size()]
	sell(s.sold, free, &legs)
	return free, true
}
