package main

import (
	"database/sql"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/audit"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/pay/sqlpay"
	"interlock/services/rail"
)

// plantedInPayments is what each column of payments can say wrongly, without the columns in believedOfPayments, and
// what an order and its payment can say of each other. mia's payment is CAPTURING, ned's was CAPTURED, ola's has
// FAILED, and a stray charge was REFUNDED.
var plantedInPayments = []planted{
	{"another payment's id", audit.CheckPayment, "{ned}", `UPDATE payments SET id = 'x' WHERE id = {payment of ned}`},
	{
		"captured for no order's payment", audit.CheckPayment, "payment x",
		`UPDATE payments SET id = 'x' WHERE id = {payment of ned}`,
	},
	{
		"another order", audit.CheckPayment, "{ned}",
		`UPDATE payments SET order_id = {ann} WHERE id = {payment of ned}`,
	},
	{
		"an order that is not there", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE payments SET order_id = 'x' WHERE id = {payment of ned}`,
	},
	{"another run", audit.CheckPayment, "{mia}", `UPDATE payments SET run_id = {A} WHERE id = {payment of mia}`},
	{
		"another price", audit.CheckPayment, "{mia}",
		`UPDATE payments SET amount_minor = amount_minor - 1 WHERE id = {payment of mia}`,
	},
	{
		"another currency", audit.CheckPayment, "{ned}",
		`UPDATE payments SET currency = 'EUR' WHERE id = {payment of ned}`,
	},
	{
		"paid and not captured", audit.CheckPayment, "{ned}",
		`UPDATE payments SET state = 'RELEASING', due_at = {now} WHERE id = {payment of ned}`,
	},
	{
		"a state that is none", audit.CheckPayment, "payment payment0of0ola",
		`UPDATE payments SET state = 'LOST' WHERE id = {payment of ola}`,
	},
	{
		"a decision that is none", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET wants = 'YES' WHERE id = {payment of mia}`,
	},
	{
		"captured against the decision", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE payments SET wants = 'RELEASE' WHERE id = {payment of ned}`,
	},
	{
		"authorised too much", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE payments SET authorised_minor = authorised_minor + 1 WHERE id = {payment of ned}`,
	},
	{
		"captured too little", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE payments SET captured_minor = captured_minor - 1 WHERE id = {payment of ned}`,
	},
	{
		"captured and failed", audit.CheckPayment, "payment payment0of0ola",
		`UPDATE payments SET captured_minor = 5 WHERE id = {payment of ola}`,
	},
	{
		"released what was captured", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE payments SET released_minor = 1 WHERE id = {payment of ned}`,
	},
	{
		"refunded a part", audit.CheckPayment, "payment stray",
		`UPDATE payments SET refunded_minor = refunded_minor - 1 WHERE id = 'stray'`,
	},
	{
		"refunded what was paid", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE payments SET refunded_minor = 1 WHERE id = {payment of ned}`,
	},
	{
		"closed before it was open", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET pay_by = created_at - 1 WHERE id = {payment of mia}`,
	},
	{
		"capturing for ever", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET capture_by = NULL WHERE id = {payment of mia}`,
	},
	{
		"made in time to come", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET created_at = {now} + 86400000 WHERE id = {payment of mia}`,
	},
	{
		"changed in time to come", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET changed_at = {now} + 86400000 WHERE id = {payment of mia}`,
	},
	{
		"no version", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET version = 0 WHERE id = {payment of mia}`,
	},
	{
		"no tries", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET tries = -1 WHERE id = {payment of mia}`,
	},
	{
		"no provider", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET provider = '' WHERE id = {payment of mia}`,
	},
	{
		"forgotten", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET due_at = NULL WHERE id = {payment of mia}`,
	},
	{
		"a part that went back, and nothing did", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE payments SET refunds = '[{"id":"r","order":"o","minor":100,"done":true}]' WHERE id = {payment of ned}`,
	},
	{
		"not called for", audit.CheckPayment, "payment payment0of0mia",
		`UPDATE payments SET due_at = {now} - 86400000 WHERE id = {payment of mia}`,
	},
}

// plantedBeside is what the ledger's rows can say wrongly of payments.
var plantedBeside = []planted{
	{"PAYING by no payment", audit.CheckPayment, "{mia}", `UPDATE orders SET payment = 'x' WHERE id = {mia}`},
	{
		"paid by another's payment", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE orders SET payment = 'payment0of0mia' WHERE id = {ned}`,
	},
	{
		"captured, and on hold", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE orders SET state = 'ON_HOLD', paid_at = NULL, paying_at = NULL, capture_by = NULL, payment = NULL ` +
			`WHERE id = {ned}`,
	},
	{
		"captured, and cancelled for want of money", audit.CheckPayment, "payment payment0of0ned",
		`UPDATE orders SET state = 'CANCELLED', paid_at = NULL WHERE id = {ned}`,
	},
	{
		"paid without money", audit.CheckPayment, "{ola}",
		`UPDATE orders SET state = 'PAID', paid_at = paying_at WHERE id = {ola}`,
	},
}

// believedOfPayments are the columns that verify compares with nothing.
var believedOfPayments = []string{"reference", "redirect_url", "reason"}

