package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// party is a request for some second-class seats all the way.
func party(buyer string, n int) request {
	r := one(buyer)
	r.documents = nil
	for i := range n {
		r.documents = append(r.documents, fmt.Sprintf("DOC%s%d", buyer, i))
	}
	return r
}

// soldBeside publishes a run, and another on which a seat is sold: RequireSold wants to see one.
func (s *suite) soldBeside(t *testing.T) (*sqlledger.Ledger, *worker, rail.RunID) {
	t.Helper()
	l, c, run := s.published(t)
	beside := NewRun(NewTrain("T14"), day)
	publish(t, l, beside)
	c.place(beside.ID, one("zhou"))
	return l, c, run
}

// paidParty is an order of some passengers that is PAID.
func paidParty(t *testing.T, l *sqlledger.Ledger, c *worker, run rail.RunID, buyer string, n int) *rail.Order {
	t.Helper()
	placed := c.place(run, party(buyer, n))
	o, paid, err := Pay(t.Context(), l, run, placed.ID, buyer, "pay0001")
	require.NoError(t, err)
	require.True(t, paid)
	return o
}

// fee is what the suite keeps of each ticket that is given back.
const fee = 200

// refundID is 64 hexadecimal digits.
func refundID(name string) string { return fmt.Sprintf("%064x", name)[:64] }

// give makes of an order what it is once some tickets are given back, at the time of a batch.
func give(s *ledger.BatchState, o *rail.Order, id string, which rail.TicketSet) ledger.OrderChange {
	next := *o
	next.Tickets, next.Version = slices.Clone(o.Tickets), o.Version+1
	refund := rail.Refund{
		ID: id, Kind: rail.RefundAsked, Tickets: which, At: s.Now,
		Gross: rail.Money{Currency: o.Total.Currency},
		Fee:   rail.Money{Minor: fee * int64(which.Len()), Currency: o.Total.Currency},
	}
	for i := range which.All() {
		next.Tickets[i].Own = rail.TicketRefunded
		refund.Gross.Minor += o.Tickets[i].Price.Minor
	}
	if next.Seated() == 0 {
		next.State, next.EndedAt = rail.Returned, s.Now
	}
	next.Refunds = append(slices.Clone(o.Refunds), refund)
	return ledger.OrderChange{Order: &next, Event: ledger.EventOrderRefunded, Refunds: []rail.Refund{refund}}
}

// change runs a batch that makes of an order what then says, and frees the seats of the tickets that end by that.
func (c *worker) change(
	run rail.RunID, id string, then func(*ledger.BatchState, *rail.Order) ledger.OrderChange, requests ...request,
) (*rail.Order, error) {
	b := batch(run, requests...)
	b.Orders = []string{id}
	var changed *rail.Order
	_, err := c.l.Sell(c.t.Context(), b, func(s *ledger.BatchState) (ledger.BatchChanges, error) {
		d, err := newDecision(s)
		if err != nil {
			return ledger.BatchChanges{}, err
		}
		if err := d.giveBack(s.Freed()); err != nil {
			return ledger.BatchChanges{}, err
		}
		o := s.Orders[id]
		if o == nil {
			return ledger.BatchChanges{}, errors.New("the order is not there")
		}
		one := then(s, o)
		if o.State.Live() {
			if err := d.giveBackTickets(o, o.Seated()&^one.Order.Seated()); err != nil {
				return ledger.BatchChanges{}, err
			}
		}
		for _, r := range requests {
			d.serve(c, r)
		}
		d.changes.Changed = append(d.changes.Changed, one)
		changed = one.Order
		return d.changes, nil
	})
	return changed, err
}

// giveBack gives tickets of an order back.
func (c *worker) giveBack(run rail.RunID, id, refund string, which rail.TicketSet) (*rail.Order, error) {
	return c.change(run, id, func(s *ledger.BatchState, o *rail.Order) ledger.OrderChange {
		return give(s, o, refundID(refund), which)
	})
}

