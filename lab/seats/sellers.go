package seats

import (
	"math/rand/v2"

	"interlock/services/seatmap"
)

// Seller sells the seats of one class of one run to one party after the other, first come, first served.
type Seller interface {
	// Sell returns the seats that a party gets, and false where it gets none. A seller that assigns seats later returns
	// true without seats.
	Sell(p Party) (seats []int, ok bool)
}

// bestFit is our allocation.
type bestFit struct {
	layout *seatmap.Layout
	sold   *seatmap.Map
}

// BestFit sells as Interlock does.
func BestFit(c *Cabin) Seller {
	return &bestFit{layout: c.Layout, sold: seatmap.New(c.Legs(), c.Seats)}
}

func (s *bestFit) Sell(p Party) ([]int, bool) {
	return s.sold.Allocate(s.layout, p.From, p.To, p.Wishes)
}

// firstFit keeps Interlock's promises to passengers, but does not ask what a seat wastes.
type firstFit struct {
	cabin *Cabin
	sold  []legSet
	none  *seatmap.Map
	taken *seatmap.Map
}

// FirstFit keeps the same promises as BestFit: wishes are heard, and a party sits together. It gives the first of the
// seats that keep them. Unlike BestFit it does not prefer a seat for its neighbouring legs.
func FirstFit(c *Cabin) Seller {
	return &firstFit{
		cabin: c, sold: make([]legSet, c.Seats), none: seatmap.New(1, c.Seats), taken: seatmap.New(1, c.Seats),
	}
}

// Sell asks our allocation on a map of one leg, which has no neighbouring legs: a seat is taken there when it is sold
// on any of the legs asked for.
func (s *firstFit) Sell(p Party) ([]int, bool) {
	legs := legsOf(p.From, p.To)
	s.taken.CopyFrom(s.none)
	for seat := range s.sold {
		if s.sold[seat].meets(&legs) {
			if err := s.taken.Sell(seat, 0, 1); err != nil {
				panic(err) // Each seat of an empty map is sold at most once.
			}
		}
	}
	seats, ok := s.taken.Allocate(s.cabin.Layout, 0, 1, p.Wishes)
	if ok {
		sell(s.sold, seats, &legs)
	}
	return seats, ok
}

// firstFitApart gives the first free seats, of any coach, and hears no wish.
type firstFitApart struct {
	sold []legSet
}

// FirstFitApart sells the first seats that are free. It hears no wish and scatters parties. What it sells more than
// FirstFit is what sitting together costs.
func FirstFitApart(c *Cabin) Seller { return &firstFitApart{sold: make([]legSet, c.Seats)} }

func (s *firstFitApart) Sell(p Party) ([]int, bool) {
	legs := legsOf(p.From, p.To)
	seats := make([]int, 0, p.Size())
	for seat := range s.sold {
		if s.sold[seat].meets(&legs) {
			continue
		}
		if seats = append(seats, seat); len(seats) == p.Size() {
			sell(s.sold, seats, &legs)
			return seats, true
		}
	}
	return nil, false
}

// randomFit gives free seats at random, and hears no wish: as passengers without a preference click on a plan of the
// train.
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

// reseating names no seats until the train leaves.
type reseating struct {
	seats int
	sold  []int // By leg.
}

// Reseating sells as if all passengers could be given other seats with each sale. It refuses a party only where a leg
// has not that many seats left. Trips are intervals, and any set of intervals needs only as many seats as its fullest
// leg has passengers (interval graphs are perfect): so all can be seated in the end, if not together. No seller that
// serves each party while there is room can refuse less.
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
