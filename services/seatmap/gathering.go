package seatmap

import (
	"cmp"
	"math/bits"
	"slices"

	"interlock/services/rail"
)

// queue is the passengers of a party as they choose seats, and what the choosing needs room for.
type queue struct {
	// order is in which order passengers choose: those with the fewest seats to choose from come first.
	order []int
	// reached is how many parts of each passenger's wish the coach could meet.
	reached []int
	// chosen has room for the seats of one try.
	chosen []int32
}

func (s *search) newQueue() queue {
	return queue{order: s.choosiestFirst(), reached: make([]int, s.size), chosen: make([]int32, 0, s.size)}
}

// gathering lets the passengers of a party choose seats of one coach, one after the other.
type gathering struct {
	*search
	queue
	coach *coach
	// least is the fewest parts of wishes that are lost in the coach.
	least int
}

// choosiestFirst orders the passengers by how many free seats meet all of their wish, the fewest first.
func (s *search) choosiestFirst() []int {
	order, choice := make([]int, s.size), make([]int, s.size)
	for who := range order {
		order[who] = who
		for w, free := range s.free {
			choice[who] += bits.OnesCount64(free & s.guests[who].word(s.guests[who].parts, w))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(choice[a], choice[b]) })
	return order
}

// tryAll lets, from every row of the coach on, each passenger choose the nearest seat that meets most of the wish. It
// does not try every choice there is: without a block that meets as much, the party is apart anyway.
func (g *gathering) tryAll() {
	for who := range g.reached {
		g.reached[who] = g.reachFor(g.coach, who)
	}
	var buffer [rail.MaxSeatsPerCoach]int32
	free := g.list(g.coach, buffer[:0])
	for n := 0; n+g.size <= len(free); n++ {
		if n > 0 && g.l.seats[free[n]].row == g.l.seats[free[n-1]].row {
			continue
		}
		found, chosen, ok := g.from(int(free[n]))
		for _, seat := range chosen {
			g.giveBack(int(seat))
		}
		if ok {
			g.offer(found, chosen)
		}
	}
}

// from lets the passengers choose seats from one on; there must be enough. It returns the parts lost, the rows and the
// chosen seats, which are taken. False: these are worse than the best, and some passengers have not chosen.
func (g *gathering) from(first int) (found cost, chosen []int32, ok bool) {
	chosen, found.lost = g.chosen[:0], g.least
	low, high := int32(g.coach.end), int32(g.coach.first)
	for _, who := range g.order {
		seat := -1
		for level := g.reached[who]; seat < 0; level-- {
			if seat = g.nearest(who, level, first); seat < 0 {
				found.lost++ // The coach's seats that meet so much are chosen already, or before the first.
			}
		}
		g.take(seat)
		chosen = append(chosen, int32(seat))
		low, high = min(low, int32(seat)), max(high, int32(seat))
		found.apart = further + g.l.rows(low, high)
		if g.found() && g.cost.less(found) {
			return found, chosen, false
		}
	}
	return found, chosen, true
}

// offer makes the chosen seats the best choice if they are.
func (g *gathering) offer(found cost, chosen []int32) {
	found.columns = g.l.columns(chosen)
	for _, seat := range chosen {
		found.waste += g.waste(int(seat))
	}
	if g.beatenBy(found) {
		slices.Sort(chosen)
		g.keep(found, chosen)
	}
}

// nearest is the first free seat of the coach from a seat on that meets at least so many parts of a passenger's wish,
// -1 when there is none.
func (g *gathering) nearest(who, level, from int) int {
	guest, after := &g.guests[who], ^uint64(0)<<(from%wordBits)
	for w := from / wordBits; w*wordBits < g.coach.end; w++ {
		if seats := g.free[w] & after & guest.word(level, w); seats != 0 {
			if seat := w*wordBits + bits.TrailingZeros64(seats); seat < g.coach.end {
				return seat
			}
		}
		after = ^uint64(0)
	}
	return -1
}