// returnReadWhole reads orders while their tickets are given back one by one. Each order is read as it was at some
// moment: the tickets, the refunds, the state and the version fit.
func returnReadWhole(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	const parties, size = 4, 3
	reads := 0
	for i := range parties {
		stop := make(chan struct{})
		o := paidParty(t, l, c, run, fmt.Sprint("buyer", i), size)
		torn := make(chan error, 1)
		go func() {
			var err error
			for ; err == nil; reads++ {
				select {
				case <-stop:
					torn <- nil
					return
				default:
				}
				var now *rail.Order
				if now, err = l.Order(t.Context(), o.ID); err == nil {
					err = fits(o, now)
				}
			}
			torn <- err
		}()
		for n := range size {
			_, err := c.giveBack(run, o.ID, fmt.Sprint(i, n), rail.TicketsOf(n))
			require.NoError(t, err)
		}
		close(stop)
		require.NoError(t, <-torn)
	}
	require.Positive(t, reads)
}

// fits tells what of an order is of another moment than the rest. was is the order before any of it was given back.
func fits(was, now *rail.Order) error {
	var refunded rail.TicketSet
	for _, refund := range now.Refunds {
		refunded |= refund.Tickets
	}
	for i := range now.Tickets {
		if (now.Tickets[i].Own == rail.TicketRefunded) != refunded.Has(i) {
			return fmt.Errorf("ticket %d is %q, and the refunds are of %v", i, now.Tickets[i].Own, refunded)
		}
	}
	if want := was.Version + int64(len(now.Refunds)); now.Version != want {
		return fmt.Errorf("version %d beside %d refunds, not %d", now.Version, len(now.Refunds), want)
	}
	if (now.State == rail.Returned) != (now.Seated() == 0) {
		return fmt.Errorf("the order is %s with seats %v", now.State, now.Seated())
	}
	return nil
}

// returnOne gives one ticket of three back: its seat and document are free at once, the others' are not.
func returnOne(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := paidParty(t, l, c, run, "wang", 3)
	taken(t, l, 2)
	after, err := c.giveBack(run, o.ID, "a", rail.TicketsOf(1))
	require.NoError(t, err)
	require.Equal(t, after, read(t, l, o.ID))
	require.Equal(t, rail.Paid, after.State)
	require.Equal(t, []rail.TicketState{rail.TicketIssued, rail.TicketRefunded, rail.TicketIssued},
		[]rail.TicketState{after.TicketState(0), after.TicketState(1), after.TicketState(2)})
	require.Equal(t, []string{event("order.refunded", o.ID, o.Version+1)}, taken(t, l, 1))
	RequireSold(t, l)

	again := party("wang", 3)
	again.key, again.documents = "another-key", again.documents[1:2]
	placed := c.place(run, again)
	require.Equal(t, o.Tickets[1].SeatIndex, placed.Tickets[0].SeatIndex, "the first free seat is the one that came back")
	again.key, again.documents = "third-key", party("wang", 3).documents[:1]
	got, _, err := c.sell(t.Context(), batch(run, again), again)
	require.NoError(t, err)
	require.Nil(t, got.orders[0], "the others of the party travel")
	lives, err := lifeOf(c, run, o.ID)
	require.NoError(t, err)
	require.Equal(t, ledger.OrderLife{State: rail.Paid, Ended: party("wang", 3).documents[1:2]}, lives)
	RequireSold(t, l)
}

// lifeOf is what a batch is told of an order.
func lifeOf(c *worker, run rail.RunID, id string) (life ledger.OrderLife, err error) {
	_, err = c.l.Sell(c.t.Context(), ledger.Batch{RunID: run}, func(s *ledger.BatchState) (ledger.BatchChanges, error) {
		lives, err := s.States([]string{id})
		life = lives[id]
		return ledger.BatchChanges{Maps: func() map[rail.SeatClass][]byte { return s.Maps }}, err
	})
	return life, err
}

