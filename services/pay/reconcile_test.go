package pay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/rail"
)

// shift changes a payment by hand, past the service.
func (w *world) shift(t *testing.T, id string, change func(*pay.Payment)) {
	t.Helper()
	p := w.is(t, id)
	from := p.State
	change(p)
	p.Version++
	errs, err := paytest.Change(t.Context(), w.store, []pay.Change{{Payment: *p, From: from, DueIn: -1}})
	require.NoError(t, err)
	require.NoError(t, errs[0])
}

// TestReconcile has each kind of difference: what is said about it, and what becomes of it.
func TestReconcile(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(t *testing.T, w *world)
		// says is what is told, "" for nothing; healed whether it was set right.
		says   string
		healed bool
		// state is that of payment p1 at the end, "" where there is none.
		state pay.State
		// charges are the statuses at the provider at the end.
		charges []pay.ChargeStatus
	}{
		"nothing differs": {
			plant: func(*testing.T, *world) {}, state: pay.Open, charges: []pay.ChargeStatus{pay.ChargeOpen},
		},
		"the payment is behind": {
			plant: func(t *testing.T, w *world) { t.Helper(); w.bank.Do(paytest.ActPay, "p1") },
			says:  "the payment was behind, and is AUTHORISED", healed: true, state: pay.Authorised,
			charges: []pay.ChargeStatus{pay.ChargeAuthorised},
		},
		"it was paid twice": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.bank.Do(paytest.ActPay, "p1")
				w.bank.Do(paytest.ActPayTwice, "p1")
				require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
			},
			says: "a second charge of the payment p1 goes back", healed: true, state: pay.Authorised,
			charges: []pay.ChargeStatus{pay.ChargeAuthorised, pay.ChargeClosed},
		},
		"the payment is lost": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.bank.Do(paytest.ActPay, "p1")
				w.bank.Do(paytest.ActCapture, "p1")
				w.store.Forget("p1")
			},
			says: "the payment was lost here, and is CAPTURED again", healed: true, state: pay.Captured,
			charges: []pay.ChargeStatus{pay.ChargeCaptured},
		},
		"the payment is lost, and the ledger has yet to decide": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.bank.Do(paytest.ActPay, "p1")
				w.store.Forget("p1")
			},
			says: "the payment was lost here, and is AUTHORISED again", healed: true, state: pay.Authorised,
			charges: []pay.ChargeStatus{pay.ChargeAuthorised},
		},
		"the payment is lost, and its page is open": {
			plant:   func(_ *testing.T, w *world) { w.store.Forget("p1") },
			charges: []pay.ChargeStatus{pay.ChargeOpen},
		},
		"the lost payment of no order": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.bank.Do(paytest.ActPay, "p1")
				w.bank.Change("p1", func(c *pay.Charge) { c.OrderID = "what" })
				w.store.Forget("p1")
			},
			says:    "the charge names no order: it has to be given back by hand",
			charges: []pay.ChargeStatus{pay.ChargeAuthorised},
		},
		"the page of an ended payment is open": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.shift(t, "p1", func(p *pay.Payment) { p.State, p.Reference = pay.Failed, "" })
			},
			says: "the page of a payment that has ended was open", healed: true, state: pay.Failed,
			charges: []pay.ChargeStatus{pay.ChargeClosed},
		},
		"an ended payment was paid": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.shift(t, "p1", func(p *pay.Payment) { p.State, p.Reference = pay.Failed, "" })
				w.bank.Do(paytest.ActPay, "p1")
			},
			says: "the payment was behind, and is FAILED", healed: true, state: pay.Released,
			charges: []pay.ChargeStatus{pay.ChargeClosed},
		},
		"the provider has captured less": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.bank.Do(paytest.ActPay, "p1")
				w.shift(t, "p1", func(p *pay.Payment) {
					p.State, p.Wants, p.Authorised, p.Captured = pay.Captured, pay.Capture, price, price
				})
			},
			says:  fmt.Sprintf("captured and refunded are %d and 0 here, and 0 and 0 at the provider", price),
			state: pay.Captured, charges: []pay.ChargeStatus{pay.ChargeAuthorised},
		},
		"somebody gave a part back": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.bank.Do(paytest.ActPay, "p1")
				w.bank.Do(paytest.ActCapture, "p1")
				require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
				w.settle(t, "p1", pay.Capture)
				w.bank.Change("p1", func(c *pay.Charge) { c.Refunded = 100 })
				require.NoError(t, w.tell(t, pay.Notice{ID: "n2", PaymentID: "p1"}))
			},
			says: fmt.Sprintf("100 of %d were given back, and 0 were asked for here", price), state: pay.Captured,
			charges: []pay.ChargeStatus{pay.ChargeCaptured},
		},
		"somebody gave back what a refund needs": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.bank.Do(paytest.ActPay, "p1")
				w.bank.Do(paytest.ActCapture, "p1")
				require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
				w.settle(t, "p1", pay.Capture)
				w.bank.Change("p1", func(c *pay.Charge) { c.Refunded = 30_000 })
				_, err := w.Refund(t.Context(), back(1, 1, 40_000))
				require.NoError(t, err)
				require.NoError(t, w.tell(t, pay.Notice{ID: "n2", PaymentID: "p1"}))
			},
			says: fmt.Sprintf("30000 of %d were given back, and 40000 were asked for here", price), state: pay.Captured,
			charges: []pay.ChargeStatus{pay.ChargeCaptured},
		},
		"the provider does not do a refund": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.bank.Do(paytest.ActPay, "p1")
				w.bank.Do(paytest.ActCapture, "p1")
				require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
				w.settle(t, "p1", pay.Capture)
				_, err := w.Refund(t.Context(), back(1, 1, 40_000))
				require.NoError(t, err)
				w.shift(t, "p1", func(p *pay.Payment) { p.Tries = 16 })
			},
			says:  "a refund of 40000 was tried 16 times, and the provider has not done it",
			state: pay.Captured, charges: []pay.ChargeStatus{pay.ChargeCaptured},
		},
		"the provider knows nothing of it": {
			plant: func(t *testing.T, w *world) {
				t.Helper()
				w.bank.Do(paytest.ActPay, "p1")
				require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
				w.bank.Forget("p1")
				passes(t, 11*time.Minute)
			},
			says: "the payment is AUTHORISED, and the provider does not know it", state: pay.Authorised,
			charges: []pay.ChargeStatus{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := open()
				w.start(t, "p1", 1)
				c.plant(t, w)
				report, err := w.Reconcile(t.Context(), 0)
				require.NoError(t, err)
				require.Equal(t, int64(len(w.bank.Charges())), report.Charges)
				if c.says == "" {
					require.Empty(t, report.Differences)
				} else {
					require.Len(t, report.Differences, 1)
					require.Equal(t, c.says, report.Differences[0].What)
					require.Equal(t, c.healed, report.Differences[0].Healed)
					require.NotEmpty(t, report.Differences[0].Reference)
				}
				require.Equal(t, report.Healed+report.Left, int64(len(report.Differences)))
				require.Equal(t, [2]int64{report.Healed, report.Left}, [2]int64{w.Stats().Healed, w.Stats().Left})

				w.run(t)
				passes(t, 2*time.Second)
				all := w.store.All()
				at := slices.IndexFunc(all, func(p *pay.Payment) bool { return p.ID == "p1" })
				require.Equal(t, c.state == "", at < 0)
				if at >= 0 {
					require.Equal(t, c.state, all[at].State)
				}
				statuses := []pay.ChargeStatus{}
				for _, charge := range w.bank.Charges() {
					statuses = append(statuses, charge.Status)
					if c.state == "" && charge.Status == pay.ChargeCaptured {
						require.Equal(t, charge.Captured, charge.Refunded)
					}
				}
				require.Equal(t, c.charges, statuses)
				again, err := w.Reconcile(t.Context(), 0)
				require.NoError(t, err)
				require.Zero(t, again.Healed, again.Differences)
				require.Equal(t, report.Left, again.Left)
			})
		})
	}
}

