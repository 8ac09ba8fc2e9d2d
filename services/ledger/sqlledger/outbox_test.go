package sqlledger_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/rail"
)

// waiting are the events of all rows that wait to be published.
func waiting(t *testing.T, l *sqlledger.Ledger) (events []ledger.Event) {
	t.Helper()
	rows, err := l.TakeEvents(t.Context(), "", ledger.MaxTake)
	require.NoError(t, err)
	for _, r := range rows {
		require.NoError(t, r.Damage)
		events = append(events, r.Events...)
	}
	return events
}

// TestOutbox_InDoubt loses the answer to COMMIT. There is one event where it took place, and none where it did not;
// what is asked for again makes no second one.
func TestOutbox_InDoubt(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		const off, sent, kept = 0, 1, 2
		var fault atomic.Int64
		l, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error {
			if !s.Commits() || fault.Load() == off {
				return s.Send()
			}
			if fault.Load() == sent {
				if err := s.Send(); err != nil {
					return err
				}
			}
			return mysql.ErrInvalidConn
		})
		want := 0
		for seat, buyer := range []string{"wang", "li"} {
			took := int64(sent + seat) // wang's commits take place, li's do not
			fault.Store(took)
			_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells(buyer, seat))
			require.ErrorIs(t, err, ledger.ErrInDoubt)
			fault.Store(off)
			if took == sent {
				want++
			}
			require.Len(t, waiting(t, l), want)
			var order string
			for range 2 { // the batch that resolves it, and one more
				_, err = l.Sell(t.Context(), keyOf(run, buyer),
					func(s *ledger.BatchState) (ledger.BatchChanges, error) {
						for _, replay := range s.Replays {
							order = replay.Order.ID
							return ledger.BatchChanges{}, nil
						}
						want++
						return sellSeat(s, buyer, seat)
					})
				require.NoError(t, err)
				require.Len(t, waiting(t, l), want)
			}

			fault.Store(took)
			_, _, err = ledgertest.Pay(t.Context(), l, run, order, buyer, "pay0001")
			require.ErrorIs(t, err, ledger.ErrInDoubt)
			fault.Store(off)
			if took == sent {
				want++
			}
			require.Len(t, waiting(t, l), want)
			for range 2 {
				_, paid, err := ledgertest.Pay(t.Context(), l, run, order, buyer, "pay0001")
				require.NoError(t, err)
				require.True(t, paid)
			}
			if took != sent {
				want++
			}
			require.Len(t, waiting(t, l), want)
		}
		require.Equal(t, 4, want)
	})
}

// TestTakeEvents_InDoubt loses the answer to the commit that takes rows: they are not given out before another commit
// was acknowledged.
func TestTakeEvents_InDoubt(t *testing.T) {
	onEach(t, func(t *testing.T, o sqlledger.Options) {
		l, run, armed := losingAnswers(t, o)
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
		require.NoError(t, err)
		armed.Store(true)
		rows, err := l.TakeEvents(t.Context(), "", 10)
		require.ErrorIs(t, err, ledger.ErrInDoubt)
		require.Empty(t, rows)
		err = l.MarkPublished(t.Context(), []ledger.Published{
			{IDs: []string{rail.OrderIDsFrom(run, 2)}, Last: ledger.StreamID{Millis: 1}},
		})
		require.ErrorIs(t, err, ledger.ErrInDoubt)
		armed.Store(false)
		require.Empty(t, waiting(t, l), "it was marked all the same")
		last, err := l.LastPublished(t.Context())
		require.NoError(t, err)
		require.Equal(t, ledger.StreamID{Millis: 1}, last)
	})
}

