package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"interlock/services/rail"
)

// tier is a size of responses. A response that grows beyond it needs one of its places, so that large responses do not
// add up. Small ones never wait here, and purchases are small.
type tier struct {
	// beyond is how many values need no place of this tier.
	beyond int64
	// places are how many may be in the tier at a time, and waiting how many may wait for a place. A response that
	// waits keeps what it has.
	places  int
	waiting int64
	// unsent is how many bytes may wait for slow readers. With more, no further response gets into the tier.
	unsent int64
	// perSecond is how many values all responses of this tier get in a second; 0 is no bound.
	perSecond int
}

// tiersOf are the tiers on so many processors. A usual search has 300 to 2,500 values. A value takes some 3 to 5
// microseconds and 0.5 to 1 KB while it is made. Two searches keep a processor busy; 150 more, with 250 values each,
// wait half a second. A larger response would keep all processors busy for up to half a second, and take 100 MB. So few
// of these are made at a time, and their values are paced: buyers keep nine tenths of the processors. Introspection,
// some 6,000 values, takes a tenth of a second on two processors, and the largest response two seconds.
func tiersOf(processors int) []tier {
	return []tier{
		{beyond: 250, places: 2 * processors, waiting: 150 * int64(processors), unsent: 64 << 20},
		{
			beyond: 2_500, places: max(1, processors/2), waiting: 4 * int64(processors), unsent: 16 << 20,
			perSecond: 25_000 * processors,
		},
	}
}

// The other bounds of the places.
const (
	// maxPlaceWait is how long a response waits for a place. Some hundreds of a usual size are made in that time.
	maxPlaceWait = time.Second
	// countedBytes is the least that counts as unsent. The kernel takes a shorter response at once.
	countedBytes = 32 << 10
	// paceBurst is how many values of a paced tier may come at once. They make up for a timer that is milliseconds
	// late.
	paceBurst = 250
)

// places are the places of all tiers, and the bytes that were made and that readers have not taken yet.
type places struct {
	tiers  []openTier
	unsent atomic.Int64
}

type openTier struct {
	tier
	taken chan struct{}
	queue atomic.Int64
	// pace is nil where there is none.
	pace *rate.Limiter
}

func newPlaces(tiers []tier) *places {
	p := &places{tiers: make([]openTier, len(tiers))}
	for i, t := range tiers {
		p.tiers[i].tier, p.tiers[i].taken = t, make(chan struct{}, t.places)
		if t.perSecond > 0 {
			p.tiers[i].pace = rate.NewLimiter(rate.Limit(t.perSecond), paceBurst)
		}
	}
	return p
}

var tooManyLarge = &rail.Error{
	Code: rail.Overloaded, Message: "too many large answers are being made: come back, or ask for less at once",
	RetryAfter: overloadRetry,
}

// enter takes a place of a tier within maxPlaceWait; leave gives it back. Its error is tooManyLarge or that of ctx.
func (p *places) enter(ctx context.Context, i int) error {
	t := &p.tiers[i]
	if p.unsent.Load() > t.unsent {
		return tooManyLarge
	}
	select {
	case t.taken <- struct{}{}:
		return nil
	default:
	}
	if t.queue.Add(1) > t.waiting {
		t.queue.Add(-1)
		return tooManyLarge
	}
	defer t.queue.Add(-1)
	timer := time.NewTimer(maxPlaceWait)
	defer timer.Stop()
	select {
	case t.taken <- struct{}{}:
		return nil
	case <-timer.C:
		return tooManyLarge
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *places) leave(i int) { <-p.tiers[i].taken }

// pace waits until a response in a tier may have so many values more. It returns tooManyLarge at once where the time of
// ctx would not suffice.
func (p *places) pace(ctx context.Context, i int, values int64) error {
	limiter := p.tiers[i].pace
	for limiter != nil && values > 0 {
		some := min(values, paceBurst)
		if err := limiter.WaitN(ctx, int(some)); err != nil {
			if ended := ctx.Err(); ended != nil {
				return ended
			}
			return tooManyLarge
		}
		values -= some
	}
	return nil
}

// made counts a response as unsent until sent is called.
func (p *places) made(bytes int) (sent func()) {
	if bytes < countedBytes {
		return func() {}
	}
	p.unsent.Add(int64(bytes))
	return func() { p.unsent.Add(-int64(bytes)) }
}
