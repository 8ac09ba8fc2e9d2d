package seatmap

import "math"

// assign gives each of the seats to another passenger so that the sum of gain[seat*passengers+passenger] is as large as
// can be, and answers who gets each seat. There must be at least as many passengers as seats.
//
// This is the Hungarian method with potentials: seats come one by one, each along the cheapest path that makes room for
// it, in O(seats² × passengers). Of equal answers it finds the same one each time.
func assign(gain []int, seats, passengers int) (to []int, total int) {
	// Counting is from 1: seat 0 and passenger 0 are nobody.
	seatPotential := make([]int, seats+1)
	passengerPotential := make([]int, passengers+1)
	seatOf := make([]int, passengers+1)
	cameFrom := make([]int, passengers+1)
	slack := make([]int, passengers+1)
	reached := make([]bool, passengers+1)
	for seat := 1; seat <= seats; seat++ {
		for who := range slack {
			slack[who], reached[who] = math.MaxInt, false
		}
		at := 0
		seatOf[0] = seat
		for seatOf[at] != 0 {
			reached[at] = true
			row, next, step := seatOf[at], 0, math.MaxInt
			for who := 1; who <= passengers; who++ {
				if reached[who] {
					continue
				}
				cost := -gain[(row-1)*passengers+who-1] - seatPotential[row] - passengerPotential[who]
				if cost < slack[who] {
					slack[who], cameFrom[who] = cost, at
				}
				if slack[who] < step {
					step, next = slack[who], who
				}
			}
			for who := range reached {
				if reached[who] {
					seatPotential[seatOf[who]] += step
					passengerPotential[who] -= step
				} else if slack[who] != math.MaxInt {
					slack[who] -= step
				}
			}
			at = next
		}
		for at != 0 {
			seatOf[at] = seatOf[cameFrom[at]]
			at = cameFrom[at]
		}
	}
	to = make([]int, seats)
	for who := 1; who <= passengers; who++ {
		if seat := seatOf[who]; seat > 0 {
			to[seat-1] = who - 1
			total += gain[(seat-1)*passengers+who-1]
		}
	}
	return to, total
}
