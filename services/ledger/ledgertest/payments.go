package ledgertest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// captureWithin is what a ledger's options say where they do not.
const captureWithin = 5 * time.Minute

// decide has a ledger decide one step.
func (s *suite) decide(
	t *testing.T, l *sqlledger.Ledger, o *rail.Order, payment string, kind ledger.PaymentStepKind,
) ledger.PaymentOutcome {
	t.Helper()
	outcomes, err := l.DecidePayments(t.Context(), o.RunID,
		[]ledger.PaymentStep{{OrderID: o.ID, PaymentID: payment, Kind: kind}})
	require.NoError(t, err)
	require.Len(t, outcomes, 1)
	return outcomes[0]
}

// decideAgain is decide twice, with the same answer, which rests on a commit of its own each time.
func (s *suite) decideAgain(
	t *testing.T, l *sqlledger.Ledger, o *rail.Order, payment string, kind ledger.PaymentStepKind,
) ledger.PaymentOutcome {
	t.Helper()
	outcome := s.decide(t, l, o, payment, kind)
	attempts := s.count(t, "SELECT pay_attempts FROM orders WHERE id = ?", o.ID)
	require.Equal(t, outcome, s.decide(t, l, o, payment, kind), "the same step is the same answer")
	require.Equal(t, attempts+1, s.count(t, "SELECT pay_attempts FROM orders WHERE id = ?", o.ID))
	return outcome
}

// paying places an order, which becomes PAYING by the payment p1.
func (s *suite) paying(t *testing.T, l *sqlledger.Ledger, c *worker, run rail.RunID, r request) *rail.Order {
	t.Helper()
	outcome := s.decide(t, l, c.place(run, r), "p1", ledger.PaymentAuthorised)
	require.True(t, outcome.Counts)
	require.Equal(t, rail.Paying, outcome.Order.State)
	return outcome.Order
}

// decidePaid goes the whole way of a payment that succeeds.
func decidePaid(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	require.Equal(t, ledger.PaymentOutcome{Order: placed}, s.decideAgain(t, l, placed, "p1", ledger.PaymentCaptured),
		"nothing was authorised")
	require.Equal(t, ledger.PaymentOutcome{Order: placed}, s.decideAgain(t, l, placed, "p1", ledger.PaymentFailed))
	version := s.version(t, run)

	paying := s.decideAgain(t, l, placed, "p1", ledger.PaymentAuthorised)
	require.True(t, paying.Counts)
	want := *placed
	want.State, want.Version, want.PaymentID = rail.Paying, 2, "p1"
	want.PayingAt = paying.Order.PayingAt
	want.CaptureBy = want.PayingAt.Add(captureWithin)
	require.Equal(t, &want, paying.Order)
	require.WithinRange(t, want.PayingAt, placed.PlacedAt, placed.PayBy)
	require.Equal(t, paying.Order, read(t, l, placed.ID))
	require.Equal(t, rail.TicketHeld, paying.Order.TicketState(0))
	Age(t, s.o, placed.ID)
	s.exec(t, "UPDATE orders SET paying_at = paying_at + 3600000, capture_by = capture_by + 3600000")
	require.Equal(t, rail.Paying, read(t, l, placed.ID).State, "the hold is stopped")
	_, _, err := c.sell(t.Context(), ledger.Batch{RunID: run})
	require.NoError(t, err)
	require.Equal(t, "PAYING", s.stored(t, placed.ID))

	require.Equal(t, []string{event("order.placed", placed.ID, 1)}, taken(t, l, 1), "PAYING has no event")
	paid := s.decideAgain(t, l, placed, "p1", ledger.PaymentCaptured)
	require.True(t, paid.Counts)
	require.Equal(t, rail.Paid, paid.Order.State)
	require.EqualValues(t, 3, paid.Order.Version)
	require.False(t, paid.Order.PaidAt.Before(want.PayingAt))
	require.Equal(t, want.CaptureBy, paid.Order.CaptureBy)
	require.Equal(t, paid.Order, read(t, l, placed.ID))
	require.Equal(t, []string{event("order.paid", placed.ID, 3)}, taken(t, l, 2))
	for _, kind := range []ledger.PaymentStepKind{
		ledger.PaymentAuthorised, ledger.PaymentFailed, ledger.PaidAtOnce, ledger.PaymentAsked,
	} {
		require.Equal(t, paid, s.decideAgain(t, l, placed, "p1", kind), "PAID is never taken back")
	}
	require.EqualValues(t, version+1, s.version(t, run), "paying changes no seat map")
	require.Empty(t, taken(t, l, 3))
	RequireSold(t, l)
}

