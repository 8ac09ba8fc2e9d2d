package pay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
)

// TestWebhook_PaymentIsLost has a provider tell of a payment that is not known here any more: the ledger decides.
func TestWebhook_PaymentIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		acts []paytest.Act
		// told is what is told of it, and state how it is then; "" for nothing and none.
		told  ledger.EventType
		state pay.State
		// kept and refused are how it ends as the ledger says CAPTURE or RELEASE.
		kept, refused pay.State
	}{
		"open":     {},
		"declined": {acts: []paytest.Act{paytest.ActDecline}},
		"authorised": {
			acts: []paytest.Act{paytest.ActPay}, told: ledger.EventPaymentAuthorised, state: pay.Authorised,
			kept: pay.Captured, refused: pay.Released,
		},
		"captured": {
			acts: []paytest.Act{paytest.ActPay, paytest.ActCapture}, told: ledger.EventPaymentCaptured,
			state: pay.Captured,
			kept:  pay.Captured, refused: pay.Refunded,
		},
		"refunded": {acts: []paytest.Act{paytest.ActPay, paytest.ActCapture, paytest.ActRefund}},
	} {
		for _, decision := range []pay.Decision{pay.Capture, pay.Release} {
			t.Run(name+" "+string(decision), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := open()
					w.start(t, "p1", 1)
					for _, act := range c.acts {
						require.True(t, w.bank.Do(act, "p1"))
					}
					before := w.bank.Charges()
					w.store.Forget("p1")
					require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
					w.run(t)
					passes(t, 25*time.Minute)
					require.Equal(t, before, w.bank.Charges(), "the money stays where it is until the ledger decides")
					if c.state == "" {
						require.Empty(t, w.store.All())
						return
					}
					require.Equal(t, c.state, w.is(t, "p1").State)
					require.Equal(t, []ledger.EventType{c.told}, w.events())
					require.Equal(t, orderID(1), w.is(t, "p1").OrderID)
					require.Equal(t, runID, w.is(t, "p1").RunID)
					w.settle(t, "p1", decision)
					passes(t, time.Second)
					end := c.kept
					if decision == pay.Release {
						end = c.refused
					}
					require.Equal(t, end, w.is(t, "p1").State)
				})
			})
		}
	}
}

// TestWebhook_PaymentIsLostAndPaidTwice takes one of the charges as the payment's, and lets the other go.
func TestWebhook_PaymentIsLostAndPaidTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		require.True(t, w.bank.Do(paytest.ActPay, "p1"))
		require.True(t, w.bank.Do(paytest.ActCapture, "p1"))
		require.True(t, w.bank.Do(paytest.ActPayTwice, "p1"))
		w.store.Forget("p1")
		w.run(t)
		require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1", Reference: "ref1"}))
		require.NoError(t, w.tell(t, pay.Notice{ID: "n2", PaymentID: "p1", Reference: "ref2"}))
		passes(t, time.Second)
		require.Equal(t, pay.Captured, w.is(t, "p1").State)
		require.Zero(t, w.bank.Charges()[0].Refunded)
		require.Equal(t, pay.ChargeClosed, w.bank.Charges()[1].Status)
	})
}

// TestRun_RemadeInPart has the process die after a lost payment was noted, and before its charge was: nothing is opened
// anew, and no money goes back.
func TestRun_RemadeInPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		require.True(t, w.bank.Do(paytest.ActPay, "p1"))
		require.True(t, w.bank.Do(paytest.ActCapture, "p1"))
		w.store.Forget("p1")
		updates := 0 // The first notes the payment.
		w.store.Before = func(method string) error {
			if method == "Update" {
				updates++
			}
			if updates > 1 {
				return errDead
			}
			return nil
		}
		require.Error(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
		w.store.Before = nil
		require.Equal(t, pay.Created, w.is(t, "p1").State)
		w.run(t)
		passes(t, 10*time.Second)
		require.Equal(t, pay.Captured, w.is(t, "p1").State)
		require.Equal(t, []ledger.EventType{ledger.EventPaymentCaptured}, w.events())
		require.Len(t, w.bank.Charges(), 1)
		require.Equal(t, 1, w.bank.Calls("Authorise"))
	})
}
