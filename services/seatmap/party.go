package seatmap

import "interlock/services/rail"

// party is two or more passengers and what they wish. How well seats suit them is said here; where to look for seats is
// said in search.go.
type party struct {
	l      *Layout
	wishes []rail.Wish
	size   int
	// parts is how many parts all wishes have, inSeat how many of these are about the seat and not the coach.
	parts, inSeat int
}

func newParty(l *Layout, wishes []rail.Wish) party {
	p := party{l: l, wishes: wishes, size: len(wishes)}
	for i := range wishes {
		if wishes[i].Position != "" {
			p.inSeat++
		}
		if wishes[i].Letter != "" {
			p.inSeat++
		}
		if wishes[i].Coach != "" {
			p.parts++
		}
	}
	p.parts += p.inSeat
	return p
}

// wishing is how many passengers wish for a coach.
func (p *party) wishing(c *coach) int {
	n := 0
	if p.parts > p.inSeat {
		for i := range p.wishes {
			if p.wishes[i].Coach == c.number {
				n++
			}
		}
	}
	return n
}

// met is how many parts of a passenger's wish a seat meets.
func (p *party) met(who, s int) int {
	place, wish := &p.l.seats[s], &p.wishes[who]
	n := p.l.kinds[place.kind].meets(*wish)
	if wish.Coach == p.l.coaches[place.coach].number {
		n++
	}
	return n
}

// seatAmong gives each of the seats to another passenger, so that most parts of wishes are met. It returns a seat for
// each passenger, -1 for those who get none. Passengers with equal wishes get their seats in ascending order.
func (p *party) seatAmong(seats []int) []int {
	gain := make([]int, 0, len(seats)*p.size)
	for _, s := range seats {
		for who := range p.size {
			gain = append(gain, p.met(who, s))
		}
	}
	seated := make([]int, p.size)
	for who := range seated {
		seated[who] = -1
	}
	to, _ := assign(gain, len(seats), p.size)
	for n, s := range seats {
		seated[to[n]] = s
	}
	for a := range seated {
		for b := range a {
			if p.wishes[a] == p.wishes[b] && isBefore(seated[a], seated[b]) {
				seated[a], seated[b] = seated[b], seated[a]
			}
		}
	}
	return seated
}

// isBefore tells whether seat a comes before seat b. No seat, -1, comes last.
func isBefore(a, b int) bool { return a >= 0 && (b < 0 || a < b) }

// rows is over how many rows two seats of a coach are spread.
func (l *Layout) rows(first, last int32) int { return int(l.seats[last].row-l.seats[first].row) + 1 }

// columns is over how many columns seats are spread.
func (l *Layout) columns(seats []int32) int {
	low, high := l.seats[seats[0]].column, l.seats[seats[0]].column
	for _, s := range seats {
		low, high = min(low, l.seats[s].column), max(high, l.seats[s].column)
	}
	return int(high-low) + 1
}