// decideFailed ends a payment without money: the order ends at once, and its seat is sold again by the next batch.
func decideFailed(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	r := one("wang")
	o := s.paying(t, l, c, run, r)
	failed := s.decideAgain(t, l, o, "p1", ledger.PaymentFailed)
	require.False(t, failed.Counts)
	s.endsUnpaid(t, l, c, r, o, failed.Order)
}

// decideDeadlinePassed has nothing come of a payment.
func decideDeadlinePassed(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	r := one("wang")
	o := s.paying(t, l, c, run, r)
	Age(t, s.o, o.ID)
	late := s.decideAgain(t, l, o, "p1", ledger.PaymentCaptured)
	require.False(t, late.Counts)
	s.endsUnpaid(t, l, c, r, o, late.Order)
}

// endsUnpaid looks at an order whose payment did not come: it reads as ended, and its run's next batch writes that.
func (s *suite) endsUnpaid(t *testing.T, l *sqlledger.Ledger, c *worker, r request, o, ended *rail.Order) {
	t.Helper()
	want := *o
	want.State, want.StateReason, want.Version = rail.Cancelled, ledger.PaymentNotCompleted, o.Version+1
	want.EndedAt, want.CaptureBy = ended.CaptureBy, ended.CaptureBy
	want.PlacedAt, want.PayBy, want.PayingAt = ended.PlacedAt, ended.PayBy, ended.PayingAt
	require.Equal(t, &want, ended)
	require.False(t, ended.EndedAt.Before(ended.PayingAt))
	require.Equal(t, ended, read(t, l, o.ID), "swept or not")
	require.Equal(t, "PAYING", s.stored(t, o.ID))
	due, err := l.DueRuns(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, []rail.RunID{o.RunID}, due)
	require.Len(t, taken(t, l, 1), 1)

	again := one("zhao")
	again.documents = r.documents
	sold, _, err := c.sell(t.Context(), batch(o.RunID, again), again)
	require.NoError(t, err)
	require.Equal(t, []*rail.Order{ended}, sold.state.Expired, "it is what was read before")
	require.NotNil(t, sold.orders[0], "the document may travel again")
	require.Equal(t, o.Tickets[0].Seat, sold.orders[0].Tickets[0].Seat, "the seat is free again")
	require.Equal(t, "CANCELLED", s.stored(t, o.ID))
	require.ElementsMatch(t, []string{
		event("order.cancelled", o.ID, ended.Version), event("order.placed", sold.orders[0].ID, 1),
	}, taken(t, l, 2))
	for _, kind := range []ledger.PaymentStepKind{
		ledger.PaymentAuthorised, ledger.PaymentCaptured, ledger.PaymentFailed, ledger.PaidAtOnce,
	} {
		require.Equal(t, ledger.PaymentOutcome{Order: ended}, s.decideAgain(t, l, o, "p1", kind), "it has ended")
	}
	due, err = l.DueRuns(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, due)
	checkSnapshot(t, l, o.RunID, nil)
	RequireSold(t, l)
}

// decideTwoPayments pays one order twice: the second payment counts at no time, and changes nothing.
func decideTwoPayments(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := s.paying(t, l, c, run, one("wang"))
	for _, state := range []rail.OrderState{rail.Paying, rail.Paid} {
		for _, kind := range []ledger.PaymentStepKind{
			ledger.PaidAtOnce, ledger.PaymentAuthorised, ledger.PaymentCaptured, ledger.PaymentFailed,
		} {
			require.Equal(t, ledger.PaymentOutcome{Order: o}, s.decideAgain(t, l, o, "p2", kind))
		}
		outcome := s.decide(t, l, o, "p1", ledger.PaymentAuthorised)
		require.Equal(t, ledger.PaymentOutcome{Order: o, Counts: true}, outcome, "the first one is %s", state)
		o = s.decide(t, l, o, "p1", ledger.PaymentCaptured).Order
	}
}

