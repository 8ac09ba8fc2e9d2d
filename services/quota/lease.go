package quota

import (
	"context"
	"sync"
	"time"
)

const (
	// shares is into how many parts a burst is cut: a server leases one at a time. So all servers together give at most
	// a share each more than the bucket has.
	shares = 4
	// maxLeases bounds how many clients have a lease here.
	maxLeases = 100_000
	// leaseSoon is when to ask again where nothing is left and a lease is on its way.
	leaseSoon = 50 * time.Millisecond
)

// lease is what a client may still read here, without asking the store.
type lease struct {
	left int
	// owed was read before the first share came, at most a share of it.
	owed int
	// leasing tells that one more share was asked for.
	leasing bool
	// none is until when there is nothing to be had, and until when it is not worth being kept.
	none, until time.Time
}

// leases are those of all clients.
type leases struct {
	limiter *Limiter

	mu  sync.Mutex
	all map[string]*lease
}

// take takes n here, and has more leased once little is left. It waits for nothing.
func (s *leases) take(key string, rate Rate, n int) (ok bool, left int, wait time.Duration) {
	now, share := s.limiter.options.Now(), max(1, rate.Burst/shares)
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.all[key]
	if one == nil {
		s.makeRoom(now)
		one = &lease{}
		s.all[key] = one
	}
	one.until = now.Add(rate.tolerance())
	switch {
	case one.left >= n:
		one.left -= n
		ok = true
	case one.none.After(now):
		wait = one.none.Sub(now)
	case one.owed+n <= max(share, n):
		one.owed += n
		ok = true
	default:
		wait = leaseSoon
	}
	if one.left < (share+1)/2 && !one.leasing && !one.none.After(now) {
		one.leasing = true
		go s.renew(key, rate, share+one.owed)
	}
	left = one.left
	if !one.none.After(now) {
		left += max(0, share-one.owed) // It may be owed.
	}
	return ok, left, wait
}

// renew leases one more share.
func (s *leases) renew(key string, rate Rate, want int) {
	grant := s.limiter.ask(context.Background(), Demand{UpTo: true, Buckets: []Bucket{{key, rate, want}}})
	now := s.limiter.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.all[key]
	if one == nil {
		return // It was forgotten meanwhile.
	}
	one.leasing = false
	one.left += grant.Taken
	paid := min(one.left, one.owed)
	one.left, one.owed = one.left-paid, one.owed-paid
	if grant.Taken < want {
		one.none = now.Add(rate.Every)
	}
}

// makeRoom forgets those who have not asked for as long as a bucket takes to run empty, and then others.
func (s *leases) makeRoom(now time.Time) {
	if len(s.all) < maxLeases {
		return
	}
	for key, one := range s.all {
		if !one.until.After(now) || len(s.all) >= maxLeases {
			delete(s.all, key)
		}
	}
}
