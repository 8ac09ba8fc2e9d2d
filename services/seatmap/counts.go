package seatmap

import (
	"fmt"
	"math"
	"math/bits"

	"interlock/services/rail"
)

// Counts writes how many seats are free for every pair of calls into dst, where the counts of several classes stand
// side by side: the pair's number by rail.PairIndex times stride, plus offset. It is what Remaining says of each pair,
// in one pass per boarding call.
//
// It panics where a count does not fit into 16 bits or into dst.
func (m *Map) Counts(dst []uint16, stride, offset int) {
	if m.seats > math.MaxUint16 {
		panic(fmt.Sprintf("seatmap: counts of %d seats", m.seats))
	}
	if stride < 1 || offset < 0 || offset >= stride || len(dst) < rail.Pairs(m.legs+1)*stride {
		panic(fmt.Sprintf("seatmap: %d counts of %d legs at %d of %d", len(dst), m.legs, offset, stride))
	}
	var buffer [scratchWords]uint64
	taken := scratch(buffer[:], m.words)

	at := offset
	for i := range m.legs {
		clear(taken)
		left := m.seats
		for j := i + 1; j <= m.legs; j++ {
			// Once nothing is left from call i on, nothing comes back further on.
			if left > 0 {
				left = m.seats - merge(taken, m.row(j-1))
			}
			dst[at] = uint16(left)
			at += stride
		}
	}
}

// merge adds a leg's sold seats to those taken so far and counts them.
func merge(taken, leg []uint64) int {
	n := 0
	leg = leg[:len(taken)]
	for w := range taken {
		taken[w] |= leg[w]
		n += bits.OnesCount64(taken[w])
	}
	return n
}