// paymentsOf are the payments of a history.
func paymentsOf(t *testing.T, h *history, settings *Settings) *sql.DB {
	t.Helper()
	o, err := paymentsOptions(settings)
	require.NoError(t, err)
	require.NoError(t, sqlpay.Migrate(t.Context(), o))
	db := ledgertest.DB(t, o)
	store, err := sqlpay.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	h.payments = store
	settle := func(p *pay.Payment, becomes func(p *pay.Payment)) {
		t.Helper()
		made, _, err := paytest.Start(t.Context(), store, p, time.Hour)
		require.NoError(t, err)
		c := pay.Change{Payment: *made, From: made.State, DueIn: -1}
		c.Payment.Version++
		becomes(&c.Payment)
		if c.Payment.Wants == pay.Capture {
			c.CaptureWithin = time.Minute
		}
		if c.Payment.State == pay.Capturing {
			c.DueIn = time.Minute
		}
		errs, err := paytest.Change(t.Context(), store, []pay.Change{c})
		require.NoError(t, err)
		require.NoError(t, errs[0])
	}
	l := ledgertest.Open(t, h.options)
	of := func(who string) *pay.Payment {
		t.Helper()
		order, err := l.Order(t.Context(), h.value("SELECT id FROM orders WHERE buyer = ?", who))
		require.NoError(t, err)
		return &pay.Payment{
			ID: "payment0of0" + who, OrderID: order.ID, RunID: order.RunID, Amount: order.Total, Provider: "bank",
			State: pay.Created, Reference: "cs_" + who,
		}
	}
	settle(of("mia"), func(p *pay.Payment) {
		p.State, p.Wants, p.Authorised = pay.Capturing, pay.Capture, p.Amount.Minor
	})
	settle(of("ned"), func(p *pay.Payment) {
		p.State, p.Wants, p.Authorised, p.Captured = pay.Captured, pay.Capture, p.Amount.Minor, p.Amount.Minor
	})
	settle(of("ola"), func(p *pay.Payment) { p.State, p.Wants = pay.Failed, pay.Capture })
	settle(&pay.Payment{
		ID: "stray", OrderID: "what a stranger says", Amount: rail.Money{Currency: "CNY"}, Provider: "bank",
		State: pay.Releasing, Wants: pay.Release, Reference: "cs_stray",
	}, func(p *pay.Payment) {
		p.State, p.Authorised, p.Captured, p.Refunded = pay.Refunded, 500, 500, 500
	})
	// What was captured an hour ago is known to the ledger by now.
	_, err = db.ExecContext(t.Context(), "UPDATE payments SET created_at = created_at - 3600000, "+
		"changed_at = changed_at - 3600000, pay_by = pay_by - 3600000")
	require.NoError(t, err)
	return db
}

// TestVerify_FindsWhatPaymentsSayWrongly plants what each column of a payment can say wrongly, and what its order can,
// where everything agrees.
func TestVerify_FindsWhatPaymentsSayWrongly(t *testing.T) {
	for _, flavor := range settingsFlavors {
		t.Run(flavor.name, func(t *testing.T) {
			settings := flavor.settings(t)
			h := makeHistory(t, settings)
			ledgerDB, db := h.db, paymentsOf(t, h, settings)
			for _, who := range []string{"mia", "ned", "ola"} {
				h.names = append(h.names, "{payment of "+who+"}", "'payment0of0"+who+"'")
			}
			report := h.verify()
			require.Empty(t, report.Defects, "what is right is not called wrong")
			require.Equal(t, 4, report.Payments)
			for _, set := range []struct {
				planted []planted
				db      *sql.DB
				tables  []string
			}{{plantedInPayments, db, []string{"payments"}}, {plantedBeside, ledgerDB, historyTables}} {
				h.db = set.db
				restore := h.keep(set.tables)
				for _, p := range set.planted {
					t.Run(p.name, func(t *testing.T) {
						for _, statement := range p.statements() {
							h.exec(h.named(statement))
						}
						defer restore()
						report := h.verify()
						require.True(t, h.found(report, &p), "no finding %q of %q among %+v", p.check, p.where,
							report.Defects)
					})
				}
				require.True(t, h.verify().OK)
			}
			// What only running servers do is not missed where none runs.
			h.db, h.idle = db, true
			h.exec("UPDATE payments SET due_at = 1 WHERE id = 'payment0of0mia'")
			h.db = ledgerDB
			h.exec("UPDATE orders SET payment = NULL, paying_at = NULL, capture_by = NULL, paid_at = NULL, " +
				"state = 'ON_HOLD', version = 1 WHERE buyer = 'ned'")
			require.False(t, slices.ContainsFunc(h.verify().Defects, func(d audit.Defect) bool {
				return d.Check == audit.CheckPayment
			}))
		})
	}
}

// TestPlanted_EveryColumnOfPayments looks for columns that no statement writes.
func TestPlanted_EveryColumnOfPayments(t *testing.T) {
	o := sqlledger.Options{Path: filepath.Join(t.TempDir(), "pay.db")}
	require.NoError(t, sqlpay.Migrate(t.Context(), o))
	rows, err := ledgertest.DB(t, o).QueryContext(t.Context(), "SELECT name FROM pragma_table_info('payments')")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var column string
		require.NoError(t, rows.Scan(&column))
		writes := regexp.MustCompile(`^UPDATE payments SET (.*, )?` + column + ` = `)
		found := slices.ContainsFunc(plantedInPayments, func(p planted) bool {
			return slices.ContainsFunc(p.statements(), writes.MatchString)
		})
		assert.NotEqual(t, slices.Contains(believedOfPayments, column), found, column)
	}
	require.NoError(t, rows.Err())
}

// named puts the names in braces into a text.
func (h *history) named(text string) string {
	return h.replacer.Replace(strings.NewReplacer(h.names...).Replace(text))
}