// decideGroup decides steps of many kinds at a time, two of one order among them.
func decideGroup(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := NewRun(NewTrain("T14"), day)
	publish(t, l, other)
	place := func(buyer string, from int) *rail.Order {
		r := one(buyer)
		r.from, r.to = from, from+1
		return c.place(run, r)
	}
	wang, li, zhao, sun := place("wang", 0), place("li", 1), place("zhao", 2), place("sun", 0)
	elsewhere := c.place(other.ID, one("zhou"))
	lapsed := place("wu", 1)
	Age(t, s.o, lapsed.ID)
	s.decide(t, l, zhao, "pz", ledger.PaymentAuthorised)
	steps := []ledger.PaymentStep{
		{OrderID: sun.ID, PaymentID: "ps", Kind: ledger.PaymentAuthorised},
		{OrderID: sun.ID, PaymentID: "ps", Kind: ledger.PaymentFailed},
		{OrderID: zhao.ID, PaymentID: "pz", Kind: ledger.PaymentCaptured, Buyer: "zhao"},
		{OrderID: wang.ID, PaymentID: "pw", Kind: ledger.PaidAtOnce, Buyer: "wang"},
		{OrderID: string(run) + "/nothing", PaymentID: "pn", Kind: ledger.PaymentAuthorised},
		{OrderID: li.ID, PaymentID: "pl", Kind: ledger.PaymentAuthorised, Buyer: "zhao"},
		{OrderID: elsewhere.ID, PaymentID: "pe", Kind: ledger.PaymentAuthorised},
		{OrderID: li.ID, PaymentID: "p1", Kind: ledger.PaymentAuthorised, Buyer: "li"},
		{OrderID: li.ID, PaymentID: "p2", Kind: ledger.PaymentAuthorised},
		{OrderID: li.ID, PaymentID: "p1", Kind: ledger.PaymentCaptured},
		{OrderID: lapsed.ID, PaymentID: "pu", Kind: ledger.PaymentAuthorised},
	}
	taken(t, l, 1)
	outcomes, err := l.DecidePayments(t.Context(), run, steps)
	require.NoError(t, err)
	type result struct {
		state   rail.OrderState
		version int64
		counts  bool
	}
	want := []result{
		{rail.Cancelled, 3, false},
		{rail.Cancelled, 3, false},
		{rail.Paid, 3, true},
		{rail.Paid, 2, true},
		{},
		{},
		{},
		{rail.Paid, 3, true},
		{rail.Paid, 3, false},
		{rail.Paid, 3, true},
		{rail.Expired, 2, false},
	}
	for i, outcome := range outcomes {
		var got result
		if o := outcome.Order; o != nil {
			got = result{o.State, o.Version, outcome.Counts}
			require.Equal(t, steps[i].OrderID, o.ID)
			require.Equal(t, o, read(t, l, o.ID))
		}
		require.Equal(t, want[i], got, "step %d", i)
	}
	require.ElementsMatch(t, []string{
		event("order.paid", zhao.ID, 3), event("order.paid", wang.ID, 2), event("order.paid", li.ID, 3),
	}, taken(t, l, 2))
	require.Equal(t, 1, s.count(t, "SELECT pay_attempts FROM orders WHERE id = ?", lapsed.ID))
	require.Equal(t, 0, s.count(t, "SELECT COUNT(*) FROM orders WHERE pay_attempts > 0 AND id <> ?", lapsed.ID))
	require.Equal(t, "ON_HOLD", s.stored(t, elsewhere.ID))

	outcomes, err = l.DecidePayments(t.Context(), run, nil)
	require.NoError(t, err)
	require.Empty(t, outcomes)
}

