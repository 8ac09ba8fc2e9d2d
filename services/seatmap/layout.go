package seatmap

import (
	"slices"
	"strings"

	"interlock/services/rail"
)

// Layout is what must be known of the seats of one class to choose among them: who sits beside whom, and which seats
// meet a wish. It is never changed once made; make one per formation and class and share it.
type Layout struct {
	words   int
	seats   []place
	coaches []coach
	// kinds are the different (position, letter) there are; what a wish makes of a seat depends on its kind and coach
	// alone.
	kinds []kind
	// linked has a bit for each seat whose neighbour in its row is the next one of the map, beside only where no aisle
	// is between them.
	linked, beside []uint64
	// The seats that meet a part of a wish.
	positions    map[rail.SeatPosition][]uint64
	letters      map[string][]uint64
	coachNumbers map[string][]uint64
	// suffixes is how many different place.suffix there are.
	suffixes int
}

// place is where one seat is.
type place struct {
	// row numbers the rows of all coaches; column the letters of the coach from one side to the other.
	row, column int32
	kind, coach int32
	// suffix numbers the sequences of kinds from a seat to its last neighbour in the row: blocks of one length that
	// begin at seats with the same suffix meet the same wishes.
	suffix int32
}

// coach is a range of seats.
type coach struct {
	first, end int
	number     string
}

// kind is what can be wished of a seat itself.
type kind struct {
	position rail.SeatPosition
	letter   string
}

// meets is how many parts of a wish seats of the kind meet, the coach left out.
func (k *kind) meets(wish rail.Wish) int {
	n := 0
	if wish.Position != "" && wish.Position == k.position {
		n++
	}
	if wish.Letter != "" && letterKey(wish.Letter) == k.letter {
		n++
	}
	return n
}

// word has the bits of word w that stand for seats of the coach.
func (c *coach) word(w int) uint64 {
	mask := ^uint64(0)
	if from := c.first - w*wordBits; from > 0 {
		mask <<= from
	}
	if over := (w+1)*wordBits - c.end; over > 0 {
		mask &= ^uint64(0) >> over
	}
	return mask
}

// NewLayout reads the seats of one class of a formation.
func NewLayout(f *rail.Formation, class rail.SeatClass) *Layout {
	refs := f.Seats(class)
	l := &Layout{
		words:        wordsFor(len(refs)),
		seats:        make([]place, len(refs)),
		positions:    map[rail.SeatPosition][]uint64{},
		letters:      map[string][]uint64{},
		coachNumbers: map[string][]uint64{},
	}
	l.beside = make([]uint64, l.words)
	l.linked = make([]uint64, l.words)
	kinds := map[kind]int32{}
	for s, ref := range refs {
		k := kind{ref.Seat.Position, letterKey(ref.Seat.Letter())}
		if _, ok := kinds[k]; !ok {
			kinds[k] = int32(len(l.kinds))
			l.kinds = append(l.kinds, k)
		}
		l.seats[s].kind = kinds[k]
		if k.position != "" {
			setIn(l.positions, k.position, l.words, s)
		}
		if k.letter != "" {
			setIn(l.letters, k.letter, l.words, s)
		}
		setIn(l.coachNumbers, ref.Coach.Number, l.words, s)
		if s == 0 || refs[s-1].Coach != ref.Coach {
			l.coaches = append(l.coaches, coach{first: s, number: ref.Coach.Number})
		}
		l.coaches[len(l.coaches)-1].end = s + 1
		l.seats[s].coach = int32(len(l.coaches) - 1)
	}
	for _, c := range l.coaches {
		l.arrange(c, refs)
	}
	l.numberSuffixes()
	return l
}

// arrange finds the rows and columns of one coach and who is whose neighbour.
func (l *Layout) arrange(c coach, refs []rail.SeatRef) {
	columns := columnsOf(refs[c.first:c.end])
	var row int32
	if c.first > 0 {
		row = l.seats[c.first-1].row + 1
	}
	for s := c.first; s < c.end; s++ {
		seat := refs[s].Seat
		l.seats[s].column = int32(max(0, slices.Index(columns, letterKey(seat.Letter()))))
		if s > c.first {
			before := refs[s-1].Seat
			if !inOneRow(before, seat) {
				row++
			} else if l.seats[s].column == l.seats[s-1].column+1 {
				set(l.linked, s-1)
				if before.Position != rail.Aisle || seat.Position != rail.Aisle {
					set(l.beside, s-1)
				}
			}
		}
		l.seats[s].row = row
	}
}

// columnsOf lists the letters of a coach from one side to the other. Rows may lack some: a letter seen for the first
// time goes after the one it follows in its row. So A and C of a row without B are known not to be neighbours.
func columnsOf(refs []rail.SeatRef) []string {
	var columns []string
	after := 0
	for i, ref := range refs {
		letter := letterKey(ref.Seat.Letter())
		if i == 0 || !inOneRow(refs[i-1].Seat, ref.Seat) {
			after = 0
		}
		at := slices.Index(columns, letter)
		if at < 0 {
			at = after
			columns = slices.Insert(columns, at, letter)
		}
		after = at + 1
	}
	return columns
}

// inOneRow tells whether two seats that follow each other are in one row. Where labels have no letters or no rows, as
// on trains whose seats are numbered through, nothing is known of rows and each seat counts as its own.
func inOneRow(a, b *rail.Seat) bool {
	return a.Row() != "" && a.Row() == b.Row() && a.Letter() != "" && b.Letter() != ""
}

// numberSuffixes gives each seat the number of the sequence of kinds from it to its last neighbour in the row, from the
// last seat to the first.
func (l *Layout) numberSuffixes() {
	type suffix struct {
		kind int32
		rest int32
	}
	const none = -1
	numbers := map[suffix]int32{}
	for s := len(l.seats) - 1; s >= 0; s-- {
		key := suffix{l.seats[s].kind, none}
		if isSet(l.linked, s) {
			key.rest = l.seats[s+1].suffix
		}
		number, ok := numbers[key]
		if !ok {
			number = int32(len(numbers))
			numbers[key] = number
		}
		l.seats[s].suffix = number
	}
	l.suffixes = len(numbers)
}

// letterKey lets "b" wish for "B".
func letterKey(letter string) string { return strings.ToUpper(letter) }

// masks are the seats that meet each part of a wish, and how many parts there are. A part that no seat meets has no
// mask.
func (l *Layout) masks(wish rail.Wish) (masks [3][]uint64, parts int) {
	if wish.Position != "" {
		masks[0] = l.positions[wish.Position]
		parts++
	}
	if wish.Letter != "" {
		masks[1] = l.letters[letterKey(wish.Letter)]
		parts++
	}
	if wish.Coach != "" {
		masks[2] = l.coachNumbers[wish.Coach]
		parts++
	}
	return masks, parts
}

func setIn[K comparable](masks map[K][]uint64, key K, words, s int) {
	mask := masks[key]
	if mask == nil {
		mask = make([]uint64, words)
		masks[key] = mask
	}
	set(mask, s)
}

func set(mask []uint64, s int) { mask[s/wordBits] |= 1 << (s % wordBits) }

func isSet(mask []uint64, s int) bool { return mask[s/wordBits]>>(s%wordBits)&1 == 1 }
