package rail

import (
	"math/bits"
	"time"
)

// RefundRules are a railway's ladders of fees, for tickets that are given back and for what a change to a cheaper
// ticket leaves. DefaultRefundRules are those of 12306.
type RefundRules struct {
	Refund, Change FeeLadder
}

// FeeLadder says what part of a price is kept, by how long before the departure a ticket is given back.
type FeeLadder struct {
	// Steps are sorted by Before, the longest first. The first whose Before is not longer than the time that is left
	// holds. The last has Before 0.
	Steps []FeeStep
	// RoundTo is what a fee is rounded to a multiple of, half up. Least is what it is at least where it is not free.
	// Both are in hundredths of the currency's unit, whatever its minor unit is: 50 is half a yuan. A fee is never more
	// than the price.
	RoundTo, Least int64
}

// FeeStep is one step of a ladder.
type FeeStep struct {
	// Before is the shortest time before the departure that the step is for.
	Before time.Duration
	// PerMille is what is kept, in thousandths of the price: 0 to 1,000. 0 is free.
	PerMille int64
}

const (
	wholePerMille = 1_000
	// hundredths of a currency's unit are what RoundTo and Least are in.
	hundredths = 100
	// maxFeeSteps bounds a ladder. Railways have three to six steps.
	maxFeeSteps = 32
	// maxFeePart bounds RoundTo and Least: a million units of the currency.
	maxFeePart = 1_000_000 * hundredths
	// maxFeeBefore bounds the longest step: tickets are on sale for some months.
	maxFeeBefore = 2 * 366 * 24 * time.Hour
)

// DefaultRefundRules are those of 12306, the ticket office of China's railways: from 8 days before the departure a
// ticket is given back for nothing, from 48 hours for 5 %, from 24 hours for 10 %, later for 20 %. A fee is a multiple
// of 0.5 yuan, and 2 yuan at least. The difference to a cheaper ticket is given back by the same ladder. Source: the
// rules on refunds and changes of 12306 (退改说明, https://www.12306.cn, "退票费"); there 2.5 jiao and more are rounded
// up to half a yuan, and 7.5 jiao and more to a yuan.
func DefaultRefundRules() RefundRules {
	const day = 24 * time.Hour
	ladder := func() FeeLadder {
		return FeeLadder{Steps: []FeeStep{{8 * day, 0}, {2 * day, 50}, {day, 100}, {0, 200}}, RoundTo: 50, Least: 200}
	}
	return RefundRules{Refund: ladder(), Change: ladder()}
}

// Check lists what is wrong with the rules, under the paths of their fields. A fee does not fall as the departure comes
// nearer.
func (r *RefundRules) Check() error {
	var errs Errors
	r.Refund.check(&errs, "refund")
	r.Change.check(&errs, "change")
	return errs.OrNil()
}

func (l *FeeLadder) check(errs *Errors, name string) {
	path := func(more ...string) []string { return under([]string{name}, more...) }
	if l.RoundTo < 1 || l.RoundTo > maxFeePart {
		errs.Add(Invalid, path("roundTo"), "a fee is rounded to 1 to %d hundredths, not to %d", maxFeePart, l.RoundTo)
	}
	if l.Least < 0 || l.Least > maxFeePart {
		errs.Add(Invalid, path("least"), "the least fee is 0 to %d hundredths, not %d", maxFeePart, l.Least)
	}
	if n := len(l.Steps); n == 0 || n > maxFeeSteps {
		errs.Add(Invalid, path("steps"), "a ladder has 1 to %d steps, not %d", maxFeeSteps, n)
		return
	}
	for i, step := range l.Steps {
		at := path("steps", Index(i))
		if step.PerMille < 0 || step.PerMille > wholePerMille {
			errs.Add(Invalid, at, "a step keeps 0 to %d thousandths, not %d", wholePerMille, step.PerMille)
		}
		if step.Before < 0 || step.Before > maxFeeBefore {
			errs.Add(Invalid, at, "a step begins 0 to %s before the departure, not %s", maxFeeBefore, step.Before)
		}
		if i == 0 {
			continue
		}
		if before := l.Steps[i-1]; step.Before >= before.Before {
			errs.Add(Invalid, at, "steps are sorted, the longest first: %s comes after %s", step.Before, before.Before)
		} else if step.PerMille < before.PerMille {
			errs.Add(Invalid, at, "a fee does not fall towards the departure: %d comes after %d thousandths",
				step.PerMille, before.PerMille)
		}
	}
	if last := l.Steps[len(l.Steps)-1].Before; last != 0 {
		errs.Add(Invalid, path("steps", Index(len(l.Steps)-1)), "the last step is for the rest: 0, not %s", last)
	}
}

