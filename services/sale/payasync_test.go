package sale_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
	"interlock/services/sale"
)

// paid is what Pay answered.
type paid struct {
	order   rail.OrderState
	payment sale.Payment
	code    rail.Code
}

func payWith(t *testing.T, s *sale.Service, order, key string) (answer paid) {
	t.Helper()
	o, payment, err := s.Pay(t.Context(), "ann", order, key)
	if o != nil {
		answer.order = o.State
	}
	answer.payment, answer.code = payment, rail.CodeOf(err)
	return answer
}

// A payment that takes time goes from the page to PAID, and each repetition is told how it stands.
func TestPay_TakesTime(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	slow := openSlow(w)
	order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)

	first := payWith(t, w.Service, order.ID, "payment-0001")
	require.Equal(t, rail.OnHold, first.order)
	require.Equal(t, sale.PaymentPending, first.payment.State)
	require.Regexp(t, `^https://bank.example/[0-9a-f]{64}$`, first.payment.RedirectURL)
	require.Equal(t, first, payWith(t, w.Service, order.ID, "payment-0001"), "a repetition is the same payment")
	id := slow.last()
	require.InDelta(t, 15*time.Minute-time.Second, slow.payFor[0], float64(5*time.Second), "what is left of the hold")
	other := payWith(t, w.Service, order.ID, "payment-0002")
	require.NotEqual(t, first.payment, other.payment, "another key is another payment")
	second := slow.last()

	require.True(t, slow.authorise(id))
	require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
	require.Equal(t, []pay.Settlement{{PaymentID: id, Decision: pay.Capture, Within: 2 * time.Minute}}, slow.settled)
	require.Equal(t, rail.Paying, w.book.state(order.ID))
	require.Equal(t, paid{order: rail.Paying, payment: sale.Payment{State: sale.PaymentPending}},
		payWith(t, w.Service, order.ID, "payment-0001"))
	require.Equal(t, paid{order: rail.Paying, code: rail.WrongState}, payWith(t, w.Service, order.ID, "payment-0003"))
	_, _, err = w.Pay(t.Context(), "ann", order.ID, "payment-0003")
	require.ErrorContains(t, err, "being paid")
	_, err = w.Cancel(t.Context(), "ann", order.ID, "")
	require.ErrorIs(t, err, &rail.Error{Code: rail.WrongState})
	require.ErrorContains(t, err, "being paid")

	slow.goOn(id, true)
	require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
	require.Equal(t, paid{order: rail.Paid, payment: sale.Payment{State: sale.PaymentSucceeded}},
		payWith(t, w.Service, order.ID, "payment-0001"))
	require.Equal(t, paid{order: rail.Paid, code: rail.WrongState}, payWith(t, w.Service, order.ID, "payment-0003"))

	require.True(t, slow.authorise(second), "the buyer pays twice")
	require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
	require.Equal(t, pay.Releasing, slow.state(second))
	slow.goOn(second, true)
	require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
	require.NoError(t, slow.check())
	require.Equal(t, int64(1), w.Stats().GivenBack)
}

// TestPay_HoldsNothingWhileAProviderThinks has a hundred payments with the provider at once, and one place in the
// ledger: another order is paid meanwhile.
func TestPay_HoldsNothingWhileAProviderThinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{MaxPaying: 1})
		slow := openSlow(w)
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		payWith(t, w.Service, order.ID, "payment-0001")
		thinks := make(chan struct{})
		slow.charging = func() { <-thinks }
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { payWith(t, w.Service, order.ID, fmt.Sprint("payment-1-", i)) })
		}
		synctest.Wait()
		begun := time.Now()
		slow.authorise(slow.order[0])
		require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
		require.Equal(t, rail.Paying, w.book.state(order.ID))
		require.Zero(t, time.Since(begun), "it waited for no provider")
		close(thinks)
		all.Wait()
	})
}

// An order that costs nothing needs no provider.
func TestPay_Nothing(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	slow := openSlow(w)
	order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	w.book.mu.Lock()
	w.book.orders[order.ID].Total.Minor = 0
	w.book.mu.Unlock()
	for range 2 {
		require.Equal(t, paid{order: rail.Paid, payment: sale.Payment{State: sale.PaymentSucceeded}},
			payWith(t, w.Service, order.ID, "payment-0001"))
	}
	require.Empty(t, slow.payments)
}

