package report

import (
	"math"
	"strconv"
	"strings"
)

// none stands where there is no figure.
const none = "–"

// count is a whole number with its thousands apart.
func count[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return sign + strings.Join(append([]string{digits}, groups...), ",")
}

// number has three digits that count: more would claim what two runs differ by.
func number(f float64) string {
	switch a := math.Abs(f); {
	case a >= 99.95:
		return count(int64(math.Round(f)))
	case a >= 9.995:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case a == 0:
		return "0"
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// ratio has two digits behind the point below ten, where the goals are.
func ratio(f float64) string {
	if math.Abs(f) >= 9.995 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// fine is a ratio whose third digit behind the point counts.
func fine(f float64) string { return strconv.FormatFloat(f, 'f', 4, 64) }

// percent is of one.
func percent(f float64) string { return strconv.FormatFloat(100*f, 'f', 1, 64) + " %" }
