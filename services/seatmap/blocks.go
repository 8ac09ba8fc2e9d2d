package seatmap

import "math/bits"

// tryBlocks tries all blocks: free seats of one row, each beside the next or across the aisle from it.
func (p *party) tryBlocks() {
	var buffers [2][scratchWords]uint64
	words := p.l.words
	beside, blocks := scratch(buffers[0][:], words), scratch(buffers[1][:], words)
	copy(beside, p.free)
	copy(blocks, p.free)
	// After the n-th round these are the seats at which n+1 free neighbours begin.
	for range p.size - 1 {
		p.lengthen(beside, p.l.beside)
		if !p.lengthen(blocks, p.l.linked) {
			return
		}
	}
	for w, word := range blocks {
		for ; word != 0; word &= word - 1 {
			s := w*wordBits + bits.TrailingZeros64(word)
			c := cost{apart: acrossAisle}
			if isSet(beside, s) {
				c.apart = sideBySide
			}
			if p.parts > 0 {
				c.lost = p.parts - p.wishing(&p.l.coaches[p.l.seats[s].coach]) - p.metByBlock(s)
			}
			// Before the waste is counted: most blocks are no better without any.
			if p.found() && !c.less(p.best) {
				continue
			}
			for t := s; t < s+p.size; t++ {
				c.waste += p.waste(t)
			}
			if p.found() && !c.less(p.best) {
				continue
			}
			p.best, p.seats = c, p.seats[:0]
			for t := s; t < s+p.size; t++ {
				p.seats = append(p.seats, t)
			}
			if c == (cost{}) {
				return
			}
		}
	}
}

// lengthen keeps, of the seats at which runs of free neighbours begin, those after which a run begins and which are
// free themselves and linked to it; false when there are none.
func (p *party) lengthen(runs, linked []uint64) bool {
	some := uint64(0)
	for w := range runs {
		next := runs[w] >> 1
		if w+1 < len(runs) {
			next |= runs[w+1] << (wordBits - 1)
		}
		runs[w] = p.free[w] & linked[w] & next
		some |= runs[w]
	}
	return some != 0
}

// metByBlock is how many parts of wishes about seats the block that begins at seat s meets.
func (p *party) metByBlock(s int) int {
	if p.inSeat == 0 {
		return 0
	}
	known := &p.blocks[p.l.seats[s].suffix]
	if *known == 0 {
		gain := make([]int, 0, p.size*p.size)
		for t := s; t < s+p.size; t++ {
			k := int(p.l.seats[t].kind)
			gain = append(gain, p.met[k*p.size:(k+1)*p.size]...)
		}
		_, total := assign(gain, p.size, p.size)
		*known = total + 1
	}
	return *known - 1
}