// A payment that ends without money frees the seat at once, and the buyer may try again with another key before.
func TestPay_FailsAndFreesTheSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		slow := openSlow(w)
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		payWith(t, w.Service, order.ID, "payment-0001")
		slow.goOn(slow.last(), false) // declined
		require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
		synctest.Wait()
		require.Equal(t, rail.OnHold, w.book.state(order.ID), "the hold goes on")
		require.Equal(t, paid{order: rail.OnHold, payment: sale.Payment{State: sale.PaymentFailed}},
			payWith(t, w.Service, order.ID, "payment-0001"))

		payWith(t, w.Service, order.ID, "payment-0002")
		slow.authorise(slow.last())
		require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
		slow.goOn(slow.last(), false) // the provider says yes, and then no
		slow.goOn(slow.last(), false)
		begun := time.Now()
		require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
		synctest.Wait()
		require.Equal(t, rail.Cancelled, w.book.state(order.ID))
		require.Less(t, time.Since(begun), time.Second)
		require.NotContains(t, string(w.book.maps[rail.Second]), "\x01", "its seat is free again")
		require.Equal(t, rail.WrongState, payWith(t, w.Service, order.ID, "payment-0003").code)
	})
}

// What is authorised in the instant that the hold ends, or after it, goes back.
func TestPaymentEvent_AtTheEndOfTheHold(t *testing.T) {
	for _, late := range []time.Duration{-time.Millisecond, 0, time.Hour} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := openWorld(t, sale.Settings{})
				slow := openSlow(w)
				order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
				require.NoError(t, err)
				payWith(t, w.Service, order.ID, "payment-0001")
				slow.authorise(slow.last())
				<-time.After(15*time.Minute + late)
				require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
				if late < 0 {
					require.Equal(t, pay.Capturing, slow.state(slow.last()))
					return
				}
				require.Equal(t, pay.Releasing, slow.state(slow.last()))
				require.Equal(t, rail.HoldExpired, payWith(t, w.Service, order.ID, "payment-0001").code)
			})
		})
	}
}

// A page is open for a second at least, and never much longer than the hold.
func TestPay_PageClosesWithTheHold(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		10 * time.Minute: 10*time.Minute - time.Second, 3 * time.Second: 2 * time.Second,
		time.Second: time.Second, time.Millisecond: time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := openWorld(t, sale.Settings{})
			slow := openSlow(w)
			order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
			require.NoError(t, err)
			<-time.After(15*time.Minute - left)
			payWith(t, w.Service, order.ID, "payment-0001")
			require.Equal(t, []time.Duration{want}, slow.payFor)
		})
	}
}

// While a commit is unknown, money is neither taken nor given back. The event comes again, and is no try.
func TestPaymentEvent_SettlesNothingInDoubt(t *testing.T) {
	unavailable := &rail.Error{Code: rail.Unavailable, Message: "no primary"}
	for name, deciding := range map[string]struct{ before, after error }{
		"in doubt, committed": {after: ledger.ErrInDoubt},
		"in doubt, lost":      {before: ledger.ErrInDoubt},
		"locked":              {before: ledger.ErrLocked},
		"away":                {before: unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t, sale.Settings{})
			slow := openSlow(w)
			order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
			require.NoError(t, err)
			payWith(t, w.Service, order.ID, "payment-0001")
			slow.authorise(slow.last())
			for _, event := range []ledger.EventType{
				ledger.EventPaymentAuthorised, ledger.EventPaymentCaptured, ledger.EventPaymentEnded,
			} {
				w.book.deciding = func([]ledger.PaymentStep) error { return deciding.before }
				w.book.decided = func([]ledger.PaymentStep) error { return deciding.after }
				e := slow.event()
				e.Type = event
				require.Equal(t, rail.Unavailable, rail.CodeOf(w.PaymentEvent(t.Context(), e)))
				require.Empty(t, slow.settled)
			}
		})
	}
}

// A server dies between the ledger's commit and the settlement, or after it: the event comes again.
func TestPaymentEvent_DiesBesideTheSettlement(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := openWorld(t, sale.Settings{})
		slow := openSlow(w)
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		payWith(t, w.Service, order.ID, "payment-0001")
		slow.authorise(slow.last())
		for _, trouble := range []error{
			ledger.ErrInDoubt, &rail.Error{Code: rail.Unavailable, Message: "away"},
			&rail.Error{Code: rail.Overloaded, Message: "busy"},
		} {
			slow.settling = func(noted bool, _ pay.Settlement) error {
				if noted == after {
					return trouble
				}
				return nil
			}
			require.Equal(t, rail.Unavailable, rail.CodeOf(w.PaymentEvent(t.Context(), slow.event())), "%v", trouble)
		}
		slow.settling = nil
		require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
		require.Equal(t, pay.Capturing, slow.state(slow.last()))
	}
}

