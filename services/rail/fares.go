package rail

import (
	"math/bits"
	"slices"
)

// KmRate is what a class costs per kilometre.
type KmRate struct {
	SeatClass SeatClass `json:"class"`
	// MicrosPerKm is the price of a kilometre in millionths of the currency's minor unit: 0.46 CNY is 46 fen, 46000000.
	MicrosPerKm int64 `json:"microsPerKm"`
	// MinimumMinor is the least a ticket costs, in minor units.
	MinimumMinor int64 `json:"minimum,omitempty"`
}

// ParseKmRate reads a decimal price per kilometre such as "0.4633", with at most six digits beyond the minor unit's.
func ParseKmRate(perKm string, currency Currency) (microsPerKm int64, err error) {
	return parseDecimal(perKm, currency.MinorDigits()+6)
}

// PairFare is what a class costs from one station to another; it goes before any KmRate.
type PairFare struct {
	SeatClass SeatClass   `json:"class"`
	From      StationCode `json:"from"`
	To        StationCode `json:"to"`
	Minor     int64       `json:"minor"`
}

// maxPairs is a fare of each class for each pair of calls of the longest train.
var maxPairs = MaxCalls * (MaxCalls - 1) / 2 * len(SeatClasses)

// Fares are the prices of a train's seats: per pair of stations, else per kilometre. Never changed once made.
type Fares struct {
	Currency Currency   `json:"currency"`
	PerKm    []KmRate   `json:"perKm,omitempty"`
	Pairs    []PairFare `json:"pairs,omitempty"`
	// RoundToMinor is the step per-kilometre prices are rounded to, half up, in minor units; 0 and 1 are the same.
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

// forMetres is the price of a distance by a rate: rounded half up to the minor unit, then to the step, then raised to
// the minimum.
func (f *Fares) forMetres(rate *KmRate, metres int64) int64 {
	// 128-bit: 20,000 km at a rate of 10^12 leaves the 64 bits of metres × micros.
	hi, lo := bits.Mul64(uint64(metres), uint64(rate.MicrosPerKm))
	const unit = 1_000 * 1_000_000 // metres per km × micros per minor unit
	lo, carry := bits.Add64(lo, unit/2, 0)
	quotient, _ := bits.Div64(hi+carry, lo, unit)
	minor := int64(quotient)
	if step := f.RoundToMinor; step > 1 {
		minor = (minor + step/2) / step * step
	}
	return max(minor, rate.MinimumMinor)
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
	if len(f.Pairs) > maxPairs {
		errs.Add(Invalid, under(at, "pairs"), "fares have at most %d pairs of stations, not %d", maxPairs, len(f.Pairs))
		return errs
	}
	f.validateRates(&errs, under(at, "perKm"))
	f.validatePairs(&errs, under(at, "pairs"))
	return errs
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
	}
}

func (f *Fares) validatePairs(errs *Errors, at []string) {
	seen := map[pairKey]bool{}
	for i, pair := range f.Pairs {
		path := under(at, Index(i))
		key := pairKey{pair.SeatClass, pair.From, pair.To}
		if seen[key] {
			errs.Add(Invalid, path, "the fare %s from %s to %s is there twice", pair.SeatClass, pair.From, pair.To)
		}
		seen[key] = true
		if !pair.SeatClass.Valid() {
			errs.Add(Invalid, under(path, "seatClass"), "%q is not a seat class", pair.SeatClass)
		}
		if pair.Minor < 0 || pair.Minor > maxMinor {
			errs.Add(Invalid, under(path, "amount"), "a fare is not negative")
		}
	}
}
