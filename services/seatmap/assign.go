package seatmap

import "math"

// assign gives each of the seats to another passenger so that the sum of gain[seat*passengers+passenger] is as large as
// can be. It returns which passenger gets each seat, and the sum. There must be at least as many passengers as seats.
// Of equal answers it finds the same one each time.
//
// This is the Hungarian method with potentials (Kuhn, Munkres), in O(seats² × passengers): seats are added one by one,
// each along the cheapest path of seats that change their passenger.
func assign(gain []int, seats, passengers int) (to []int, total int) {
	m := newMatching(gain, seats, passengers)
	for seat := 1; seat <= seats; seat++ {
		m.add(seat)
	}
	to = make([]int, seats)
	for who := 1; who <= passengers; who++ {
		if seat := m.seatOf[who]; seat > 0 {
			to[seat-1] = who - 1
			total += gain[(seat-1)*passengers+who-1]
		}
	}
	return to, total
}

// matching is which passengers have which of the seats added so far. Seats and passengers count from 1. Passenger 0
// holds the seat that is being added.
type matching struct {
	gain       []int
	passengers int
	// seatOf is the seat of each passenger, 0 where they have none.
	seatOf []int
	// The potentials keep the reduced cost of every pair at 0 or more, and of every matched pair at 0. The reduced cost
	// is minus the gain, less the potentials of seat and passenger.
	seatPotential, passengerPotential []int

	// What follows is of the seat that is being added: which passengers a path reaches already, the smallest reduced
	// cost of a step to each of the others, and the passenger that this step comes from.
	reached  []bool
	slack    []int
	cameFrom []int
}

func newMatching(gain []int, seats, passengers int) matching {
	return matching{
		gain: gain, passengers: passengers,
		seatOf:        make([]int, passengers+1),
		seatPotential: make([]int, seats+1), passengerPotential: make([]int, passengers+1),
		reached: make([]bool, passengers+1), slack: make([]int, passengers+1), cameFrom: make([]int, passengers+1),
	}
}

// add gives one more seat to a passenger.
func (m *matching) add(seat int) {
	for who := range m.slack {
		m.slack[who], m.reached[who] = math.MaxInt, false
	}
	m.seatOf[0] = seat
	at := 0
	for m.seatOf[at] != 0 {
		m.reached[at] = true
		next, step := m.nearest(at)
		m.shift(step)
		at = next
	}
	for at != 0 {
		m.seatOf[at] = m.seatOf[m.cameFrom[at]]
		at = m.cameFrom[at]
	}
}

// nearest is the passenger who is reached next, and the reduced cost of the step there. Passenger at was reached last.
func (m *matching) nearest(at int) (next, step int) {
	seat, step := m.seatOf[at], math.MaxInt
	gain := m.gain[(seat-1)*m.passengers:]
	for who := 1; who <= m.passengers; who++ {
		if m.reached[who] {
			continue
		}
		cost := -gain[who-1] - m.seatPotential[seat] - m.passengerPotential[who]
		if cost < m.slack[who] {
			m.slack[who], m.cameFrom[who] = cost, at
		}
		if m.slack[who] < step {
			next, step = who, m.slack[who]
		}
	}
	return next, step
}

// shift changes the potentials so that the step to the nearest passenger costs nothing.
func (m *matching) shift(step int) {
	for who := range m.reached {
		if m.reached[who] {
			m.seatPotential[m.seatOf[who]] += step
			m.passengerPotential[who] -= step
		} else if m.slack[who] != math.MaxInt {
			m.slack[who] -= step
		}
	}
}
