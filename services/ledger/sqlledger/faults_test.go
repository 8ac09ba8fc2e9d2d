package sqlledger_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

var day = rail.NewDate(2019, 10, 12)

// wrapped opens a ledger whose statements pass through an interceptor, and puts T12 on sale through another.
func wrapped(t *testing.T, o sqlledger.Options, i intercept.Interceptor) (l *sqlledger.Ledger, run rail.RunID) {
	t.Helper()
	r := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
	_, err := ledgertest.Open(t, o).Publish(t.Context(), []*rail.Run{r}, "an admin", false)
	require.NoError(t, err)
	o.Wrap = func(c driver.Connector) driver.Connector { return intercept.Intercept(c, i) }
	l = ledgertest.Open(t, o)
	require.NoError(t, l.CheckKeys(t.Context()), "as a server does before it sells")
	return l, r.ID
}

// losingAnswers is wrapped with a client that loses the answer to each COMMIT while it is armed.
func losingAnswers(
	t *testing.T, o sqlledger.Options,
) (l *sqlledger.Ledger, run rail.RunID, armed *atomic.Bool) {
	t.Helper()
	armed = &atomic.Bool{}
	l, run = wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
		err := s.Send()
		if s.Commits() && armed.Load() && err == nil {
			return mysql.ErrInvalidConn
		}
		return err
	})
	return l, run, armed
}

func onEach(t *testing.T, run func(t *testing.T, o sqlledger.Options)) {
	for _, flavor := range ledgertest.Flavors() {
		t.Run(flavor.Name, func(t *testing.T) { run(t, flavor.New(t)) })
	}
}

// sellSeat sells second-class seat n all the way to a buyer.
func sellSeat(s *ledger.BatchState, buyer string, n int) (ledger.BatchChanges, error) {
	maps := map[rail.SeatClass]*seatmap.Map{rail.First: seatmap.New(3, 2), rail.Second: seatmap.New(3, 6)}
	encoded := map[rail.SeatClass][]byte{}
	for class, m := range maps {
		if sold, ok := s.Maps[class]; ok {
			var err error
			if m, err = seatmap.Decode(3, m.Seats(), sold); err != nil {
				return ledger.BatchChanges{}, err
			}
		}
		if class == rail.Second {
			if err := m.Sell(n, 0, 3); err != nil {
				return ledger.BatchChanges{}, err
			}
		}
		encoded[class] = m.Encode()
	}
	ref := s.Run.Train.Formation.Seats(rail.Second)[n]
	price, _ := s.Run.Train.Price(rail.Second, 0, 3)
	return ledger.BatchChanges{
		Maps: func() map[rail.SeatClass][]byte { return encoded },
		Seats: seatmap.AppendChange(nil,
			seatmap.Change{Class: s.Run.Train.Formation.ClassIndex(rail.Second), Seat: n, To: 3}),
		Orders: []ledger.NewOrder{{
			Key: "key-of-" + buyer, BodyHash: "hash", Documents: []string{"digest-of-" + buyer},
			Order: &rail.Order{
				ID: rail.NewOrderID(s.Run.ID, s.Version+1, buyer), RunID: s.Run.ID, TrainID: s.Run.Train.ID,
				Number: "N-" + buyer, Buyer: buyer,
				Version: 1, State: rail.OnHold, From: 0, To: 3, Total: price, PlacedAt: s.Now,
				PayBy: s.Now.Add(time.Minute),
				Tickets: []rail.Ticket{{
					SeatClass: rail.Second, SeatIndex: n, Coach: ref.Coach.Number, Seat: ref.Seat.Label, Price: price,
					Passenger: rail.Passenger{Name: buyer, DocumentNumber: "D" + buyer},
				}},
			},
		}},
	}, nil
}

// firstOrder is the id of a buyer's order that sellSeat made, where it was the first batch of a run.
func firstOrder(run rail.RunID, buyer string) string { return rail.NewOrderID(run, 2, buyer) }

func sells(buyer string, n int) ledger.Decide {
	return func(s *ledger.BatchState) (ledger.BatchChanges, error) { return sellSeat(s, buyer, n) }
}

func nothing(*ledger.BatchState) (ledger.BatchChanges, error) { return ledger.BatchChanges{}, nil }

