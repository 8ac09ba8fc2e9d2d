package sqlledger_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/rail"
)

// locksLate opens a ledger with a run, and closes locking when a statement is about to lock orders of it. Once late is
// set, that ledger takes its time for an hour later.
func locksLate(
	t *testing.T, o sqlledger.Options,
) (late *atomic.Bool, l *sqlledger.Ledger, run rail.RunID, locking chan struct{}) {
	t.Helper()
	late, locking = new(atomic.Bool), make(chan struct{})
	l, run = wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
		if late.Load() {
			anHourLater(s)
		}
		if strings.HasPrefix(s.Query, "SELECT id FROM orders FORCE INDEX (PRIMARY) WHERE run_id = ? AND id IN") &&
			strings.HasSuffix(s.Query, "FOR UPDATE") {
			close(locking) // It has decided what is due.
		}
		return s.Send()
	})
	return late, l, run, locking
}

// underWay is the step of a payment that is under way while an order's time ends.
type underWay struct {
	// before are the steps that were taken before, and then the order is what comes of it.
	before []ledger.PaymentStepKind
	step   ledger.PaymentStepKind
	then   rail.OrderState
}

// stepsUnderWay are all that keep a seat.
var stepsUnderWay = []underWay{
	{nil, ledger.PaidAtOnce, rail.Paid},
	{nil, ledger.PaymentAuthorised, rail.Paying},
	{[]ledger.PaymentStepKind{ledger.PaymentAuthorised}, ledger.PaymentCaptured, rail.Paid},
}

// onEachStep runs a test for each step on each kind of server. SQLite's transactions come one after the other.
func onEachStep(t *testing.T, test func(t *testing.T, o sqlledger.Options, pay underWay)) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		for _, pay := range stepsUnderWay {
			t.Run(flavor.Name+"/"+string(pay.step), func(t *testing.T) { test(t, flavor.New(t), pay) })
		}
	}
}

// payUnderWay sells a seat and takes a step of its payment, on a server of its own, up to the commit, which waits until
// a channel is closed. It returns the order, and what becomes of the step: true where the payment counts.
func payUnderWay(
	t *testing.T, o sqlledger.Options, l *sqlledger.Ledger, run rail.RunID, until <-chan struct{}, pay underWay,
) (id string, counts <-chan bool) {
	t.Helper()
	committing := make(chan struct{})
	o.CaptureWithin = 2 * time.Hour // an order that becomes PAYING is so an hour later, too
	payer, _ := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
		if s.Commits() {
			close(committing)
			<-until
		}
		return s.Send()
	})
	_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
	require.NoError(t, err)
	id = firstOrder(run, "wang")
	step := func(kind ledger.PaymentStepKind) []ledger.PaymentStep {
		return []ledger.PaymentStep{{OrderID: id, PaymentID: "pay0001", Buyer: "wang", Kind: kind}}
	}
	for _, kind := range pay.before {
		_, err := l.DecidePayments(t.Context(), run, step(kind))
		require.NoError(t, err)
	}
	taken := make(chan bool)
	go func() {
		outcomes, err := payer.DecidePayments(t.Context(), run, step(pay.step))
		taken <- err == nil && outcomes[0].Counts
	}()
	<-committing
	return id, taken
}

// locksToPay tells whether a statement locks the orders of payments.
func locksToPay(s *intercept.Statement) bool { return strings.Contains(s.Query, " AS clock, ") }

// anHourLater puts the database's clock an hour on for one statement.
func anHourLater(s *intercept.Statement) {
	s.Query = strings.ReplaceAll(s.Query, "(3)) * 1000", "(3)) * 1000 + 3600000")
}

// TestPublish_PaymentUnderWay changes a run while a hold's payment, which came in time, still waits for its commit. The
// change finds the hold past its time, waits for its row, and must then refuse: the seat is paid for.
func TestPublish_PaymentUnderWay(t *testing.T) {
	onEachStep(t, func(t *testing.T, o sqlledger.Options, pay underWay) {
		late, l, run, clearing := locksLate(t, o)
		id, paid := payUnderWay(t, o, l, run, clearing, pay)
		late.Store(true)
		changed := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
		changed.ClosesBefore += time.Minute
		_, err := l.Publish(t.Context(), []*rail.Run{changed}, "an admin", false)
		require.True(t, <-paid)
		require.Equal(t, rail.RunHasOrders, rail.CodeOf(err), "%v", err)
		late.Store(false)
		order, err := l.Order(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, pay.then, order.State)
		_, err = l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("li", 0))
		require.ErrorContains(t, err, "sold", "the seat is still sold")
	})
}

