package rail

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// Currency is an ISO 4217 code in capitals.
type Currency string

// MinorDigits is how many decimal digits the currency's minor unit has (ISO 4217, table A.1).
func (c Currency) MinorDigits() int {
	switch c {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
		"XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

var currencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)

// Valid tells whether the code has the form of an ISO 4217 code.
func (c Currency) Valid() bool { return currencyPattern.MatchString(string(c)) }

// Money is an amount in minor units (fen, cents) of a currency. It is never a float.
type Money struct {
	Minor    int64
	Currency Currency
}

// maxMinor bounds every amount that comes in, so that adding up nine tickets cannot overflow.
const maxMinor = math.MaxInt64 / 1_000

// Amount is the decimal number on the wire: "553.00" for 55300 minor units of CNY.
func (m Money) Amount() string {
	digits := m.Currency.MinorDigits()
	s := strconv.FormatInt(m.Minor, 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if digits == 0 {
		return sign + s
	}
	for len(s) <= digits {
		s = "0" + s
	}
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:]
}

// CurrencyCode is the ISO 4217 code on the wire.
func (m Money) CurrencyCode() string { return string(m.Currency) }

func (m Money) String() string { return m.Amount() + " " + string(m.Currency) }

var decimalPattern = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,9})?$`)

// ParseMoney reads a decimal number that is not negative and has no more digits than the currency's minor unit.
func ParseMoney(amount string, currency Currency) (Money, error) {
	if !currency.Valid() {
		return Money{}, fmt.Errorf("%q is not an ISO 4217 currency code", currency)
	}
	minor, err := parseDecimal(amount, currency.MinorDigits())
	if err != nil {
		return Money{}, err
	}
	return Money{Minor: minor, Currency: currency}, nil
}

// parseDecimal reads a decimal that is not negative as an integer of 10^-digits.
func parseDecimal(s string, digits int) (int64, error) {
	if !decimalPattern.MatchString(s) {
		return 0, fmt.Errorf("%q is not a decimal number such as 553.00", s)
	}
	r, _ := new(big.Rat).SetString(s)
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)))
	if !r.IsInt() {
		return 0, fmt.Errorf("%q has more than %d decimal digits", s, digits)
	}
	if !r.Num().IsInt64() || r.Num().Int64() > maxMinor {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return r.Num().Int64(), nil
}