// keyOf is the batch that resolves what became of a buyer's order.
func keyOf(run rail.RunID, buyer string) ledger.Batch {
	return ledger.Batch{RunID: run, Locking: true, Keys: []ledger.OrderKey{{Buyer: buyer, Key: "key-of-" + buyer}}}
}

// TestSell_AnswerToCommitLost loses the answer to COMMIT, once after the server has committed and once before it heard
// of it. Both look the same to the seller; the next locking batch tells them apart.
func TestSell_AnswerToCommitLost(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		for seat, test := range []struct {
			name  string
			sent  bool
			cause error
		}{
			{"Committed", true, mysql.ErrInvalidConn},
			{"NotCommitted", false, mysql.ErrInvalidConn},
			// The one error that database/sql would take for leave to try again.
			{"BadConnection", true, driver.ErrBadConn},
			{"ServerShutdown", true, &mysql.MySQLError{Number: 1053, Message: "Server shutdown in progress"}},
			{"QueryInterrupted", true, &mysql.MySQLError{Number: 1317, Message: "Query execution was interrupted"}},
		} {
			t.Run(test.name, func(t *testing.T) {
				var armed atomic.Bool
				var commits atomic.Int64
				l, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
					if !s.Commits() || !armed.Load() {
						return s.Send()
					}
					commits.Add(1)
					if test.sent {
						if err := s.Send(); err != nil {
							return err
						}
					}
					return test.cause
				})
				buyer := "wang-" + test.name
				before, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
				require.NoError(t, err)
				armed.Store(true)
				_, err = l.Sell(t.Context(), ledger.Batch{RunID: run}, sells(buyer, seat))
				require.ErrorIs(t, err, ledger.ErrInDoubt)
				require.ErrorIs(t, err, test.cause)
				require.EqualValues(t, 1, commits.Load(), "a COMMIT is sent once")
				armed.Store(false)

				version, err := l.Sell(t.Context(), keyOf(run, buyer),
					func(s *ledger.BatchState) (ledger.BatchChanges, error) {
						require.Equal(t, test.sent, len(s.Replays) == 1)
						require.Equal(t, test.sent, s.Version == before+1)
						return ledger.BatchChanges{}, nil
					})
				require.NoError(t, err)
				require.Greater(t, version, before)
				require.EqualValues(t, 1, l.Stats().CommitsInDoubt)
			})
		}
	})
}

// TestPay_AnswerToCommitLost pays twice with one key, because the first answer was lost.
func TestPay_AnswerToCommitLost(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		l, run, armed := losingAnswers(t, o)
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
		require.NoError(t, err)
		armed.Store(true)
		_, _, err = ledgertest.Pay(t.Context(), l, run, firstOrder(run, "wang"), "wang", "pay0001")
		require.ErrorIs(t, err, ledger.ErrInDoubt)
		armed.Store(false)
		order, paid, err := ledgertest.Pay(t.Context(), l, run, firstOrder(run, "wang"), "wang", "pay0001")
		require.NoError(t, err)
		require.True(t, paid)
		require.EqualValues(t, 2, order.Version, "it was paid once")
	})
}

// TestDecidePayments_AnswerToCommitLost takes each step of a payment twice, because the first answer was lost. The
// first commit reached the server or it did not: the second answer is the same.
func TestDecidePayments_AnswerToCommitLost(t *testing.T) {
	for name, steps := range map[string][]ledger.PaymentStepKind{
		"Paid":   {ledger.PaymentAuthorised, ledger.PaymentCaptured},
		"Failed": {ledger.PaymentAuthorised, ledger.PaymentFailed},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, o sqlledger.Options) {
				l, run, armed := losingAnswers(t, o)
				_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
				require.NoError(t, err)
				id := firstOrder(run, "wang")
				for i, kind := range steps {
					step := []ledger.PaymentStep{{OrderID: id, PaymentID: "p1", Kind: kind}}
					armed.Store(true)
					_, err := l.DecidePayments(t.Context(), run, step)
					require.ErrorIs(t, err, ledger.ErrInDoubt)
					armed.Store(false)
					outcomes, err := l.DecidePayments(t.Context(), run, step)
					require.NoError(t, err)
					require.Equal(t, kind != ledger.PaymentFailed, outcomes[0].Counts)
					require.EqualValues(t, 2+i, outcomes[0].Order.Version, "it was taken once")
				}
			})
		})
	}
}

