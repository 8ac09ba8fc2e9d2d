package seatmap

import (
	"cmp"
	"slices"

	"interlock/services/rail"
)

// search looks for the best seats of a party in one coach. It tries blocks first, in blocks.go. A party that fits in no
// block takes seats that follow each other (windows.go) where it wishes for nothing about the seats, else each
// passenger chooses a near one (gathering.go).
type search struct {
	party
	vacancy
	best
	// guests is empty where no passenger wishes for anything about the seat.
	guests []guest
	// blocks counts what blocks meet.
	blocks blockCounts
}

// guest is what one passenger wishes of the seat, the coach left out.
type guest struct {
	parts int
	// met has, by n, the seats that meet at least n parts; nil for n = 0, which every seat does.
	met [3][]uint64
}

// bestParty are the seats for a party of two or more, by passenger; nil when not enough are free.
func (m *Map) bestParty(l *Layout, i, j int, wishes []rail.Wish) []int {
	v := m.vacancy(i, j)
	if v.count() < len(wishes) {
		return nil
	}
	p := newParty(l, wishes)
	seats := p.bestInOneCoach(&v)
	switch {
	case seats == nil:
		return p.spread(&v)
	case p.inSeat == 0:
		return seats // One seat is as good as another for all of them.
	}
	return p.seatAmong(seats)
}

// bestInOneCoach are the best seats in one coach, in ascending order; nil when no coach has enough.
func (p *party) bestInOneCoach(v *vacancy) []int {
	s := search{party: *p, vacancy: *v, best: best{seats: make([]int, 0, p.size)}}
	if p.inSeat > 0 {
		s.guests = p.guests()
		s.blocks = newBlockCounts(p)
	}
	s.tryBlocks()
	var q queue
	for _, c := range s.promising() {
		// All blocks were tried already, and only a block is nearer than further.
		if s.found() && (c.least > s.cost.lost || c.least == s.cost.lost && s.cost.apart < further) {
			continue
		}
		if p.inSeat == 0 {
			s.tryWindows(c.coach, c.least)
			continue
		}
		if q.order == nil {
			q = s.newQueue()
		}
		g := gathering{search: &s, queue: q, coach: c.coach, least: c.least}
		g.tryAll()
	}
	if !s.found() {
		return nil
	}
	return s.best.seats
}

// candidate is a coach with room for the party, and the fewest parts of wishes that are lost there.
type candidate struct {
	coach *coach
	least int
}

// promising are the coaches with room for the party, those where the least is lost first. The others are then seldom
// worth a look.
func (s *search) promising() []candidate {
	candidates := make([]candidate, 0, len(s.l.coaches))
	for c := range s.l.coaches {
		if coach := &s.l.coaches[c]; s.countIn(coach) >= s.size {
			candidates = append(candidates, candidate{coach, s.parts - s.wishing(coach) - s.reach(coach)})
		}
	}
	if s.parts > 0 {
		slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.least, b.least) })
	}
	return candidates
}

// guests are the passengers with their wishes about the seat.
func (p *party) guests() []guest {
	guests := make([]guest, p.size)
	for who, wish := range p.wishes {
		wish.Coach = ""
		guests[who] = p.l.guest(wish)
	}
	return guests
}

// guest is a passenger with a wish that names no coach.
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

// word has the seats of word w that meet at least so many parts.
func (g *guest) word(parts, w int) uint64 {
	if parts == 0 {
		return ^uint64(0)
	}
	return g.met[parts][w]
}

// reach is how many parts of wishes about seats a coach could meet, were every passenger alone.
func (s *search) reach(c *coach) int {
	n := 0
	for who := range s.guests {
		n += s.reachFor(c, who)
	}
	return n
}

// reachFor is the most parts of a passenger's wish that a free seat of a coach meets.
func (s *search) reachFor(c *coach, who int) int {
	guest, most := &s.guests[who], 0
	for w := c.first / wordBits; w*wordBits < c.end && most < guest.parts; w++ {
		for most < guest.parts && guest.met[most+1][w]&s.free[w]&c.word(w) != 0 {
			most++
		}
	}
	return most
}