// TestReconcile_OneBadCharge has charges that cannot be compared: they are reported, and keep no other from it.
func TestReconcile_OneBadCharge(t *testing.T) {
	bad := errors.New("the amount is in no currency that is known")
	for name, plant := range map[string]func(t *testing.T, w *world){
		"unreadable": func(_ *testing.T, w *world) {
			w.bank.Change("p2", func(c *pay.Charge) {
				*c = pay.Charge{
					PaymentID: "p2", Reference: c.Reference,
					CreatedAt: c.CreatedAt, Unreadable: bad,
				}
			})
		},
		"not to be noted": func(t *testing.T, w *world) {
			t.Helper()
			w.bank.Do(paytest.ActPay, "p2")
			w.store.Forget("p2")
			once := true // The list has p2 before any other that has changed.
			w.store.Before = func(method string) error {
				if method == "Update" && once {
					once = false
					return bad
				}
				return nil
			}
		},
		"not in the list, and not to be asked for": func(t *testing.T, w *world) {
			t.Helper()
			passes(t, 11*time.Minute)
			w.bank.Change("p2", func(c *pay.Charge) { c.CreatedAt = c.CreatedAt.Add(-100 * time.Hour) })
			w.beforeCalls(func(_ context.Context, method, id string) error {
				if method == "Get" && id == "p2" {
					return bad
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := open()
				for n := range 4 {
					w.start(t, fmt.Sprint("p", n), n)
				}
				plant(t, w)
				w.bank.Do(paytest.ActPay, "p0") // The list has it last.
				report, err := w.Reconcile(t.Context(), 0)
				require.NoError(t, err)
				require.Equal(t, [2]int64{1, 1}, [2]int64{report.Healed, report.Left}, report.Differences)
				require.Equal(t, pay.Authorised, w.is(t, "p0").State)
				left := slices.IndexFunc(report.Differences, func(d pay.Difference) bool { return !d.Healed })
				require.Equal(t, "p2", report.Differences[left].PaymentID)
				require.Contains(t, report.Differences[left].What, bad.Error())
				require.Equal(t, 1, w.log.count("cannot be compared"))
			})
		})
	}
}