// returnAll gives all tickets back, in two refunds: the order has ended then, and can be neither paid nor corrected.
func returnAll(t *testing.T, s *suite) {
	l, c, run := s.soldBeside(t)
	o := paidParty(t, l, c, run, "wang", 2)
	_, err := c.giveBack(run, o.ID, "a", rail.TicketsOf(0))
	require.NoError(t, err)
	after, err := c.giveBack(run, o.ID, "b", rail.TicketsOf(1))
	require.NoError(t, err)
	require.Equal(t, rail.Returned, after.State)
	require.Equal(t, after, read(t, l, o.ID))
	require.Len(t, after.Refunds, 2)
	version := s.version(t, run)
	require.EqualValues(t, version, s.count(t, "SELECT ended_run_version FROM orders WHERE id = ?", o.ID))
	require.EqualValues(t, 2*version-1, s.count(t, "SELECT SUM(ended_run_version) FROM tickets WHERE order_id = ?", o.ID))
	_, err = l.Correct(t.Context(), ledger.Correction{OrderID: o.ID, Name: "Li", By: "mei", Reason: "typing"})
	requireCode(t, rail.WrongState, err)
	listed, err := l.Orders(t.Context(), ledger.OrderFilter{States: []rail.OrderState{rail.Returned}, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, []*rail.Order{after}, listed)
	outcome := s.decide(t, l, o, o.PaymentID, ledger.PaymentCaptured)
	require.Equal(t, rail.Returned, outcome.Order.State)
	RequireSold(t, l)
	for snapshot, err := range l.AuditSnapshots(t.Context(), "", 100) {
		require.NoError(t, err)
		if snapshot.ID != run {
			continue
		}
		written := snapshot.Orders[0]
		require.Equal(t, []int64{version - 1, version}, written.TicketEnded)
		require.Equal(t, version, written.EndedVersion)
		require.Equal(t, after.Refunds, written.Refunds)
		require.Equal(t, rail.TicketRefunded, written.Tickets[1].Own)
	}
}

// returnByAnAdmin records who did it and why.
func returnByAnAdmin(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := paidParty(t, l, c, run, "wang", 1)
	_, err := c.change(run, o.ID, func(s *ledger.BatchState, o *rail.Order) ledger.OrderChange {
		change := give(s, o, refundID("a"), rail.TicketsOf(0))
		change.By, change.What, change.Reason = "mei", ledger.WhatRefund, "ill"
		return change
	})
	require.NoError(t, err)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM order_records WHERE order_id = ? AND version = ? "+
		"AND who = 'mei' "+
		"AND what = ? AND reason = 'ill'", o.ID, o.Version+1, ledger.WhatRefund))
	records, err := l.Records(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Empty(t, records)
}

// returnUnread changes an order that the batch has not read, that is at another version, or twice, or with a refund
// that there is: nothing of the batch is written.
func returnUnread(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := paidParty(t, l, c, run, "wang", 2)
	_, err := c.giveBack(run, o.ID, "a", rail.TicketsOf(0))
	require.NoError(t, err)
	before, version := read(t, l, o.ID), s.version(t, run)
	for name, spoil := range map[string]func(*ledger.OrderChange){
		"another order":      func(change *ledger.OrderChange) { change.Order.ID += "x" },
		"an older version":   func(change *ledger.OrderChange) { change.Order.Version-- },
		"a ticket less":      func(change *ledger.OrderChange) { change.Order.Tickets = change.Order.Tickets[:1] },
		"a refund once more": func(change *ledger.OrderChange) { change.Refunds[0].ID = refundID("a") },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.change(run, o.ID, func(s *ledger.BatchState, o *rail.Order) ledger.OrderChange {
				change := give(s, o, refundID("b"), rail.TicketsOf(1))
				spoil(&change)
				return change
			})
			require.Error(t, err)
			require.Equal(t, before, read(t, l, o.ID))
			require.Equal(t, version, s.version(t, run))
		})
	}
	RequireSold(t, l)
}