// TestSell_CommitRefused has the server say no to COMMIT: nothing was written, and that is known.
func TestSell_CommitRefused(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		for _, number := range []uint16{1020, 1205, 1213, 1290, 1836} {
			var armed atomic.Bool
			l, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
				if s.Commits() && armed.Load() {
					return &mysql.MySQLError{Number: number, Message: "refused"}
				}
				return s.Send()
			})
			armed.Store(true)
			_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
			require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%d: %v", number, err)
			require.NotErrorIs(t, err, ledger.ErrInDoubt)
			armed.Store(false)
			_, err = l.Sell(t.Context(), keyOf(run, "wang"), func(s *ledger.BatchState) (ledger.BatchChanges, error) {
				require.Empty(t, s.Replays)
				return ledger.BatchChanges{}, nil
			})
			require.NoError(t, err)
		}
	})
}

// TestSell_InDoubtIsLeftAlone loses the answer to a COMMIT. The transaction may be committed, or wait for its replica:
// the ledger sends nothing more on its connection.
func TestSell_InDoubtIsLeftAlone(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		var armed atomic.Bool
		var s sent
		l, run := wrapped(t, o, func(ctx context.Context, statement *intercept.Statement) error {
			err := s.intercept(ctx, statement)
			if err == nil && statement.Commits() && armed.CompareAndSwap(true, false) {
				return mysql.ErrInvalidConn
			}
			return err
		})
		s.take()
		armed.Store(true)
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
		require.ErrorIs(t, err, ledger.ErrInDoubt)
		for _, text := range s.take() {
			require.NotContains(t, text, "ROLLBACK")
		}
		require.EqualValues(t, 1, l.Stats().CommitsInDoubt)
		_, err = l.Sell(t.Context(), ledger.Batch{RunID: run, Locking: true}, sells("li", 1))
		require.NoError(t, err)
	})
}

// TestSell_BrokenBeforeCommit breaks the connection at every statement before COMMIT in turn: each time nothing was
// written, that is known, and the next sale goes through.
func TestSell_BrokenBeforeCommit(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		var breakAt, at atomic.Int64
		var broken error = mysql.ErrInvalidConn
		l, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
			if at.Add(1) == breakAt.Load() && !s.Commits() {
				return errors.Join(s.Send(), broken)
			}
			return s.Send()
		})
		sell := func(n int64) error {
			at.Store(0)
			breakAt.Store(n)
			b := keyOf(run, "wang")
			_, err := l.Sell(t.Context(), b, func(s *ledger.BatchState) (ledger.BatchChanges, error) {
				require.Empty(t, s.Replays)
				require.Empty(t, s.Claims)
				return sellSeat(s, "wang", 0)
			})
			return err
		}
		// The first statement begins the transaction; it is tried again on another connection. A server that has closed
		// the first one as idle says so, if there is time.
		for _, broken = range []error{&mysql.MySQLError{
			Number:  4031,
			Message: "disconnected because of inactivity",
		}, mysql.ErrInvalidConn} {
			at.Store(0)
			breakAt.Store(1)
			_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
			require.NoError(t, err)
		}

		n := int64(2)
		for ; ; n++ {
			if err := sell(n); err != nil {
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "statement %d: %v", n, err)
				continue
			}
			break // COMMIT's turn, which is not broken here
		}
		require.GreaterOrEqual(t, n, int64(5),
			"version, claims, maps, keys, and what is written with COMMIT or before it")
		require.Zero(t, l.Stats().CommitsInDoubt)
	})
}

// clock is a clock that a test moves.
type clock struct{ now atomic.Int64 }

