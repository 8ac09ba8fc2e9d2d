package baseline

import (
	"math/rand/v2"
	"time"
)

// Variant is one way to sell with a lock, as the sweep tries it.
type Variant struct {
	// ForUpdate relies on the database's row lock alone; no lock node is asked.
	ForUpdate bool
	// MinRetry and MaxRetry are between the tries for a lock that is taken.
	MinRetry, MaxRetry time.Duration
	// LocalMutex lets one buyer of this process at a time ask for the lock.
	LocalMutex bool
}

// Variants are the sweep.
func Variants() []Variant {
	variants := []Variant{{ForUpdate: true}}
	for _, retry := range [][2]time.Duration{
		{2 * time.Millisecond, 2 * time.Millisecond},
		{10 * time.Millisecond, 10 * time.Millisecond},
		{50 * time.Millisecond, 250 * time.Millisecond}, // redsync's own choice
	} {
		for _, local := range []bool{false, true} {
			variants = append(variants, Variant{MinRetry: retry[0], MaxRetry: retry[1], LocalMutex: local})
		}
	}
	return variants
}

func (v Variant) retry(int) time.Duration {
	if v.MaxRetry <= v.MinRetry {
		return v.MinRetry
	}
	return v.MinRetry + rand.N(v.MaxRetry-v.MinRetry)
}
