package failpoints_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/cmd/interlock/failpoints"
	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/lock"
	"interlock/services/rail"
	"interlock/services/sale"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const run = rail.RunID("T12@2019-10-12")

// shop is all that a sale works with. Its ledger sends the statements of a real one, and notes which were late.
type shop struct {
	sale.Ledger
	control *failpoints.Control

	mu   sync.Mutex
	sent []sent
}

// sent is a statement that was sent. It is late where its batch's deadline was over, and its own was not.
type sent struct {
	query string
	args  int
	late  bool
}

// take returns what was sent since the last take.
func (s *shop) take() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.sent
	s.sent = nil
	return taken
}

var errRefused = errors.New("refused")

func (s *shop) Sell(ctx context.Context, batch ledger.Batch, decide ledger.Decide) (int64, error) {
	if _, err := decide(&ledger.BatchState{Version: 7}); err != nil {
		return 0, err
	}
	conn, err := intercept.Intercept(connector{s}, s.control.Statement).Connect(ctx)
	if err != nil {
		return 0, err
	}
	args := []driver.NamedValue{{Ordinal: 1, Value: int64(7)}}
	_, err = conn.(driver.QueryerContext).QueryContext(ctx, update+"; "+commit, args)
	return 8, err
}

const update, commit = "UPDATE runs SET version = ?", "COMMIT; SELECT 1"

// connector makes connections that note what is sent.
type connector struct{ shop *shop }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	return &connection{shop: c.shop, batch: ctx}, nil
}

func (c connector) Driver() driver.Driver { return nil }

type connection struct {
	driver.Conn
	shop  *shop
	batch context.Context
}

func (c *connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.send(ctx, query, args)
	return nil, nil
}

func (c *connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.send(ctx, query, args)
	return nil, nil
}

func (c *connection) send(ctx context.Context, query string, args []driver.NamedValue) {
	c.shop.mu.Lock()
	defer c.shop.mu.Unlock()
	c.shop.sent = append(c.shop.sent, sent{query, len(args), ctx.Err() == nil && c.batch.Err() != nil})
}

func (s *shop) Acquire(context.Context, string) (lock.Lease, error) { return lease{}, nil }

func (s *shop) Apply(context.Context, *rail.Availability) error { return errRefused }

func (s *shop) Announce(context.Context, rail.Change) error { return nil }

type lease struct{ lock.Lease }

func (lease) Release() {}

// open makes a socket and a shop with a control around it.
func open(t *testing.T, limit time.Duration) (path string, s *shop, around sale.Options) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "control")
	require.NoError(t, os.WriteFile(path, nil, 0o600), "what a killed server left")
	control, err := failpoints.Listen(path, limit)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, control.Close()) })
	s = &shop{control: control}
	return path, s, control.Around(sale.Options{Ledger: s, Lock: s, Availability: s})
}

// serve takes a batch of so many orders past all the points.
func serve(ctx context.Context, o sale.Options, of rail.RunID, orders int) error {
	lease, err := o.Lock.Acquire(ctx, string(of))
	if err != nil {
		return err
	}
	_, err = o.Ledger.Sell(ctx, ledger.Batch{RunID: of}, func(*ledger.BatchState) (ledger.BatchChanges, error) {
		return ledger.BatchChanges{Orders: make([]ledger.NewOrder, orders)}, nil
	})
	if err != nil {
		return err
	}
	if err := o.Availability.Apply(ctx, &rail.Availability{RunID: of, Version: 8}); !errors.Is(err, errRefused) {
		return err
	}
	lease.Release()
	return nil
}

func TestHold_AtEachPoint(t *testing.T) {
	whole := []sent{{update + "; " + commit, 1, false}}
	before := map[failpoints.Point][]sent{
		failpoints.BeforeCommit: {{update, 1, false}}, failpoints.AfterCommit: whole, failpoints.BeforeApply: whole,
		failpoints.BeforeUnlock: whole,
	}
	for _, point := range failpoints.All() {
		t.Run(string(point), func(t *testing.T) {
			path, s, o := open(t, time.Minute)
			selling, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				for selling.Err() == nil {
					// A batch of another run is not held, and one that sells nothing is not, where that is known.
					err := serve(t.Context(), o, "T13@2019-10-12", 1)
					if point != failpoints.AfterLock && point != failpoints.BeforeApply &&
						point != failpoints.BeforeUnlock {
						err = errors.Join(err, serve(t.Context(), o, run, 0))
					}
					s.take()
					if err = errors.Join(err, serve(t.Context(), o, run, 3)); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			held, release, err := failpoints.Hold(t.Context(), path, point, []rail.RunID{run})
			require.NoError(t, err)
			want := failpoints.Held{Point: point, Run: run}
			switch point {
			case failpoints.BeforeUpdate, failpoints.BeforeCommit:
				want.Read, want.Orders = 7, 3
			case failpoints.AfterCommit:
				want.Read, want.Made, want.Orders = 7, 8, 3
			case failpoints.BeforeApply:
				want.Made = 8
			}
			require.Equal(t, want, *held)
			require.Equal(t, before[point], s.take())
			stop()
			release()
			require.NoError(t, <-done)
		})
	}
}

// A held statement is sent even when its deadline is over, as by a process that was frozen.
func TestHold_SendsLate(t *testing.T) {
	path, s, o := open(t, time.Minute)
	buying, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for {
			s.take()
			if err := serve(buying, o, run, 1); err != nil || buying.Err() != nil {
				done <- err
				return
			}
		}
	}()
	_, release, err := failpoints.Hold(t.Context(), path, failpoints.BeforeCommit, []rail.RunID{run})
	require.NoError(t, err)
	leave()
	release()
	require.NoError(t, <-done)
	require.Equal(t, []sent{{update, 1, false}, {commit, 0, true}}, s.take())
}

// A hold ends by itself when its holder does not end it.
func TestHold_IsBounded(t *testing.T) {
	path, _, o := open(t, 10*time.Millisecond)
	done := make(chan error, 1)
	selling, stop := context.WithCancel(t.Context())
	go func() {
		for selling.Err() == nil {
			if err := serve(t.Context(), o, run, 1); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	_, release, err := failpoints.Hold(t.Context(), path, failpoints.AfterCommit, []rail.RunID{run})
	require.NoError(t, err)
	defer release()
	stop()
	require.NoError(t, <-done)
}

func TestHold_GivesUp(t *testing.T) {
	path, _, o := open(t, time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, _, err := failpoints.Hold(ctx, path, failpoints.AfterLock, []rail.RunID{run})
	require.ErrorContains(t, err, "no batch came by after_lock")
	require.NoError(t, serve(t.Context(), o, run, 1), "and nothing is held")

	_, _, err = failpoints.Hold(t.Context(), path+"-of-nobody", failpoints.AfterLock, nil)
	require.ErrorContains(t, err, "is it built with the tag fault?")
}
