package rail

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Wish is what a passenger would like. It is honoured where such a seat is free, and is never a reason to refuse.
type Wish struct {
	Position SeatPosition
	Letter   string
	Coach    string
}

// PassengerRequest is one passenger of a PlaceOrder.
type PassengerRequest struct {
	Passenger
	SeatClass SeatClass
	Wish      Wish
}

// PlaceOrder asks for seats on one run for up to MaxPassengers, all or nothing.
type PlaceOrder struct {
	IdempotencyKey string
	RunID          RunID
	From, To       StationCode
	// Departure is when the train leaves From; zero where the train goes from there to To once only.
	Departure  time.Time `json:",omitzero"`
	Passengers []PassengerRequest
	// Contact is where the buyer is written to; nil: nowhere.
	Contact *Contact `json:",omitempty"`
}

// Normalize makes requests equal that people would call the same: see NormalizeText, and NormalizeLabel for numbers.
// Document numbers become capitals. It comes before the request is compared with another one of the same key.
func (p *PlaceOrder) Normalize() {
	p.Departure = p.Departure.UTC()
	if p.Contact != nil {
		p.Contact.normalize()
	}
	for i := range p.Passengers {
		who := &p.Passengers[i]
		if p.Contact != nil {
			who.Contact = *p.Contact
		}
		who.Name = NormalizeText(who.Name)
		who.DocumentNumber = NormalizeDocument(who.DocumentNumber)
		who.Wish.Letter = strings.ToUpper(NormalizeLabel(who.Wish.Letter))
		who.Wish.Coach = NormalizeLabel(who.Wish.Coach)
	}
}

// asciiUpper is strings.ToUpper of ASCII letters only. Two letters outside ASCII have a capital in ASCII, and would
// make another person's document number.
func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// Validate lists everything that is wrong with a normalised request on a run, and finds the calls it is about. Whether
// the run may be sold now, and what is left, is decided in the sale's own transaction.
func (p *PlaceOrder) Validate(run *Run) (from, to int, err error) {
	var errs Errors
	if !ValidKey(p.IdempotencyKey) {
		errs.Add(Invalid, []string{"input", "idempotencyKey"},
			"an idempotency key has %d to %d printable ASCII characters without spaces", minKey, maxKey)
	}
	if p.Contact != nil {
		p.Contact.check(&errs, []string{"input", "contact"})
	}
	pair, wrong := p.pair(run)
	errs = append(errs, wrong...)
	if len(p.Passengers) == 0 || len(p.Passengers) > MaxPassengers {
		errs.Add(Invalid, []string{"input", "passengers"}, "an order has 1 to %d passengers, not %d", MaxPassengers,
			len(p.Passengers))
		return 0, 0, errs
	}
	documents := map[string]bool{}
	for i, who := range p.Passengers {
		path := []string{"input", "passengers", Index(i)}
		errs.addText(under(path, "name"), "a name", who.Name, MaxPassengerName)
		if fault := documentFault(who.DocumentNumber); fault != "" {
			errs.Add(Invalid, under(path, "documentNumber"),
				"a document number has %d to %d letters A to Z and digits: %s", minDocument, maxDocument, fault)
		}
		if documents[who.DocumentNumber] {
			errs.Add(Invalid, under(path, "documentNumber"), "two passengers have the same document number")
		}
		documents[who.DocumentNumber] = true
		if run.Train.Formation.ClassIndex(who.SeatClass) < 0 {
			errs.Add(Invalid, under(path, "seatClass"), "%s has no %s seats", run.Train.Number, who.SeatClass)
		}
		if who.Wish.Position != "" && !who.Wish.Position.Valid() {
			errs.Add(Invalid, under(path, "wish", "position"), "%q is not a seat position", who.Wish.Position)
		}
		if who.Wish.Letter != "" {
			errs.addText(under(path, "wish", "letter"), "a seat's letter", who.Wish.Letter, maxLabel)
		}
		if who.Wish.Coach != "" {
			errs.addText(under(path, "wish", "coach"), "a coach's number", who.Wish.Coach, maxLabel)
		}
	}
	return pair.From, pair.To, errs.OrNil()
}

// pair finds the calls that the order is about. Where the train goes from one station to the other more than once, the
// order must say which departure is meant: a passenger who has seen one offer must not get the seat of another.
func (p *PlaceOrder) pair(run *Run) (CallPair, Errors) {
	pairs := run.Train.CallPairs(p.From, p.To)
	if len(pairs) == 0 {
		return CallPair{}, run.Train.explainPair(p.From, p.To)
	}
	if p.Departure.IsZero() && len(pairs) == 1 {
		return pairs[0], nil
	}
	departures := make([]string, len(pairs))
	for i, pair := range pairs {
		departure := run.Departure(pair.From)
		if departure.Equal(p.Departure) {
			return pair, nil
		}
		departures[i] = departure.Format(time.RFC3339)
	}
	const named = 5
	if more := len(departures) - named; more > 0 {
		departures = append(departures[:named], fmt.Sprintf("%d more times", more))
	}
	times := strings.Join(departures, " and ")
	var errs Errors
	if p.Departure.IsZero() {
		errs.Add(Invalid, []string{"input", "departure"}, "%s goes from %s to %s more than once, leaving %s: say which",
			run.Train.Number, p.From, p.To, times)
	} else {
		errs.Add(Invalid, []string{"input", "departure"}, "%s leaves %s for %s at %s, and never at %s", run.Train.Number,
			p.From, p.To, times, p.Departure.Format(time.RFC3339))
	}
	return CallPair{}, errs
}

// explainPair says why a passenger cannot go from one station to the other on this train.
func (t *Train) explainPair(from, to StationCode) Errors {
	var errs Errors
	calls := func(code StationCode) bool {
		return slices.ContainsFunc(t.Calls, func(c Call) bool { return c.Station == code })
	}
	switch {
	case from == to:
		errs.Add(Invalid, []string{"input", "to"}, "from and to are the same station")
	case !calls(from):
		errs.Add(Invalid, []string{"input", "from"}, "%s does not call at %s", t.Number, Quote(string(from)))
	case !calls(to):
		errs.Add(Invalid, []string{"input", "to"}, "%s does not call at %s", t.Number, Quote(string(to)))
	default:
		errs.Add(Invalid, []string{"input", "to"}, "%s takes no passengers from %s to %s", t.Number, from, to)
	}
	return errs
}

// ValidKey tells whether an idempotency key has 8 to 128 printable ASCII characters without spaces: to some ledgers,
// 'key' and 'key ' are equal.
func ValidKey(key string) bool {
	if len(key) < minKey || len(key) > maxKey {
		return false
	}
	for i := 0; i < len(key); i++ {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

// NormalizeDocument is the one form of a document's number, so that the same number is one however it was typed.
func NormalizeDocument(number string) string { return asciiUpper(NormalizeLabel(number)) }

// documentFault is what is wrong with a document number, "" where nothing is. It shows one character of the number at
// most.
func documentFault(number string) string {
	characters := []rune(number)
	for i, r := range characters[:min(len(characters), maxDocument)] {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') {
			return fmt.Sprintf("character %d is U+%04X", i+1, r)
		}
	}
	if n := len(characters); n < minDocument || n > maxDocument {
		return fmt.Sprintf("it has %d", n)
	}
	return ""
}
