package quota

import (
	"context"
	"errors"
	"sync"
)

// maxWaiting bounds how many demands wait for the store.
const maxWaiting = 16 * MaxDemands

// errManyWait says that the store is too slow for what is asked of it.
var errManyWait = errors.New("too many demands wait for the store of quotas")

// asker asks the store for many at a time. While one question is on its way, what comes is gathered for the next.
type asker struct {
	store Store

	mu      sync.Mutex
	waiting []*asking
	running bool
}

// asking is a demand, and what became of it.
type asking struct {
	demand Demand
	grant  Grant
	err    error
	done   chan struct{}
}

// ask asks for one demand. After an error it is not known whether it was taken.
func (a *asker) ask(ctx context.Context, d Demand) (Grant, error) {
	one := &asking{demand: d, done: make(chan struct{})}
	a.mu.Lock()
	if len(a.waiting) >= maxWaiting {
		a.mu.Unlock()
		return Grant{}, errManyWait
	}
	a.waiting = append(a.waiting, one)
	if !a.running {
		a.running = true
		go a.run()
	}
	a.mu.Unlock()
	select {
	case <-one.done:
		return one.grant, one.err
	case <-ctx.Done():
		return Grant{}, ctx.Err()
	}
}

// run asks until none waits.
func (a *asker) run() {
	for {
		a.mu.Lock()
		n := min(len(a.waiting), MaxDemands)
		batch := a.waiting[:n:n]
		a.waiting = a.waiting[n:]
		if n == 0 {
			a.waiting, a.running = nil, false
		}
		a.mu.Unlock()
		if n == 0 {
			return
		}
		a.answer(batch)
	}
}

func (a *asker) answer(batch []*asking) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	demands := make([]Demand, len(batch))
	for i, one := range batch {
		demands[i] = one.demand
	}
	grants, err := a.store.Take(ctx, demands)
	for i, one := range batch {
		if one.err = err; err == nil {
			one.grant = grants[i]
		}
		close(one.done)
	}
}