// returnMoneyBack notes that money went back, once.
func returnMoneyBack(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := paidParty(t, l, c, run, "wang", 2)
	_, err := c.giveBack(run, o.ID, "a", rail.TicketsOf(0))
	require.NoError(t, err)
	after, err := c.giveBack(run, o.ID, "b", rail.TicketsOf(1))
	require.NoError(t, err)
	s.exec(t, "UPDATE refunds SET at = at - 60000")
	owed := func(age time.Duration) []string {
		ids, err := l.OwedRefunds(t.Context(), age, "", 10)
		require.NoError(t, err)
		return ids
	}
	require.Equal(t, []string{o.ID}, owed(time.Second))
	require.Empty(t, owed(time.Hour))
	back := func(refund string) *rail.Order {
		outcomes, err := l.DecidePayments(t.Context(), run,
			[]ledger.PaymentStep{{OrderID: o.ID, Kind: ledger.MoneyBack, RefundID: refund}})
		require.NoError(t, err)
		require.Equal(t, read(t, l, o.ID), outcomes[0].Order)
		return outcomes[0].Order
	}
	first := back(refundID("a"))
	require.Equal(t, after.Version+1, first.Version)
	require.False(t, first.Refunds[0].PaidBackAt.IsZero())
	require.True(t, first.Refunds[1].PaidBackAt.IsZero())
	require.Equal(t, first, back(refundID("a")), "once more changes nothing")
	require.Equal(t, first, back(refundID("unknown")))
	require.Equal(t, []string{o.ID}, owed(time.Second))
	last := back(refundID("b"))
	require.False(t, last.Refunds[1].PaidBackAt.IsZero())
	require.Empty(t, owed(0))
}

// returnWithdrawn withdraws a run: what was paid goes back without a fee, and what was given back before does not go
// back again.
func returnWithdrawn(t *testing.T, s *suite) {
	l, c, run := s.soldBeside(t)
	o := paidParty(t, l, c, run, "wang", 3)
	unpaid := c.place(run, one("li"))
	_, err := c.giveBack(run, o.ID, "a", rail.TicketsOf(1))
	require.NoError(t, err)
	_, ended, err := l.Withdraw(t.Context(), run, "no track", "mei", true)
	require.NoError(t, err)
	require.Len(t, ended, 2)
	for _, again := range []bool{false, true} {
		if again {
			_, repeated, err := l.Withdraw(t.Context(), run, "no track", "mei", true)
			require.NoError(t, err)
			require.ElementsMatch(t, ended, repeated)
		}
		after := read(t, l, o.ID)
		require.Equal(t, rail.Cancelled, after.State)
		require.Len(t, after.Refunds, 2)
		refund := after.Refunds[1]
		require.Equal(t, rail.RefundWithdrawn, refund.Kind)
		require.Equal(t, rail.TicketsOf(0, 2), refund.Tickets)
		require.Equal(t, 2*o.Tickets[0].Price.Minor, refund.Back().Minor)
		require.Empty(t, read(t, l, unpaid.ID).Refunds)
	}
	require.Equal(t, 2, s.count(t, "SELECT COUNT(*) FROM refunds"))
	RequireSold(t, l)
}

// returnMany asks for as many orders as a batch may change: it reads those that are there.
func returnMany(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := paidParty(t, l, c, run, "wang", 1)
	b := batch(run)
	for n := range ledger.MaxBatchOrders - 1 {
		b.Orders = append(b.Orders, fmt.Sprint(o.ID, n))
	}
	b.Orders = append(b.Orders, o.ID)
	unchanged := errors.New("nothing is changed")
	_, err := l.Sell(t.Context(), b, func(s *ledger.BatchState) (ledger.BatchChanges, error) {
		require.Equal(t, map[string]*rail.Order{o.ID: o}, s.Orders)
		return ledger.BatchChanges{}, unchanged
	})
	require.ErrorIs(t, err, unchanged)
	b.Orders = append(b.Orders, "one more")
	_, err = l.Sell(t.Context(), b, func(*ledger.BatchState) (ledger.BatchChanges, error) {
		return ledger.BatchChanges{}, unchanged
	})
	require.Equal(t, rail.Invalid, rail.CodeOf(err))
}

