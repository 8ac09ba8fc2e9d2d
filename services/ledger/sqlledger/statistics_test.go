package sqlledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/rail"
)

// TestRead_CostsWhatIsRead reads buyers of an order each, and a run of one order, beside thousands of other orders, on
// a server whose statistics are of the sale's first order.
func TestRead_CostsWhatIsRead(t *testing.T) {
	const asked = 100
	tables := []string{"orders", "tickets", "asked_documents"}
	for _, flavor := range ledgertest.Flavors()[1:] { // SQLite keeps no statistics by itself
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			db := ledgertest.DB(t, o)
			for _, table := range tables {
				_, err := db.ExecContext(t.Context(), "ALTER TABLE "+table+" STATS_PERSISTENT=1, STATS_AUTO_RECALC=0")
				require.NoError(t, err)
			}
			l, run := wrapped(t, o, func(_ context.Context, s *intercept.Statement) error { return s.Send() })
			_, err := l.Sell(t.Context(), ledger.Batch{RunID: run}, sells("wang", 0))
			require.NoError(t, err)
			for _, table := range tables {
				_, err = db.ExecContext(t.Context(), "ANALYZE TABLE "+table)
				require.NoError(t, err)
			}
			repeat(t, db)

			buyers := make([]string, asked)
			for i := range buyers {
				buyers[i] = fmt.Sprint("wang", i)
			}
			before := rowsRead(t, db)
			records, err := l.Buyers(t.Context(), buyers, time.Hour, true)
			require.NoError(t, err)
			read := rowsRead(t, db) - before
			for _, record := range records {
				require.Equal(t, 1, record.OpenHolds)
				require.Len(t, record.Documents, 1)
			}
			require.Less(t, read, int64(20*asked), "of thousands of orders")

			ids := make([]string, asked)
			for i := range ids {
				ids[i] = fmt.Sprint(firstOrder(run, "wang"), i)
			}
			before = rowsRead(t, db)
			orders, err := l.OrdersByID(t.Context(), ids)
			require.NoError(t, err)
			require.NotNil(t, orders[asked-1])
			require.Less(t, rowsRead(t, db)-before, int64(20*asked), "of thousands of orders")

			other := ledgertest.NewRun(ledgertest.NewTrain("T12"), day.AddDays(1))
			_, err = l.Publish(t.Context(), []*rail.Run{other}, "an admin", false)
			require.NoError(t, err)
			_, err = l.Sell(t.Context(), ledger.Batch{RunID: other.ID}, sells("zhao", 0))
			require.NoError(t, err)
			before = rowsRead(t, db)
			_, err = l.Sell(t.Context(), ledger.Batch{RunID: other.ID},
				func(s *ledger.BatchState) (ledger.BatchChanges, error) {
					read = rowsRead(t, db) - before
					require.Len(t, s.Claims, 1)
					return ledger.BatchChanges{}, nil
				})
			require.NoError(t, err)
			require.Less(t, read, int64(2_000), "a run's claims, of thousands of orders of another")
		})
	}
}

// TestFeedRuns_CostsWhatIsRead lists the runs of a small feed on a date, beside a large feed and its own other dates.
// The server's statistics are of an empty ledger.
func TestFeedRuns_CostsWhatIsRead(t *testing.T) {
	const trains, dates, listed = 40, 50, 5
	for _, flavor := range ledgertest.Flavors()[1:] { // SQLite keeps no statistics by itself
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			db := ledgertest.DB(t, o)
			_, err := db.ExecContext(t.Context(), "ALTER TABLE runs STATS_PERSISTENT=1, STATS_AUTO_RECALC=0")
			require.NoError(t, err)
			l := ledgertest.Open(t, o)
			for feed, n := range map[string]int{"large": trains, "small": listed} {
				var runs []*rail.Run
				for i := range n {
					train := ledgertest.NewTrain(fmt.Sprint(feed, i))
					for d := range dates {
						runs = append(runs, ledgertest.NewRun(train, day.AddDays(d)))
					}
				}
				_, err = l.PublishFeed(t.Context(), ledger.Feed{Name: feed}, runs, "an admin", false)
				require.NoError(t, err)
			}
			first := rowsRead(t, db)
			before := rowsRead(t, db)
			asking := before - first
			runs, err := l.FeedRuns(t.Context(), ledger.FeedPage{Feed: "small", Date: day.AddDays(7), Limit: 500})
			require.NoError(t, err)
			read := rowsRead(t, db) - before - asking
			require.Len(t, runs, listed)
			require.Less(t, read, int64(10*listed), "of thousands of runs")
		})
	}
}

// repeat makes the one order of a ledger 3,600, each of a buyer of its own.
func repeat(t *testing.T, db *sql.DB) {
	t.Helper()
	for table, changed := range map[string][]string{
		"orders": {"id", "number", "buyer"}, "tickets": {"order_id"},
	} {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		require.NoError(t, rows.Close())
		require.NoError(t, rows.Err())
		columns = slices.DeleteFunc(columns, func(column string) bool { return column == "due" }) // generated
		values := make([]string, len(columns))
		for i, column := range columns {
			values[i] = column
			if slices.Contains(changed, column) {
				values[i] = "CONCAT(" + column + ", k)"
			}
		}
		_, err = db.ExecContext(t.Context(), "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") SELECT "+
			strings.Join(values, ", ")+" FROM "+table+
			" CROSS JOIN (WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < 59) "+
			"SELECT x.k * 60 + y.k AS k FROM n x CROSS JOIN n y) numbers")
		require.NoError(t, err)
	}
}

// rowsRead is how many rows and keys the server has read so far.
func rowsRead(t *testing.T, db *sql.DB) int64 {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Handler_read%'")
	require.NoError(t, err)
	defer rows.Close()
	var sum int64
	for rows.Next() {
		var name string
		var n int64
		require.NoError(t, rows.Scan(&name, &n))
		sum += n
	}
	require.NoError(t, rows.Err())
	return sum
}