func (c *clock) read() time.Time         { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

// TestBreaker_OneProbeAtATime lets commits time out. From then on one probe is under way at most, everybody else is
// told at once, and the first probe that commits ends it.
func TestBreaker_OneProbeAtATime(t *testing.T) {
	o := ledgertest.SQLite(t)
	c := &clock{}
	o.Clock, o.CommitTimeout = c.read, 200*time.Millisecond
	var hang atomic.Bool
	var commits atomic.Int64
	probing, probe := make(chan struct{}), make(chan struct{})
	var hold atomic.Bool
	l, run := wrapped(t, o, func(ctx context.Context, s *intercept.Statement) error {
		if !s.Commits() {
			return s.Send()
		}
		commits.Add(1)
		if hang.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		if hold.Load() {
			close(probing)
			<-probe
		}
		return s.Send()
	})
	sell := func() error {
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
		return err
	}
	refused := func(err error) time.Duration {
		t.Helper()
		var e *rail.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, rail.Unavailable, e.Code)
		require.Contains(t, e.Message, "still waiting for its acknowledgement", "it was told at once, not after trying")
		require.Positive(t, e.RetryAfter)
		return e.RetryAfter
	}
	require.NoError(t, sell())
	hang.Store(true)
	require.ErrorIs(t, sell(), ledger.ErrInDoubt)
	require.True(t, l.Stats().Probing)
	require.EqualValues(t, 2, commits.Load())

	// No call commits until a probe is due.
	refused(sell())
	_, _, err := ledgertest.Pay(t.Context(), l, run, "x", "y", "z")
	refused(err)
	_, err = l.SetStatus(t.Context(), run, rail.Suspended, "snow", "an admin")
	refused(err)
	require.EqualValues(t, 2, commits.Load())
	_, err = l.Order(t.Context(), string(run)+"/x")
	require.NoError(t, err, "reading goes on")

	// Probes that fail come ever less often.
	var waits []time.Duration
	for range 7 {
		wait := refused(sell())
		waits = append(waits, wait)
		c.advance(wait)
		require.ErrorIs(t, sell(), ledger.ErrInDoubt)
	}
	require.IsNonDecreasing(t, waits)
	require.Equal(t, 250*time.Millisecond, waits[0])
	require.Equal(t, 5*time.Second, waits[6])
	require.EqualValues(t, 9, commits.Load())

	// One that is under way keeps the others out, however late it is.
	c.advance(time.Hour)
	hang.Store(false)
	hold.Store(true)
	done := make(chan error)
	go func() { done <- sell() }()
	<-probing
	refused(sell())
	require.EqualValues(t, 10, commits.Load())
	hold.Store(false)
	close(probe)
	require.NoError(t, <-done)
	require.False(t, l.Stats().Probing)
	require.NoError(t, sell())
}

// TestBreaker_ProbeThatDoesNotCommit must give the turn to the next.
func TestBreaker_ProbeThatDoesNotCommit(t *testing.T) {
	o := ledgertest.SQLite(t)
	c := &clock{}
	o.Clock, o.CommitTimeout = c.read, 200*time.Millisecond
	var hang atomic.Bool
	l, run := wrapped(t, o, func(ctx context.Context, s *intercept.Statement) error {
		if s.Commits() && hang.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		return s.Send()
	})
	hang.Store(true)
	_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
	require.ErrorIs(t, err, ledger.ErrInDoubt)
	hang.Store(false)
	c.advance(time.Minute)
	no := errors.New("no")
	_, err = l.Sell(t.Context(), ledger.Batch{RunID: run},
		func(*ledger.BatchState) (ledger.BatchChanges, error) { return ledger.BatchChanges{}, no })
	require.ErrorIs(t, err, no)
	require.True(t, l.Stats().Probing, "it proved nothing")
	_, err = l.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
	require.NoError(t, err)
	require.False(t, l.Stats().Probing)
}

// TestSell_SoldBetweenVersionAndMaps sells a whole batch between the two reads of another: what it read last is newer
// than its version, and its compare-and-set must fail.
func TestSell_SoldBetweenVersionAndMaps(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] { // SQLite's batches come one after the other
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			other := ledgertest.Open(t, o)
			var armed atomic.Bool
			var run rail.RunID
			l, run := wrapped(t, o, func(ctx context.Context, s *intercept.Statement) error {
				if strings.Contains(s.Query, "FROM seat_maps") && armed.CompareAndSwap(true, false) {
					_, err := other.Sell(ctx, ledger.Batch{RunID: run}, sells("li", 0))
					require.NoError(t, err)
				}
				return s.Send()
			})
			armed.Store(true)
			_, err := l.Sell(t.Context(), ledger.Batch{RunID: run},
				func(s *ledger.BatchState) (ledger.BatchChanges, error) {
					require.EqualValues(t, 1, s.Version)
					require.NotEmpty(t, s.Maps, "the map is newer than the version")
					return sellSeat(s, "wang", 1)
				})
			require.ErrorIs(t, err, ledger.ErrVersionConflict)
			require.EqualValues(t, 1, l.Stats().LostCompareAndSets)
			_, err = l.Sell(t.Context(), keyOf(run, "wang"), sells("wang", 1))
			require.NoError(t, err)
		})
	}
}

