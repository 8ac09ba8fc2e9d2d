package seatmap

import "math/bits"

// A block is free seats of one row, each beside the next or across the aisle from it.

// tryBlocks tries all blocks of the party's size.
func (s *search) tryBlocks() {
	var buffers [2][scratchWords]uint64
	blocks, beside := scratch(buffers[0][:], s.l.words), scratch(buffers[1][:], s.l.words)
	if !s.findBlocks(blocks, beside) {
		return
	}
	for w, word := range blocks {
		for ; word != 0; word &= word - 1 {
			first := w*wordBits + bits.TrailingZeros64(word)
			c := s.costOfBlock(first, isSet(beside, first))
			// Waste is counted last: most blocks are no better without any.
			if !s.beatenBy(c) {
				continue
			}
			for t := first; t < first+s.size; t++ {
				c.waste += s.waste(t)
			}
			if !s.beatenBy(c) {
				continue
			}
			s.keepBlock(c, first)
			if c == (cost{}) {
				return
			}
		}
	}
}

// findBlocks sets the seats at which blocks begin, and those of them with no aisle in the block; false when there is no
// block.
func (s *search) findBlocks(blocks, beside []uint64) bool {
	copy(blocks, s.free)
	copy(beside, s.free)
	// After the n-th round these are the seats at which n+1 free neighbours begin.
	for range s.size - 1 {
		s.lengthen(beside, s.l.beside)
		if !s.lengthen(blocks, s.l.linked) {
			return false
		}
	}
	return true
}

// lengthen keeps, of the seats at which rows of free neighbours begin, those that make the row one longer: free seats
// that are linked to the seat behind them, at which such a row begins. It returns false when there is none.
func (s *search) lengthen(begins, linked []uint64) bool {
	some := uint64(0)
	for w := range begins {
		next := begins[w] >> 1
		if w+1 < len(begins) {
			next |= begins[w+1] << (wordBits - 1)
		}
		begins[w] = s.free[w] & linked[w] & next
		some |= begins[w]
	}
	return some != 0
}

// costOfBlock is the cost of the block that begins at a seat, without its waste.
func (s *search) costOfBlock(first int, beside bool) cost {
	c := cost{apart: acrossAisle}
	if beside {
		c.apart = sideBySide
	}
	if s.parts > 0 {
		c.lost = s.parts - s.wishing(&s.l.coaches[s.l.seats[first].coach])
	}
	if s.inSeat > 0 {
		c.lost -= s.blocks.met(&s.party, first)
	}
	return c
}

// keepBlock makes the block that begins at a seat the best choice.
func (s *search) keepBlock(c cost, first int) {
	s.cost, s.seats = c, s.seats[:0]
	for t := first; t < first+s.size; t++ {
		s.seats = append(s.seats, t)
	}
}

// blockCounts says how many parts of wishes about seats a block meets. It remembers the answer by place.suffix: a train
// has a few different blocks, and a thousand of each.
type blockCounts struct {
	// ofKind has, for each kind of seat and each passenger, how many parts of the wish about the seat are met.
	ofKind []int
	// known has, by suffix, the answer plus one; 0 where it was not asked yet.
	known []int
}

func newBlockCounts(p *party) blockCounts {
	b := blockCounts{ofKind: make([]int, 0, len(p.l.kinds)*p.size), known: make([]int, p.l.suffixes)}
	for k := range p.l.kinds {
		for who := range p.wishes {
			b.ofKind = append(b.ofKind, p.l.kinds[k].meets(p.wishes[who]))
		}
	}
	return b
}

// met is how many parts the block that begins at a seat meets, with every passenger on the best seat for all.
func (b *blockCounts) met(p *party, first int) int {
	known := &b.known[p.l.seats[first].suffix]
	if *known == 0 {
		gain := make([]int, 0, p.size*p.size)
		for t := first; t < first+p.size; t++ {
			k := int(p.l.seats[t].kind)
			gain = append(gain, b.ofKind[k*p.size:(k+1)*p.size]...)
		}
		_, total := assign(gain, p.size, p.size)
		*known = total + 1
	}
	return *known - 1
}
