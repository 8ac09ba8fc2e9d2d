package pay

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// pollRate is how many open pages a process asks after in a second: half of what Stripe lets an account ask
	// (docs.stripe.com/rate-limits). Webhooks tell of pages sooner, so that it is enough for those that were lost.
	pollRate = 50
	// pollBurst is how many at once: those of half a second, which is longer than the pause between two looks.
	pollBurst = pollRate / 2
)

// polls bounds how often and how often at once the worker asks after open pages, so that thousands of them hold up no
// call that moves money.
type polls struct {
	most     int64
	underWay *atomic.Int64
	rate     *rate.Limiter
}

func newPolls(callsAtOnce int) polls {
	return polls{
		most: int64(max(callsAtOnce/2, 1)), underWay: &atomic.Int64{}, rate: rate.NewLimiter(pollRate, pollBurst),
	}
}

// free is how many open pages may be asked after now, at most limit. Only one look at a time may ask.
func (p *polls) free(limit int) int {
	return max(0, min(limit, int(p.most-p.underWay.Load()), int(p.rate.TokensAt(time.Now()))))
}

// begin counts a payment that is worked on, until done is called.
func (p *polls) begin(of *Payment) (done func()) {
	if of.State != Open {
		return func() {}
	}
	p.rate.AllowN(time.Now(), 1)
	p.underWay.Add(1)
	return func() { p.underWay.Add(-1) }
}
