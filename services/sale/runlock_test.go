package sale

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/lock"
)

// scriptedLock answers err until a time, and gives leases of a minute from then on.
type scriptedLock struct {
	err      error
	until    time.Time
	asked    int
	released int
	extended int
	// life is how long a lease lasts; noMore tells that it cannot be extended.
	life   time.Duration
	noMore bool
}

func (l *scriptedLock) Acquire(context.Context, string) (lock.Lease, error) {
	l.asked++
	if l.err != nil && (l.until.IsZero() || time.Now().Before(l.until)) {
		return nil, l.err
	}
	return &scriptedLease{l, time.Now().Add(l.life)}, nil
}

type scriptedLease struct {
	l     *scriptedLock
	until time.Time
}

func (l *scriptedLease) Until() time.Time { return l.until }
func (l *scriptedLease) Release()         { l.l.released++ }
func (l *scriptedLease) Extend(context.Context) error {
	if l.l.noMore {
		return lock.ErrTaken
	}
	l.l.extended++
	l.until = time.Now().Add(l.l.life)
	return nil
}

// newRunLock is a runLock with the default settings.
func newRunLock(locks *scriptedLock) *runLock {
	if locks.life == 0 {
		locks.life = time.Minute
	}
	settings := LockSettings{}.withDefaults()
	return &runLock{
		locks: locks, run: "T12@2019-10-12", settings: &settings, counters: &counters{}, sharing: &sharing{},
	}
}

// took runs something and returns how long it took.
func took(do func()) time.Duration {
	begun := time.Now()
	do()
	return time.Since(begun)
}

// pass lets time go by.
func pass(d time.Duration) { <-time.After(d) }

func TestRunLock_Acquire(t *testing.T) {
	const never = time.Duration(0)
	for name, c := range map[string]struct {
		err error
		// freeIn is when the lock can be had, never if it cannot.
		freeIn             time.Duration
		held, contended    bool
		atLeast, atMost    time.Duration
		taken, withoutLock int64
	}{
		"free":           {held: true, taken: 0},
		"nobody can say": {err: lock.ErrNoQuorum, freeIn: never, withoutLock: 1},
		"taken for a while": {
			err: lock.ErrTaken, freeIn: 5 * time.Millisecond, held: true, contended: true,
			atLeast: 10 * time.Millisecond, atMost: 20 * time.Millisecond, taken: 1,
		},
		"taken by one that died": {
			err: lock.ErrTaken, freeIn: 3 * time.Second, held: true, contended: true,
			atLeast: 3 * time.Second, atMost: 3020 * time.Millisecond, taken: -1,
		},
		"taken for ever": {
			err: lock.ErrTaken, freeIn: never, contended: true,
			atLeast: 4 * time.Second, atMost: 4020 * time.Millisecond, taken: -1, withoutLock: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				locks := &scriptedLock{err: c.err}
				if c.freeIn != never {
					locks.until = time.Now().Add(c.freeIn)
				}
				l := newRunLock(locks)
				waited := took(func() { l.acquire(t.Context()) })
				assert.Equal(t, c.held, l.lease != nil)
				assert.Equal(t, c.contended, l.contended)
				assert.GreaterOrEqual(t, waited, c.atLeast)
				assert.LessOrEqual(t, waited, c.atMost)
				if c.taken >= 0 {
					assert.Equal(t, c.taken, l.counters.lockTaken.Load())
				}
				assert.Equal(t, c.withoutLock, l.counters.withoutLock.Load())
			})
		})
	}
}

func TestRunLock_KeepsALeaseWithLifeInIt(t *testing.T) {
	for name, c := range map[string]struct {
		left                      time.Duration
		lost                      bool
		asked, extended, released int
	}{
		"long":            {left: 1501 * time.Millisecond, asked: 1},
		"short":           {left: 1500 * time.Millisecond, asked: 1, extended: 1},
		"over":            {left: -time.Second, asked: 1, extended: 1},
		"lost meanwhile":  {left: time.Second, lost: true, asked: 2, released: 1},
		"long, were lost": {left: 2 * time.Second, lost: true, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				locks := &scriptedLock{life: 3 * time.Second, noMore: c.lost}
				l := newRunLock(locks)
				l.acquire(t.Context())
				pass(3*time.Second - c.left)
				l.acquire(t.Context())
				require.NotNil(t, l.lease)
				require.Equal(t, []int{c.asked, c.extended, c.released},
					[]int{locks.asked, locks.extended, locks.released})
			})
		})
	}
}