// TestSell_PaymentUnderWayIsLive has a hold fall due after a batch has read its run, while the hold's payment, which
// came in time, still waits for its commit. The batch must take it for live: what it thinks is over may be paid for.
func TestSell_PaymentUnderWayIsLive(t *testing.T) {
	onEachStep(t, func(t *testing.T, o sqlledger.Options, pay underWay) {
		var late atomic.Bool
		l, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
			if late.Load() {
				anHourLater(s)
			}
			return s.Send()
		})
		read := make(chan struct{})
		id, paid := payUnderWay(t, o, l, run, read, pay)
		var lives map[string]ledger.OrderLife
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run},
			func(s *ledger.BatchState) (_ ledger.BatchChanges, err error) {
				late.Store(true)
				lives, err = s.States([]string{id})
				return ledger.BatchChanges{}, err
			})
		close(read)
		require.NoError(t, err)
		require.True(t, <-paid)
		require.True(t, lives[id].State.Live(), "%q", lives[id].State)
	})
}

// TestCommit_CallerGone has callers hang up as soon as COMMIT is sent, to a cluster that does not acknowledge. The wait
// goes on until the ledger's own time is over, and the next one is told at once.
func TestCommit_CallerGone(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		seller, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error { return s.Send() })
		_, err := seller.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
		require.NoError(t, err)
		other := ledgertest.NewRun(ledgertest.NewTrain("T14"), day)
		for name, do := range map[string]func(ctx context.Context, l *sqlledger.Ledger) error{
			"Sell": func(ctx context.Context, l *sqlledger.Ledger) error {
				_, err := l.Sell(ctx, ledger.Batch{RunID: run}, nothing)
				return err
			},
			"Pay": func(ctx context.Context, l *sqlledger.Ledger) error {
				_, _, err := ledgertest.Pay(ctx, l, run, firstOrder(run, "wang"), "wang", "pay0001")
				return err
			},
			"Publish": func(ctx context.Context, l *sqlledger.Ledger) error {
				_, err := l.Publish(ctx, []*rail.Run{other}, "an admin", false)
				return err
			},
			"SetStatus": func(ctx context.Context, l *sqlledger.Ledger) error {
				_, err := l.SetStatus(ctx, run, rail.Suspended, "snow", "an admin")
				return err
			},
			"Withdraw": func(ctx context.Context, l *sqlledger.Ledger) error {
				_, _, err := l.Withdraw(ctx, run, "no track", "an admin", true)
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				wrap := o
				wrap.CommitTimeout = 50 * time.Millisecond
				wrap.Wrap = func(c driver.Connector) driver.Connector {
					return intercept.Intercept(c, func(ctx context.Context, s *intercept.Statement) error {
						if !s.Commits() {
							return s.Send()
						}
						hangUp()
						<-ctx.Done()
						return ctx.Err()
					})
				}
				l := ledgertest.Open(t, wrap)
				err := do(ctx, l)
				require.ErrorIs(t, err, ledger.ErrInDoubt)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.True(t, l.Stats().Probing)
				err = do(t.Context(), l)
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
				require.NotErrorIs(t, err, ledger.ErrInDoubt, "no second COMMIT hangs on the server")
				require.EqualValues(t, 1, l.Stats().CommitsInDoubt)
			})
		}
	})
}

// TestCommit_TimeIsOverBefore has SQLite's driver come to a statement after its time was over. It says that all is
// well, and may not have executed it: no buyer is told yes.
func TestCommit_TimeIsOverBefore(t *testing.T) {
	for name, is := range map[string]func(*intercept.Statement) bool{
		"COMMIT": (*intercept.Statement).Commits,
		"UPDATE": func(s *intercept.Statement) bool { return strings.HasPrefix(s.Query, "UPDATE runs") },
	} {
		t.Run(name, func(t *testing.T) {
			o := ledgertest.SQLite(t)
			o.CommitTimeout, o.StatementTimeout = 200*time.Millisecond, 200*time.Millisecond
			var stands atomic.Bool
			l, run := wrapped(t, o, func(ctx context.Context, s *intercept.Statement) error {
				if is(s) && stands.Load() {
					<-ctx.Done() // as a process that was stopped meanwhile
				}
				return s.Send()
			})
			stands.Store(true)
			_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
			require.Error(t, err)
			require.Equal(t, name == "COMMIT", errors.Is(err, ledger.ErrInDoubt))

			stands.Store(false)
			o.Wrap = nil
			_, err = ledgertest.Open(t, o).Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
			require.NoError(t, err, "nothing is held")
		})
	}
}