// What can never be captured any more does not keep a seat, in whatever order the events come.
func TestPaymentEvent_EndedComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		slow := openSlow(w)
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		payWith(t, w.Service, order.ID, "payment-0001")
		id := slow.last()
		slow.authorise(id)
		authorised := slow.event()
		slow.mu.Lock()
		slow.to(slow.payments[id], pay.Released)
		slow.mu.Unlock()
		require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
		require.Equal(t, rail.OnHold, w.book.state(order.ID))
		require.NoError(t, w.PaymentEvent(t.Context(), authorised))
		synctest.Wait()
		require.Equal(t, rail.Cancelled, w.book.state(order.ID))
	})
}

// The money of an order that was PAID, and whose run was withdrawn later, is an admin's to repay: a late double of the
// event does not give it back a second time.
func TestPaymentEvent_LeavesWhatAnAdminRepays(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	slow := openSlow(w)
	order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	payWith(t, w.Service, order.ID, "payment-0001")
	slow.authorise(slow.last())
	authorised := slow.event()
	require.NoError(t, w.PaymentEvent(t.Context(), authorised))
	slow.goOn(slow.last(), true)
	captured := slow.event()
	require.NoError(t, w.PaymentEvent(t.Context(), captured))
	w.book.withdraw(order.ID)
	for _, e := range []ledger.Event{authorised, captured} {
		require.NoError(t, w.PaymentEvent(t.Context(), e))
		require.Equal(t, pay.Captured, slow.state(slow.last()))
	}
	require.Equal(t, rail.WrongState, payWith(t, w.Service, order.ID, "payment-0001").code)
	require.Equal(t, pay.Captured, slow.state(slow.last()))
}

func TestPaymentEvent_Refuses(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	event := ledger.Event{Type: ledger.EventPaymentAuthorised, OrderID: string(w.book.run.ID) + "/1", PaymentID: "p"}
	require.Equal(t, rail.Unavailable, rail.CodeOf(w.PaymentEvent(t.Context(), event)), "no payments to settle")
	openSlow(w)
	require.Equal(t, rail.NotFound, rail.CodeOf(w.PaymentEvent(t.Context(), event)), "no such payment")
	for _, wrong := range []ledger.Event{
		{Type: event.Type, OrderID: "x", PaymentID: "p"},
		{Type: event.Type, OrderID: event.OrderID},
		{Type: event.Type, PaymentID: "p"},
	} {
		require.Equal(t, rail.Invalid, rail.CodeOf(w.PaymentEvent(t.Context(), wrong)), "%+v", wrong)
	}
	w.PaymentService.(*slowPay).settling = func(bool, pay.Settlement) error {
		return rail.Refuse(rail.Unauthenticated, "the secret is not the right one")
	}
	require.Equal(t, rail.Unavailable, rail.CodeOf(w.PaymentEvent(t.Context(), event)),
		"the trouble is not the event's")
	event.Type = "interlock.payment.thought"
	require.NoError(t, w.PaymentEvent(t.Context(), event), "a later version's")
	require.NoError(t, w.Close(t.Context()))
	require.Equal(t, rail.Unavailable, rail.CodeOf(w.PaymentEvent(t.Context(), event)))
}

// A step that comes while a commit is under way joins the next one, and has an answer of its own.
func TestPay_SharesCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const orders = 12
		w := openWorld(t, sale.Settings{MaxPaying: 2})
		gate := make(chan struct{})
		var batches [][]ledger.PaymentStep
		w.book.deciding = func(steps []ledger.PaymentStep) error {
			batches = append(batches, steps)
			<-gate
			return nil
		}
		var all sync.WaitGroup
		var ids []string
		for i := range orders {
			order, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("order", i), fmt.Sprint("DOC0000", i)))
			require.NoError(t, err)
			ids = append(ids, order.ID)
		}
		for i, id := range append(ids, ids[1], ids[1]) {
			all.Go(func() {
				answer := payWith(t, w.Service, id, fmt.Sprint("payment-", min(i, orders-1)))
				assert.Equal(t, i < orders, answer.code == "", "the order is paid with another key: %d", i)
			})
			synctest.Wait()
		}
		require.Len(t, batches, 1, "the first waits for no other")
		close(gate)
		all.Wait()
		require.Len(t, batches[0], 1)
		require.Len(t, batches[1], orders-1, "all others share one commit")
		for i, step := range batches[1] {
			require.Equal(t, ids[i+1], step.OrderID, "in the order in which they came")
		}
		require.Len(t, batches[2], 1, "a commit has one step of an order")
		require.Len(t, batches, 4)
		stats := w.Stats()
		require.EqualValues(t, 4, stats.PaymentCommits)
		require.EqualValues(t, orders+2, stats.PaymentSteps)
	})
}

