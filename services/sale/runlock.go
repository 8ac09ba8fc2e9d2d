package sale

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"interlock/internal/pause"

	"interlock/services/lock"
	"interlock/services/rail"
)

// LockSettings say how the servers that sell one run share its lock. The zero value of a field means its default.
//
// A server that sells a run alone keeps the lock, since giving it back and getting it again takes as long as an order.
// Servers that sell a run together take turns. Each turn is short, and after it the server stays away long enough for
// every other one to ask for the lock.
type LockSettings struct {
	// HoldMax is how long a worker keeps the lock of a run that no other server is known to sell. It then stays away
	// once, and learns whether another server sells the run by now.
	HoldMax time.Duration
	// Turn takes the place of HoldMax where another server is known to sell the run. It is the time of a batch or two:
	// the other servers' buyers read their answers and come back meanwhile.
	Turn time.Duration
	// Retry is the shortest time between two tries for a lock that is taken; the longest is twice that. A worker that
	// stays away does so for four Retry, so that every other worker asks for the lock once.
	Retry time.Duration
	// Idle is how long a worker keeps the lock while no buyer waits, on a run that no other server is known to sell.
	Idle time.Duration
	// Wait is how long a worker waits for a lock that is taken. It then sells without the lock: the ledger's
	// compare-and-set keeps sales right. Wait is longer than a lock lives, so only a lock that is extended lasts
	// longer.
	Wait time.Duration
}

func (s LockSettings) withDefaults() LockSettings {
	orDefault(&s.HoldMax, time.Second)
	orDefault(&s.Turn, 50*time.Millisecond)
	orDefault(&s.Retry, 10*time.Millisecond)
	orDefault(&s.Idle, 5*time.Millisecond)
	orDefault(&s.Wait, 4*time.Second)
	return s
}

// extendBelow is how much life a lock must have left for a batch to begin. A slow batch takes about a second, and a
// lock that is lost under way costs speed, nothing else.
const extendBelow = 1500 * time.Millisecond

// maxRetry is the longest time between two tries for a lock: Retry and the jitter.
func (s *LockSettings) maxRetry() time.Duration { return 2 * s.Retry }

// away is how long a worker stays away after its turn: every other worker tries at least once in that time, and again
// if it was unlucky.
func (s *LockSettings) away() time.Duration { return 2 * s.maxRetry() }

// turn is how long a worker keeps the lock while buyers wait.
func (s *LockSettings) turn(contended bool) time.Duration {
	if contended {
		return s.Turn
	}
	return s.HoldMax
}

const (
	// hurryEvery is after how many Retry of waiting a worker doubles its pace, and maxHurry how often it does so.
	hurryEvery, maxHurry = 10, 3
	// calmAfter is after how many Retry a worker goes back to its first pace.
	calmAfter = 200
)

// retryIn is how long a worker that has waited for a lock so far waits before it tries again.
//
// The first worker to try after the lock was given back gets it. So workers try more often the longer they have waited:
// at one pace, chance alone would keep one of four servers out for seconds. After 200 Retry the holder is not giving
// the lock back at all, and trying often would only be work for the lock nodes. The jitter keeps workers out of step.
func (s *LockSettings) retryIn(waited time.Duration) time.Duration {
	interval := s.Retry + rand.N(s.Retry)
	if waited > calmAfter*s.Retry {
		return interval
	}
	return interval >> min(waited/(hurryEvery*s.Retry), maxHurry)
}

// runLock is the lock of one run as one worker uses it. It gets the lock, keeps it over many batches, and gives it back
// in time for the workers of other servers. One goroutine uses it.
type runLock struct {
	locks    Lock
	run      rail.RunID
	settings *LockSettings
	counters *counters
	*sharing

	// lease is nil while the lock is not held.
	lease lock.Lease
}

// sharing is what a server knows of the other servers that want the lock of a run. It outlives a worker: one that stops
// between two batches is still in its turn when the next one starts.
type sharing struct {
	// contended tells that another server sells this run, too.
	contended bool
	// turnBegan is when this server's turn with the lock began.
	turnBegan time.Time
	// releasedAt is when this server gave the lock back last; zero once another server has had it since.
	releasedAt time.Time
}

// acquire gets the lock, or keeps it. It returns without the lock where too few lock nodes answer, and where the lock
// was taken for all of Wait.
func (l *runLock) acquire(ctx context.Context) {
	waiting, cancel := context.WithTimeout(ctx, l.settings.Wait)
	defer cancel()
	if l.lease != nil {
		if time.Until(l.lease.Until()) > extendBelow || l.lease.Extend(waiting) == nil {
			return
		}
		l.release()
	}
	for begun := time.Now(); ; {
		lease, err := l.locks.Acquire(waiting, string(l.run))
		switch {
		case err == nil:
			l.lease = lease
			if time.Since(l.releasedAt) > l.settings.maxRetry() {
				l.turnBegan = time.Now() // Every other worker has tried since, so this is another turn.
			}
			return
		case !errors.Is(err, lock.ErrTaken) || waiting.Err() != nil:
			l.counters.withoutLock.Add(1)
			return
		}
		l.counters.lockTaken.Add(1)
		l.contended, l.releasedAt = true, time.Time{}
		pause.For(ctx, l.settings.retryIn(time.Since(begun)))
	}
}

// idle keeps a lock that is held for a moment, until a buyer comes. arrived may tell of a buyer who is served by now,
// so queued has the last word. A contended lock is not kept.
func (l *runLock) idle(ctx context.Context, arrived <-chan struct{}, queued func() int) {
	if l.lease == nil || l.contended {
		return
	}
	timer := time.NewTimer(l.settings.Idle)
	defer timer.Stop()
	for queued() == 0 {
		select {
		case <-arrived:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// yield ends a turn that has lasted long enough: it gives the lock back and stays away until other workers have had
// their chance. Whether another server wants the lock shows afterwards: the lock is taken then, or the run's version
// has moved on.
func (l *runLock) yield(ctx context.Context) {
	if l.lease == nil || time.Since(l.turnBegan) <= l.settings.turn(l.contended) {
		return
	}
	l.release()
	l.contended = false
	pause.For(ctx, l.settings.away())
}

// release gives the lock back.
func (l *runLock) release() {
	if l.lease != nil {
		l.lease.Release()
		l.lease, l.releasedAt = nil, time.Now()
	}
}