func TestRunLock_Yield(t *testing.T) {
	const stay = 40 * time.Millisecond // four Retry
	for name, c := range map[string]struct {
		contended bool
		heldFor   time.Duration
		yields    bool
	}{
		"alone, a long batch":     {heldFor: time.Second},
		"alone, for its time":     {heldFor: time.Second + 1, yields: true},
		"contended, a batch":      {contended: true, heldFor: 50 * time.Millisecond},
		"contended, for its turn": {contended: true, heldFor: 50*time.Millisecond + 1, yields: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				locks := &scriptedLock{}
				l := newRunLock(locks)
				l.acquire(t.Context())
				l.contended = c.contended
				pass(c.heldFor)
				away := took(func() { l.yield(t.Context()) })
				if !c.yields {
					require.Zero(t, away)
					require.NotNil(t, l.lease)
					require.Equal(t, c.contended, l.contended)
					return
				}
				require.Equal(t, stay, away)
				require.Nil(t, l.lease)
				require.Equal(t, 1, locks.released)
				require.False(t, l.contended, "it finds out anew")
			})
		})
	}
	t.Run("without the lock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newRunLock(&scriptedLock{err: lock.ErrNoQuorum})
			l.acquire(t.Context())
			pass(time.Hour)
			require.Zero(t, took(func() { l.yield(t.Context()) }))
		})
	})
}

// A worker that stops between two batches and is started again is still in its turn, unless another server had time for
// one.
func TestRunLock_TurnOutlivesTheWorker(t *testing.T) {
	for name, c := range map[string]struct {
		gap     time.Duration
		taken   bool
		newTurn bool
	}{
		"a moment":                 {gap: 20 * time.Millisecond},
		"others could have had it": {gap: 20*time.Millisecond + 1, newTurn: true},
		"another had it":           {gap: time.Millisecond, taken: true, newTurn: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				locks := &scriptedLock{}
				l := newRunLock(locks)
				l.acquire(t.Context())
				began := l.turnBegan
				pass(time.Millisecond)
				l.release()
				pass(c.gap)
				if c.taken {
					locks.err, locks.until = lock.ErrTaken, time.Now().Add(time.Millisecond)
				}
				next := newRunLock(locks)
				next.sharing = l.sharing
				next.acquire(t.Context())
				require.NotNil(t, next.lease)
				require.Equal(t, c.newTurn, next.turnBegan.After(began))
			})
		})
	}
}

func TestRunLock_Idle(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		contended bool
		comesIn   time.Duration
		keeps     time.Duration
	}{
		"nobody comes":         {keeps: 5 * time.Millisecond},
		"a buyer comes":        {comesIn: 2 * time.Millisecond, keeps: 2 * time.Millisecond},
		"others want the lock": {contended: true, comesIn: 2 * time.Millisecond},
		"without the lock":     {err: errors.New("no node answers"), comesIn: 2 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newRunLock(&scriptedLock{err: c.err})
				l.acquire(t.Context())
				l.contended = c.contended
				var queued atomic.Int32
				arrived := make(chan struct{}, 2)
				arrived <- struct{}{} // of a buyer who was served long ago
				if c.comesIn > 0 {
					time.AfterFunc(c.comesIn, func() {
						queued.Store(1)
						arrived <- struct{}{}
					})
				}
				require.Equal(t, c.keeps,
					took(func() { l.idle(t.Context(), arrived, func() int { return int(queued.Load()) }) }))
				pass(time.Second)
			})
		})
	}
	t.Run("the server closes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newRunLock(&scriptedLock{})
			l.acquire(t.Context())
			closed, stop := context.WithCancel(t.Context())
			stop()
			require.Zero(t, took(func() { l.idle(closed, nil, func() int { return 0 }) }))
		})
	})
}

// Workers ask more often the longer they have waited, and no more often than at first where asking has not helped.
func TestLockSettings_RetryIn(t *testing.T) {
	s := LockSettings{Retry: 8 * time.Millisecond}
	for _, c := range []struct{ waited, shortest time.Duration }{
		{0, 8 * time.Millisecond},
		{79 * time.Millisecond, 8 * time.Millisecond},
		{80 * time.Millisecond, 4 * time.Millisecond},
		{160 * time.Millisecond, 2 * time.Millisecond},
		{240 * time.Millisecond, time.Millisecond},
		{1600 * time.Millisecond, time.Millisecond},
		{1600*time.Millisecond + 1, 8 * time.Millisecond},
		{time.Hour, 8 * time.Millisecond},
	} {
		for range 1_000 {
			in := s.retryIn(c.waited)
			require.GreaterOrEqual(t, in, c.shortest, "%s", c.waited)
			require.Less(t, in, 2*c.shortest, "%s", c.waited)
		}
	}
}
