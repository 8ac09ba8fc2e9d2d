package seatmap

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"interlock/services/rail"
)

// Both say that a map and its caller disagree about what is sold, which is never to be expected: the tickets or the map
// are wrong.
var (
	// ErrSold says that a seat to be sold is sold on one of the legs already.
	ErrSold = errors.New("the seat is sold already")
	// ErrNotSold says that a seat to be released is not sold on one of the legs.
	ErrNotSold = errors.New("the seat is not sold")
)

const wordBits = 64

// scratchWords is the size of the rows that are worked on in place: it holds the largest class a formation may have,
// and a kilobyte costs nothing on the stack. Larger maps work too, with an allocation.
const scratchWords = rail.MaxSeatsPerClass / wordBits

// Map says which seats of one class of one run are sold on which legs.
type Map struct {
	legs, seats int
	// words is how many words one leg takes.
	words int
	sold  []uint64
}

// New makes a map in which every seat is free. It panics where there is no leg or a negative number of seats.
func New(legs, seats int) *Map {
	if legs < 1 || seats < 0 {
		panic(fmt.Sprintf("seatmap: a map of %d legs and %d seats", legs, seats))
	}
	words := wordsFor(seats)
	return &Map{legs: legs, seats: seats, words: words, sold: make([]uint64, legs*words)}
}

func wordsFor(seats int) int { return (seats + wordBits - 1) / wordBits }

// Legs is how many legs the map has.
func (m *Map) Legs() int { return m.legs }

// Seats is how many seats the map has.
func (m *Map) Seats() int { return m.seats }

// Clone is a copy that shares nothing with the map.
func (m *Map) Clone() *Map {
	c := *m
	c.sold = slices.Clone(m.sold)
	return &c
}

// CopyFrom makes the map equal to another one, in place where it has the room.
func (m *Map) CopyFrom(other *Map) {
	sold := append(m.sold[:0], other.sold...)
	*m = *other
	m.sold = sold
}

// Remaining is how many seats are free for calls [i, j).
func (m *Map) Remaining(i, j int) int {
	m.mustBePair(i, j)
	taken := 0
	for w := 0; w < m.words; w += lineWords {
		for _, word := range m.soldWords(w, i, j) {
			taken += bits.OnesCount64(word)
		}
	}
	return m.seats - taken
}

// IsFree tells whether a seat is unsold on every leg from call i to call j.
func (m *Map) IsFree(seat, i, j int) bool {
	m.mustBePair(i, j)
	m.mustBeSeat(seat)
	for leg := i; leg < j; leg++ {
		if m.isSold(seat, leg) {
			return false
		}
	}
	return true
}

// Sell marks a seat sold from call i to call j. Where any of those legs is sold already the error is ErrSold, and
// nothing is changed.
func (m *Map) Sell(seat, i, j int) error {
	if err := m.check(seat, i, j); err != nil {
		return err
	}
	for leg := i; leg < j; leg++ {
		if m.isSold(seat, leg) {
			return fmt.Errorf("seat %d, leg %d: %w", seat, leg, ErrSold)
		}
	}
	m.mark(seat, i, j)
	return nil
}

// Release marks a seat free from call i to call j. Where any of those legs is not sold the error is ErrNotSold, and
// nothing is changed.
func (m *Map) Release(seat, i, j int) error {
	if err := m.check(seat, i, j); err != nil {
		return err
	}
	for leg := i; leg < j; leg++ {
		if !m.isSold(seat, leg) {
			return fmt.Errorf("seat %d, leg %d: %w", seat, leg, ErrNotSold)
		}
	}
	for leg := i; leg < j; leg++ {
		m.sold[leg*m.words+seat/wordBits] &^= 1 << (seat % wordBits)
	}
	return nil
}

// SoldLegs is how much is sold, in seats times legs.
func (m *Map) SoldLegs() int {
	n := 0
	for _, word := range m.sold {
		n += bits.OnesCount64(word)
	}
	return n
}

func (m *Map) isSold(seat, leg int) bool {
	return m.sold[leg*m.words+seat/wordBits]>>(seat%wordBits)&1 == 1
}

// mark sets the bits of a seat that is known to be free.
func (m *Map) mark(seat, i, j int) {
	for leg := i; leg < j; leg++ {
		m.sold[leg*m.words+seat/wordBits] |= 1 << (seat % wordBits)
	}
}

// row is the bitmap of one leg.
func (m *Map) row(leg int) []uint64 { return m.sold[leg*m.words : (leg+1)*m.words] }

// lineWords is how many words of a row are looked at together: a cache line, and enough that the processor need not
// wait for one OR before the next.
const lineWords = 8

// soldWords has the seats of up to lineWords words from word w that are sold on any leg from i to j-1.
func (m *Map) soldWords(w, i, j int) (sold [lineWords]uint64) {
	if w+lineWords > m.words {
		for at, end := i*m.words+w, (i+1)*m.words; at < end; at++ {
			for leg := range j - i {
				sold[at-i*m.words-w] |= m.sold[at+leg*m.words]
			}
		}
		return sold
	}
	for leg := i; leg < j; leg++ {
		line := (*[lineWords]uint64)(m.sold[leg*m.words+w:])
		sold[0] |= line[0]
		sold[1] |= line[1]
		sold[2] |= line[2]
		sold[3] |= line[3]
		sold[4] |= line[4]
		sold[5] |= line[5]
		sold[6] |= line[6]
		sold[7] |= line[7]
	}
	return sold
}

// freeRow has the seats that are free for calls [i, j).
func (m *Map) freeRow(i, j int) []uint64 {
	free := make([]uint64, m.words)
	for w := 0; w < m.words; w += lineWords {
		sold := m.soldWords(w, i, j)
		copy(free[w:], sold[:])
	}
	for w := range free {
		free[w] = m.seatsWord(w) &^ free[w]
	}
	return free
}

// scratch is the beginning of a buffer, or more where that is too small.
func scratch(buffer []uint64, words int) []uint64 {
	if words > len(buffer) {
		return make([]uint64, words)
	}
	return buffer[:words]
}

// seatsWord has the bits of word w that stand for seats.
func (m *Map) seatsWord(w int) uint64 {
	if rest := m.seats - w*wordBits; rest < wordBits {
		return 1<<rest - 1
	}
	return ^uint64(0)
}

// besideWord has the seats of word w that are sold on a leg beside the ones asked for. Beyond the ends of the run
// counts as sold: no other passenger could buy a seat there.
func (m *Map) besideWord(w, leg int) uint64 {
	if leg < 0 || leg >= m.legs {
		return ^uint64(0)
	}
	return m.sold[leg*m.words+w]
}

// check is for what comes from tickets, which may be wrong: then it is an error, not a panic.
func (m *Map) check(seat, i, j int) error {
	if i < 0 || j <= i || j > m.legs {
		return fmt.Errorf("calls %d to %d of a run with %d legs", i, j, m.legs)
	}
	if seat < 0 || seat >= m.seats {
		return fmt.Errorf("seat %d of %d", seat, m.seats)
	}
	return nil
}

// mustBePair panics on a pair of calls the run does not have: callers ask for pairs of the run's own calls, and an
// answer to anything else would be a wrong "sold out".
func (m *Map) mustBePair(i, j int) {
	if i < 0 || j <= i || j > m.legs {
		panic(fmt.Sprintf("seatmap: calls %d to %d of a run with %d legs", i, j, m.legs))
	}
}

func (m *Map) mustBeSeat(seat int) {
	if seat < 0 || seat >= m.seats {
		panic(fmt.Sprintf("seatmap: seat %d of %d", seat, m.seats))
	}
}
