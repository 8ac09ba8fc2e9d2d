package seatmap

import (
	"slices"

	"interlock/services/rail"
)

// spread seats a party that no coach has room for: the emptiest coaches are taken whole, so that they are as few as can
// be, and what then fits into one coach is put there together.
func (p *party) spread() []int {
	var whole []int
	for rest := p.size; ; {
		emptiest, most := -1, 0
		for c := range p.l.coaches {
			if n := p.freeIn(&p.l.coaches[c]); n > most {
				emptiest, most = c, n
			}
		}
		if most >= rest {
			break
		}
		for _, s := range p.list(&p.l.coaches[emptiest], nil) {
			whole = append(whole, int(s))
			p.free[s/wordBits] &^= 1 << (s % wordBits)
		}
		rest -= most
	}
	// Who sits in the last coach is guessed from who fits worst into the others; in the end they may change places.
	everybody := p.wishes
	var rest []rail.Wish
	for who, s := range p.seatAmong(whole) {
		if s < 0 {
			rest = append(rest, everybody[who])
		}
	}
	p.invite(rest)
	p.inOneCoach()
	last := p.seats
	p.invite(everybody)
	return p.seatAmong(append(whole, last...))
}

// seated gives the seats that were found to the passengers.
func (p *party) seated() []int {
	if p.inSeat == 0 {
		return slices.Clone(p.seats)
	}
	return p.seatAmong(p.seats)
}

// seatAmong gives each of the seats to another passenger, so that most parts of wishes are met, and answers by
// passenger, -1 for those who get none. Passengers who wish for the same sit in their order.
func (p *party) seatAmong(seats []int) []int {
	gain := make([]int, 0, len(seats)*p.size)
	for _, s := range seats {
		place := &p.l.seats[s]
		for who := range p.wishes {
			met := p.l.kinds[place.kind].meets(p.wishes[who])
			if p.wishes[who].Coach == p.l.coaches[place.coach].number {
				met++
			}
			gain = append(gain, met)
		}
	}
	seated := slices.Repeat([]int{-1}, p.size)
	to, _ := assign(gain, len(seats), p.size)
	for n, s := range seats {
		seated[to[n]] = s
	}
	for a := range seated {
		for b := range a {
			if p.wishes[a] == p.wishes[b] && seated[a] >= 0 && (seated[b] < 0 || seated[a] < seated[b]) {
				seated[a], seated[b] = seated[b], seated[a]
			}
		}
	}
	return seated
}
