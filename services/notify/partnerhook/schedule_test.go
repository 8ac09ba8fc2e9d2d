package partnerhook

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The waits, and the times since the first attempt, are those of the specification's table.
func TestRetryIn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var since time.Duration
	for tries, want := range []struct{ wait, since string }{
		{"0s", "0s"}, {"5s", "5s"}, {"5m", "5m5s"}, {"30m", "35m5s"}, {"2h", "2h35m5s"}, {"5h", "7h35m5s"},
		{"10h", "17h35m5s"}, {"14h", "31h35m5s"}, {"20h", "51h35m5s"}, {"24h", "75h35m5s"},
	} {
		wait, err := time.ParseDuration(want.wait)
		require.NoError(t, err)
		least, most := 1000*time.Hour, time.Duration(0)
		for range 1000 {
			got, ok := RetryIn(tries, random)
			require.True(t, ok)
			require.GreaterOrEqual(t, got, wait)
			require.LessOrEqual(t, got, wait+wait/10)
			least, most = min(least, got), max(most, got)
		}
		if wait > 0 {
			require.Greater(t, most-least, wait/20, "tries that failed together come back apart")
		}
		since += wait
		require.Equal(t, want.since, shorten(t, since))
	}
	for _, tries := range []int{MaxTries, MaxTries + 1, 1 << 40} {
		_, ok := RetryIn(tries, random)
		require.False(t, ok)
	}
	wait, ok := RetryIn(-1, random)
	require.True(t, ok)
	require.Zero(t, wait)
}

// shorten writes a duration as the table above does.
func shorten(t *testing.T, d time.Duration) string {
	t.Helper()
	for _, form := range []string{"0s", "5s", "5m5s", "35m5s", "2h35m5s", "7h35m5s", "17h35m5s", "31h35m5s", "51h35m5s", "75h35m5s"} {
		if same, err := time.ParseDuration(form); err == nil && same == d {
			return form
		}
	}
	return d.String()
}
