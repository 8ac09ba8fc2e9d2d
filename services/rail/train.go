package rail

import (
	"slices"
	"strings"
	"time"
)

// Bounds of a train's calls. The counts of a run grow with the square of its calls; 256 calls are 32,640 pairs.
const (
	MaxCalls = 256
	// MaxOffset is the longest a train runs after the start of its service date; the longest passenger trains take a
	// week.
	MaxOffset = 14 * 24 * time.Hour
	maxMetres = 100_000_000
	// MaxKind is how many characters a train's kind has at most, and maxTrainNumber its number. A train that changes
	// its number on the way has several in one.
	MaxKind        = 64
	maxTrainNumber = 128
)

// NoDistance is Call.Metres where the timetable gives none.
const NoDistance int32 = -1

// Call is one stop of a train.
type Call struct {
	Station StationCode `json:"station"`
	// Clock is the IANA zone of the clock that the times are read off; "" where they count from Date.ServiceStart in
	// the train's time zone, as those of GTFS do. It is kept with the call, so that a train on sale does not move when
	// a station's zone is corrected.
	Clock string `json:"clock,omitempty"`
	// ArrivalSeconds and DepartureSeconds pass 86,400 after midnight: by a Clock, 90,000 is 01:00 of the next day. At
	// the origin the arrival says nothing, and at the terminus the departure.
	ArrivalSeconds   int32 `json:"arr"`
	DepartureSeconds int32 `json:"dep"`
	// Metres is the distance from the origin, or NoDistance.
	Metres int32 `json:"metres"`
	// NoBoarding and NoAlighting are calls where passengers only get off, or only on.
	NoBoarding  bool `json:"noBoarding,omitempty"`
	NoAlighting bool `json:"noAlighting,omitempty"`
}

// Train is a numbered service: its calls, its coaches and its fares. It is never changed once made. A train that runs
// differently on some dates is another Train with the same number.
type Train struct {
	// ID is a digest of all the rest: equal trains have equal ids.
	ID     string
	Number string
	// Kind is the railway's word for the sort of train, "G" or "高速"; may be "".
	Kind string
	// TimeZone is the IANA zone of its origin; times of calls without a Clock count in it.
	TimeZone  string
	Calls     []Call
	Formation *Formation
	Fares     *Fares

	location *time.Location
	// clocks are the zones of the calls' clocks, nil for a call without a Clock. clocks is nil where all are.
	clocks []*time.Location
	// pairs are the fares' Pairs, sorted. They are the very same where they were given so.
	pairs []PairFare
}

// NewTrain makes a train of parts, which it keeps. It may be invalid: see Validate.
func NewTrain(number, kind, timeZone string, calls []Call, formation *Formation, fares *Fares) *Train {
	t := &Train{Number: number, Kind: kind, TimeZone: timeZone, Calls: calls, Formation: formation, Fares: fares}
	t.ID = digest(struct {
		Number, Kind, Zone string
		Calls              []Call
		Formation          string
		Fares              *Fares
	}{number, kind, timeZone, calls, formation.ID, fares})
	t.location = time.UTC
	if loc, err := LoadZone(timeZone); err == nil {
		t.location = loc
	}
	if slices.ContainsFunc(calls, func(c Call) bool { return c.Clock != "" }) {
		t.clocks = make([]*time.Location, len(calls))
		for i := range calls {
			t.clocks[i], _ = LoadZone(calls[i].Clock) // Validate refuses a clock of no zone.
		}
	}
	t.pairs = fares.Pairs
	if !slices.IsSortedFunc(t.pairs, comparePairs) {
		t.pairs = slices.SortedStableFunc(slices.Values(t.pairs), comparePairs)
	}
	return t
}

func comparePairs(a, b PairFare) int { return a.compare(&b) }

// Location is the train's time zone.
func (t *Train) Location() *time.Location { return t.location }

// Legs is how many legs the train has: one less than calls.
func (t *Train) Legs() int { return len(t.Calls) - 1 }

// Aliases are the other numbers of a train that changes its number on the way: "D305" and "D308" of "D305/D308".
func (t *Train) Aliases() []string {
	if !strings.Contains(t.Number, "/") {
		return nil
	}
	return slices.DeleteFunc(strings.Split(t.Number, "/"), func(number string) bool { return number == "" })
}