// TestHeld meets another's commit that is still open, on a run and on an order, at each place that can. Each says that
// the row is locked.
func TestHeld(t *testing.T) {
	for _, flavor := range ledgertest.Flavors() {
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			var armed atomic.Bool
			var release chan struct{}
			committing := make(chan struct{})
			holder, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
				if s.Commits() && armed.CompareAndSwap(true, false) {
					committing <- struct{}{}
					<-release
				}
				return s.Send()
			})
			_, err := holder.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
			require.NoError(t, err)
			id := firstOrder(run, "wang")
			if o.DSN == "" {
				o.StatementTimeout = time.Second // SQLite waits for nothing else
			}
			sell := func(b ledger.Batch) func(*sqlledger.Ledger) error {
				return func(l *sqlledger.Ledger) error {
					_, err := l.Sell(t.Context(), b, nothing)
					return err
				}
			}
			pay := func(l *sqlledger.Ledger) error {
				_, _, err := ledgertest.Pay(t.Context(), l, run, id, "wang", "pay0001")
				return err
			}
			meets := func(hold func(*sqlledger.Ledger) error, others ...func(*sqlledger.Ledger) error) {
				t.Helper()
				release = make(chan struct{})
				armed.Store(true)
				held := make(chan error, 1)
				go func() { held <- hold(holder) }()
				<-committing
				var wg sync.WaitGroup
				errs := make([]error, len(others))
				for i, other := range others {
					l := ledgertest.Open(t, o)
					wg.Go(func() { errs[i] = other(l) })
				}
				wg.Wait()
				close(release)
				require.NoError(t, <-held)
				for i, err := range errs {
					var e *rail.Error
					require.ErrorAs(t, err, &e)
					require.ErrorIs(t, err, ledger.ErrLocked, "%d", i)
					require.Equal(t, rail.Unavailable, e.Code)
					require.Positive(t, e.RetryAfter)
				}
			}
			meets(sell(ledger.Batch{RunID: run, Locking: true}), sell(ledger.Batch{RunID: run}),
				sell(ledger.Batch{RunID: run, Locking: true}),
				sell(ledger.Batch{RunID: run, Cancels: []ledger.Cancel{{OrderID: id, Buyer: "wang"}}}))
			meets(pay, pay)
			meets(pay, func(l *sqlledger.Ledger) error { // which changes nothing, and says so in a commit of its own
				_, _, err := ledgertest.Pay(t.Context(), l, run, id, "wang", "pay0002")
				return err
			})
			require.NoError(t, pay(holder))
		})
	}
}

// TestSupervisor_AnotherServer lets the name of the primary lead to another server, as a failover does. What was seen
// of the old one's replication says nothing about the new one's.
func TestSupervisor_AnotherServer(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			prefix, identity := "rpl_semi_sync_source_", "@@GLOBAL.server_uuid"
			if flavor.Name == string(sqlledger.MariaDB) {
				prefix, identity = "rpl_semi_sync_master_", "@@GLOBAL.server_id"
			}
			var server, status atomic.Value
			server.Store("'a'")
			status.Store("ON")
			var looks atomic.Int64
			c := &clock{}
			c.advance(time.Hour)
			o.Clock = c.read // which stands still from here on
			_, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error { return s.Send() })
			o.Durability = sqlledger.Replicated
			o.Wrap = func(c driver.Connector) driver.Connector {
				return intercept.Intercept(c, func(_ context.Context, s *intercept.Statement) error {
					s.Query = strings.ReplaceAll(s.Query, "@@GLOBAL."+prefix+"enabled", "'ON'")
					s.Query = strings.ReplaceAll(s.Query, identity, server.Load().(string))
					if strings.HasPrefix(s.Query, "SHOW GLOBAL VARIABLES LIKE '"+prefix) {
						looks.Add(1)
						s.Query = fmt.Sprintf("SELECT '%[1]senabled', 'ON' UNION SELECT '%[1]swait_point', "+
							"'AFTER_SYNC' "+
							"UNION SELECT '%[1]swait_no_slave', 'ON' UNION SELECT '%[1]stimeout', '4294967295'", prefix)
					}
					state := fmt.Sprintf("SELECT '%sstatus', '%s'", prefix, status.Load())
					switch {
					case s.Commits():
						s.Query = s.Query[:strings.LastIndex(s.Query, "COMMIT; ")] + "COMMIT; " + state
					case strings.HasPrefix(s.Query, "SHOW GLOBAL STATUS LIKE '"+prefix):
						s.Query = state
					}
					return s.Send()
				})
			}
			l := ledgertest.Open(t, o)
			sell := func() error {
				_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
				return err
			}
			pay := func() error {
				_, _, err := ledgertest.Pay(t.Context(), l, run, string(run)+"/nobody", "wang", "pay0001")
				return err
			}
			for range 2 {
				require.NoError(t, sell())
				require.Equal(t, rail.NotFound, rail.CodeOf(pay()))
			}
			require.EqualValues(t, 1, looks.Load(), "one server is looked at once in a while")

			server.Store("'b'")
			status.Store("OFF")
			require.ErrorContains(t, sell(), "fallen back", "another server is looked at at once")
			require.ErrorContains(t, pay(), "fallen back")
			status.Store("ON")
			require.NoError(t, sell())
			require.EqualValues(t, 4, looks.Load())
		})
	}
}

