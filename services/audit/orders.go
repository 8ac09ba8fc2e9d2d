package audit

import (
	"slices"
	"strings"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// verifyRow checks what an order's row says of itself alone.
func (v *verifier) verifyRow(o *ledger.WrittenOrder) {
	if run, ok := rail.RunOfOrder(o.ID); !ok || run != o.RunID {
		v.order(CheckOrder, o, "its id is not that of an order of its run")
	}
	if !rail.ValidKey(o.Key) {
		v.order(CheckOrder, o, "its idempotency key is none")
	}
	if o.Number == "" || o.Buyer == "" {
		v.order(CheckOrder, o, "it has no number, or no buyer")
	}
	if o.PayAttempts < 0 {
		v.order(CheckOrder, o, "pay_attempts is %d", o.PayAttempts)
	}
	if o.Train == nil {
		v.order(CheckOrder, o, "its train is %q, which is not there or cannot be read", o.TrainID)
	}
	switch n := len(o.Tickets); {
	case isFence(o):
	case o.Replaces != nil && n != 1:
		v.order(CheckTicket, o, "it has %d tickets, and is what one ticket was changed to", n)
	case n == 0 || n > rail.MaxPassengers:
		v.order(CheckTicket, o, "it has %d tickets, and should have 1 to %d", n, rail.MaxPassengers)
	}
	for i, n := range o.Numbers {
		if n != int64(i) {
			v.order(CheckTicket, o, "its tickets are numbered %v, and should be from 0 on without gaps", o.Numbers)
			break
		}
	}
}

// isFence tells whether an order only keeps the key of a change from ever being placed: it never had a ticket.
func isFence(o *ledger.WrittenOrder) bool {
	return o.Replaces != nil && len(o.Tickets) == 0 && o.State == rail.Cancelled && o.PaidAt.IsZero()
}

// presence says whether an order in some state has something.
type presence uint8

const (
	absent presence = iota
	present
	either
)

// orderTimes says which times an order has in each state: since when it was PAYING, when it was paid, and when it
// ended. A payment that is made at once has no PAYING. A cancelled order may have been anything before.
var orderTimes = map[rail.OrderState]struct{ paying, paid, ended presence }{
	rail.OnHold:    {paying: absent, paid: absent, ended: absent},
	rail.Paying:    {paying: present, paid: absent, ended: absent},
	rail.Paid:      {paying: either, paid: present, ended: absent},
	rail.Expired:   {paying: absent, paid: absent, ended: present},
	rail.Cancelled: {paying: either, paid: either, ended: present},
	rail.Returned:  {paying: either, paid: present, ended: present},
}

// verifyState holds an order's state against the times that are written of it, and its run.
func (v *verifier) verifyState(o *ledger.WrittenOrder) {
	wrong := func(format string, arguments ...any) { v.order(CheckState, o, format, arguments...) }
	times, known := orderTimes[o.State]
	if !known {
		wrong("%q is no state of an order", o.State)
		return
	}
	v.verifyEnd(o, times.ended)
	paying, paid := !o.PayingAt.IsZero(), !o.PaidAt.IsZero()
	switch {
	case times.paying == absent && paying:
		wrong("it is %s, and was PAYING at %s", o.State, at(o.PayingAt))
	case times.paying == present && !paying:
		wrong("it is %s, and has no time since which it is", o.State)
	}
	switch {
	case times.paid == absent && paid:
		wrong("it is %s, and was paid at %s", o.State, at(o.PaidAt))
	case times.paid == present && !paid:
		wrong("it is %s, and has no time at which it was", o.State)
	}
	v.verifyPayment(o, paying || paid)
	v.verifyCancelling(o)
	if o.State.Live() && v.Run != nil && v.Run.Status == rail.Withdrawn {
		wrong("it is %s, and its run is withdrawn", o.State)
	}
}

// verifyEnd holds an order's state against when it ended, and at which version its seats were given back.
func (v *verifier) verifyEnd(o *ledger.WrittenOrder, end presence) {
	wrong := func(format string, arguments ...any) { v.order(CheckState, o, format, arguments...) }
	ended := !o.EndedAt.IsZero()
	switch {
	case end == absent && ended:
		wrong("it is %s, and ended at %s", o.State, at(o.EndedAt))
	case end == absent && o.EndedVersion != 0:
		wrong("it is %s, and its seats were given back at the version %d", o.State, o.EndedVersion)
	case end == present && !ended:
		wrong("it is %s, and has no time at which it ended", o.State)
	case end == present && o.EndedVersion == 0:
		wrong("it is %s, and has no version at which its seats were given back", o.State)
	}
}

// verifyPayment holds the payment of an order against whether there was one.
func (v *verifier) verifyPayment(o *ledger.WrittenOrder, was bool) {
	switch has := o.PaymentID != ""; {
	case was && !has && o.PayingAt.IsZero() && o.Replaces != nil && o.ToPay().Minor == 0:
		// What was carried over has paid for it.
	case has != was:
		v.order(CheckState, o, "it has the id of a payment: %t, and a time of one: %t", has, was)
	case has && !ledger.ValidPaymentID(o.PaymentID):
		v.order(CheckState, o, "the id of its payment is none")
	}
	if paying, deadline := !o.PayingAt.IsZero(), !o.CaptureBy.IsZero(); paying != deadline {
		v.order(CheckState, o, "it has a time since which it was PAYING: %t, and one until which: %t", paying, deadline)
	}
}

// verifyCancelling holds why an order was cancelled against its state and its run. Only the withdrawal of its run
// cancels an order that was paid, or one that was PAYING before its deadline.
func (v *verifier) verifyCancelling(o *ledger.WrittenOrder) {
	if o.State != rail.Cancelled {
		if o.StateReason != "" {
			v.order(CheckState, o, "it is %s, and has a reason why it was cancelled", o.State)
		}
		return
	}
	withdrawn := v.Run == nil || slices.ContainsFunc(v.Row.Withdrawals, o.EndedAt.Equal)
	switch {
	case o.EndedAt.IsZero():
	case !o.PaidAt.IsZero() && !withdrawn:
		v.order(CheckState, o, "it was paid, and cancelled at %s, when its run was not withdrawn", at(o.EndedAt))
	case o.PayingAt.IsZero() || !o.PaidAt.IsZero():
	case o.EndedAt.Equal(o.CaptureBy):
		if o.StateReason != ledger.PaymentNotCompleted && o.ErasedAt.IsZero() && !withdrawn {
			v.order(CheckState, o, "its payment was not completed, and it was cancelled for another reason")
		}
	case o.EndedAt.After(o.CaptureBy) || !withdrawn:
		v.order(CheckState, o, "it was PAYING until %s, and cancelled at %s", at(o.CaptureBy), at(o.EndedAt))
	}
}

// verifyTimes holds an order's times against each other, those of the orders before it, and the clock.
func (v *verifier) verifyTimes(o *ledger.WrittenOrder) {
	wrong := func(format string, arguments ...any) { v.order(CheckState, o, format, arguments...) }
	now := v.Now.Add(slack)
	times := []struct {
		name string
		at   time.Time
	}{{"placed", o.PlacedAt}, {"PAYING", o.PayingAt}, {"paid", o.PaidAt}, {"ended", o.EndedAt}}
	for i, one := range times {
		if one.at.After(now) {
			wrong("it was %s at %s, and now it is %s", one.name, at(one.at), at(v.Now))
		}
		for _, before := range times[:i] {
			if !one.at.IsZero() && !before.at.IsZero() && one.at.Before(before.at.Add(-slack)) {
				wrong("it was %s at %s, before it was %s at %s", one.name, at(one.at), before.name, at(before.at))
			}
		}
	}
	if o.ErasedAt.After(now) {
		wrong("it was erased at %s, and now it is %s", at(o.ErasedAt), at(v.Now))
	}
	if o.PlacedAt.Before(v.latest.Add(-slack)) {
		wrong("it was placed at %s, after one that was placed at %s", at(o.PlacedAt), at(v.latest))
	} else if o.PlacedAt.After(v.latest) && !o.PlacedAt.After(now) {
		v.latest = o.PlacedAt
	}
}

// verifyPayBy holds an order's times against the time by which it was to be paid.
func (v *verifier) verifyPayBy(o *ledger.WrittenOrder) {
	wrong := func(format string, arguments ...any) { v.order(CheckState, o, format, arguments...) }
	if !o.PayBy.After(o.PlacedAt) {
		wrong("it was placed at %s, and to be paid by %s", at(o.PlacedAt), at(o.PayBy))
	}
	paying, paid := !o.PayingAt.IsZero(), !o.PaidAt.IsZero()
	switch {
	case paying && !o.PayingAt.Before(o.PayBy):
		wrong("it was PAYING at %s, and to be paid by %s", at(o.PayingAt), at(o.PayBy))
	case paying && o.CaptureBy.Before(o.PayingAt):
		wrong("it was PAYING at %s, and until %s", at(o.PayingAt), at(o.CaptureBy))
	case paying && paid && !o.PaidAt.Before(o.CaptureBy):
		wrong("it was paid at %s, and was PAYING until %s", at(o.PaidAt), at(o.CaptureBy))
	case !paying && paid && !o.PaidAt.Before(o.PayBy):
		wrong("it was paid at %s, and to be paid by %s", at(o.PaidAt), at(o.PayBy))
	}
	switch {
	case o.EndedAt.IsZero(), paying:
	case o.State == rail.Expired && !o.EndedAt.Equal(o.PayBy):
		wrong("it expired at %s, and was to be paid by %s", at(o.EndedAt), at(o.PayBy))
	case o.State == rail.Cancelled && o.PaidAt.IsZero() && !o.EndedAt.Before(o.PayBy):
		wrong("it was cancelled at %s, when it had expired at %s", at(o.EndedAt), at(o.PayBy))
	}
}

// verifySale holds when an order was placed against when its run was on sale. A run's sale is changed only while the
// run has no live order. So for an order that has ended, the sale at its time is not known any more.
func (v *verifier) verifySale(o *ledger.WrittenOrder) {
	if v.Run == nil || o.Train == nil || o.From < 0 || o.From >= len(o.Train.Calls) {
		return
	}
	run := *v.Run
	run.Train = o.Train
	if departure := run.Departure(o.From); o.PayBy.After(departure) {
		v.order(CheckState, o, "it was to be paid by %s, after the departure at %s", at(o.PayBy), at(departure))
	}
	if !o.State.Live() || o.TrainID != v.Run.Train.ID {
		return
	}
	opens, closes := run.SaleOpensAt, run.SaleClosesAt(o.From)
	if o.PlacedAt.Before(opens) || !o.PlacedAt.Before(closes) {
		v.order(CheckState, o, "it was placed at %s, and the sale is from %s to %s", at(o.PlacedAt), at(opens),
			at(closes))
	}
}

// verifyOverdue finds orders that should have ended by themselves. Only a running server ends them, so it finds none
// where all are stopped.
func (v *verifier) verifyOverdue(o *ledger.WrittenOrder) {
	switch {
	case v.idle:
	case o.State == rail.OnHold && v.Now.After(o.PayBy.Add(slack)):
		v.order(CheckOverdue, o, "its time to pay was over at %s, and no server has given its seats back", at(o.PayBy))
	case o.State == rail.Paying && !o.CaptureBy.IsZero() && v.Now.After(o.CaptureBy.Add(slack)):
		v.order(CheckOverdue, o, "its payment was to be completed by %s, and no server has given its seats back",
			at(o.CaptureBy))
	}
}

// verifyVersions holds an order's versions against its id, what became of it, and its run.
func (v *verifier) verifyVersions(o *ledger.WrittenOrder) {
	wrong := func(format string, arguments ...any) { v.order(CheckVersion, o, format, arguments...) }
	version := 1 + o.Corrections
	for _, became := range []time.Time{o.PayingAt, o.PaidAt, o.ErasedAt} {
		if !became.IsZero() {
			version++
		}
	}
	// What returned an order has ended it in the same step.
	if !o.EndedAt.IsZero() && o.State != rail.Returned {
		version++
	}
	version += steps(o)
	if o.Version != version {
		wrong("its version is %d, and what became of it makes it %d", o.Version, version)
	}
	if !strings.HasPrefix(o.ID, rail.OrderIDsFrom(o.RunID, o.PlacedVersion)) {
		wrong("it was placed at the version %d, and its id says another", o.PlacedVersion)
	}
	if o.PlacedVersion < 2 {
		wrong("it was placed at the version %d, and the first that sells is 2", o.PlacedVersion)
	}
	if o.EndedVersion != 0 && o.EndedVersion <= o.PlacedVersion && !isFence(o) {
		wrong("its seats were taken at the version %d, and given back at %d", o.PlacedVersion, o.EndedVersion)
	}
	if last := max(o.PlacedVersion, o.EndedVersion, latest(o.TicketEnded)); !v.Missing && last > v.Version {
		wrong("it is of the version %d, and its run is at %d", last, v.Version)
	}
}

// verifyMoney recomputes what an order costs from its train's fares.
func (v *verifier) verifyMoney(o *ledger.WrittenOrder) {
	total := rail.Money{Currency: o.Total.Currency}
	for i := range o.Tickets {
		ticket := &o.Tickets[i]
		total.Minor += ticket.Price.Minor
		if o.Train == nil {
			continue
		}
		// A ticket for which there is no fare has wrong calls or a wrong class. verifyTickets says so.
		if fare, ok := o.Train.Price(ticket.SeatClass, o.From, o.To); ok && ticket.Price != fare {
			v.ticket(CheckMoney, o, i, "it costs %s, and the fare is %s", ticket.Price, fare)
		}
	}
	if o.Total != total {
		v.order(CheckMoney, o, "its total is %s, and its tickets cost %s together", o.Total, total)
	}
	switch {
	case o.Replaces == nil && o.Carried.Minor != 0:
		v.order(CheckMoney, o, "%s was carried over to it, and it replaces no ticket", o.Carried)
	case o.Carried.Minor < 0 || o.Carried.Minor > o.Total.Minor:
		v.order(CheckMoney, o, "%s was carried over to it, and it costs %s", o.Carried, o.Total)
	}
	if o.Train != nil && o.Total.Currency != o.Train.Fares.Currency {
		v.order(CheckMoney, o, "its total is in %q, and the fares are in %s", o.Total.Currency, o.Train.Fares.Currency)
	}
}
