// Package scalars reads and writes the scalars of the schema that gqlgen's own would read too leniently. The gateway
// has checked before that a value is of the kind that the scalar takes: a string, an integer.
package scalars

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// MarshalDateTime writes an instant; the zero time is null.
func MarshalDateTime(t time.Time) graphql.Marshaler { return graphql.MarshalTime(t) }

// rfc3339 is the form of an instant (RFC 3339, 5.6, without leap seconds). Package time alone would also take hours of
// one digit, commas, and any offset, and would cut off what is finer than a nanosecond.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// UnmarshalDateTime reads an instant in RFC 3339. gqlgen's own function takes an empty string for the year 1, and a
// time without an offset for one of UTC.
func UnmarshalDateTime(value any) (time.Time, error) {
	text, ok := value.(string)
	if ok && rfc3339.MatchString(text) {
		if t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text)); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New(
		`a DateTime is an instant in RFC 3339 with an offset, such as "2019-10-12T09:00:00+08:00"`)
}
