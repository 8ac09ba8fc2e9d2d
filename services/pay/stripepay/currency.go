package stripepay

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"interlock/services/rail"
)

// What follows is from https://docs.stripe.com/currencies.

// presented are the currencies that Stripe charges cards in.
var presented = strings.Fields(`
	AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY
	COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD
	JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD
	NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL
	THB TJS TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XOF XPF YER ZAR ZMW`)

// stripeDigits is how many decimal digits an amount has in Stripe's API. It differs from ISO 4217 for ISK and UGX,
// which Stripe still takes with two, and for MGA, which it takes with none.
func stripeDigits(c rail.Currency) int {
	switch c {
	case "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "JOD", "KWD", "OMR", "TND":
		return 3
	}
	return 2
}

// least is the least amount of a charge, in Stripe's units, where it is settled in the currency it is paid in. Stripe
// names no least amount for the others.
var least = map[rail.Currency]int64{
	"AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50, "GBP": 30,
	"HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50, "PLN": 200,
	"RON": 200, "SEK": 300, "SGD": 50, "THB": 1000, "USD": 50,
}

// greatest is the greatest amount of a charge in Stripe's units: eight digits, and twelve of rupiahs.
func greatest(c rail.Currency) int64 {
	if c == "IDR" {
		return 999_999_999_999
	}
	return 99_999_999
}

// toStripe is an amount in Stripe's units. The error is for a person: what the provider does not take, and why.
func toStripe(m rail.Money) (int64, error) {
	if !slices.Contains(presented, string(m.Currency)) {
		return 0, fmt.Errorf("%s is no currency that can be paid in here", m.Currency)
	}
	amount, err := scale(m)
	if err != nil {
		return 0, err
	}
	if lowest := max(least[m.Currency], 1); amount < lowest {
		shown, _ := fromStripe(m.Currency, lowest)
		return 0, fmt.Errorf("%s is less than can be paid here: %s", m, rail.Money{Minor: shown, Currency: m.Currency})
	}
	if most := greatest(m.Currency); amount > most {
		return 0, fmt.Errorf("%s is more than can be paid here", m)
	}
	return amount, nil
}

// scale turns minor units into Stripe's units, without its bounds.
func scale(m rail.Money) (int64, error) {
	more := stripeDigits(m.Currency) - m.Currency.MinorDigits()
	unit := int64(math.Pow10(max(more, -more)))
	switch {
	case m.Minor < 0:
		return 0, fmt.Errorf("%s is less than nothing", m)
	case stripeDigits(m.Currency) == 3 && m.Minor%10 != 0:
		return 0, fmt.Errorf("%s cannot be paid here: the last digit has to be 0", m)
	case more >= 0:
		if m.Minor > math.MaxInt64/unit {
			return 0, fmt.Errorf("%s is more than can be paid here", m)
		}
		return m.Minor * unit, nil
	case m.Minor%unit != 0:
		return 0, fmt.Errorf("%s cannot be paid here: only whole units can", m)
	}
	return m.Minor / unit, nil
}

// fromStripe turns Stripe's units into minor units.
func fromStripe(c rail.Currency, amount int64) (int64, error) {
	more := stripeDigits(c) - c.MinorDigits()
	unit := int64(math.Pow10(max(more, -more)))
	if more < 0 {
		return amount * unit, nil
	}
	if amount%unit != 0 {
		return 0, errors.New("an amount has a fraction of a minor unit of " + string(c))
	}
	return amount / unit, nil
}

// Money is an amount as Stripe writes it: the currency in lower-case letters, and Stripe's units.
func Money(currency string, amount int64) (rail.Money, error) {
	c := rail.Currency(strings.ToUpper(currency))
	minor, err := fromStripe(c, amount)
	return rail.Money{Minor: minor, Currency: c}, err
}