// decideManyOrders decides as many steps as there may be, of as many orders.
func decideManyOrders(t *testing.T, s *suite) {
	l := s.open(t)
	c := newWorker(t, l)
	run := NewRun(newTrain("L1", ledger.MaxPaymentSteps/2), day)
	publish(t, l, run)
	requests := make([]request, ledger.MaxPaymentSteps)
	for i := range requests {
		requests[i] = one(fmt.Sprint("buyer-", i))
	}
	var steps []ledger.PaymentStep
	for some := range slices.Chunk(requests, 200) {
		sold, _, err := c.sell(t.Context(), batch(run.ID, some...), some...)
		require.NoError(t, err)
		for _, o := range sold.orders {
			steps = append(steps, ledger.PaymentStep{
				OrderID: o.ID, PaymentID: paymentOf(o.Buyer), Buyer: o.Buyer, Kind: ledger.PaymentAuthorised,
			})
		}
	}
	for _, step := range []struct {
		kind    ledger.PaymentStepKind
		state   rail.OrderState
		version int64
	}{{ledger.PaymentAuthorised, rail.Paying, 2}, {ledger.PaymentCaptured, rail.Paid, 3}} {
		rand.Shuffle(len(steps), func(i, k int) { steps[i], steps[k] = steps[k], steps[i] })
		for i := range steps {
			steps[i].Kind = step.kind
		}
		outcomes, err := l.DecidePayments(t.Context(), run.ID, steps)
		require.NoError(t, err)
		for i, outcome := range outcomes {
			require.True(t, outcome.Counts)
			require.Equal(t, steps[i].OrderID, outcome.Order.ID)
			require.Equal(t, step.state, outcome.Order.State)
			require.Equal(t, step.version, outcome.Order.Version)
			require.Len(t, outcome.Order.Tickets, 1)
		}
	}
	require.Equal(t, len(steps), s.count(t, "SELECT COUNT(DISTINCT payment) FROM orders WHERE state = 'PAID'"))

	_, err := l.DecidePayments(t.Context(), run.ID, append(steps, steps[0]))
	requireCode(t, rail.Invalid, err)
	RequireSold(t, l)
}

// decideRefused has steps of no order, and of another buyer: nothing is written.
func decideRefused(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	placed := c.place(run, one("wang"))
	before := s.printed(t, "SELECT * FROM orders")
	for name, step := range map[string]ledger.PaymentStep{
		"no payment":       {OrderID: placed.ID, Kind: ledger.PaymentAuthorised},
		"a payment of SQL": {OrderID: placed.ID, PaymentID: "' OR 1=1 --", Kind: ledger.PaymentAuthorised},
		"no kind":          {OrderID: placed.ID, PaymentID: "p1"},
		"another kind":     {OrderID: placed.ID, PaymentID: "p1", Kind: "REFUNDED"},
	} {
		_, err := l.DecidePayments(t.Context(), run, []ledger.PaymentStep{
			{OrderID: placed.ID, PaymentID: "p1", Kind: ledger.PaymentAuthorised}, step,
		})
		requireCode(t, rail.Invalid, err)
		require.Equal(t, before, s.printed(t, "SELECT * FROM orders"), name)
	}
	for name, step := range map[string]ledger.PaymentStep{
		"another buyer":    {OrderID: placed.ID, PaymentID: "p1", Buyer: "li", Kind: ledger.PaymentAuthorised},
		"no order":         {OrderID: "", PaymentID: "p1", Kind: ledger.PaymentAuthorised},
		"an unknown order": {OrderID: placed.ID + "x", PaymentID: "p1", Kind: ledger.PaymentAuthorised},
		"an order of SQL":  {OrderID: "' OR 1=1 --", PaymentID: "p1", Kind: ledger.PaymentAuthorised},
	} {
		outcomes, err := l.DecidePayments(t.Context(), run, []ledger.PaymentStep{step})
		require.NoError(t, err)
		require.Equal(t, []ledger.PaymentOutcome{{}}, outcomes, name)
		require.Equal(t, before, s.printed(t, "SELECT * FROM orders"), name)
	}
	outcomes, err := l.DecidePayments(t.Context(), "T13@2019-10-12",
		[]ledger.PaymentStep{{OrderID: placed.ID, PaymentID: "p1", Kind: ledger.PaymentAuthorised}})
	require.NoError(t, err)
	require.Equal(t, []ledger.PaymentOutcome{{}}, outcomes, "an order of another run")
}

