package seatmap

// cost is what is bad about seats for a party, the worst first.
type cost struct {
	// lost is how many parts of wishes are not met.
	lost int
	// apart is sideBySide, acrossAisle, or further plus the number of rows from the first seat to the last.
	apart int
	// columns is over how many columns the seats are spread; 0 for a block.
	columns int
	// waste is on how many legs beside the trip the seats are free, over all seats.
	waste int
}

const (
	sideBySide = iota
	acrossAisle
	further
)

func (c cost) less(d cost) bool {
	switch {
	case c.lost != d.lost:
		return c.lost < d.lost
	case c.apart != d.apart:
		return c.apart < d.apart
	case c.columns != d.columns:
		return c.columns < d.columns
	}
	return c.waste < d.waste
}

// best is the best choice so far.
type best struct {
	cost cost
	// seats are in ascending order, and empty before the first choice.
	seats []int
}

func (b *best) found() bool { return len(b.seats) > 0 }

// beatenBy tells whether a choice of that cost would be better. Of equal choices the first stays.
func (b *best) beatenBy(c cost) bool { return !b.found() || c.less(b.cost) }

// keep makes seats the best choice. They must be in ascending order.
func (b *best) keep(c cost, seats []int32) {
	b.cost, b.seats = c, b.seats[:0]
	for _, s := range seats {
		b.seats = append(b.seats, int(s))
	}
}
