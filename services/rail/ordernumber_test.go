package rail_test

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

func TestNewOrderNumber(t *testing.T) {
	at := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	require.Regexp(t, regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{12}$`), rail.NewOrderNumber(at, 1<<63+5))
	require.NotEqual(t, rail.NewOrderNumber(at, 1), rail.NewOrderNumber(at, 2), "what is random is in it")
	require.Equal(t, rail.NewOrderNumber(at, 1), rail.NewOrderNumber(at, 1|1<<31), "and what does not fit is not")

	var numbers []string
	for i := range 1_000 {
		// The later a number, the less it has of what is random, so that it cannot be in order by that.
		numbers = append(numbers, rail.NewOrderNumber(at.Add(time.Duration(i)*64*time.Millisecond),
			uint64(1_000-i)<<20))
	}
	require.True(t, slices.IsSorted(numbers), "numbers rise with time, whatever is random in them")
}