// decideWithdrawn withdraws a run while orders of it are PAYING: they end as all others do, and count no longer.
func decideWithdrawn(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	other := NewRun(NewTrain("T14"), day)
	publish(t, l, other)
	c.place(other.ID, one("zhao"))
	paying, overdue := s.paying(t, l, c, run, one("wang")), s.paying(t, l, c, run, one("li"))
	_, _, err := l.Withdraw(t.Context(), run, "no track", "an admin", false)
	requireCode(t, rail.RunHasOrders, err)
	Age(t, s.o, overdue.ID)
	_, ended, err := l.Withdraw(t.Context(), run, "no track", "an admin", true)
	require.NoError(t, err)
	require.Len(t, ended, 2)
	reasons := map[string]string{}
	for _, o := range ended {
		require.Equal(t, rail.Cancelled, o.State)
		require.EqualValues(t, 3, o.Version)
		require.Zero(t, o.PaidAt, "it is not to be repaid")
		require.Equal(t, o, read(t, l, o.ID))
		reasons[o.ID] = o.StateReason
	}
	require.Equal(t, map[string]string{paying.ID: "no track", overdue.ID: ledger.PaymentNotCompleted}, reasons)
	for _, o := range ended {
		require.Equal(t, ledger.PaymentOutcome{Order: o}, s.decideAgain(t, l, o, "p1", ledger.PaymentCaptured))
	}
	require.Len(t, slices.DeleteFunc(taken(t, l, 1), func(said string) bool {
		return said != event("order.cancelled", paying.ID, 3) && said != event("order.cancelled", overdue.ID, 3)
	}), 2)
	RequireSold(t, l)
}

// decidePayingIsLive has an order keep its seat and its run while it is PAYING, and no longer.
func decidePayingIsLive(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := s.paying(t, l, c, run, one("wang"))
	changed := NewRun(newTrain("T12", 4), day)
	_, err := l.Publish(t.Context(), []*rail.Run{changed}, "an admin", false)
	requireCode(t, rail.RunHasOrders, err)
	corrected, err := l.Correct(t.Context(),
		ledger.Correction{OrderID: o.ID, Name: "王", By: "an admin", Reason: "a slip"})
	require.NoError(t, err)
	require.Equal(t, rail.Paying, corrected.State)
	require.EqualValues(t, 3, corrected.Version)
	sold, _, err := c.sell(t.Context(), ledger.Batch{
		RunID: run, Cancels: []ledger.Cancel{{OrderID: o.ID, Buyer: "wang"}, {OrderID: o.ID, By: "an admin"}},
	})
	require.NoError(t, err)
	for _, result := range sold.state.Cancels {
		require.Equal(t, ledger.CancelResult{Order: corrected}, result, "it is not cancelled")
	}
	snapshots := AuditSnapshots(t, l, "", 10)
	require.Len(t, snapshots[0].Live(), 1)
	require.Equal(t, "p1", snapshots[0].Live()[0].PaymentID)

	find := func(states ...rail.OrderState) int {
		found, err := l.Orders(t.Context(), ledger.OrderFilter{States: states, Limit: 9})
		require.NoError(t, err)
		return len(found)
	}
	require.Equal(t, 1, find(rail.Paying))
	require.Equal(t, 0, find(rail.OnHold, rail.Paid, rail.Cancelled, rail.Expired))
	Age(t, s.o, o.ID)
	require.Equal(t, 1, find(rail.Cancelled))
	require.Equal(t, 0, find(rail.OnHold, rail.Paying, rail.Paid, rail.Expired))
	require.Equal(t, 1, find(rail.OrderStates...))
	_, err = l.Correct(t.Context(), ledger.Correction{OrderID: o.ID, Name: "李", By: "an admin", Reason: "a slip"})
	requireCode(t, rail.WrongState, err)
	publish(t, l, changed)
	require.Equal(t, "CANCELLED", s.stored(t, o.ID), "what was over is written")
}

// decidePayingIsNoHold has an order count as a claim while it is PAYING, and no longer as a hold of its buyer.
func decidePayingIsNoHold(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := s.paying(t, l, c, run, one("wang"))
	claims := func() (all []ledger.Claim) {
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: run, ClaimsAt: 0},
			func(state *ledger.BatchState) (ledger.BatchChanges, error) {
				all = state.Claims
				return ledger.BatchChanges{}, nil
			})
		require.NoError(t, err)
		return all
	}
	require.Equal(t, []ledger.Claim{{OrderID: o.ID, Buyer: "wang", From: 0, To: 3, Document: "DOCwang"}}, claims())
	record := func() *ledger.BuyerRecord {
		records, err := l.Buyers(t.Context(), []string{"wang"}, holdTTL, false)
		require.NoError(t, err)
		return records["wang"]
	}
	require.Equal(t, &ledger.BuyerRecord{}, record())
	Age(t, s.o, o.ID)
	claims() // sweeps
	require.Empty(t, claims())
	require.Equal(t, &ledger.BuyerRecord{}, record(), "the buyer had paid, as far as a buyer can")
}