// Price is what a seat of a class costs from call i to call j. It is false where the fares give no price, and for calls
// that the train lacks.
func (t *Train) Price(class SeatClass, i, j int) (Money, bool) {
	if i < 0 || j <= i || j >= len(t.Calls) {
		return Money{}, false
	}
	minor, _, ok := t.fare(class, i, j)
	if !ok {
		return Money{}, false
	}
	return Money{minor, t.Fares.Currency}, true
}

// fare is the price in minor units from call i to call j, and the rate that it was reckoned by, nil for a fare that was
// given as it is.
func (t *Train) fare(class SeatClass, i, j int) (minor int64, by *KmRate, ok bool) {
	if minor := t.Fares.byCalls(class, PairIndex(len(t.Calls), i, j)); minor != NoFare {
		return minor, nil, true
	}
	wanted := PairFare{SeatClass: class, From: t.Calls[i].Station, To: t.Calls[j].Station}
	if at, ok := slices.BinarySearchFunc(t.pairs, wanted, comparePairs); ok {
		return t.pairs[at].Minor, nil, true
	}
	if flat := t.Fares.flat(class); flat != nil {
		return flat.Minor, nil, true
	}
	rate := t.Fares.rate(class)
	if rate == nil || t.Calls[i].Metres == NoDistance || t.Calls[j].Metres == NoDistance {
		return 0, nil, false
	}
	return t.Fares.forMetres(rate, int64(t.Calls[j].Metres-t.Calls[i].Metres)), rate, true
}

// CallPair is where to board and where to alight: two calls of a train.
type CallPair struct{ From, To int }

// CallPairs finds the calls to board and alight at between two stations, by departure. A train that calls at both of
// them twice has two pairs: A–B–A–B goes from A to B twice. A pair that has another within itself is none: who boards
// at the first A of A–A–B, or alights at the last B of A–B–B, goes a longer way than need be. Of two that leave at one
// time the later counts. There is none where the train does not go there, and from a station to itself, even on a train
// that comes back to it.
func (t *Train) CallPairs(from, to StationCode) []CallPair {
	if from == to {
		return nil
	}
	var pairs []CallPair
	next, taken := -1, -1
	for at := len(t.Calls) - 1; at >= 0; at-- {
		call := &t.Calls[at]
		if call.Station == from && !call.NoBoarding && next != taken &&
			(pairs == nil || call.DepartureSeconds != t.Calls[pairs[len(pairs)-1].From].DepartureSeconds) {
			pairs, taken = append(pairs, CallPair{at, next}), next
		}
		if call.Station == to && !call.NoAlighting {
			next = at
		}
	}
	slices.Reverse(pairs)
	return pairs
}

// Sellable tells whether a passenger may board at call i and alight at call j.
func (t *Train) Sellable(i, j int) bool {
	return i >= 0 && i < j && j < len(t.Calls) && !t.Calls[i].NoBoarding && !t.Calls[j].NoAlighting
}

// Validate lists everything that is wrong with the train, each with its path below at (number, calls, coaches, fares).
func (t *Train) Validate(at ...string) Errors {
	var errs Errors
	errs.addText(under(at, "number"), "a train's number", t.Number, maxTrainNumber)
	if t.Kind != "" {
		errs.addText(under(at, "kind"), "a train's kind", t.Kind, MaxKind)
	}
	if _, err := LoadZone(t.TimeZone); err != nil {
		errs.Add(Invalid, under(at, "timeZone"), "%q is not an IANA time zone", t.TimeZone)
	}
	errs = append(errs, t.validateCalls(under(at, "calls"))...)
	errs = append(errs, t.Formation.Validate(under(at, "coaches")...)...)
	errs = append(errs, t.Fares.Validate(under(at, "fares")...)...)
	if len(errs) == 0 {
		errs = t.validatePrices(under(at, "fares"))
	}
	return errs
}

