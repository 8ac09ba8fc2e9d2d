package rail

import (
	"strconv"
	"strings"
	"unicode"
)

const (
	// maxRow bounds the row numbers a layout may use.
	maxRow = 999
	// maxRowLetters is more than the seats and aisles side by side in any coach.
	maxRowLetters = 16
)

// tooManySeats ends a layout that says in a few words more seats than a coach may have.
func tooManySeats() *Error {
	return Refuse(Invalid, "a coach has at most %d seats: its layout has more", MaxSeatsPerCoach)
}

// RowSeats lays out the seats of rows first to last by a pattern of letters in which a space is the aisle: "ABC DF" is
// the second class of a Chinese high-speed train. A seat beside the aisle is AISLE, an outer one is WINDOW (a single
// seat that is both is WINDOW), the rest are MIDDLE. Labels in without are left out. Both are normalised as labels are.
func RowSeats(letters string, first, last int, without []string) ([]Seat, error) {
	if first < 1 || last < first || last > maxRow {
		return nil, Refuse(Invalid, "rows run from 1 to at most %d, the first before the last", maxRow)
	}
	pattern, err := rowPattern(letters)
	if err != nil {
		return nil, err
	}
	if len(without) > MaxSeatsPerCoach {
		return nil, Refuse(Invalid, "a coach leaves out at most %d labels, not %d", MaxSeatsPerCoach, len(without))
	}
	left := make(map[string]bool, len(without))
	for _, label := range without {
		left[NormalizeLabel(label)] = true
	}
	var seats []Seat
	for row := first; row <= last; row++ {
		for i, letter := range pattern {
			label := strconv.Itoa(row) + string(letter)
			if letter == ' ' || left[label] {
				continue
			}
			if len(seats) == MaxSeatsPerCoach {
				return nil, tooManySeats()
			}
			seats = append(seats, Seat{Label: label, Position: positionInRow(pattern, i)})
		}
	}
	return seats, nil
}

// rowPattern is the normalised letters of a row. Spaces at its ends are kept, to be refused: no aisle can be there.
func rowPattern(letters string) ([]rune, error) {
	letters = composed(narrow(letters))
	const what = "the letters of a row, such as \"ABC DF\" with a space for the aisle,"
	if wrong := CheckText(what, letters, maxRowLetters); wrong != nil {
		return nil, wrong
	}
	pattern := []rune(letters)
	for i, letter := range pattern {
		if letter != ' ' && !unicode.IsLetter(letter) {
			return nil, Refuse(Invalid, "character %d of the letters of a row is U+%04X, which is no letter", i+1,
				letter)
		}
	}
	return pattern, nil
}

// positionInRow is the position of the seat with letter i of a row: see RowSeats.
func positionInRow(pattern []rune, i int) SeatPosition {
	switch {
	case i == 0 || i == len(pattern)-1:
		return Window
	case pattern[i-1] == ' ' || pattern[i+1] == ' ':
		return Aisle
	}
	return Middle
}

// BerthSeats lays out the berths of bays first to last; tiers are the positions in one bay. A berth's label is its bay
// and the tier's letter: "5L", "5M", "5U".
func BerthSeats(tiers []SeatPosition, first, last int) ([]Seat, error) {
	if first < 1 || last < first || last > maxRow {
		return nil, Refuse(Invalid, "bays run from 1 to at most %d, the first before the last", maxRow)
	}
	letters := map[SeatPosition]string{LowerBerth: "L", MiddleBerth: "M", UpperBerth: "U"}
	if len(tiers) == 0 || len(tiers) > len(letters) {
		return nil, Refuse(Invalid, "a bay has 1 to 3 tiers")
	}
	var seats []Seat
	for bay := first; bay <= last; bay++ {
		for _, tier := range tiers {
			letter, ok := letters[tier]
			if !ok {
				return nil, Refuse(Invalid, "%s is not a berth's position", strings.ToLower(string(tier)))
			}
			if len(seats) == MaxSeatsPerCoach {
				return nil, tooManySeats()
			}
			seats = append(seats, Seat{Label: strconv.Itoa(bay) + letter, Position: tier})
		}
	}
	return seats, nil
}