// TestPay_StepsArePaced has steps come one after the other, each long after the commit of the one before: they share
// commits all the same. The first after a rest waits for nothing.
func TestPay_StepsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const steps, commit = 500, 2 * time.Millisecond
		w := openWorld(t, sale.Settings{})
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		w.book.deciding = func([]ledger.PaymentStep) error {
			<-time.After(commit)
			return nil
		}
		end := func(n int) (took time.Duration) {
			begun := time.Now()
			assert.NoError(t, w.PaymentEvent(t.Context(), ledger.Event{
				OrderID: fmt.Sprintf("%s/%d", order.RunID, n), PaymentID: strings.Repeat("0", 64),
				Type: ledger.EventPaymentEnded,
			}))
			return time.Since(begun)
		}
		for range 3 {
			<-time.After(time.Second)
			require.Equal(t, commit, end(0), "after a rest a step waits for nothing")
		}
		<-time.After(time.Second)
		before := w.book.decisions.Load()
		var all sync.WaitGroup
		for n := range steps {
			all.Go(func() { assert.LessOrEqual(t, end(n), sale.StepsApart+commit, n) })
			<-time.After(time.Millisecond)
		}
		all.Wait()
		commits := w.book.decisions.Load() - before
		require.LessOrEqual(t, commits, int64(steps*time.Millisecond/sale.StepsApart)+2)
		require.GreaterOrEqual(t, commits, int64(steps*time.Millisecond/(sale.StepsApart+commit)))
	})
}

// A step that the ledger cannot carry out fails alone.
func TestPay_OneStepFailsAlone(t *testing.T) {
	for name, trouble := range map[string]error{
		"locked": ledger.ErrLocked, "broken": errors.New("a broken row"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := openWorld(t, sale.Settings{})
				gate := make(chan struct{})
				bad := ""
				w.book.deciding = func(steps []ledger.PaymentStep) error {
					<-gate
					for _, step := range steps {
						if step.OrderID == bad {
							return trouble
						}
					}
					return nil
				}
				var all sync.WaitGroup
				codes := make([]rail.Code, 9)
				for i := range codes {
					order, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("order", i), fmt.Sprint("DOC0000", i)))
					require.NoError(t, err)
					if i == 5 {
						bad = order.ID
					}
					all.Go(func() { codes[i] = payWith(t, w.Service, order.ID, "payment-0001").code })
					synctest.Wait()
				}
				close(gate)
				all.Wait()
				for i, code := range codes {
					require.Equal(t, i == 5, code != "", "%d: %s", i, code)
				}
			})
		})
	}
}

// In doubt, all of the commit are told so.
func TestPay_InDoubtIsOfAllInTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		gate := make(chan struct{})
		w.book.decided = func([]ledger.PaymentStep) error { return ledger.ErrInDoubt }
		w.book.deciding = func([]ledger.PaymentStep) error { <-gate; return nil }
		var all sync.WaitGroup
		for i := range 5 {
			order, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("order", i), fmt.Sprint("DOC0000", i)))
			require.NoError(t, err)
			all.Go(func() {
				assert.Equal(t, rail.OrderPending, payWith(t, w.Service, order.ID, "payment-0001").code)
			})
			synctest.Wait()
		}
		close(gate)
		all.Wait()
		require.EqualValues(t, 2, w.book.decisions.Load(), "none is tried again by itself")
	})
}

// Steps wait for two seconds at most until the ledger is asked, and for as many as there is room for.
func TestPay_StepsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		gate := make(chan struct{})
		w.book.deciding = func([]ledger.PaymentStep) error { <-gate; return nil }
		var all sync.WaitGroup
		all.Go(func() { assert.Empty(t, payWith(t, w.Service, order.ID, "payment-0001").code) })
		synctest.Wait()
		const room = 8_192
		var refused, others atomic.Int64
		event := ledger.Event{OrderID: order.ID, PaymentID: strings.Repeat("0", 64), Type: ledger.EventPaymentEnded}
		for range room + 100 {
			all.Go(func() {
				if rail.CodeOf(w.PaymentEvent(t.Context(), event)) == rail.Unavailable {
					refused.Add(1)
				} else {
					others.Add(1)
				}
			})
		}
		synctest.Wait()
		require.EqualValues(t, 100, refused.Load(), "there is no room")
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.EqualValues(t, room+100, refused.Load(), "they have waited long enough")
		close(gate)
		all.Wait()
		require.Zero(t, others.Load())
		require.EqualValues(t, 1, w.book.decisions.Load(), "the ledger is not asked for those who have left")
	})
}
