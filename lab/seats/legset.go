package seats

import "interlock/services/rail"

const wordBits = 64

// legSet is a set of a run's legs. It is seat-major where seatmap is leg-major: what checks the one must not share its
// mistakes.
type legSet [rail.MaxCalls / wordBits]uint64

// legsOf are the legs between two calls.
func legsOf(from, to int) legSet {
	var s legSet
	for leg := from; leg < to; leg++ {
		s[leg/wordBits] |= 1 << (leg % wordBits)
	}
	return s
}

// meets tells whether two sets have a leg in common.
func (s *legSet) meets(other *legSet) bool {
	for w := range s {
		if s[w]&other[w] != 0 {
			return true
		}
	}
	return false
}

// add adds the legs of another set.
func (s *legSet) add(other *legSet) {
	for w := range s {
		s[w] |= other[w]
	}
}

// sell adds legs to what is sold of some seats.
func sell(sold []legSet, seats []int, legs *legSet) {
	for _, seat := range seats {
		sold[seat].add(legs)
	}
}
