package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"interlock/services/rail"
)

// tier is a size of answers. Whatever grows beyond it needs one of its places, so that large answers do not add up; small
// ones, and so everybody who buys, never wait here.
type tier struct {
	// beyond is how many values need no place of this tier.
	beyond int64
	// places are how many may be in the tier at a time, and waiting how many may stand before it. Those keep what they have.
	places  int
	waiting int64
	// unsent is how many bytes may wait for slow readers before nobody else gets into the tier.
	unsent int64
}

// tiersOf are the sizes of answers on so many processors. A usual search has 300 to 2,500 values, and a value takes some 3
// to 5 microseconds and 0.5 to 1 KB while it is made. Two searches for each processor keep it busy; 150 wait half a second
// then, with 250 values each. Introspection is some 6,000. A large answer is made on all processors and takes up to 100 MB
// and half a second of two of them, so that one is made at a time.
func tiersOf(processors int) []tier {
	return []tier{
		{beyond: 250, places: 2 * processors, waiting: 150 * int64(processors), unsent: 64 << 20},
		{beyond: 7_500, places: max(1, processors/2), waiting: 2, unsent: 16 << 20},
	}
}

// The other bounds of the places.
const (
	// maxPlaceWait is how long an answer waits for a place: some hundreds of others of a usual size are made meanwhile.
	maxPlaceWait = time.Second
	// countedBytes is the least that counts as unsent; what is shorter, the kernel takes at once.
	countedBytes = 32 << 10
)

// places are those of all tiers, and how much has been made and not been taken by its readers.
type places struct {
	tiers  []openTier
	unsent atomic.Int64
}

type openTier struct {
	tier
	taken chan struct{}
	queue atomic.Int64
}

func newPlaces(tiers []tier) *places {
	p := &places{tiers: make([]openTier, len(tiers))}
	for i, t := range tiers {
		p.tiers[i].tier, p.tiers[i].taken = t, make(chan struct{}, t.places)
	}
	return p
}

var tooManyLarge = &rail.Error{
	Code: rail.Overloaded, Message: "too many large answers are being made: come back, or ask for less at once", RetryAfter: overloadRetry,
}

// enter takes a place of a tier, within a moment; leave gives it back.
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

// made counts an answer as unsent until it is sent.
func (p *places) made(bytes int) (sent func()) {
	if bytes < countedBytes {
		return func() {}
	}
	p.unsent.Add(int64(bytes))
	return func() { p.unsent.Add(-int64(bytes)) }
}