// begin opens a change of an order's first ticket.
func begin(to rail.RunID) func(*ledger.BatchState, *rail.Order) ledger.OrderChange {
	return func(s *ledger.BatchState, o *rail.Order) ledger.OrderChange {
		next := *o
		next.Tickets, next.Version = slices.Clone(o.Tickets), o.Version+1
		next.Tickets[0].Own = rail.TicketChanging
		none := rail.Money{Currency: o.Total.Currency}
		change := rail.TicketChange{
			ID: refundID(fmt.Sprint("change", len(o.Changes))), To: to, State: rail.ChangeOpen,
			Wanted: "wanted", Price: o.Tickets[0].Price, Carried: o.Tickets[0].Price, Rest: none, Fee: none,
			BegunAt: s.Now, DueAt: s.Now.Add(-time.Second),
		}
		next.Changes = append(slices.Clone(o.Changes), change)
		return ledger.OrderChange{
			Order: &next, Event: ledger.EventOrderChanging, Changes: []rail.TicketChange{change},
		}
	}
}

// finish ends a change.
func finish(state rail.ChangeState) func(*ledger.BatchState, *rail.Order) ledger.OrderChange {
	return func(s *ledger.BatchState, o *rail.Order) ledger.OrderChange {
		next := *o
		next.Tickets, next.Version = slices.Clone(o.Tickets), o.Version+1
		next.Changes = slices.Clone(o.Changes)
		last := len(next.Changes) - 1
		next.Changes[last].State, next.Changes[last].EndedAt = state, s.Now
		event := ledger.EventOrderUnchanged
		next.Tickets[0].Own = ""
		if state == rail.ChangeDone {
			next.Tickets[0].Own, event = rail.TicketChanged, ledger.EventOrderChanged
			if next.State == rail.Paid && next.Seated() == 0 {
				next.State, next.EndedAt = rail.Returned, s.Now
			}
		}
		return ledger.OrderChange{Order: &next, Event: event, Changes: next.Changes[last:]}
	}
}

// changeDone opens a change and does it.
func changeDone(t *testing.T, s *suite) {
	l, c, run := s.soldBeside(t)
	o := paidParty(t, l, c, run, "wang", 1)
	begun, err := c.change(run, o.ID, begin(run))
	require.NoError(t, err)
	require.Equal(t, begun, read(t, l, o.ID))
	require.Equal(t, rail.TicketChanging, begun.TicketState(0))
	first := ledger.DueChange{}
	due, err := l.DueChanges(t.Context(), first, 10)
	require.NoError(t, err)
	require.Equal(t, []ledger.DueChange{
		{OrderID: o.ID, ChangeID: refundID("change0"), To: run, DueAt: begun.Changes[0].DueAt},
	}, due)
	after, err := l.DueChanges(t.Context(), due[0], 10)
	require.NoError(t, err)
	require.Empty(t, after)
	RequireSold(t, l)

	done, err := c.change(run, o.ID, finish(rail.ChangeDone))
	require.NoError(t, err)
	require.Equal(t, done, read(t, l, o.ID))
	require.Equal(t, rail.Returned, done.State)
	require.Equal(t, rail.TicketChanged, done.TicketState(0))
	due, err = l.DueChanges(t.Context(), first, 10)
	require.NoError(t, err)
	require.Empty(t, due)
	require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM changes"))
	RequireSold(t, l)
}

