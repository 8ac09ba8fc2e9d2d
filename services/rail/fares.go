package rail

import (
	"cmp"
	"math/bits"
	"slices"
)

// KmRate is what a class costs per kilometre.
type KmRate struct {
	SeatClass SeatClass `json:"class"`
	// MicrosPerKm is the price of a kilometre in millionths of the currency's minor unit: 0.46 CNY is 46 fen, 46000000.
	MicrosPerKm int64 `json:"microsPerKm"`
	// MinimumMinor is the least a ticket costs, in minor units, before it is rounded.
	MinimumMinor int64 `json:"minimum,omitempty"`
	// Free says that a price of 0.00 is meant. Without it, such a price is a mistake: see Train.Validate.
	Free bool `json:"free,omitempty"`
}

// FlatFare is what a class costs however far one goes.
type FlatFare struct {
	SeatClass SeatClass `json:"class"`
	Minor     int64     `json:"minor"`
	// Free says that 0.00 is meant.
	Free bool `json:"free,omitempty"`
}

// ParseKmRate reads a decimal price per kilometre such as "0.4633", with at most six digits beyond the minor unit's.
func ParseKmRate(perKm string, currency Currency) (microsPerKm int64, err error) {
	return parseDecimal(perKm, currency.MinorDigits()+6)
}

// PairFare is what a class costs from one station to another.
type PairFare struct {
	SeatClass SeatClass   `json:"class"`
	From      StationCode `json:"from"`
	To        StationCode `json:"to"`
	Minor     int64       `json:"minor"`
	// Free says that 0.00 is meant.
	Free bool `json:"free,omitempty"`
}

func (f *PairFare) compare(g *PairFare) int {
	return cmp.Or(cmp.Compare(f.From, g.From), cmp.Compare(f.To, g.To), cmp.Compare(f.SeatClass, g.SeatClass))
}

// maxPairs is a fare of each class for each pair of calls of the longest train.
var maxPairs = MaxCalls * (MaxCalls - 1) / 2 * len(SeatClasses)

// CallFares are what a class costs between the calls of one train. A table of a whole network has a fare for each two
// stations; a train keeps those of its own calls, in eight bytes each.
type CallFares struct {
	SeatClass SeatClass `json:"class"`
	// Minor has a fare for each pair of calls by PairIndex, or NoFare.
	Minor []int64 `json:"minor"`
	// Free says that 0.00 is meant.
	Free bool `json:"free,omitempty"`
}

// NoFare is in CallFares where a pair of calls has no fare of its own.
const NoFare int64 = -1

// Fares are the prices of a train's seats. Of a class, the fare between two calls goes first, then the one between two
// stations, then the flat one, then the one per kilometre. Never changed once made.
type Fares struct {
	Currency Currency    `json:"currency"`
	PerKm    []KmRate    `json:"perKm,omitempty"`
	Flat     []FlatFare  `json:"flat,omitempty"`
	Pairs    []PairFare  `json:"pairs,omitempty"`
	ByCalls  []CallFares `json:"byCalls,omitempty"`
	// RoundToMinor is the step that prices per kilometre and their minimums are rounded to, half up, in minor units; 0
	// and 1 are the same. All other fares are as they were given.
	RoundToMinor int64 `json:"roundTo,omitempty"`
}

// rate is the KmRate of a class, nil where it has none.
func (f *Fares) rate(class SeatClass) *KmRate {
	for i := range f.PerKm {
		if f.PerKm[i].SeatClass == class {
			return &f.PerKm[i]
		}
	}
	return nil
}

// flat is the FlatFare of a class, nil where it has none.
func (f *Fares) flat(class SeatClass) *FlatFare {
	for i := range f.Flat {
		if f.Flat[i].SeatClass == class {
			return &f.Flat[i]
		}
	}
	return nil
}

// byCalls is the fare of a class for a pair of calls, NoFare where it has none.
func (f *Fares) byCalls(class SeatClass, pair int) int64 {
	for i := range f.ByCalls {
		if of := &f.ByCalls[i]; of.SeatClass == class && pair < len(of.Minor) {
			return of.Minor[pair]
		}
	}
	return NoFare
}

// forMetres is the price of a distance by a rate: rounded half up to the minor unit, raised to the minimum, and rounded
// half up to the step.
func (f *Fares) forMetres(rate *KmRate, metres int64) int64 {
	// 128-bit: 20,000 km at a rate of 10^12 leaves the 64 bits of metres × micros.
	hi, lo := bits.Mul64(uint64(metres), uint64(rate.MicrosPerKm))
	const unit = 1_000 * 1_000_000 // metres per km × micros per minor unit
	lo, carry := bits.Add64(lo, unit/2, 0)
	quotient, _ := bits.Div64(hi+carry, lo, unit)
	minor := max(int64(quotient), rate.MinimumMinor)
	if step := f.RoundToMinor; step > 1 {
		minor = (minor + step/2) / step * step
	}
	return minor
}

