package partnerhook

import (
	"math/rand/v2"
	"time"
)

// schedule is how long an attempt waits after the one before it: the specification's example, over three days and more.
var schedule = [...]time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute,
	2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// MaxTries is how many attempts a message has.
const MaxTries = len(schedule)

// jitter is how much of a wait is added to it at most, at random. Messages that failed together come back apart.
const jitter = 0.1

// RetryIn is how long after the last attempt the next one is due, when a message has had so many tries: 0 for the first,
// then from 5 s to 24 h, and up to a tenth more. False: it had them all. Where Answer.RetryAfter is longer, wait so long.
func RetryIn(tries int, random *rand.Rand) (time.Duration, bool) {
	if tries >= MaxTries {
		return 0, false
	}
	wait := schedule[max(tries, 0)]
	return wait + time.Duration(random.Float64()*jitter*float64(wait)), true
}