// modelOrder is an order as simply as it can be said.
type modelOrder struct {
	state     rail.OrderState
	payment   string
	version   int64
	overdue   bool // the time of the hold, or of the capture, is over
	wasPaying bool
}

// shown is the order as it reads: what is overdue has ended, written or not.
func (m modelOrder) shown() modelOrder {
	switch {
	case !m.overdue:
	case m.state == rail.OnHold:
		m.state, m.version = rail.Expired, m.version+1
	case m.state == rail.Paying:
		m.state, m.version = rail.Cancelled, m.version+1
	}
	return m
}

func (m *modelOrder) take(payment string, kind ledger.PaymentStepKind) {
	switch {
	case m.overdue:
	case m.state == rail.OnHold && kind == ledger.PaidAtOnce:
		m.state, m.payment, m.version = rail.Paid, payment, m.version+1
	case m.state == rail.OnHold && kind == ledger.PaymentAuthorised:
		m.state, m.payment, m.version, m.wasPaying = rail.Paying, payment, m.version+1, true
	case m.state == rail.Paying && m.payment == payment && kind == ledger.PaymentCaptured:
		m.state, m.version = rail.Paid, m.version+1
	case m.state == rail.Paying && m.payment == payment && kind == ledger.PaymentFailed:
		m.overdue = true
	}
}

// decideAsAModelDoes has anything happen to orders in any order, and holds every answer against a model.
func decideAsAModelDoes(t *testing.T, s *suite) {
	const (
		orders = 2
		// serverChecks are enough where each statement goes to a server: the rules are the same.
		serverChecks = 20
	)
	l := s.open(t)
	c := newWorker(t, l)
	run := NewRun(newTrain("L1", 500), day)
	publish(t, l, run)
	n := 0
	kinds := []ledger.PaymentStepKind{
		ledger.PaidAtOnce, ledger.PaymentAuthorised, ledger.PaymentCaptured, ledger.PaymentFailed, ledger.PaymentAsked,
	}
	rapid.Check(t, func(r *rapid.T) {
		if s.flavor(t) != sqlledger.SQLite && n >= serverChecks*orders {
			return
		}
		var placed [orders]*rail.Order
		var model [orders]modelOrder
		requests := make([]request, orders)
		for i := range requests {
			n++
			requests[i] = one(fmt.Sprint("buyer-", n))
		}
		sold, _, err := c.sell(t.Context(), batch(run.ID, requests...), requests...)
		require.NoError(r, err)
		for i := range placed {
			placed[i], model[i] = sold.orders[i], modelOrder{state: rail.OnHold, version: 1}
		}
		which := rapid.IntRange(0, orders-1)
		sweep := func(cancels ...ledger.Cancel) {
			sold, _, err := c.sell(t.Context(), ledger.Batch{RunID: run.ID, Cancels: cancels})
			require.NoError(r, err)
			for i := range model {
				ended := model[i].overdue && model[i].state.Live() && model[i].state != rail.Paid
				require.Equal(r, ended, slices.ContainsFunc(sold.state.Expired,
					func(o *rail.Order) bool { return o.ID == placed[i].ID }))
				model[i] = model[i].shown()
			}
			for _, cancel := range cancels {
				i := slices.IndexFunc(placed[:], func(o *rail.Order) bool { return o.ID == cancel.OrderID })
				if model[i].state == rail.OnHold {
					model[i].state, model[i].version = rail.Cancelled, model[i].version+1
				}
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"decide": func(r *rapid.T) {
				var steps []ledger.PaymentStep
				for range rapid.IntRange(1, 3).Draw(r, "steps") {
					i := which.Draw(r, "order")
					step := ledger.PaymentStep{
						OrderID: placed[i].ID, PaymentID: rapid.SampledFrom([]string{"p1", "p2"}).Draw(r, "payment"),
						Buyer: rapid.SampledFrom([]string{"", placed[i].Buyer, "nobody"}).Draw(r, "buyer"),
						Kind:  rapid.SampledFrom(kinds).Draw(r, "kind"),
					}
					steps = append(steps, step)
					if step.Buyer != "nobody" {
						model[i].take(step.PaymentID, step.Kind)
					}
				}
				outcomes, err := l.DecidePayments(t.Context(), run.ID, steps)
				require.NoError(r, err)
				for k, outcome := range outcomes {
					if steps[k].Buyer == "nobody" {
						require.Equal(r, ledger.PaymentOutcome{}, outcome)
						continue
					}
					i := slices.IndexFunc(placed[:], func(o *rail.Order) bool { return o.ID == steps[k].OrderID })
					now := model[i].shown()
					require.Equal(r, now.state, outcome.Order.State)
					require.Equal(r, now.version, outcome.Order.Version)
					require.Equal(r, (now.state == rail.Paying || now.state == rail.Paid) &&
						now.payment == steps[k].PaymentID, outcome.Counts)
				}
			},
			"time goes by": func(r *rapid.T) {
				i := which.Draw(r, "order")
				s.exec(t, "UPDATE orders SET placed_at = placed_at - 3600000, pay_by = pay_by - 3600000, "+
					"paying_at = paying_at - 3600000, capture_by = capture_by - 3600000, paid_at = paid_at - 3600000 "+
					"WHERE id = ?", placed[i].ID)
				if m := &model[i]; m.state == rail.OnHold || m.state == rail.Paying {
					m.overdue = true
				}
			},
			"sweep": func(*rapid.T) { sweep() },
			"cancel": func(r *rapid.T) {
				o := placed[which.Draw(r, "order")]
				sweep(ledger.Cancel{OrderID: o.ID, Buyer: o.Buyer})
			},
			"read": func(r *rapid.T) {
				i := which.Draw(r, "order")
				o, now := read(t, l, placed[i].ID), model[i].shown()
				require.Equal(r, now.state, o.State)
				require.Equal(r, now.version, o.Version)
				require.Equal(r, now.wasPaying, !o.PayingAt.IsZero())
				require.Equal(r, string(model[i].state), s.stored(t, o.ID))
			},
		})
	})
	checkSnapshot(t, l, run.ID, nil)
	RequireSold(t, l)
}