// TestOutbox_TakesNoRoundTrip writes the row in the text that commits, where a server takes several statements at once.
func TestOutbox_TakesNoRoundTrip(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		t.Run(flavor.Name, func(t *testing.T) {
			var mu sync.Mutex
			var texts []string
			l, run := wrapped(t, flavor.New(t), func(_ context.Context, s *intercept.Statement) error {
				mu.Lock()
				texts = append(texts, s.Query)
				mu.Unlock()
				return s.Send()
			})
			writes := func(do func() error) (count int) {
				t.Helper()
				mu.Lock()
				texts = nil
				mu.Unlock()
				require.NoError(t, do())
				mu.Lock()
				defer mu.Unlock()
				for _, text := range texts {
					if strings.Contains(text, "INTO outbox") {
						count++
						require.True(t, strings.HasSuffix(text, "; COMMIT"), text)
					}
				}
				return count
			}
			order := firstOrder(run, "wang")
			sell := func() error {
				_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
				return err
			}
			pay := func() error {
				_, _, err := ledgertest.Pay(t.Context(), l, run, order, "wang", "pay0001")
				return err
			}
			require.Equal(t, 1, writes(sell))
			require.Equal(t, 1, writes(pay))
			require.Zero(t, writes(pay), "nothing became true")
			require.Zero(t, writes(func() error {
				_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, nothing)
				return err
			}))
		})
	}
}

// TestOutbox_CostsWhatIsRead takes, marks and removes a few rows among thousands, where the server's statistics are of
// an empty outbox; and none of that waits for a row that another transaction is about to commit.
func TestOutbox_CostsWhatIsRead(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] { // SQLite keeps no statistics by itself
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			db := ledgertest.DB(t, o)
			_, err := db.ExecContext(t.Context(), "ALTER TABLE outbox STATS_PERSISTENT=1, STATS_AUTO_RECALC=0")
			require.NoError(t, err)
			l := ledgertest.Open(t, o)
			run := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
			_, err = l.Publish(t.Context(), []*rail.Run{run}, "an admin", false)
			require.NoError(t, err)
			_, err = l.Sell(t.Context(), ledger.Batch{RunID: run.ID}, sells("wang", 0))
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), "INSERT INTO outbox "+
				"(id, at, events, taken, stream_millis, stream_seq) "+
				"SELECT CONCAT(id, k), at, events, 1, 1000 * (k % 2), k FROM outbox CROSS JOIN "+
				"(WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < 59) "+
				"SELECT 1 + x.k * 60 + y.k AS k FROM n x CROSS JOIN n y) numbers")
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), "UPDATE outbox SET stream_seq = 0 WHERE stream_millis = 0")
			require.NoError(t, err)

			open, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = open.ExecContext(t.Context(), "INSERT INTO outbox (id, at, events) VALUES ('~', 1, 's')")
			require.NoError(t, err)

			const some = 10
			var ids []string
			var entry ledger.StreamID
			for name, do := range map[string]func() error{
				"take": func() error {
					rows, err := l.TakeEvents(t.Context(), "", some)
					require.Len(t, rows, some)
					for _, r := range rows {
						ids = append(ids, r.ID)
					}
					return err
				},
				"published": func() error {
					after := ledger.OutboxPlace{Stream: ledger.StreamID{Millis: 1000, Seq: 2000}}
					rows, err := l.PublishedEvents(t.Context(), after, ledger.StreamID{Millis: 1000, Seq: 2500}, some)
					require.Len(t, rows, some)
					require.EqualValues(t, 2001, rows[0].Stream.Seq)
					return err
				},
				"last": func() (err error) {
					entry, err = l.LastPublished(t.Context())
					require.EqualValues(t, 3599, entry.Seq)
					return err
				},
				"remove": func() error {
					n, err := l.RemovePublished(t.Context(), ledger.StreamID{Millis: 1000, Seq: 3000}, some)
					require.Equal(t, some, n)
					return err
				},
			} {
				first := rowsRead(t, db)
				before := rowsRead(t, db)
				asking := before - first
				require.NoError(t, do(), name)
				read := rowsRead(t, db) - before - asking
				limit := int64(20 * some)
				if name == "published" {
					limit = 2_000 // The part of one millisecond that comes before it is passed by.
				}
				require.Less(t, read, limit, "%s, of thousands of rows", name)
			}
			before := rowsRead(t, db)
			require.NoError(t, l.MarkPublished(t.Context(), []ledger.Published{
				{IDs: ids, Last: ledger.StreamID{Millis: 1001}},
			}))
			require.Less(t, rowsRead(t, db)-before, int64(1_000))
			require.NoError(t, open.Rollback())
		})
	}
}