// TestPay_LeavesConnectionsToSales has many payments wait on the server. Sales go on beside them.
func TestPay_LeavesConnectionsToSales(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			o.MaxConnections, o.StatementTimeout = 6, 500*time.Millisecond
			var paying atomic.Int64
			release := make(chan struct{})
			l, run := wrapped(t, o, func(ctx context.Context, s *intercept.Statement) error {
				if locksToPay(s) {
					paying.Add(1)
					<-release
				}
				return s.Send()
			})
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					_, _, err := ledgertest.Pay(t.Context(), l, run, fmt.Sprint(run, "/", i), "wang", "pay0001")
					if code := rail.CodeOf(err); code != rail.Unavailable && code != rail.NotFound {
						t.Errorf("%v", err)
					}
				})
			}
			for range 40 {
				_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
				require.NoError(t, err)
			}
			require.EqualValues(t, 2, paying.Load(), "a third of the connections")
			close(release)
			wg.Wait()
		})
	}
}

// readingKey marks the context of readers.
type readingKey struct{}

// TestRead_LeavesConnectionsToAllOthers has more readers of orders than there are connections for them. The rest are
// refused, and those that got one keep it. Sales, payments, sweeps and readiness go on beside them.
func TestRead_LeavesConnectionsToAllOthers(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		o.StatementTimeout = 500 * time.Millisecond
		var reading atomic.Int64
		release := make(chan struct{})
		l, run := wrapped(t, o, func(ctx context.Context, s *intercept.Statement) error {
			if ctx.Value(readingKey{}) != nil {
				reading.Add(1)
				<-release
			}
			return s.Send()
		})
		id := firstOrder(run, "wang")
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
		require.NoError(t, err)
		ctx := context.WithValue(t.Context(), readingKey{}, true)
		const readers = 60
		refused := make(chan error, readers)
		var wg sync.WaitGroup
		for i := range readers {
			wg.Go(func() {
				var err error
				switch i % 4 {
				case 0:
					_, err = l.Order(ctx, id)
				case 1:
					_, err = l.OrdersByID(ctx, []string{id, id + "x"})
				case 2:
					_, err = l.OrderByNumber(ctx, "N-wang")
				default:
					_, err = l.Orders(ctx, ledger.OrderFilter{Buyer: "wang", Limit: 10})
				}
				refused <- err
			})
		}
		// The others are refused, and told when to come back.
		for range readers - sqlledger.MaxReaders {
			require.Equal(t, rail.Unavailable, rail.CodeOf(<-refused))
		}
		require.EqualValues(t, sqlledger.MaxReaders, reading.Load())

		_, err = l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("li", 1))
		require.NoError(t, err)
		toPay, _, err := l.OrderToPay(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "wang", toPay.Buyer)
		_, paid, err := ledgertest.Pay(t.Context(), l, run, id, "wang", "pay0001")
		require.NoError(t, err)
		require.True(t, paid)
		_, err = l.DueRuns(t.Context(), 10)
		require.NoError(t, err)
		require.NoError(t, l.Ready(t.Context()))
		close(release)
		wg.Wait()
	})
}

