package sqlpay_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/pay"
	"interlock/services/pay/paytest"
)

// TestStore_CostsWhatIsRead asks for a few payments among thousands, where the server's statistics are of an empty
// table; and none of that waits for a row that another transaction is about to commit.
func TestStore_CostsWhatIsRead(t *testing.T) {
	for _, flavor := range flavors[1:] { // SQLite keeps no statistics by itself
		t.Run(flavor.name, func(t *testing.T) {
			o := flavor.new(t)
			s, db := open(t, o), database(t, o)
			for _, table := range []string{"payments", "payment_notices"} {
				exec(t, db, "ALTER TABLE "+table+" STATS_PERSISTENT=1, STATS_AUTO_RECALC=0")
			}
			p := create(t, s, "p")
			require.NoError(t, paytest.Heed(t.Context(), s, "bank", pay.Notice{ID: "e"}, []byte("{}")))
			// Each is a second older than the one before, and its order's only one.
			const numbers = "(WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < 59) " +
				"SELECT 1 + x.k * 60 + y.k AS k FROM n x CROSS JOIN n y) numbers"
			exec(t, db, "INSERT INTO payments (id, order_id, run_id, amount_minor, currency, provider, reference, "+
				"redirect_url, state, wants, authorised_minor, captured_minor, released_minor, refunded_minor, "+
				"pay_by, created_at, changed_at, version, tries, due_at, reason, refunds) "+
				"SELECT CONCAT(id, k), CONCAT(order_id, k), run_id, amount_minor, currency, provider, reference, "+
				"redirect_url, state, wants, authorised_minor, captured_minor, released_minor, refunded_minor, "+
				"pay_by, created_at - 1000 * k, changed_at - 1000 * k, version, tries, due_at - 1000 * k, reason, refunds "+
				"FROM payments CROSS JOIN "+numbers)
			exec(t, db, "INSERT INTO payment_notices (provider, id, payment_id, reference, body, at) "+
				"SELECT provider, CONCAT(id, k), payment_id, reference, body, at - 2592000 * k FROM payment_notices "+
				"CROSS JOIN "+numbers)
			uncommitted, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = uncommitted.ExecContext(t.Context(), "UPDATE payments SET tries = tries + 1 WHERE id = 'p3000'")
			require.NoError(t, err)

			const some = 10
			for name, do := range map[string]func() error{
				"due": func() error {
					found, err := s.Due(t.Context(), false, some)
					require.Len(t, found, some)
					require.Equal(t, "p3600", found[0].ID)
					return err
				},
				"changed": func() error {
					found, err := s.Changed(t.Context(), []pay.State{pay.Created}, p.ChangedAt.Add(-30*time.Minute),
						pay.Place{}, some)
					require.Len(t, found, some)
					require.Equal(t, "p1800", found[0].ID)
					return err
				},
				"of orders": func() error {
					found, err := s.OfOrders(t.Context(), []string{p.OrderID + "7", p.OrderID + "9"})
					require.Len(t, found, 2)
					return err
				},
				"payments": func() error {
					found, err := s.Payments(t.Context(), []string{"p5", "nobody", "p3000"})
					require.NotNil(t, found[2])
					return err
				},
				"create": func() error {
					_, created, err := paytest.Start(t.Context(), s, paytest.NewPayment("another", p.OrderID),
						time.Minute)
					require.True(t, created)
					return err
				},
				"heeded before": func() error {
					before, err := s.HeededBefore(t.Context(), "bank", []string{"e", "f"})
					require.Equal(t, []bool{true, false}, before)
					return err
				},
				"update": func() error {
					errs, err := paytest.Change(t.Context(), s, []pay.Change{to(p, pay.Authorised)})
					require.Equal(t, []error{nil}, errs)
					return err
				},
				"forget": func() error {
					n, err := s.ForgetNotices(t.Context(), some)
					require.Equal(t, some, n)
					return err
				},
			} {
				first := rowsRead(t, db)
				before := rowsRead(t, db)
				asking := before - first
				require.NoError(t, do(), name)
				require.Less(t, rowsRead(t, db)-before-asking, int64(20*some), "%s, of thousands of rows", name)
			}
			require.NoError(t, uncommitted.Rollback())
		})
	}
}

// rowsRead is how many rows the server has read so far, by any plan.
func rowsRead(t *testing.T, db *sql.DB) (sum int64) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Handler_read%'")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int64
		require.NoError(t, rows.Scan(&name, &n))
		sum += n
	}
	require.NoError(t, rows.Err())
	return sum
}
