package sqlledger

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestClock has a primary that is seven minutes ahead tell its time in answers that travel for some milliseconds.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead, ms = 7 * time.Minute, time.Millisecond
		var c clock
		truth := func() time.Time { return time.Now().Add(ahead) }
		told := func(journey time.Duration) time.Time {
			theirs := truth()
			<-time.After(journey)
			c.saw(theirs)
			return theirs
		}
		late := func(theirs time.Time) time.Duration { return truth().Sub(c.after(theirs)) }

		c.after(truth())
		// What is seen counts from when it is seen, and not from when the clock was first asked.
		<-time.After(2 * leadMax)
		first := truth()
		require.Equal(t, first, c.after(first), "before a look, only what was told is known")
		told(20 * ms)
		last := told(3 * ms)
		require.Equal(t, 3*ms, late(last))
		last = told(40 * ms)
		require.Equal(t, 3*ms, late(last), "the fastest answer says it best")
		<-time.After(30 * ms)
		require.Equal(t, 3*ms, late(last), "and goes on to, as time passes")
		require.Zero(t, late(truth()), "what was told just now is later than what is known")

		<-time.After(clockInterval)
		last = told(9 * ms)
		require.Equal(t, 3*ms, late(last), "it counts for another interval")
		<-time.After(clockInterval)
		require.Equal(t, 9*ms, late(last), "and not for a third")
		waited := truth()
		<-time.After(leadMax / 2)
		require.Equal(t, 9*ms, late(waited), "a silence is no reason to forget it")
		c.saw(waited)
		require.Equal(t, 9*ms, late(waited), "nor is an answer that has waited all through it")
		<-time.After(clockInterval)
		last = told(20 * ms)
		<-time.After(clockInterval)
		require.Equal(t, 20*ms, late(last), "later answers are")

		const put = time.Minute
		c.saw(truth().Add(-put))
		require.Equal(t, 20*ms, late(truth().Add(-put)), "a clock that was put back is believed to be where it was")
		<-time.After(clockInterval)
		c.saw(truth().Add(-put))
		require.Equal(t, put, late(truth().Add(-put)), "for two intervals at most")
		last = truth().Add(-put)
		<-time.After(leadMax)
		require.Equal(t, last, c.after(last), "nothing is known of a primary that has been silent for long")
	})
}
