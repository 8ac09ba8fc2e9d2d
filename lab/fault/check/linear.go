package check

import (
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"interlock/lab/fault/history"
	"interlock/services/ledger"
	"interlock/services/rail"
)

const (
	// clockSlack is how far a time of the ledger, cut to a millisecond, may lie outside of a call that it belongs to.
	clockSlack = 2 * time.Millisecond
	// journey is how much further it may lie before it. The time of a batch whose begin was pipelined is reckoned from
	// the answers of the primary. It is late by the journey of the fastest of them (decision 0034): half a millisecond,
	// or two where the machine was busy each time that one came. C5's earliest_ms says how much it was.
	journey = 3 * time.Millisecond
)

// Linear is C5: the history of each run is linearizable. It is shown twice.
//
// First, each run is replayed in the order of its versions, which is a linearization where three things hold: no seat
// is sold that is sold already, clients asked and were answered in that order, and the versions' times rise and lie
// within their calls. Payments are compared with the end of their holds by the same times.
//
// Second, porcupine looks for a linearization seat by seat, by the clients' clocks alone and in at most limit. A
// request of unknown outcome may have taken effect at any time, or never. When porcupine runs out of time, the check
// fails.
//
// late is how much later than usual the primary's answers, and with them its clock, may have come or been read. wrongNo
// are the refusals that no moment of the replay explains.
func Linear(
	calls []history.Call, primary history.Member, snapshots []*ledger.AuditSnapshot, late, limit time.Duration,
) (r *Result, wrongNo map[history.Request]bool) {
	early := clockSlack + journey + late
	r = begin("C5")
	timely(r, calls, primary, early)
	realTime(r, calls, primary)
	payments(r, calls, primary)
	wrongNo = replay(r, calls, primary, snapshots, early)
	bySeat(r, calls, primary, limit)
	return r, wrongNo
}

// timely holds the ledger's times against those of the calls, before which they may lie by so much.
func timely(r *Result, calls []history.Call, primary history.Member, early time.Duration) {
	type key struct{ buyer, key string }
	placed, byNumber := map[key]history.Stored{}, map[string]history.Stored{}
	// refunded is when tickets of an order were given back, by its number.
	refunded := map[string]time.Time{}
	// changed are the orders that a ticket was changed into, by the order of that ticket.
	changed := map[string]history.Stored{}
	for _, t := range primary.Tickets {
		if t.Replaces != "" {
			changed[t.Replaces] = t
		}
		placed[key{t.Buyer, t.Key}] = t
		byNumber[t.Number] = t
		if t.Own == rail.TicketRefunded {
			refunded[t.Number] = t.EndedAt
		}
	}
	var earliest time.Duration
	for request, attempts := range history.ByRequest(calls) {
		at := time.Time{}
		switch request.Kind {
		case history.Place:
			at = placed[key{request.Buyer, request.Key}].PlacedAt
		case history.Pay:
			at = byNumber[request.Key].PaidAt
		case history.Cancel:
			if t := byNumber[request.Key]; t.State == rail.Cancelled && !t.EndedItself() && !t.WithRun() {
				at = t.EndedAt
			}
		case history.Refund:
			at = refunded[request.Key]
		case history.Change:
			at = changed[byNumber[request.Key].OrderID].PlacedAt
		}
		if at.IsZero() { // it has not taken place; C2 speaks of those that were told otherwise
			continue
		}
		r.Looked++
		asked, told := firstStart(attempts), firstDone(attempts)
		earliest = max(earliest, asked.Sub(at))
		if at.Before(asked.Add(-early)) {
			r.wrong("the %s of %s took effect %.3f s before %s asked for it", request.Kind, request.Key,
				asked.Sub(at).Seconds(), request.Buyer)
		}
		if told != nil && at.After(told.End.Add(clockSlack)) {
			r.wrong("the %s of %s took effect %.3f s after %s was told of it", request.Kind, request.Key,
				at.Sub(told.End).Seconds(), request.Buyer)
		}
	}
	r.figure("earliest_ms", max(0, 1000*earliest.Seconds()))
}

// seatOp is what an order does to its seat: it takes it on some legs, or gives it back. order is a number for it, from
// 1 on.
type seatOp struct {
	release  bool
	order    uint16
	from, to int
}

// seatState is the order that has a seat on each leg; 0 for none.
type seatState [rail.MaxCalls]uint16

func (s seatState) with(op seatOp) (seatState, bool) {
	owner, next := uint16(0), op.order
	if op.release {
		owner, next = op.order, 0
	}
	for leg := op.from; leg < op.to; leg++ {
		if s[leg] != owner {
			return s, false
		}
		s[leg] = next
	}
	return s, true
}

