package rail

import "time"

const (
	// numberLength is what people read out on the telephone: 12 characters of 5 bits.
	numberLength = 12
	// numberAlphabet is Douglas Crockford's base 32 (https://www.crockford.com/base32.html): no I, L, O, U.
	numberAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	// numberTick is 64 ms. A number has 29 bits of ticks, which begin anew after 397 days, and numberRandomBits random
	// bits. Two orders of one tick have the same number with a chance of one in 2³¹. At 10,000 orders a second, all
	// year, that is once in ten minutes. Then the ledger refuses the second order, which gets another number.
	numberTick       = 64 * time.Millisecond
	numberRandomBits = 31
)

// NewOrderNumber makes an order's number for people of the time it was placed at and of random bits. The time comes
// first, so that an index of numbers grows at its end: entries at random places were a fifth of what an order cost the
// ledger.
func NewOrderNumber(placed time.Time, random uint64) string {
	ticks := uint64(placed.UnixMilli()) / uint64(numberTick.Milliseconds())
	bits := ticks<<numberRandomBits | random&(1<<numberRandomBits-1)
	var number [numberLength]byte
	for i := numberLength - 1; i >= 0; i-- {
		number[i] = numberAlphabet[bits&31]
		bits >>= 5
	}
	return string(number[:])
}
