package seatmap

import "math/bits"

// vacancy is what is free on a map between two calls.
type vacancy struct {
	// free has the seats that may be given. A search clears the seats that it has taken for the moment.
	free []uint64
	// before and after have the seats that are sold on the leg before the trip and on the leg behind it; nil where the
	// run has no such leg.
	before, after []uint64
}

// vacancy finds what is free for calls [i, j).
func (m *Map) vacancy(i, j int) vacancy {
	v := vacancy{free: m.freeRow(i, j)}
	if i > 0 {
		v.before = m.row(i - 1)
	}
	if j < m.legs {
		v.after = m.row(j)
	}
	return v
}

// count is how many seats are free.
func (v *vacancy) count() int {
	n := 0
	for _, word := range v.free {
		n += bits.OnesCount64(word)
	}
	return n
}

// countIn is how many seats of a coach are free.
func (v *vacancy) countIn(c *coach) int {
	n := 0
	for w := c.first / wordBits; w*wordBits < c.end; w++ {
		n += bits.OnesCount64(v.free[w] & c.word(w))
	}
	return n
}

// list appends the free seats of a coach, in ascending order.
func (v *vacancy) list(c *coach, to []int32) []int32 {
	for w := c.first / wordBits; w*wordBits < c.end; w++ {
		for word := v.free[w] & c.word(w); word != 0; word &= word - 1 {
			to = append(to, int32(w*wordBits+bits.TrailingZeros64(word)))
		}
	}
	return to
}

// take makes a seat one that is not free, giveBack undoes it.
func (v *vacancy) take(s int)     { v.free[s/wordBits] &^= 1 << (s % wordBits) }
func (v *vacancy) giveBack(s int) { set(v.free, s) }

// waste is how many legs beside the trip the seat is free on, 0 to 2. Beyond the ends of the run nothing is wasted.
func (v *vacancy) waste(s int) int {
	n := 0
	if v.before != nil && !isSet(v.before, s) {
		n++
	}
	if v.after != nil && !isSet(v.after, s) {
		n++
	}
	return n
}
