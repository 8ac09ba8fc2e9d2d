package seatmap

import (
	"fmt"
	"math/bits"

	"interlock/services/rail"
)

// Allocate chooses a free seat for each passenger of one party for calls [i, j), in the order of their wishes, and
// sells them: all or none. When not enough are free it answers false and nothing is changed.
//
// One passenger gets, of the free seats, one that meets most parts of the wish; of those the one that wastes least,
// which is one that is sold on both of the neighbouring legs, then on one, then on none (a leg beyond the ends of the
// run counts as sold); of those the first.
//
// A party is kept in one coach where one has enough free seats. There, as many parts of wishes as can be are met; then
// the seats are side by side in one row, rather not across the aisle; else in as few rows, then columns, as can be
// found; then they are those that waste least, then the first. A party that fits in no coach takes the emptiest ones
// whole and is put together, by the same rules, in the last.
//
// It panics when the layout is not one of the map's size, or the run has no such pair of calls.
func (m *Map) Allocate(l *Layout, i, j int, wishes []rail.Wish) (seats []int, ok bool) {
	m.mustBePair(i, j)
	if len(l.seats) != m.seats {
		panic(fmt.Sprintf("seatmap: a layout of %d seats for a map of %d", len(l.seats), m.seats))
	}
	switch len(wishes) {
	case 0:
		return nil, true
	case 1:
		seat := m.best(l, i, j, wishes[0])
		if seat < 0 {
			return nil, false
		}
		seats = []int{seat}
	default:
		if seats = m.bestParty(l, i, j, wishes); seats == nil {
			return nil, false
		}
	}
	for _, seat := range seats {
		m.mark(seat, i, j)
	}
	return seats, true
}

// best is the seat for one passenger, -1 when none is free.
func (m *Map) best(l *Layout, i, j int, wish rail.Wish) int {
	// A seat's rank is three times the parts of the wish it meets, plus how many of its neighbouring legs are sold.
	const perPart, topWaste = 3, 2
	masks, parts := l.masks(wish)
	found, rank := -1, -1
	var sold [lineWords]uint64
	for w := range m.words {
		if w%lineWords == 0 {
			sold = m.soldWords(w, i, j)
		}
		free := m.seatsWord(w) &^ sold[w%lineWords]
		if free == 0 {
			continue
		}
		before, after := m.besideWord(w, i-1), m.besideWord(w, j)
		var tiers [topWaste + 1]uint64
		tiers[0], tiers[1], tiers[2] = free, free&(before|after), free&before&after
		met := metWords(&masks, w)
		for r := parts*perPart + topWaste; r > rank; r-- {
			// Both are "at least", which does no harm: whatever is better was looked for before.
			if best := met[r/perPart] & tiers[r%perPart]; best != 0 {
				found, rank = w*wordBits+bits.TrailingZeros64(best), r
				break
			}
		}
		if rank == parts*perPart+topWaste {
			break
		}
	}
	return found
}

// metWords has, by n, the seats of word w that meet at least n parts of a wish.
func metWords(masks *[3][]uint64, w int) [4]uint64 {
	var a, b, c uint64
	if masks[0] != nil {
		a = masks[0][w]
	}
	if masks[1] != nil {
		b = masks[1][w]
	}
	if masks[2] != nil {
		c = masks[2][w]
	}
	return [4]uint64{^uint64(0), a | b | c, a&b | a&c | b&c, a & b & c}
}
