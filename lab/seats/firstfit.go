package seats

import "interlock/services/seatmap"

// firstFit keeps Interlock's promises to passengers, but does not ask what a seat wastes.
type firstFit struct {
	cabin *Cabin
	sold  []legSet
	none  *seatmap.Map
	taken *seatmap.Map
}

// FirstFit keeps the same promises as BestFit (wishes are heard, a party sits together), and gives the first of the seats
// that keep them. It differs from BestFit in nothing but that no seat is any better for its neighbouring legs.
func FirstFit(c *Cabin) Seller {
	return &firstFit{cabin: c, sold: make([]legSet, c.Seats), none: seatmap.New(1, c.Seats), taken: seatmap.New(1, c.Seats)}
}

// Sell asks our allocation on a map of one leg, which has no neighbouring legs: a seat is taken there when it is sold on
// any of the legs asked for.
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