// decideAgainstExpiry authorises payments at the very moment their holds are swept.
func decideAgainstExpiry(t *testing.T, s *suite) {
	s.raceSweep(t, "PAYING", func(o *rail.Order) []ledger.PaymentStep {
		return []ledger.PaymentStep{{OrderID: o.ID, PaymentID: "p1", Kind: ledger.PaymentAuthorised}}
	})
}

// decideAgainstTheDeadline captures payments at the very moment their deadline is swept.
func decideAgainstTheDeadline(t *testing.T, s *suite) {
	s.raceSweep(t, "PAID", func(o *rail.Order) []ledger.PaymentStep {
		return []ledger.PaymentStep{{OrderID: o.ID, PaymentID: "p1", Kind: ledger.PaymentCaptured}}
	})
}

// raceSweep decides steps while the orders' time ends and is swept: of each order the one or the other is true, and
// both sides know which.
func (s *suite) raceSweep(t *testing.T, state string, step func(o *rail.Order) []ledger.PaymentStep) {
	l, c, run := s.published(t)
	var orders []*rail.Order
	for i := range 6 {
		o := c.place(run, one(fmt.Sprint("buyer-", i)))
		if state == "PAID" {
			o = s.decide(t, l, o, "p1", ledger.PaymentAuthorised).Order
		}
		orders = append(orders, o)
	}
	payer := s.open(t)
	counts := make([]bool, len(orders))
	var wg sync.WaitGroup
	for i, o := range orders {
		wg.Go(func() {
			for {
				outcomes, err := payer.DecidePayments(t.Context(), run, step(o))
				if rail.CodeOf(err) == rail.Unavailable {
					continue
				}
				if err != nil {
					t.Errorf("%v", err)
					return
				}
				counts[i] = outcomes[0].Counts
				return
			}
		})
	}
	// Some steps come before this, most after.
	s.exec(t, "UPDATE orders SET pay_by = pay_by - 3600000 WHERE state = 'ON_HOLD'")
	s.exec(t, "UPDATE orders SET capture_by = paying_at WHERE state = 'PAYING' AND ? = 'PAID'", state)
	freed := map[string]bool{}
	for {
		sold, _, err := c.sell(t.Context(), ledger.Batch{RunID: run, Locking: true})
		if rail.CodeOf(err) == rail.Unavailable {
			continue
		}
		require.NoError(t, err)
		for _, o := range sold.state.Expired {
			freed[o.ID] = true
		}
		break
	}
	wg.Wait()
	for i, o := range orders {
		require.NotEqual(t, counts[i], freed[o.ID], "its payment counts and its seat was freed, or neither")
		require.Equal(t, counts[i], s.stored(t, o.ID) == state)
	}
	checkSnapshot(t, l, run, nil)
}