// TestReconcile_ManyPages goes through all pages, and no further back than it is to.
func TestReconcile_ManyPages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		const old, fresh = 30, 450
		for n := range old {
			w.start(t, fmt.Sprint("old", n), n)
		}
		passes(t, 6*time.Hour)
		for n := range fresh {
			id := fmt.Sprint("p", n)
			w.start(t, id, n)
			require.True(t, w.bank.Do(paytest.ActDecline, id))
		}
		report, err := w.Reconcile(t.Context(), time.Hour)
		require.NoError(t, err)
		require.Equal(t, int64(fresh), report.Charges)
		require.Equal(t, int64(fresh), report.Healed)
		require.Len(t, report.Differences, fresh)
		require.Equal(t, 5, w.bank.Calls("List"))
		report, err = w.Reconcile(t.Context(), 24*time.Hour)
		require.NoError(t, err)
		require.Equal(t, int64(old+fresh), report.Charges)
		require.Equal(t, int64(old+fresh), report.Payments)
		require.Empty(t, report.Differences)
	})
}

// TestReconcile_ProviderIsAway says so, and counts as no reconciliation.
func TestReconcile_ProviderIsAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.beforeCalls(func(context.Context, string, string) error { return errDead })
		_, err := w.Reconcile(t.Context(), 0)
		require.Equal(t, rail.Unavailable, rail.CodeOf(err))
		require.ErrorIs(t, err, errDead)
		require.Zero(t, w.Stats().ReconciledAt)
	})
}

// TestReconcile_EveryHour is done by the worker.
func TestReconcile_EveryHour(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		w.start(t, "p1", 1)
		w.bank.Do(paytest.ActPay, "p1")
		passes(t, 6*time.Second)
		w.settle(t, "p1", pay.Capture)
		passes(t, 100*time.Millisecond)
		w.bank.Do(paytest.ActPayTwice, "p1")
		passes(t, 54*time.Second)
		require.Equal(t, pay.ChargeClosed, w.bank.Charges()[1].Status, "a minute after the start")
		w.bank.Do(paytest.ActPayTwice, "p1")
		passes(t, time.Hour+time.Second)
		require.Equal(t, pay.ChargeClosed, w.bank.Charges()[2].Status)
		require.Equal(t, pay.Captured, w.is(t, "p1").State)
		require.Equal(t, int64(2), w.Stats().Healed)
	})
}
