package quota

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how fast a bucket runs empty: Burst at once where it was left alone, and then one each Every. The zero Rate
// is no bound.
type Rate struct {
	// Every is whole microseconds.
	Every time.Duration
	Burst int
}

// The bounds of a rate.
const (
	maxPerSecond = 100_000
	maxWindow    = 24 * time.Hour
	maxBurst     = 1_000_000
)

// Unbounded tells whether the rate is no bound.
func (r Rate) Unbounded() bool { return r == Rate{} }

// tolerance is how far a bucket may be ahead of the time.
func (r Rate) tolerance() time.Duration { return r.Every * time.Duration(r.Burst) }

// Window is in how long a whole burst comes back.
func (r Rate) Window() time.Duration { return r.tolerance() }

// String is the form that ParseRate reads.
func (r Rate) String() string {
	if r.Unbounded() {
		return off
	}
	return fmt.Sprintf("1/%s:%d", r.Every, r.Burst)
}

// off is the text of the rate that is no bound.
const off = "off"

// ParseRate reads "20/1s:40": 20 in a second, and 40 at once. Without the last part it is as many at once as in that
// time. "off" is no bound.
func ParseRate(text string) (Rate, error) {
	if text == off {
		return Rate{}, nil
	}
	rate, bursts, hasBurst := strings.Cut(text, ":")
	many, window, _ := strings.Cut(rate, "/")
	n, err := strconv.Atoi(many)
	in, wrong := time.ParseDuration(window)
	burst := n
	if hasBurst {
		var bad error
		if burst, bad = strconv.Atoi(bursts); bad != nil {
			err = bad
		}
	}
	switch {
	case err != nil || wrong != nil:
		return Rate{}, fmt.Errorf("%q is no rate: write 20/1s:40 for 20 in a second and 40 at once, or off", text)
	case n < 1 || in <= 0 || in > maxWindow || float64(n)/in.Seconds() > maxPerSecond:
		return Rate{}, fmt.Errorf("%q: it is between 1 in %s and %d in a second", text, maxWindow, maxPerSecond)
	case burst < 1 || burst > maxBurst:
		return Rate{}, fmt.Errorf("%q: at once are 1 to %d", text, maxBurst)
	}
	// Rounded up: no more than was asked for.
	every := (in/time.Duration(n) + time.Microsecond - 1).Truncate(time.Microsecond)
	return Rate{Every: every, Burst: burst}, nil
}

// Meter is a leaky bucket as a meter: the generic cell rate algorithm (ITU-T I.371, Annex A, the virtual scheduling
// algorithm). It keeps one instant, at which the bucket would be empty. A token bucket with as many tokens as the burst
// is the same, seen from the other side.
type Meter struct {
	// empty is when the bucket is empty; the zero time is an empty one.
	empty time.Time
}

// Take takes n at an instant, or nothing. left is how many could be taken right after; wait is after how long n could
// be, where they were not.
func (m *Meter) Take(r Rate, n int, now time.Time) (ok bool, left int, wait time.Duration) {
	filled := later(m.empty, now).Add(r.Every * time.Duration(n))
	if wait = filled.Add(-r.tolerance()).Sub(now); wait > 0 {
		return false, m.room(r, now), wait
	}
	m.empty = filled
	return true, m.room(r, now), 0
}

// TakeUpTo takes n, or as many as there are.
func (m *Meter) TakeUpTo(r Rate, n int, now time.Time) (taken int) {
	taken = min(n, m.room(r, now))
	m.empty = later(m.empty, now).Add(r.Every * time.Duration(taken))
	return taken
}

// room is how many could be taken.
func (m *Meter) room(r Rate, now time.Time) int {
	return max(0, int((r.tolerance()-later(m.empty, now).Sub(now))/r.Every))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