// changeEnded opens a change that ends without one, also of an order whose run was withdrawn meanwhile.
func changeEnded(t *testing.T, s *suite) {
	l, c, run := s.soldBeside(t)
	o := paidParty(t, l, c, run, "wang", 2)
	_, err := c.change(run, o.ID, begin(run))
	require.NoError(t, err)
	ended, err := c.change(run, o.ID, finish(rail.ChangeEnded))
	require.NoError(t, err)
	require.Equal(t, ended, read(t, l, o.ID))
	require.Equal(t, rail.TicketIssued, ended.TicketState(0))
	RequireSold(t, l)

	_, err = c.change(run, o.ID, begin(run))
	require.NoError(t, err)
	_, _, err = l.Withdraw(t.Context(), run, "no track", "mei", true)
	require.NoError(t, err)
	after := read(t, l, o.ID)
	require.Equal(t, rail.TicketsOf(1), after.Refunds[0].Tickets, "what becomes of the other, the change decides")
	version := s.version(t, run)
	done, err := c.change(run, o.ID, finish(rail.ChangeDone))
	require.NoError(t, err)
	require.Equal(t, done, read(t, l, o.ID))
	require.Equal(t, rail.Cancelled, done.State)
	require.EqualValues(t, version, s.count(t, "SELECT SUM(ended_run_version) FROM tickets WHERE order_id = ?", o.ID),
		"its seat was free since the run was withdrawn")
	require.EqualValues(t, version, s.count(t, "SELECT ended_run_version FROM orders WHERE id = ?", o.ID))
	RequireSold(t, l)
}

// replacing makes an order of a request one that a ticket of another was changed into.
func replacing(of *rail.Order, state rail.OrderState) func(*ledger.BatchState, *ledger.NewOrder) {
	return func(s *ledger.BatchState, n *ledger.NewOrder) {
		o := n.Order
		o.Replaces, o.State = &rail.TicketRef{OrderID: of.ID}, state
		o.Carried = rail.Money{Minor: o.Total.Minor, Currency: o.Total.Currency}
		switch state {
		case rail.Paid:
			o.Version, o.PaidAt = 2, s.Now
		case rail.Cancelled:
			o.Version, o.EndedAt, o.Tickets, n.Documents = 2, s.Now, nil, nil
			o.Total.Minor, o.Carried.Minor = 0, 0
		}
	}
}

// placeReplacing places an order that a change makes, alone in its batch.
func (c *worker) placeReplacing(
	run rail.RunID, r request, as func(*ledger.BatchState, *ledger.NewOrder),
) (placed *rail.Order, err error) {
	_, err = c.l.Sell(c.t.Context(), batch(run, r), func(s *ledger.BatchState) (ledger.BatchChanges, error) {
		d, err := newDecision(s)
		if err != nil {
			return ledger.BatchChanges{}, err
		}
		if err := d.giveBack(s.Freed()); err != nil {
			return ledger.BatchChanges{}, err
		}
		placed = d.serve(c, r)
		if len(d.changes.Orders) == 1 {
			as(s, &d.changes.Orders[0])
			if len(placed.Tickets) == 0 {
				d.changes.Seats = nil
			}
		}
		return d.changes, nil
	})
	return placed, err
}

// changeAtOnce gives a ticket back and places the order it is changed into, which is PAID, in one commit.
func changeAtOnce(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := paidParty(t, l, c, run, "wang", 1)
	placed, err := c.placeReplacing(run, party("li", 1), replacing(o, rail.Paid))
	require.NoError(t, err)
	got := read(t, l, placed.ID)
	require.Equal(t, placed, got)
	require.Equal(t, rail.Paid, got.State)
	require.Zero(t, got.ToPay().Minor)
	require.Equal(t, &rail.TicketRef{OrderID: o.ID}, got.Replaces)
	require.Contains(t, taken(t, l, 3), event("order.paid", placed.ID, 2))
	RequireSold(t, l)
}

