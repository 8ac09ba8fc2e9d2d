package seats

import "interlock/services/seatmap"

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