// Validate lists what is wrong with the fares by themselves; Train.Validate adds what they miss for a train.
func (f *Fares) Validate(at ...string) Errors {
	var errs Errors
	if !f.Currency.Valid() {
		errs.Add(Invalid, under(at, "currencyCode"), "%q is not an ISO 4217 currency code", f.Currency)
	}
	if f.RoundToMinor < 0 || f.RoundToMinor > 1_000_000 {
		errs.Add(Invalid, under(at, "roundTo"), "prices are rounded to at most 1000000 minor units")
	}
	if len(f.PerKm) > len(SeatClasses) {
		errs.Add(Invalid, under(at, "perKm"), "fares have at most %d prices per kilometre, one for a class, not %d",
			len(SeatClasses), len(f.PerKm))
		return errs
	}
	if len(f.Flat) > len(SeatClasses) || len(f.ByCalls) > len(SeatClasses) {
		errs.Add(Invalid, under(at, "flat"), "fares have at most %d flat ones, one for a class, not %d",
			len(SeatClasses), max(len(f.Flat), len(f.ByCalls)))
		return errs
	}
	if len(f.Pairs) > maxPairs {
		errs.Add(Invalid, under(at, "pairs"), "fares have at most %d pairs of stations, not %d", maxPairs, len(f.Pairs))
		return errs
	}
	f.validateRates(&errs, under(at, "perKm"))
	f.validateFlat(&errs, under(at, "flat"))
	f.validatePairs(&errs, under(at, "pairs"))
	f.validateByCalls(&errs, at)
	return errs
}

// addFare adds what is wrong with an amount of money that is to be paid.
func (f *Fares) addFare(errs *Errors, path []string, minor int64, free bool) {
	switch {
	case minor < 0 || minor > maxMinor:
		errs.Add(Invalid, path, "a fare is not negative")
	case minor == 0 && !free:
		errs.Add(Invalid, path, "a fare of %s needs free: true", Money{0, f.Currency}.Amount())
	}
}

func (f *Fares) validateRates(errs *Errors, at []string) {
	var classes []SeatClass
	for i, rate := range f.PerKm {
		path := under(at, Index(i))
		if !rate.SeatClass.Valid() || slices.Contains(classes, rate.SeatClass) {
			errs.Add(Invalid, under(path, "seatClass"), "%q is not a seat class, or is there twice", rate.SeatClass)
		}
		classes = append(classes, rate.SeatClass)
		// 10^12 micros are a million minor units per km; with 10^8 metres a price stays below maxMinor.
		if rate.MicrosPerKm < 0 || rate.MicrosPerKm > 1e12 {
			errs.Add(Invalid, under(path, "amount"),
				"a price per kilometre is not negative and at most a million minor units")
		}
		if rate.MinimumMinor < 0 || rate.MinimumMinor > maxMinor {
			errs.Add(Invalid, under(path, "minimum"), "a minimum is not negative")
		}
		if rate.MicrosPerKm == 0 && rate.MinimumMinor == 0 && !rate.Free {
			errs.Add(Invalid, under(path, "amount"), "a price of %s per kilometre needs free: true, or a minimum",
				Money{0, f.Currency}.Amount())
		}
	}
}

func (f *Fares) validateFlat(errs *Errors, at []string) {
	for i, flat := range f.Flat {
		path := under(at, Index(i))
		switch {
		case !flat.SeatClass.Valid() || f.flat(flat.SeatClass) != &f.Flat[i]:
			errs.Add(Invalid, under(path, "seatClass"), "%q is not a seat class, or is there twice", flat.SeatClass)
		case f.rate(flat.SeatClass) != nil:
			errs.Add(Invalid, under(path, "seatClass"), "%s has a price per kilometre and a flat fare: give one of them",
				flat.SeatClass)
		}
		f.addFare(errs, under(path, "amount"), flat.Minor, flat.Free)
	}
}

// validateByCalls looks at what no client sends: planners make these fares. How many a train has, Train.Validate knows.
func (f *Fares) validateByCalls(errs *Errors, at []string) {
	for i, fares := range f.ByCalls {
		if !fares.SeatClass.Valid() || slices.ContainsFunc(f.ByCalls[:i], func(other CallFares) bool {
			return other.SeatClass == fares.SeatClass
		}) {
			errs.Add(Invalid, at, "%q is not a seat class, or has fares between calls twice", fares.SeatClass)
		}
		for _, minor := range fares.Minor {
			if minor != NoFare {
				f.addFare(errs, at, minor, fares.Free)
			}
		}
	}
}

func (f *Fares) validatePairs(errs *Errors, at []string) {
	type pair struct {
		class    SeatClass
		from, to StationCode
	}
	seen := map[pair]bool{}
	for i, fare := range f.Pairs {
		path := under(at, Index(i))
		key := pair{fare.SeatClass, fare.From, fare.To}
		if seen[key] {
			errs.Add(Invalid, path, "the fare %s from %s to %s is there twice", fare.SeatClass, fare.From, fare.To)
		}
		seen[key] = true
		if !fare.SeatClass.Valid() {
			errs.Add(Invalid, under(path, "seatClass"), "%q is not a seat class", fare.SeatClass)
		}
		f.addFare(errs, under(path, "amount"), fare.Minor, fare.Free)
	}
}