// changeKeyIsKept keeps a key from ever placing an order. The buyer's limits do not count what changes place.
func changeKeyIsKept(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := paidParty(t, l, c, run, "wang", 1)
	r := party("li", 1)
	kept, err := c.placeReplacing(run, r, replacing(o, rail.Cancelled))
	require.NoError(t, err)
	require.Equal(t, kept, read(t, l, kept.ID))
	byKey, err := l.OrderByKey(t.Context(), run, "li", r.key)
	require.NoError(t, err)
	require.Equal(t, kept, byKey)
	byKey, err = l.OrderByKey(t.Context(), run, "wang", r.key)
	require.NoError(t, err)
	require.Nil(t, byKey)
	listed, err := l.Orders(t.Context(), ledger.OrderFilter{Buyer: "li", Limit: 10})
	require.NoError(t, err)
	require.Empty(t, listed, "it never was an order of its buyer's")
	late, err := c.placeReplacing(run, r, replacing(o, rail.OnHold))
	require.NoError(t, err)
	require.Equal(t, kept, late, "the key has an order, which has ended")
	require.Equal(t, 2, s.count(t, "SELECT COUNT(*) FROM orders"))

	held := party("zhao", 1)
	_, err = c.placeReplacing(run, held, replacing(o, rail.OnHold))
	require.NoError(t, err)
	records, err := l.Buyers(t.Context(), []string{"li", "zhao"}, holdTTL, true)
	require.NoError(t, err)
	require.Zero(t, records["li"].Cancelled)
	require.Zero(t, records["zhao"].OpenHolds)
	RequireSold(t, l)
	for _, spoil := range []func(*rail.Order){
		func(o *rail.Order) { o.Carried.Minor++ },
		func(o *rail.Order) { o.Carried.Minor = -1 },
		func(o *rail.Order) { o.State = rail.Paid },
		func(o *rail.Order) { o.State = rail.Expired },
	} {
		_, err := c.placeReplacing(run, party("qian", 1), func(s *ledger.BatchState, n *ledger.NewOrder) {
			replacing(o, rail.OnHold)(s, n)
			spoil(n.Order)
		})
		require.Error(t, err)
	}
	require.Equal(t, 3, s.count(t, "SELECT COUNT(*) FROM orders"))
}

// returnAsAModelDoes buys, pays and gives back at random. A seat is free or has one ticket, on each leg: what the maps
// say is what the tickets make.
func returnAsAModelDoes(t *testing.T, s *suite) {
	// serverSteps are enough where each statement goes to a server: the rules are the same.
	const serverSteps = 60
	l, c, run := s.soldBeside(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		if s.flavor(t) != sqlledger.SQLite && n >= serverSteps {
			return
		}
		seated := map[string]rail.TicketSet{}
		var ids []string
		for range rapid.IntRange(1, 6).Draw(r, "steps") {
			n++
			if len(ids) == 0 || rapid.Bool().Draw(r, "buys") {
				wish := party(fmt.Sprint("b", n), rapid.IntRange(1, 3).Draw(r, "passengers"))
				sold, _, err := c.sell(t.Context(), batch(run, wish), wish)
				require.NoError(r, err)
				if sold.orders[0] == nil {
					continue // It is sold out.
				}
				o, _, err := Pay(t.Context(), l, run, sold.orders[0].ID, wish.buyer, "pay0001")
				require.NoError(r, err)
				ids, seated[o.ID] = append(ids, o.ID), o.Seated()
				continue
			}
			id := rapid.SampledFrom(ids).Draw(r, "order")
			which := rail.TicketSet(rapid.IntRange(1, 7).Draw(r, "tickets")) & seated[id]
			if which == 0 {
				continue
			}
			after, err := c.giveBack(run, id, fmt.Sprint("refund", n), which)
			require.NoError(r, err)
			seated[id] &^= which
			require.Equal(r, seated[id], after.Seated())
			require.Equal(r, seated[id] == 0, after.State == rail.Returned)
			var gross int64
			for _, refund := range after.Refunds {
				require.GreaterOrEqual(r, refund.Back().Minor, int64(0))
				gross += refund.Gross.Minor
			}
			require.LessOrEqual(r, gross, after.Total.Minor)
			require.Equal(r, after, read(t, l, id))
		}
		RequireSold(t, l)
		for id, which := range seated {
			if which != 0 {
				_, err := c.giveBack(run, id, fmt.Sprint("last", id), which)
				require.NoError(r, err)
			}
		}
		RequireSold(t, l)
	})
}
