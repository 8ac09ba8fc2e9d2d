package publish

import (
	"regexp"
	"strconv"

	"interlock/services/rail"
)

var offsetPattern = regexp.MustCompile(`^([0-9]{1,3}):([0-5][0-9])(?::([0-5][0-9]))?$`)

// ParseOffset reads the time of a call as a clock shows it, "09:00" or "09:00:00", and over 24:00 after midnight. It
// returns the seconds since 00:00 of the service date.
func ParseOffset(s string) (seconds int32, err error) {
	parts := offsetPattern.FindStringSubmatch(s)
	if parts == nil {
		return 0, rail.Refuse(rail.Invalid, "%q is not a time like 09:00, 09:00:00 or, after midnight, 25:10", s)
	}
	var total int
	for i, unit := range []int{3_600, 60, 1} {
		n, _ := strconv.Atoi(parts[i+1]) // Digits, or the empty seconds of "09:00".
		total += n * unit
	}
	return int32(total), nil
}