// TestMapsFirst_SellsASeatTwice is why the version is read first. It does in plain SQL what Sell must never do: reads
// the map, then the version, with another's sale between the two. Its compare-and-set succeeds, and one seat has two
// tickets. If this ever fails, the database has become kinder than the ledger counts on.
func TestMapsFirst_SellsASeatTwice(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			l, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error { return s.Send() })
			_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("zhao", 5)) // so that there is a map
			require.NoError(t, err)
			conn, err := ledgertest.DB(t, o).Conn(t.Context())
			require.NoError(t, err)
			defer conn.Close()
			exec := func(statement string, args ...any) int64 {
				result, err := conn.ExecContext(t.Context(), statement, args...)
				require.NoError(t, err)
				changed, err := result.RowsAffected()
				require.NoError(t, err)
				return changed
			}
			exec("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
			exec("START TRANSACTION")
			var sold []byte
			require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT sold FROM seat_maps WHERE run_id = ?",
				string(run)).Scan(&sold))

			_, err = l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("li", 0))
			require.NoError(t, err)

			var version int64
			require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT version FROM runs WHERE id = ?",
				string(run)).Scan(&version))
			m, err := seatmap.Decode(3, 6, sold)
			require.NoError(t, err)
			require.True(t, m.IsFree(0, 0, 3), "the old map still has li's seat")
			require.NoError(t, m.Sell(0, 0, 3))
			require.EqualValues(t, 1,
				exec("UPDATE runs SET version = version + 1 WHERE id = ? AND version = ?", string(run), version),
				"the compare-and-set does not help")
			exec("UPDATE seat_maps SET sold = ? WHERE run_id = ?", m.Encode(), string(run))
			exec("COMMIT")
		})
	}
}

// TestWithoutVersionCheck_SellsASeatTwice takes the last line of defence away.
func TestWithoutVersionCheck_SellsASeatTwice(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			_, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error { return s.Send() })
			o.Wrap = intercept.WithoutVersionCheck
			l, other := ledgertest.Open(t, o), ledgertest.Open(t, o)
			_, err := l.Sell(t.Context(), ledger.Batch{RunID: run},
				func(s *ledger.BatchState) (ledger.BatchChanges, error) {
					_, err := other.Sell(t.Context(), ledger.Batch{RunID: run}, sells("li", 0))
					require.NoError(t, err)
					return sellSeat(s, "wang", 0)
				})
			require.NoError(t, err)
			require.Zero(t, l.Stats().LostCompareAndSets)
			snapshots := ledgertest.AuditSnapshots(t, l, "", 10)
			require.Len(t, snapshots[0].Live(), 2)
			require.Equal(t, snapshots[0].Live()[0].Tickets[0].Seat, snapshots[0].Live()[1].Tickets[0].Seat)
		})
	}
}

// TestWithoutReplication_SellsWithoutAReplica takes away what promise 2 rests on: a server without any replication is
// sold on as if all were on two machines.
func TestWithoutReplication_SellsWithoutAReplica(t *testing.T) {
	for _, flavor := range ledgertest.Flavors() {
		if flavor.Name != "MySQL" {
			continue
		}
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			_, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error { return s.Send() })
			o.Durability = sqlledger.Replicated
			careful := ledgertest.Open(t, o)
			_, err := careful.Sell(t.Context(), ledger.Batch{RunID: run}, sells("li", 0))
			require.Equal(t, rail.Unavailable, rail.CodeOf(err))
			require.Error(t, careful.Ready(t.Context()))

			o.Wrap = intercept.WithoutReplication
			careless := ledgertest.Open(t, o)
			_, err = careless.Sell(t.Context(), ledger.Batch{RunID: run}, sells("li", 0))
			require.NoError(t, err)
			require.NoError(t, careless.Ready(t.Context()))
		})
	}
}