// decideTwoPaymentsAtOnce authorises two payments of each order at the same moment: exactly one of them counts.
func decideTwoPaymentsAtOnce(t *testing.T, s *suite) {
	s.atOnce(t, 6, 2, func(orders []*rail.Order, payer int) [][]ledger.PaymentStep {
		var calls [][]ledger.PaymentStep
		for _, o := range orders {
			calls = append(calls, []ledger.PaymentStep{
				{OrderID: o.ID, PaymentID: fmt.Sprint("p", payer), Kind: ledger.PaymentAuthorised},
			})
		}
		return calls
	})
}

// decideGroupsAtOnce decides groups of the same orders, each in another order: none waits in a circle.
func decideGroupsAtOnce(t *testing.T, s *suite) {
	s.atOnce(t, 40, 4, func(orders []*rail.Order, payer int) [][]ledger.PaymentStep {
		var calls [][]ledger.PaymentStep
		for range 5 {
			var steps []ledger.PaymentStep
			for _, i := range rand.Perm(len(orders)) {
				steps = append(steps, ledger.PaymentStep{
					OrderID: orders[i].ID, PaymentID: fmt.Sprint("p", payer), Kind: ledger.PaymentAuthorised,
				})
			}
			calls = append(calls, steps)
		}
		return calls
	})
}

// atOnce has several servers decide about the same orders, while batches sweep and sell. Of each order, one payment
// counts in all answers.
func (s *suite) atOnce(
	t *testing.T, orders, payers int, calls func(orders []*rail.Order, payer int) [][]ledger.PaymentStep,
) {
	l := s.open(t)
	c := newWorker(t, l)
	run := NewRun(newTrain("L1", orders), day)
	publish(t, l, run)
	var placed []*rail.Order
	for i := range orders {
		placed = append(placed, c.place(run.ID, one(fmt.Sprint("buyer-", i))))
	}
	lapsed := c.place(run.ID, one("lapsed"))
	Age(t, s.o, lapsed.ID)
	var mu sync.Mutex
	counted := map[string]map[string]bool{}
	var wg sync.WaitGroup
	for payer := range payers {
		from := s.open(t)
		wg.Go(func() {
			for _, steps := range calls(placed, payer) {
				outcomes, err := from.DecidePayments(t.Context(), run.ID, steps)
				for rail.CodeOf(err) == rail.Unavailable && s.flavor(t) == sqlledger.SQLite {
					outcomes, err = from.DecidePayments(t.Context(), run.ID, steps) // it locks the whole file
				}
				if err != nil {
					t.Errorf("%v", err)
					return
				}
				mu.Lock()
				for i, outcome := range outcomes {
					id := steps[i].OrderID
					if counted[id] == nil {
						counted[id] = map[string]bool{}
					}
					if outcome.Counts {
						counted[id][steps[i].PaymentID] = true
					}
				}
				mu.Unlock()
			}
		})
	}
	for i := range 5 {
		r := one(fmt.Sprint("late-", i))
		_, _, err := c.sell(t.Context(), batch(run.ID, r), r)
		if rail.CodeOf(err) != rail.Unavailable {
			require.NoError(t, err)
		}
	}
	wg.Wait()
	for _, o := range placed {
		payments := counted[o.ID]
		require.Len(t, payments, 1, "payments of %s", o.ID)
		for payment := range payments {
			require.Equal(t, 1, s.count(t,
				"SELECT COUNT(*) FROM orders WHERE id = ? AND payment = ? AND state = 'PAYING'",
				o.ID, payment))
		}
	}
	slices.SortFunc(placed, func(a, b *rail.Order) int { return cmp.Compare(a.ID, b.ID) })
	checkSnapshot(t, l, run.ID, nil)
}