// TestOrdersByID_IsFewStatements reads a hundred orders of a hundred runs as it reads one.
func TestOrdersByID_IsFewStatements(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		var statements atomic.Int64
		l, run := wrapped(t, o, func(ctx context.Context, s *intercept.Statement) error {
			if ctx.Value(readingKey{}) != nil {
				statements.Add(1)
			}
			return s.Send()
		})
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
		require.NoError(t, err)
		ids := []string{firstOrder(run, "wang")}
		for i := range 99 {
			ids = append(ids, firstOrder(rail.NewRunID(fmt.Sprint("K", i), day), "wang"))
		}
		found, err := l.OrdersByID(context.WithValue(t.Context(), readingKey{}, true), ids)
		require.NoError(t, err)
		require.NotNil(t, found[0])
		require.Nil(t, found[1])
		// Orders, their tickets, and whether the server that does not know some of them is the primary.
		require.EqualValues(t, 3, statements.Load())
	})
}

// TestDecidePayments_IsFewRoundTrips decides as many steps as it decides one: what begins the transaction locks the
// orders, then their tickets are read, and what writes them commits.
func TestDecidePayments_IsFewRoundTrips(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		t.Run(flavor.Name, func(t *testing.T) {
			var texts atomic.Int64
			l, run := wrapped(t, flavor.New(t), func(ctx context.Context, s *intercept.Statement) error {
				if ctx.Value(readingKey{}) != nil {
					texts.Add(1)
				}
				return s.Send()
			})
			var steps []ledger.PaymentStep
			for i, buyer := range []string{"wang", "li", "zhao", "qian", "sun"} {
				_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells(buyer, i))
				require.NoError(t, err)
				id := rail.NewOrderID(run, int64(2+i), buyer)
				steps = append(steps, ledger.PaymentStep{OrderID: id, PaymentID: buyer, Kind: ledger.PaidAtOnce})
			}
			outcomes, err := l.DecidePayments(context.WithValue(t.Context(), readingKey{}, true), run, steps)
			require.NoError(t, err)
			for i, outcome := range outcomes {
				require.True(t, outcome.Counts, "%d", i)
			}
			require.EqualValues(t, 3, texts.Load())
		})
	}
}

// TestPay_LeavesTheOneWriterToSales has many payments want SQLite's one writer. A sale gets it nearly at once.
func TestPay_LeavesTheOneWriterToSales(t *testing.T) {
	o := ledgertest.SQLite(t)
	o.StatementTimeout = 500 * time.Millisecond
	l, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
		if locksToPay(s) {
			<-time.After(2 * time.Millisecond) // a slow disk
		}
		return s.Send()
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _, _ = ledgertest.Pay(ctx, l, run, fmt.Sprint(run, "/", i), "wang", "pay0001")
			}
		})
	}
	for range 20 {
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
		require.NoError(t, err)
	}
	cancel()
	wg.Wait()
}

// TestPublish_WaitsForTheOneWriter has two publish at once on SQLite, and the first takes longer than any statement
// may.
func TestPublish_WaitsForTheOneWriter(t *testing.T) {
	o := ledgertest.SQLite(t)
	o.StatementTimeout = time.Second
	l, _ := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
		if strings.HasPrefix(s.Query, "INSERT INTO") {
			<-time.After(500 * time.Millisecond) // a slow disk
		}
		return s.Send()
	})
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			run := ledgertest.NewRun(ledgertest.NewTrain(fmt.Sprint("K", i)), day)
			_, err := l.Publish(t.Context(), []*rail.Run{run}, "an admin", false)
			if err != nil {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
}

// TestWithdraw_HoldFallsDueMeanwhile cancels a hold that falls due between two statements: its version goes on by one.
func TestWithdraw_HoldFallsDueMeanwhile(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		var late atomic.Bool
		l, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
			if late.Load() {
				s.Query = strings.ReplaceAll(s.Query, " AS clock", " + 3600000 AS clock")
			}
			return s.Send()
		})
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
		require.NoError(t, err)
		late.Store(true)
		_, ended, err := l.Withdraw(t.Context(), run, "no track", "an admin", true)
		require.NoError(t, err)
		late.Store(false)
		order, err := l.OrderByNumber(t.Context(), "N-wang")
		require.NoError(t, err)
		require.Equal(t, []*rail.Order{order}, ended)
		require.Equal(t, rail.Cancelled, order.State)
		require.EqualValues(t, 2, order.Version)
	})
}
