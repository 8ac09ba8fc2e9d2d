package seatmap

import (
	"math/bits"
	"slices"

	"interlock/services/rail"
)

// list appends the seats of a coach that may be given.
func (p *party) list(c *coach, to []int32) []int32 {
	for w := c.first / wordBits; w*wordBits < c.end; w++ {
		for word := p.free[w] & c.word(w); word != 0; word &= word - 1 {
			to = append(to, int32(w*wordBits+bits.TrailingZeros64(word)))
		}
	}
	return to
}

// tryWindows tries all free seats of a coach that follow each other, sold ones left out. It is for parties that wish
// for nothing about the seats, so that what is lost is the same for all.
func (p *party) tryWindows(c *coach, lost int) {
	var buffer [rail.MaxSeatsPerCoach]int32
	free := p.list(c, buffer[:0])
	waste := 0
	for n, s := range free {
		waste += p.waste(int(s))
		if n < p.size-1 {
			continue
		}
		window := free[n-p.size+1 : n+1]
		rows := p.rows(window[0], s)
		found := cost{lost: lost, apart: further + rows, waste: waste}
		// So many columns it takes at least: most windows are no better even then.
		found.columns = (p.size + rows - 1) / rows
		if !p.found() || found.less(p.best) {
			if found.columns = p.columns(window); !p.found() || found.less(p.best) {
				p.keep(found, window)
			}
		}
		waste -= p.waste(int(window[0]))
	}
}

// tryGathering tries, from every row of a coach on, to let each passenger choose the nearest seat that meets most of
// the wish. It does not try every choice there is: without a block that meets as much, the party is apart anyway.
func (p *party) tryGathering(c *coach, least int) {
	var buffer [rail.MaxSeatsPerCoach]int32
	free := p.list(c, buffer[:0])
	for who := range p.reached {
		p.reached[who] = p.reachFor(c, who)
	}
	for n := 0; n+p.size <= len(free); n++ {
		if n > 0 && p.l.seats[free[n]].row == p.l.seats[free[n-1]].row {
			continue
		}
		found, ok := p.gather(c, int(free[n]), least)
		for _, s := range p.chosen {
			set(p.free, int(s))
		}
		if !ok {
			continue
		}
		found.columns = p.columns(p.chosen)
		for _, s := range p.chosen {
			found.waste += p.waste(int(s))
		}
		if !p.found() || found.less(p.best) {
			slices.Sort(p.chosen)
			p.keep(found, p.chosen)
		}
	}
}

// gather lets the passengers choose seats of a coach from a seat on, in their order; there are enough. It answers what
// is lost and over how many rows they are, false as soon as that is worse than the best. The chosen are not free any
// more.
func (p *party) gather(c *coach, from, least int) (found cost, ok bool) {
	p.chosen = p.chosen[:0]
	found.lost = least
	first, last := int32(c.end), int32(c.first)
	for _, who := range p.order {
		s := -1
		for level := p.reached[who]; s < 0; level-- {
			if s = p.nearest(who, level, c, from); s < 0 {
				found.lost++ // What the coach has of it is taken already, or before the seat.
			}
		}
		p.free[s/wordBits] &^= 1 << (s % wordBits)
		p.chosen = append(p.chosen, int32(s))
		first, last = min(first, int32(s)), max(last, int32(s))
		found.apart = further + p.rows(first, last)
		if p.found() && p.best.less(found) {
			return found, false
		}
	}
	return found, true
}

// nearest is the first free seat of a coach from a seat on that meets at least so many parts of a passenger's wish, -1
// when there is none.
func (p *party) nearest(who, level int, c *coach, from int) int {
	guest, after := &p.guests[who], ^uint64(0)<<(from%wordBits)
	for w := from / wordBits; w*wordBits < c.end; w++ {
		if seats := p.free[w] & after & guest.word(level, w); seats != 0 {
			if s := w*wordBits + bits.TrailingZeros64(seats); s < c.end {
				return s
			}
		}
		after = ^uint64(0)
	}
	return -1
}

// rows is over how many rows two seats of a coach are spread.
func (p *party) rows(first, last int32) int { return int(p.l.seats[last].row-p.l.seats[first].row) + 1 }

// columns is over how many columns seats are spread.
func (p *party) columns(seats []int32) int {
	low, high := p.l.seats[seats[0]].column, p.l.seats[seats[0]].column
	for _, s := range seats {
		low, high = min(low, p.l.seats[s].column), max(high, p.l.seats[s].column)
	}
	return int(high-low) + 1
}
