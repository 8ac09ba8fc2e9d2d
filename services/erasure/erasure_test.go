package erasure_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/erasure"
	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a ledger with so many orders and runs to forget, and a lock.
type shelf struct {
	mu           sync.Mutex
	orders, runs int
	buyer        []ledger.BuyerRun
	fails        error
	over         time.Duration
	asked        int

	lockErr, extendErr error
	held, released     int
}

func (s *shelf) ForgetOver(_ context.Context, over time.Duration) (orders, runs int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.over = over
	switch {
	case s.fails != nil:
		return 0, 0, s.fails
	case s.orders > 0:
		n := min(s.orders, 200)
		s.orders -= n
		return n, 0, nil
	case s.runs > 0:
		n := min(s.runs, 100)
		s.runs -= n
		return 0, n, nil
	}
	return 0, 0, nil
}

func (s *shelf) BuyerRuns(
	_ context.Context, _ string, after rail.RunID, limit int,
) (page []ledger.BuyerRun, err error) {
	for _, run := range s.buyer {
		if run.Run > after && len(page) < limit {
			page = append(page, run)
		}
	}
	return page, s.fails
}

func (s *shelf) ForgetBuyer(_ context.Context, _ string, run rail.RunID) (int, error) {
	for i := range s.buyer {
		if b := &s.buyer[i]; b.Run == run && b.Over {
			n := min(b.Orders, 2)
			b.Orders -= n
			return n, nil
		}
	}
	return 0, rail.Refuse(rail.WrongState, "the run is not over")
}

func (s *shelf) Acquire(context.Context, string) (lock.Lease, error) {
	if s.lockErr != nil {
		return nil, s.lockErr
	}
	s.held++
	return s, nil
}

func (s *shelf) Extend(context.Context) error { return s.extendErr }
func (s *shelf) Until() time.Time             { return time.Time{} }
func (s *shelf) Release()                     { s.released++ }

// runs lets an eraser work for some time.
func runs(t *testing.T, s *shelf, after, d time.Duration, meanwhile func()) (*erasure.Eraser, string) {
	var log bytes.Buffer
	e := &erasure.Eraser{Ledger: s, Lock: s, Log: slog.New(slog.NewTextHandler(&log, nil)), After: after}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { e.Run(ctx); close(done) }()
	<-time.After(d) // in a bubble, where this is no time at all
	synctest.Wait()
	if meanwhile != nil {
		s.mu.Lock()
		meanwhile()
		s.mu.Unlock()
		<-time.After(d) // in a bubble, where this is no time at all
		synctest.Wait()
	}
	cancel()
	<-done
	return e, log.String()
}

func TestRun_ForgetsInStepsUntilNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{orders: 1_050, runs: 350}
		e, log := runs(t, s, 100*24*time.Hour, time.Minute, nil)
		require.Zero(t, s.orders+s.runs)
		require.Equal(t, 6+4+1, s.asked)
		require.Equal(t, 100*24*time.Hour, s.over)
		require.EqualValues(t, 1_050, e.Stats().Orders)
		require.False(t, e.Stats().Done.IsZero())
		require.Equal(t, 1, strings.Count(log, "were forgotten"))
		require.Equal(t, s.held, s.released)
	})
}

func TestRun_LooksAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		e, log := runs(t, s, time.Hour, 16*time.Minute, func() {
			require.Equal(t, 2, s.asked)
			s.orders = 3
		})
		require.EqualValues(t, 3, e.Stats().Orders)
		require.NotContains(t, log, "level=ERROR")
	})
}

func TestRun_OnOneServerAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := &shelf{orders: 10, lockErr: lock.ErrTaken}
		e, log := runs(t, taken, time.Hour, time.Hour, nil)
		require.Zero(t, taken.asked)
		require.Zero(t, e.Stats().Orders)
		require.Zero(t, e.Stats().Done)
		require.Empty(t, log)

		lost := &shelf{orders: 10, extendErr: errors.New("lost")}
		_, _ = runs(t, lost, time.Hour, time.Minute, nil)
		require.Zero(t, lost.asked, "another server has the lock by now")
		require.Equal(t, lost.held, lost.released)

		// Without a quorum it cannot be known which server is at work. Then all are, which does no harm.
		unknown := &shelf{orders: 10, lockErr: lock.ErrNoQuorum}
		_, _ = runs(t, unknown, time.Hour, time.Minute, nil)
		require.Zero(t, unknown.orders)
	})
}

func TestRun_ToldOnceThatItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{orders: 10, fails: errors.New("no ledger")}
		_, log := runs(t, s, time.Hour, 2*time.Hour, func() { s.fails = nil })
		require.Equal(t, 1, strings.Count(log, "level=ERROR"))
		require.Contains(t, log, "no ledger")
		require.Contains(t, log, "are forgotten again")
		require.Zero(t, s.orders)
		require.Equal(t, s.held, s.released)
	})
}

func TestRun_Never(t *testing.T) {
	s := &shelf{orders: 10}
	(&erasure.Eraser{Ledger: s, Lock: s}).Run(t.Context())
	require.Zero(t, s.asked)
}

func TestForgetBuyer(t *testing.T) {
	s := &shelf{}
	for i := range 250 {
		s.buyer = append(s.buyer, ledger.BuyerRun{Run: rail.RunID("T" + string(rune('a'+i/26)) +
			string(rune('a'+i%26))), Orders: 3, Passengers: 1, Over: i%5 != 0})
	}
	e := &erasure.Eraser{Ledger: s}
	wanted := erasure.Buyer{Orders: 600, Passengers: 200, Left: 150}
	found, err := e.Find(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, wanted, found)
	require.Equal(t, 3, s.buyer[1].Orders, "nothing was done")
	done, err := e.ForgetBuyer(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, wanted, done)
	for i, b := range s.buyer {
		require.Equal(t, map[bool]int{true: 0, false: 3}[i%5 != 0], b.Orders)
	}
	s.fails = errors.New("no ledger")
	_, err = e.ForgetBuyer(t.Context(), "ann")
	require.ErrorIs(t, err, s.fails)
}
