package background_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/lab/background"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var begun = time.Unix(1_000, 0)

func at(milliseconds int) time.Time { return begun.Add(time.Duration(milliseconds) * time.Millisecond) }

// log is three orders that their buyers heard of after 100, 200 and 300 ms.
func log() background.Log {
	return background.Log{Acks: []background.Ack{{HeardAt: at(100)}, {HeardAt: at(200)}, {HeardAt: at(300)}}}
}

func TestLacked(t *testing.T) {
	for _, c := range []struct {
		asked, orders int
		want          time.Duration
	}{
		{50, 0, 0},                       // no buyer has heard of any order
		{150, 0, 50 * time.Millisecond},  // the first was known for 50 ms
		{350, 0, 250 * time.Millisecond}, // the oldest of those that are missing counts
		{350, 2, 50 * time.Millisecond},
		{350, 3, 0},
		{150, 2, 0}, // shown before its buyer has heard of it
		{350, 4, 0}, // one more than any buyer has heard of yet
	} {
		require.Equal(t, c.want, log().Lacked(background.Shown{
			AskedAt: at(c.asked), HeardAt: at(c.asked + 10), Orders: c.orders,
		}), "%+v", c)
	}
}

func TestSince(t *testing.T) {
	before := background.Shown{HeardAt: at(120), Orders: 1}
	age, ok := log().Since(before, background.Shown{HeardAt: at(340), Orders: 3})
	require.True(t, ok)
	require.Equal(t, 140*time.Millisecond, age, "the oldest of the two that are new")
	_, ok = log().Since(before, background.Shown{HeardAt: at(340), Orders: 1})
	require.False(t, ok, "nothing is new")
	age, ok = log().Since(before, background.Shown{HeardAt: at(190), Orders: 2})
	require.True(t, ok)
	require.Zero(t, age, "shown before its buyer has heard of it")
	_, ok = log().Since(background.Shown{Orders: 3}, background.Shown{HeardAt: at(400), Orders: 4})
	require.False(t, ok, "no buyer has heard of it")
}
