package load

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/internal/pause"
)

// Rush is one measurement: some buyers at some servers for a while.
type Rush struct {
	Crowd   *Crowd
	Targets *Targets
	// Servers are the addresses; buyers are spread over them evenly.
	Servers []string
	Buyers  int
	// WarmUp comes before the window that counts.
	WarmUp, Window time.Duration
	// PerSecond is the offered load of an open rush: buyers come at their times, also where others are still waiting.
	// With 0 each buyer asks again as soon as there is an answer.
	PerSecond float64
}

// Run runs the rush.
func (r Rush) Run(ctx context.Context) (*Result, error) {
	begin := time.Now().Add(r.WarmUp)
	w := window{begin, begin.Add(r.Window)}
	buyers := make([]*buyer, r.Buyers)
	for n := range buyers {
		buyers[n] = r.newBuyer(n, w)
	}
	var arrivals *arrivals
	if r.PerSecond > 0 {
		arrivals = newArrivals(r.Crowd.Seed, r.PerSecond)
	}
	all, ctx := errgroup.WithContext(ctx)
	for _, b := range buyers {
		all.Go(func() error { return b.live(ctx, arrivals) })
	}
	err := all.Wait()
	for _, b := range buyers {
		r.Crowd.Journal.add(b)
	}
	if err != nil {
		return nil, err
	}
	return newResult(r, buyers, w), nil
}

// live buys until the window ends: at the arrivals' times, or without them again as soon as there is an answer.
func (b *buyer) live(ctx context.Context, arrivals *arrivals) error {
	defer b.leave()
	for ctx.Err() == nil {
		intended := time.Now()
		if arrivals != nil {
			intended = arrivals.next()
		}
		if !intended.Before(b.window.end) || arrivals != nil && !pause.For(ctx, time.Until(intended)) {
			return nil
		}
		if lastCall := b.window.lastCall(); !time.Now().Before(lastCall) {
			b.notServed(intended, lastCall) // all connections were taken until now
			continue
		}
		if err := b.buy(ctx, intended); err != nil {
			return err
		}
	}
	return nil
}

// arrivals are the times at which buyers come, by chance and independent of each other (a Poisson process).
type arrivals struct {
	mu     sync.Mutex
	random *rand.Rand
	mean   float64
	last   time.Time
}

func newArrivals(seed uint64, perSecond float64) *arrivals {
	return &arrivals{random: rand.New(rand.NewPCG(seed, 1)), mean: float64(time.Second) / perSecond, last: time.Now()}
}

func (a *arrivals) next() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = a.last.Add(time.Duration(a.random.ExpFloat64() * a.mean))
	return a.last
}
