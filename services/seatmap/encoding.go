package seatmap

import (
	"encoding/binary"
	"fmt"
)

const wordBytes = wordBits / 8

// Encode is the map as the ledger keeps it: leg by leg, each a bitmap in little-endian 64-bit words, legs ×
// ceil(seats/64) × 8 bytes in all. Seat s of a leg is bit s%8 of its byte s/8.
func (m *Map) Encode() []byte {
	return m.AppendEncode(make([]byte, 0, len(m.sold)*wordBytes))
}

// AppendEncode appends what Encode gives.
func (m *Map) AppendEncode(dst []byte) []byte {
	for _, word := range m.sold {
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return dst
}

// Decode reads what Encode wrote of a map with that many legs and seats. It refuses anything else: a length that is not
// theirs, and a sold bit beyond the last seat.
func Decode(legs, seats int, sold []byte) (*Map, error) {
	if legs < 1 || seats < 0 {
		return nil, fmt.Errorf("a seat map of %d legs and %d seats", legs, seats)
	}
	words := wordsFor(seats)
	// Divided, not multiplied: the product of two wild numbers may wrap around to a length that fits.
	if rowBytes := words * wordBytes; len(sold)/legs != rowBytes || len(sold)%legs != 0 {
		return nil, fmt.Errorf("a seat map of %d legs and %d seats has not %d bytes", legs, seats, len(sold))
	}
	m := New(legs, seats)
	for at := range m.sold {
		word := binary.LittleEndian.Uint64(sold[at*wordBytes:])
		if word&^m.seatsWord(at%words) != 0 {
			return nil, fmt.Errorf("a seat map of %d seats has one sold beyond the last, on leg %d", seats, at/words)
		}
		m.sold[at] = word
	}
	return m, nil
}