// TestExpire_PaymentUnderWay sweeps a hold whose payment came in time and still waits for its commit. The sweep finds
// it on hold and past its time, waits for its row, and must then leave it alone.
func TestExpire_PaymentUnderWay(t *testing.T) {
	onEachStep(t, func(t *testing.T, o sqlledger.Options, pay underWay) {
		late, l, run, sweeping := locksLate(t, o)
		id, paid := payUnderWay(t, o, l, run, sweeping, pay)
		late.Store(true)
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run},
			func(s *ledger.BatchState) (ledger.BatchChanges, error) {
				require.Empty(t, s.Expired, "it was paid in time")
				return ledger.BatchChanges{}, nil
			})
		require.NoError(t, err)
		require.True(t, <-paid)
		late.Store(false)
		order, err := l.Order(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, pay.then, order.State)
	})
}

// TestAuditSnapshots_OneVersion sells between an audit's read of the versions and its read of the maps: what it answers
// is of one version all the same, so that a sale in flight is never accused.
func TestAuditSnapshots_OneVersion(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		other := ledgertest.Open(t, o)
		var armed atomic.Bool
		var run rail.RunID
		seat := 0
		l, run := wrapped(t, o, func(ctx context.Context, s *intercept.Statement) error {
			if strings.Contains(s.Query, "FROM seat_maps") && armed.CompareAndSwap(true, false) {
				_, err := other.Sell(ctx, ledger.Batch{RunID: run}, sells("buyer-"+string(rune('a'+seat)), seat))
				require.NoError(t, err)
				seat++
			}
			return s.Send()
		})
		for want := range 3 {
			armed.Store(true)
			snapshots := ledgertest.AuditSnapshots(t, l, "", 10)
			require.EqualValues(t, 1+2*want, snapshots[0].Version)
			require.Len(t, snapshots[0].Live(), 2*want)
			require.Equal(t, want == 0, snapshots[0].Maps[rail.Second] == nil)

			armed.Store(true)
			left, err := l.Availabilities(t.Context(), "", 10)
			require.NoError(t, err)
			require.EqualValues(t, 2+2*want, left[0].Version)
			require.EqualValues(t, 6-(1+2*want), left[0].Counts[1])
		}
	})
}

// TestMigrate_MakesAndRefusesDatabases makes the database where there is none, and refuses one that would take two keys
// for one.
func TestMigrate_MakesAndRefusesDatabases(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t) // made by Migrate
			c, err := mysql.ParseDSN(o.DSN)
			require.NoError(t, err)
			db, err := sql.Open("mysql", o.DSN)
			require.NoError(t, err)
			defer db.Close()
			_, err = db.ExecContext(t.Context(), "ALTER DATABASE "+c.DBName+" COLLATE utf8mb4_bin")
			require.NoError(t, err)
			require.ErrorContains(t, sqlledger.Migrate(t.Context(), o), "utf8mb4_bin")
			require.ErrorContains(t, ledgertest.Open(t, o).Ready(t.Context()), "utf8mb4_bin")
			c.DBName = ""
			o.DSN = c.FormatDSN()
			require.ErrorContains(t, sqlledger.Migrate(t.Context(), o), "no database")
		})
	}
}

func TestOpen_Options(t *testing.T) {
	for name, o := range map[string]sqlledger.Options{
		"neither":           {},
		"file and replica":  {Path: "x", ReplicaDSN: "y"},
		"replicated file":   {Path: "x", Durability: sqlledger.Replicated},
		"durability":        {DSN: "x", Durability: "some"},
		"not a DSN":         {DSN: "not a data source name"},
		"nobody is at home": {DSN: "root@tcp(127.0.0.1:1)/x"},
	} {
		o.Keyring = ledgertest.Keyring(t)
		_, err := sqlledger.Open(t.Context(), o)
		require.Error(t, err, name)
	}
	_, err := sqlledger.Open(t.Context(), sqlledger.Options{Path: "x"})
	require.ErrorContains(t, err, "no keyring")
}