func (t *Train) validateCalls(at []string) Errors {
	var errs Errors
	if len(t.Calls) < 2 || len(t.Calls) > MaxCalls {
		errs.Add(Invalid, at, "a train calls at 2 to %d stations, not %d", MaxCalls, len(t.Calls))
		return errs
	}
	// Calls without a distance may lie between two that have one.
	farthest := NoDistance
	for i := range t.Calls {
		call, path := &t.Calls[i], under(at, Index(i))
		errs.addText(under(path, "station"), "a station's code", string(call.Station), maxCode)
		if call.Clock != "" && t.clocks[i] == nil {
			errs.Add(Invalid, path, "%q is not an IANA time zone", call.Clock)
		}
		t.validateTimes(&errs, path, i)
		switch {
		case call.Metres == NoDistance:
		case call.Metres < 0 || call.Metres > maxMetres:
			errs.Add(Invalid, under(path, "distanceKm"), "a distance is between 0 and %d km", maxMetres/1_000)
		case call.Metres < farthest:
			errs.Add(Invalid, under(path, "distanceKm"), "the distance goes down at call %d", i+1)
		}
		farthest = max(farthest, call.Metres)
	}
	return errs
}

// validateTimes adds what is wrong with the times of call i by themselves, and beside those of the call before. At the
// origin and the terminus one of the two says nothing.
func (t *Train) validateTimes(errs *Errors, path []string, i int) {
	call, last := &t.Calls[i], int32(MaxOffset/time.Second)
	arrival, departure := call.ArrivalSeconds, call.DepartureSeconds
	if i == 0 {
		arrival = departure
	}
	if i == len(t.Calls)-1 {
		departure = arrival
	}
	switch {
	case arrival < 0 || departure < 0 || departure > last || arrival > last:
		errs.Add(Invalid, path, "a call's times are between 00:00 of the service date and %d:00", MaxOffset/time.Hour)
	case departure < arrival:
		errs.Add(Invalid, under(path, "departure"), "the train leaves call %d before it arrives", i+1)
	case i > 0 && call.Clock == t.Calls[i-1].Clock && arrival < t.Calls[i-1].DepartureSeconds:
		// Clocks of two zones are compared on each date: see ValidateOn.
		errs.Add(Invalid, under(path, "arrival"), "the train arrives at call %d before it left call %d", i+1, i)
	}
}

// validatePrices refuses a train with a seat that has no price between some calls, or one of 0.00 that is not said to
// be free.
func (t *Train) validatePrices(at []string) Errors {
	var errs Errors
	for _, fares := range t.Fares.ByCalls {
		if len(fares.Minor) != Pairs(len(t.Calls)) {
			errs.Add(Invalid, at, "%d calls have %d pairs, and %s has %d fares between them", len(t.Calls),
				Pairs(len(t.Calls)), fares.SeatClass, len(fares.Minor))
			return errs
		}
	}
	everyDistance := !slices.ContainsFunc(t.Calls, func(c Call) bool { return c.Metres == NoDistance })
	for _, class := range t.Formation.Classes {
		rate := t.Fares.rate(class)
		if t.Fares.flat(class) != nil || everyDistance && rate != nil && (rate.Free || t.Fares.forMetres(rate, 0) > 0) {
			continue // Each pair has a price, and none needs to be looked at.
		}
		for i := range t.Calls {
			if t.validatePricesFrom(&errs, at, class, i, everyDistance); len(errs) > 0 {
				return errs
			}
		}
	}
	return errs
}

// validatePricesFrom adds the first price from call i that is wrong.
func (t *Train) validatePricesFrom(errs *Errors, at []string, class SeatClass, i int, everyDistance bool) {
	for j := i + 1; j < len(t.Calls); j++ {
		if !t.Sellable(i, j) || t.Calls[i].Station == t.Calls[j].Station {
			continue // No order goes from a station to itself.
		}
		minor, by, ok := t.fare(class, i, j)
		switch {
		case !ok:
			errs.Add(Invalid, at,
				"no fare for %s from %s to %s (and perhaps further pairs): give the pair, a flat fare, or a price per "+
					"kilometre and the distances of both calls",
				class, t.Calls[i].Station, t.Calls[j].Station)
			return
		case by != nil && minor == 0 && !by.Free:
			errs.Add(Invalid, at,
				"the fare for %s from %s to %s comes to %s (and perhaps further ones do): it needs a minimum, or free: true",
				class, t.Calls[i].Station, t.Calls[j].Station, Money{0, t.Fares.Currency}.Amount())
			return
		case by != nil && everyDistance:
			return // It costs as much, or more, to go farther.
		}
	}
}
