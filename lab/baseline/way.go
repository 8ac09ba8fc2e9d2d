package baseline

import (
	"math/rand/v2"
	"time"
)

// Way is one way to write it.
type Way struct {
	// ForUpdate relies on the database's row lock alone; no lock node is asked.
	ForUpdate bool
	// MinRetry and MaxRetry are between the tries for a lock that is taken.
	MinRetry, MaxRetry time.Duration
	// LocalMutex lets one buyer of this process at a time ask for the lock.
	LocalMutex bool
}

// Ways are the sweep.
func Ways() []Way {
	ways := []Way{{ForUpdate: true}}
	for _, retry := range [][2]time.Duration{
		{2 * time.Millisecond, 2 * time.Millisecond},
		{10 * time.Millisecond, 10 * time.Millisecond},
		{50 * time.Millisecond, 250 * time.Millisecond}, // redsync's own choice
	} {
		for _, local := range []bool{false, true} {
			ways = append(ways, Way{MinRetry: retry[0], MaxRetry: retry[1], LocalMutex: local})
		}
	}
	return ways
}

func (w Way) retry(int) time.Duration {
	if w.MaxRetry <= w.MinRetry {
		return w.MinRetry
	}
	return w.MinRetry + rand.N(w.MaxRetry-w.MinRetry)
}
