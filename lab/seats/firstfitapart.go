package seats

// firstFitApart gives the first free seats, of whatever coach, and hears no wish.
type firstFitApart struct {
	sold []legSet
}

// FirstFitApart sells the first seats that are free, whoever asks: it hears no wish and scatters parties. What it sells
// more than FirstFit is what sitting together costs.
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
