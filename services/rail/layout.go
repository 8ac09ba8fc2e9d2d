package rail

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxRow bounds the row numbers a layout may use.
const maxRow = 999

// RowSeats lays out the seats of rows first to last by a pattern of letters in which a space is the aisle: "ABC DF" is
// the second class of a Chinese high-speed train. A seat beside the aisle is AISLE, an outer one is WINDOW (a single
// seat that is both is WINDOW), the rest are MIDDLE. Labels in without are left out.
func RowSeats(letters string, first, last int, without []string) ([]Seat, error) {
	if first < 1 || last < first || last > maxRow {
		return nil, Refuse(Invalid, "rows run from 1 to at most %d, the first before the last", maxRow)
	}
	if !printable(letters, 16) {
		return nil, Refuse(Invalid, "letters are 1 to 16 characters such as \"ABC DF\", a space for the aisle")
	}
	pattern := []rune(letters)
	var seats []Seat
	for row := first; row <= last; row++ {
		for i, letter := range pattern {
			if letter == ' ' {
				continue
			}
			if !unicode.IsLetter(letter) {
				return nil, Refuse(Invalid, "%q is not a letter", letter)
			}
			label := strconv.Itoa(row) + string(letter)
			if slices.Contains(without, label) {
				continue
			}
			position := Middle
			switch {
			case i == 0 || i == len(pattern)-1:
				position = Window
			case pattern[i-1] == ' ' || pattern[i+1] == ' ':
				position = Aisle
			}
			seats = append(seats, Seat{Label: label, Position: position})
		}
	}
	return seats, nil
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
			seats = append(seats, Seat{Label: strconv.Itoa(bay) + letter, Position: tier})
		}
	}
	return seats, nil
}