// seatModel is one seat of one run: a sale is legal where it is free, a release where that very order has it.
func seatModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return seatState{} },
		Step: func(state, input, _ any) (bool, any) {
			next, ok := state.(seatState).with(input.(seatOp))
			return ok, next
		},
		Equal: func(a, b any) bool { return a == b },
	}
}

// never is the end of an operation whose outcome no client heard.
const never = math.MaxInt64

// bySeat gives porcupine each seat's history, and says which of them no order explains. All of them together may take
// limit.
func bySeat(r *Result, calls []history.Call, primary history.Member, limit time.Duration) {
	model, deadline, operations := seatModel(), time.Now().Add(limit), 0
	all := seatHistories(r, calls, primary)
	for at, one := range all {
		r.Looked++
		operations += len(one)
		switch porcupine.CheckOperationsTimeout(model, one, max(time.Until(deadline), time.Millisecond)) {
		case porcupine.Illegal:
			r.wrong("%s coach %s seat %s: its %d sales and returns cannot have taken place in any order",
				at.run, at.coach, at.seat, len(one))
		case porcupine.Unknown:
			r.wrong("%s coach %s seat %s: its %d sales and returns could not be checked in time",
				at.run, at.coach, at.seat, len(one))
		}
	}
	r.figure("seats", float64(len(all)))
	r.figure("operations", float64(operations))
}

// seatHistories are the sales and returns of each seat, by what the primary has and by what was acknowledged. An order
// that no client of this history asked for, or cancelled, is wrong by itself.
func seatHistories(r *Result, calls []history.Call, primary history.Member) map[place][]porcupine.Operation {
	asked := history.ByRequest(calls)
	histories, orders := map[place][]porcupine.Operation{}, map[place]uint16{}
	add := func(at place, op seatOp, from, to int64) {
		histories[at] = append(histories[at], porcupine.Operation{
			ClientId: len(histories[at]), Input: op, Call: from, Return: to,
		})
	}
	known, numbers := map[string]bool{}, map[string]string{}
	for _, t := range primary.Tickets {
		numbers[t.OrderID] = t.Number
	}
	for _, t := range primary.Tickets {
		at := place{t.Run, t.Coach, t.Seat}
		orders[at]++
		op := seatOp{order: orders[at], from: t.From, to: t.To}
		known[t.Number] = true
		request := history.Request{Kind: history.Place, Buyer: t.Buyer, Key: t.Key}
		if t.Replaces != "" {
			request.Kind, request.Key = history.Change, numbers[t.Replaces]
		}
		from, to, ok := span(asked[request])
		if !ok {
			r.wrong("order %s is on the primary, and no client of this history has asked for it", t.Number)
			continue
		}
		add(at, op, from, to)
		op.release = true
		switch {
		case t.Own == rail.TicketRefunded:
			from, to, ok := span(asked[history.Request{Kind: history.Refund, Buyer: t.Buyer, Key: t.Number}])
			if !ok {
				r.wrong("a ticket of order %s was given back, and no client of this history has asked for it", t.Number)
				continue
			}
			add(at, op, from, to)
		case t.Own == rail.TicketChanged:
			// It ends once the new order is paid for, which is after the answer where there was more to pay.
			from, _, ok := span(asked[history.Request{Kind: history.Change, Buyer: t.Buyer, Key: t.Number}])
			if !ok {
				r.wrong("a ticket of order %s was changed, and no client of this history has asked for it", t.Number)
				continue
			}
			add(at, op, from, never)
		case t.EndedItself():
			add(at, op, t.EndedAt.UnixNano(), never)
		case t.WithRun():
			add(at, op, t.EndedAt.Add(-clockSlack).UnixNano(), never)
		case t.State == rail.Cancelled:
			from, to, ok := span(asked[history.Request{Kind: history.Cancel, Buyer: t.Buyer, Key: t.Number}])
			if !ok {
				r.wrong("order %s is cancelled, and no client of this history has cancelled it", t.Number)
				continue
			}
			add(at, op, from, to)
		}
	}
	// What was acknowledged and is nowhere on the primary was sold all the same.
	for _, c := range calls {
		places := c.Kind == history.Place || c.Kind == history.Change
		if places && c.Outcome == history.Done && c.Order != nil && !known[c.Order.Number] {
			known[c.Order.Number] = true
			for _, ticket := range c.Order.Tickets {
				at := place{c.Run, ticket.Coach, ticket.Seat}
				orders[at]++
				add(at, seatOp{order: orders[at], from: c.From, to: c.To}, c.Start.UnixNano(), c.End.UnixNano())
			}
		}
	}
	return histories
}

// span is the time in which a request may have taken effect; not ok without any attempt.
func span(attempts []history.Call) (from, to int64, ok bool) {
	if len(attempts) == 0 {
		return 0, 0, false
	}
	from, to = firstStart(attempts).UnixNano(), never
	if told := firstDone(attempts); told != nil {
		to = told.End.UnixNano()
	}
	return from, to, true
}
