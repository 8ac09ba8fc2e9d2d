package rail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// SeatClass is a class of travel (席别).
type SeatClass string

// The seat classes, from the dearest seat to the last resort.
const (
	Business          SeatClass = "BUSINESS"
	Premium           SeatClass = "PREMIUM"
	First             SeatClass = "FIRST"
	Second            SeatClass = "SECOND"
	DeluxeSoftSleeper SeatClass = "DELUXE_SOFT_SLEEPER"
	SoftSleeper       SeatClass = "SOFT_SLEEPER"
	HardSleeper       SeatClass = "HARD_SLEEPER"
	SoftSeat          SeatClass = "SOFT_SEAT"
	HardSeat          SeatClass = "HARD_SEAT"
	Standard          SeatClass = "STANDARD"
	Standing          SeatClass = "STANDING"
	Other             SeatClass = "OTHER"
)

// SeatClasses are all classes in their usual order.
var SeatClasses = []SeatClass{
	Business, Premium, First, Second, DeluxeSoftSleeper, SoftSleeper, HardSleeper, SoftSeat, HardSeat, Standard,
	Standing, Other,
}

// Valid tells whether the class is one of SeatClasses.
func (c SeatClass) Valid() bool { return slices.Contains(SeatClasses, c) }

// SeatPosition is where in its row or stack a seat or berth is; "" is not known.
type SeatPosition string

// The positions of seats and berths.
const (
	Window      SeatPosition = "WINDOW"
	Middle      SeatPosition = "MIDDLE"
	Aisle       SeatPosition = "AISLE"
	LowerBerth  SeatPosition = "LOWER_BERTH"
	MiddleBerth SeatPosition = "MIDDLE_BERTH"
	UpperBerth  SeatPosition = "UPPER_BERTH"
)

// Valid tells whether the position is one of the six.
func (p SeatPosition) Valid() bool {
	return slices.Contains([]SeatPosition{Window, Middle, Aisle, LowerBerth, MiddleBerth, UpperBerth}, p)
}

// Seat is one place in a coach.
type Seat struct {
	// Label is what is painted on it: row and letter, "23B".
	Label    string       `json:"label"`
	Position SeatPosition `json:"position,omitempty"`
}

// Row is the leading digits of the label, "23" of "23B"; "" where it has none.
func (s Seat) Row() string { return s.Label[:rowLen(s.Label)] }

// Letter is what follows the row, "B" of "23B".
func (s Seat) Letter() string { return s.Label[rowLen(s.Label):] }

func rowLen(label string) int {
	n := 0
	for n < len(label) && label[n] >= '0' && label[n] <= '9' {
		n++
	}
	return n
}

// Coach is one car of a train; all its seats are of one class.
type Coach struct {
	Number    string    `json:"number"`
	SeatClass SeatClass `json:"class"`
	Seats     []Seat    `json:"seats"`
}

// Bounds of a formation. The seat map works for any size; these keep one run's counts within a few kilobytes and one
// seat map's row within what a ledger writes in a millisecond.
const (
	MaxCoaches       = 64
	MaxSeatsPerCoach = 1_024
	MaxSeatsPerClass = 8_192
	// maxLabel is how many characters are painted on a coach or a seat.
	maxLabel = 8
)

// Formation is the coaches of a train in their order (编组). Many trains share one. It is never changed once made.
type Formation struct {
	// ID is a digest of the coaches: equal formations have equal ids.
	ID      string
	Coaches []Coach
	// Classes are the classes on board, in the order of SeatClasses.
	Classes []SeatClass

	seats map[SeatClass][]SeatRef
}

// SeatRef is a seat and the coach it is in.
type SeatRef struct {
	Coach *Coach
	Seat  *Seat
}

// NewFormation makes a formation of coaches, which it keeps.
func NewFormation(coaches []Coach) *Formation {
	f := &Formation{ID: digest(coaches), Coaches: coaches, seats: map[SeatClass][]SeatRef{}}
	for i := range coaches {
		coach := &coaches[i]
		for j := range coach.Seats {
			f.seats[coach.SeatClass] = append(f.seats[coach.SeatClass], SeatRef{coach, &coach.Seats[j]})
		}
	}
	for _, class := range SeatClasses {
		if len(f.seats[class]) > 0 {
			f.Classes = append(f.Classes, class)
		}
	}
	return f
}

// Seats are the seats of one class in coach order. A seat's index in it is its number in the seat map.
func (f *Formation) Seats(class SeatClass) []SeatRef { return f.seats[class] }

// ClassIndex is the place of a class in Classes, -1 when the train does not have it.
func (f *Formation) ClassIndex(class SeatClass) int { return slices.Index(f.Classes, class) }

// Validate lists everything that is wrong with the formation, each with its path below at.
func (f *Formation) Validate(at ...string) Errors {
	var errs Errors
	if len(f.Coaches) == 0 || len(f.Coaches) > MaxCoaches {
		errs.Add(Invalid, at, "a train has 1 to %d coaches, not %d", MaxCoaches, len(f.Coaches))
		return errs
	}
	numbers := map[string]bool{}
	for i, coach := range f.Coaches {
		path := under(at, Index(i))
		errs.addText(under(path, "number"), "a coach's number", coach.Number, maxLabel)
		if numbers[coach.Number] {
			errs.Add(Invalid, under(path, "number"), "coach %q is there twice", coach.Number)
		}
		numbers[coach.Number] = true
		if !coach.SeatClass.Valid() {
			errs.Add(Invalid, under(path, "seatClass"), "%q is not a seat class", coach.SeatClass)
		}
		if len(coach.Seats) == 0 || len(coach.Seats) > MaxSeatsPerCoach {
			errs.Add(Invalid, under(path, "layout"), "a coach has 1 to %d seats, not %d", MaxSeatsPerCoach,
				len(coach.Seats))
			continue
		}
		coach.validateSeats(&errs, under(path, "layout"))
	}
	for _, class := range f.Classes {
		if n := len(f.seats[class]); n > MaxSeatsPerClass {
			errs.Add(Invalid, at, "%s has %d seats, more than %d", class, n, MaxSeatsPerClass)
		}
	}
	return errs
}

// validateSeats adds what is wrong with the seats, of which there is one at least. An import has millions of them, so
// that texts are made only for what is wrong.
func (c *Coach) validateSeats(errs *Errors, at []string) {
	labels := map[string]bool{}
	for _, seat := range c.Seats {
		if !printable(seat.Label, maxLabel) {
			errs.addText(at, "a seat's label", seat.Label, maxLabel)
		}
		if seat.Position != "" && !seat.Position.Valid() {
			errs.Add(Invalid, at, "%q is not a seat position", seat.Position)
		}
		if labels[seat.Label] {
			errs.Add(Invalid, at, "seat %q is there twice in coach %q", seat.Label, c.Number)
		}
		labels[seat.Label] = true
	}
}

// digest is 128 bits of SHA-256 over the JSON of v, in hexadecimal: equal content, equal digest.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // Only plain structs of this package are digested; they always marshal.
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
