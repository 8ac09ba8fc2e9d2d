package seatmap

import (
	"cmp"
	"math/bits"
	"slices"

	"interlock/services/rail"
)

// party is the search for the seats of two or more passengers.
type party struct {
	l    *Layout
	size int
	// free has the seats that may be given; seats that are taken on the way are cleared.
	free []uint64
	// before and after are the legs beside the ones asked for, nil beyond the ends of the run.
	before, after []uint64

	wishes []rail.Wish
	// parts is how many parts of wishes there are in all, inSeat those about the seat and not the coach.
	parts, inSeat int
	// guests are the passengers as the search sees them; like met, order and blocks, they are made only where somebody
	// wishes for something about the seat.
	guests []guest
	// met has, for each kind of seat and each passenger, how many parts of the wish about the seat are met.
	met []int
	// order is in which order passengers choose: who has the fewest seats to choose from comes first.
	order []int
	// reached is how many parts of each passenger's wish the coach that is being looked at could meet; chosen is where
	// choices are put together. Both are kept only to be used again.
	reached []int
	chosen  []int32
	// blocks remembers by suffix how many parts a block that begins there meets, plus one.
	blocks []int

	best cost
	// seats are the best found, in ascending order; empty when there are none yet.
	seats []int
}

// guest is what a passenger wishes of the seat, the coach left out.
type guest struct {
	parts int
	// met has, by n, the seats that meet at least n parts; none for n = 0, which is any seat.
	met [3][]uint64
}

// word has the seats of word w that meet at least so many parts.
func (g *guest) word(parts, w int) uint64 {
	if parts == 0 {
		return ^uint64(0)
	}
	return g.met[parts][w]
}

// cost is what is bad about seats for a party, the worst first.
type cost struct {
	// lost is how many parts of wishes are not met.
	lost int
	// apart is sideBySide, acrossAisle, or further plus the rows the party is spread over.
	apart int
	// columns is over how many columns they are spread, where they are further apart than in a block.
	columns int
	// waste is how many neighbouring legs of the seats are free.
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

// bestParty are the seats for a party of two or more, by passenger; nil when not enough are free.
func (m *Map) bestParty(l *Layout, i, j int, wishes []rail.Wish) []int {
	p := party{l: l, free: m.freeRow(i, j)}
	total := 0
	for _, word := range p.free {
		total += bits.OnesCount64(word)
	}
	if total < len(wishes) {
		return nil
	}
	if i > 0 {
		p.before = m.row(i - 1)
	}
	if j < m.legs {
		p.after = m.row(j)
	}
	p.invite(wishes)
	if p.inOneCoach() {
		return p.seated()
	}
	return p.spread()
}

// invite begins a search for these passengers.
func (p *party) invite(wishes []rail.Wish) {
	p.size, p.wishes, p.parts, p.inSeat = len(wishes), wishes, 0, 0
	p.seats = make([]int, 0, p.size)
	for i := range wishes {
		if wishes[i].Position != "" {
			p.inSeat++
		}
		if wishes[i].Letter != "" {
			p.inSeat++
		}
		if wishes[i].Coach != "" {
			p.parts++
		}
	}
	p.parts += p.inSeat
	p.guests, p.met, p.blocks = nil, nil, nil // of another party
	if p.inSeat == 0 {
		return
	}
	p.guests = make([]guest, p.size)
	p.met = make([]int, len(p.l.kinds)*p.size)
	p.blocks = make([]int, p.l.suffixes)
	for who, wish := range wishes {
		wish.Coach = ""
		p.guests[who] = p.l.guest(wish)
		for k := range p.l.kinds {
			p.met[k*p.size+who] = p.l.kinds[k].meets(wish)
		}
	}
	p.reached, p.chosen = make([]int, p.size), make([]int32, 0, p.size)
	p.order = p.choosiestFirst()
}

// guest is who wishes this; the wish names no coach.
func (l *Layout) guest(wish rail.Wish) guest {
	masks, parts := l.masks(wish)
	g := guest{parts: parts}
	for n := 1; n <= parts; n++ {
		g.met[n] = make([]uint64, l.words)
		for w := range g.met[n] {
			g.met[n][w] = metWords(&masks, w)[n]
		}
	}
	return g
}

// choosiestFirst orders the passengers by how many free seats meet all of their wish.
func (p *party) choosiestFirst() []int {
	order, choice := make([]int, p.size), make([]int, p.size)
	for who := range order {
		order[who] = who
		for w, free := range p.free {
			choice[who] += bits.OnesCount64(free & p.guests[who].word(p.guests[who].parts, w))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(choice[a], choice[b]) })
	return order
}

// inOneCoach looks for the best seats in one coach; false when no coach has enough.
func (p *party) inOneCoach() bool {
	p.tryBlocks()
	for _, v := range p.promising() {
		// Blocks were tried already, and nothing but a block is as near.
		if p.found() && (v.least > p.best.lost || v.least == p.best.lost && p.best.apart < further) {
			continue
		}
		if p.inSeat == 0 {
			p.tryWindows(v.coach, v.least)
		} else {
			p.tryGathering(v.coach, v.least)
		}
	}
	return p.found()
}

// venue is a coach with room for the party, and the fewest parts of wishes that are lost there.
type venue struct {
	coach *coach
	least int
}

// promising are the coaches with room for the party, where the least is lost first: it is then seldom worth looking at
// the others.
func (p *party) promising() []venue {
	venues := make([]venue, 0, len(p.l.coaches))
	for c := range p.l.coaches {
		if coach := &p.l.coaches[c]; p.freeIn(coach) >= p.size {
			venues = append(venues, venue{coach, p.parts - p.wishing(coach) - p.reach(coach)})
		}
	}
	if p.parts > 0 {
		slices.SortStableFunc(venues, func(a, b venue) int { return cmp.Compare(a.least, b.least) })
	}
	return venues
}

func (p *party) found() bool { return len(p.seats) > 0 }

// keep remembers seats, which are in ascending order, as the best.
func (p *party) keep(c cost, seats []int32) {
	p.best, p.seats = c, p.seats[:0]
	for _, s := range seats {
		p.seats = append(p.seats, int(s))
	}
}

// freeIn is how many seats of a coach may be given.
func (p *party) freeIn(c *coach) int {
	n := 0
	for w := c.first / wordBits; w*wordBits < c.end; w++ {
		n += bits.OnesCount64(p.free[w] & c.word(w))
	}
	return n
}

// wishing is how many passengers wish for the coach.
func (p *party) wishing(c *coach) int {
	n := 0
	if p.parts > p.inSeat {
		for i := range p.wishes {
			if p.wishes[i].Coach == c.number {
				n++
			}
		}
	}
	return n
}

// reach is how many parts of wishes about seats a coach could meet, were every passenger alone.
func (p *party) reach(c *coach) int {
	n := 0
	for who := range p.guests {
		n += p.reachFor(c, who)
	}
	return n
}

func (p *party) reachFor(c *coach, who int) int {
	guest, most := &p.guests[who], 0
	for w := c.first / wordBits; w*wordBits < c.end && most < guest.parts; w++ {
		for most < guest.parts && guest.met[most+1][w]&p.free[w]&c.word(w) != 0 {
			most++
		}
	}
	return most
}

// waste is how many of a seat's neighbouring legs are free.
func (p *party) waste(s int) int {
	n := 0
	if p.before != nil && !isSet(p.before, s) {
		n++
	}
	if p.after != nil && !isSet(p.after, s) {
		n++
	}
	return n
}
