package notify

import (
	"math/rand/v2"
	"time"
)

// mailPauses are the pauses after a mail's tries. What is refused for now, as by greylisting, is taken minutes later;
// RFC 5321 section 4.5.4.1 asks for half an hour between later tries, and for four to five days until it is given up. A
// ticket is of no use then: it is given up after a day.
var mailPauses = []time.Duration{
	30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
	8 * time.Hour, 8 * time.Hour,
}

// webhookPauses are those of the Standard Webhooks specification 1.0.0, "Deliverability and reliability", up to a day
// altogether.
var webhookPauses = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
}

// pauseAfter is how long to wait after so many tries, a tenth more or less: receivers that failed together are not all
// asked again at one moment. ok is false where it is given up.
func pauseAfter(c Channel, tries int) (wait time.Duration, ok bool) {
	pauses := mailPauses
	if c == Webhook {
		pauses = webhookPauses
	}
	if tries < 1 || tries > len(pauses) {
		return 0, false
	}
	wait = pauses[tries-1]
	return wait + time.Duration((rand.Float64()-0.5)*float64(wait)/5), true
}