// Step is the place of the step that holds with a time left until the departure, and Until how much time is left when
// it ends. The last step holds at and after the departure, too.
func (l *FeeLadder) Step(left time.Duration) (step int, until time.Duration) {
	for i := range l.Steps {
		if l.Steps[i].Before <= left || i == len(l.Steps)-1 {
			return i, l.Steps[i].Before
		}
	}
	panic("rail: a ladder of fees without a step")
}

// Fee is what is kept of a price with a time left until the departure: a part by the step, rounded half up to a
// multiple of RoundTo, and Least at least. It is 0 on a free step and for a free ticket, and never more than the price.
// Where the currency has no such small part, RoundTo and Least are rounded up to its minor unit.
func (l *FeeLadder) Fee(price Money, left time.Duration) Money {
	fee := Money{Currency: price.Currency}
	step, _ := l.Step(left)
	part := l.Steps[step].PerMille
	if part == 0 || price.Minor <= 0 {
		return fee
	}
	multiple := uint64(price.Currency.minorOf(l.RoundTo))
	// 128-bit: a price times a thousand may leave 64 bits.
	hi, lo := bits.Mul64(uint64(price.Minor), uint64(part))
	divisor := wholePerMille * multiple
	lo, carry := bits.Add64(lo, divisor/2, 0)
	times, _ := bits.Div64(hi+carry, lo, divisor)
	fee.Minor = min(max(int64(times*multiple), price.Currency.minorOf(l.Least)), price.Minor)
	return fee
}

// minorOf is a number of hundredths of the currency's unit in its minor units, rounded up.
func (c Currency) minorOf(hundredth int64) int64 {
	minor := hundredth
	for range c.MinorDigits() {
		minor *= 10
	}
	return (minor + hundredths - 1) / hundredths
}

// ChangeTicket is what a ticket is to be changed to.
type ChangeTicket struct {
	Ticket   TicketRef
	RunID    RunID
	From, To StationCode
	// Departure is when the train leaves From; zero where the train goes from there to To once only.
	Departure time.Time `json:",omitzero"`
	SeatClass SeatClass
	Wish      Wish
}

// Place is the order for the new ticket of a change, for the passenger of the old one. It is not normalised.
func (c *ChangeTicket) Place(key string, passenger Passenger) PlaceOrder {
	return PlaceOrder{
		IdempotencyKey: key, RunID: c.RunID, From: c.From, To: c.To, Departure: c.Departure,
		Passengers: []PassengerRequest{{Passenger: passenger, SeatClass: c.SeatClass, Wish: c.Wish}},
	}
}

// AtChange turns the errors of the order for a new ticket into those of the change that it was made of: what points at
// a passenger points at the class, the wish or the ticket. root is the path of the change.
func AtChange(err error, root ...string) error {
	return Repath(err, func(path []string) []string { return changePath(path, root) })
}

// changePath is a path of a PlaceOrder as that of a change.
func changePath(path, root []string) []string {
	const passenger = 3 // "input", "passengers", "0"
	switch {
	case len(path) < 2:
		return root
	case path[1] != "passengers":
		return under(root, path[1:]...)
	case len(path) > passenger && (path[passenger] == "seatClass" || path[passenger] == "wish"):
		return under(root, path[passenger:]...)
	}
	return under(root, "ticketId") // The passenger is the old ticket's.
}

// Meets tells whether a seat meets all parts of a wish.
func (w *Wish) Meets(seat SeatRef) bool {
	return (w.Position == "" || w.Position == seat.Seat.Position) && (w.Coach == "" || w.Coach == seat.Coach.Number) &&
		(w.Letter == "" || asciiUpper(w.Letter) == asciiUpper(seat.Seat.Letter()))
}
