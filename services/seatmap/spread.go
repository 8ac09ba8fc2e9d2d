package seatmap

import "interlock/services/rail"

// spread seats a party that no coach has room for. It takes the emptiest coaches whole, so that they are as few as can
// be, and puts the rest of the party together in one coach.
func (p *party) spread(v *vacancy) []int {
	whole := p.takeWholeCoaches(v)
	// The passengers who fit worst into the whole coaches make up the rest. It is a guess: at the end all of the party
	// may change places.
	var rest []rail.Wish
	for who, s := range p.seatAmong(whole) {
		if s < 0 {
			rest = append(rest, p.wishes[who])
		}
	}
	last := newParty(p.l, rest)
	return p.seatAmong(append(whole, last.bestInOneCoach(v)...))
}

// takeWholeCoaches takes all free seats of the emptiest coaches, until a coach has room for the passengers who are
// left.
func (p *party) takeWholeCoaches(v *vacancy) (taken []int) {
	for {
		emptiest, most := p.l.emptiest(v)
		if most >= p.size-len(taken) {
			return taken
		}
		for _, s := range v.list(emptiest, nil) {
			taken = append(taken, int(s))
			v.take(int(s))
		}
	}
}

// emptiest is the first coach with the most free seats, and how many.
func (l *Layout) emptiest(v *vacancy) (emptiest *coach, most int) {
	for c := range l.coaches {
		if n := v.countIn(&l.coaches[c]); n > most {
			emptiest, most = &l.coaches[c], n
		}
	}
	return emptiest, most
}
