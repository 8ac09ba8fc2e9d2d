package rail_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
)

func TestMoney_OnTheWire(t *testing.T) {
	for _, c := range []struct {
		minor    int64
		currency rail.Currency
		amount   string
	}{
		{55_300, "CNY", "553.00"},
		{0, "CNY", "0.00"},
		{5, "CNY", "0.05"},
		{50, "EUR", "0.50"},
		{-5, "EUR", "-0.05"},
		{-12_345, "USD", "-123.45"},
		{0, "JPY", "0"},
		{14_170, "JPY", "14170"},
		{-1, "JPY", "-1"},
		{0, "KWD", "0.000"},
		{1, "KWD", "0.001"},
		{12_345, "KWD", "12.345"},
		{1, "CLF", "0.0001"},
		{math.MaxInt64, "CNY", "92233720368547758.07"},
		{math.MinInt64, "CNY", "-92233720368547758.08"},
		{math.MinInt64, "JPY", "-9223372036854775808"},
	} {
		m := rail.Money{Minor: c.minor, Currency: c.currency}
		require.Equal(t, c.amount, m.Amount())
		require.Equal(t, string(c.currency), m.CurrencyCode())
		require.Equal(t, c.amount+" "+string(c.currency), m.String())
	}
}

func TestParseMoney(t *testing.T) {
	for _, c := range []struct {
		amount   string
		currency rail.Currency
		minor    int64
	}{
		{"553.00", "CNY", 55_300},
		{"553", "CNY", 55_300},
		{"553.5", "CNY", 55_350},
		{"0", "CNY", 0},
		{"0.05", "CNY", 5},
		{"007.10", "CNY", 710},
		{"14170", "JPY", 14_170},
		{"14170.00", "JPY", 14_170},
		{"12.345", "KWD", 12_345},
		{"12.3", "KWD", 12_300},
		{"1.230000000", "EUR", 123},
		{"92233720368547.75", "CNY", 9_223_372_036_854_775},
	} {
		m, err := rail.ParseMoney(c.amount, c.currency)
		require.NoError(t, err, c.amount)
		require.Equal(t, rail.Money{Minor: c.minor, Currency: c.currency}, m)
	}
	for _, c := range []struct {
		amount   string
		currency rail.Currency
	}{
		{"", "CNY"},
		{"-1", "CNY"},
		{"+1", "CNY"},
		{"1.", "CNY"},
		{".5", "CNY"},
		{"1,50", "CNY"},
		{"1e3", "CNY"},
		{"0x10", "CNY"},
		{"1_000", "CNY"},
		{" 1", "CNY"},
		{"1 ", "CNY"},
		{"1\n", "CNY"},
		{"1/2", "CNY"},
		{"NaN", "CNY"},
		{"Inf", "CNY"},
		{"１", "CNY"},
		{"1.2.3", "CNY"},
		{"1.005", "CNY"},
		{"1.5", "JPY"},
		{"1.2345", "KWD"},
		{"92233720368547.76", "CNY"},
		{"999999999999999", "KWD"},
		{"1234567890123456", "JPY"},
		{"1", ""},
		{"1", "cny"},
		{"1", "CNYX"},
		{"1", "C1Y"},
		{"1", "CNY\n"},
	} {
		_, err := rail.ParseMoney(c.amount, c.currency)
		require.Error(t, err, "%q %q", c.amount, c.currency)
	}
}

// What is shown is read as what it was.
func TestMoney_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rail.Money{
			Minor:    rapid.Int64Range(0, math.MaxInt64/1_000).Draw(t, "minor"),
			Currency: rapid.SampledFrom([]rail.Currency{"CNY", "EUR", "KWD", "CLF"}).Draw(t, "currency"),
		}
		if m.Currency == "CLF" {
			m.Minor %= 1e15
		}
		got, err := rail.ParseMoney(m.Amount(), m.Currency)
		require.NoError(t, err)
		require.Equal(t, m, got)
	})
}

func TestParseKmRate(t *testing.T) {
	for _, c := range []struct {
		perKm    string
		currency rail.Currency
		micros   int64
	}{
		{"0.46", "CNY", 46_000_000},
		{"0.4633", "CNY", 46_330_000},
		{"0.00000001", "CNY", 1},
		{"16.2", "JPY", 16_200_000},
		{"0.000000001", "KWD", 1},
		{"0", "CNY", 0},
	} {
		micros, err := rail.ParseKmRate(c.perKm, c.currency)
		require.NoError(t, err)
		require.Equal(t, c.micros, micros, "%s %s", c.perKm, c.currency)
	}
	for _, perKm := range []string{"", "-0.46", "0.000000001", "1e-2", "999999999999999"} {
		_, err := rail.ParseKmRate(perKm, "CNY")
		require.Error(t, err, perKm)
	}
}

func ExampleMoney_Amount() {
	fmt.Println(rail.Money{Minor: 55_300, Currency: "CNY"}.Amount())
	fmt.Println(rail.Money{Minor: 14_170, Currency: "JPY"}.Amount())
	fmt.Println(rail.Money{Minor: 12_345, Currency: "KWD"}.Amount())
	// Output:
	// 553.00
	// 14170
	// 12.345
}
