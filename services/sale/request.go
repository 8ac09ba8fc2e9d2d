package sale

import (
	"context"
	"sync/atomic"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// request asks a run's worker for one thing: to place an order or to cancel one, to give tickets back, to begin a
// change of one or to finish it, or to mark one as used. A request for nothing makes it serve a batch, which expires
// holds and resolves what is in doubt.
type request struct {
	// ctx is the buyer's.
	ctx    context.Context
	place  *placing
	cancel *ledger.Cancel
	refund *refunding
	begin  *beginning
	finish *finishing
	use    *using
	// since is when it was queued.
	since time.Time
	// state is waits, taken or left.
	state atomic.Int32
	// answer takes the one answer without waiting for the buyer.
	answer chan answer
}

// placing is a validated order.
type placing struct {
	key       ledger.OrderKey
	body      rail.PlaceOrder
	bodyHash  string
	documents []string
	// train is the train that the request was validated against; from and to are calls of it.
	train    *rail.Train
	from, to int
	// change is what the order is the new ticket of, nil where it is no change's.
	change *newTicket
	// refuseIfNew is why the buyer may have no further order. An order that the key has already is answered all the
	// same.
	refuseIfNew error
}

// answer is what a buyer is told.
type answer struct {
	order *rail.Order
	err   error
	// replayed tells that the key had placed the order before.
	replayed bool
	// refund is what a refunding has made, refundQuote the one it is to be repeated with.
	refund      *rail.Refund
	refundQuote *RefundQuote
	// change is the one of a beginning; changed is its new order where that is on the same run. changeQuote is the one
	// it is to be repeated with.
	change      *rail.TicketChange
	changed     *rail.Order
	changeQuote *ChangeQuote
	// verdict is what the new order of a change says about the change.
	verdict verdict
	// check is what the ticket of a using is.
	check rail.TicketCheck
	// again tells that nothing was decided, as another request of the batch has changed the order: ask once more.
	again bool
	// early tells that the buyer left before the worker answered. The worker's answer is still to come.
	early bool
}

// A request waits until a batch takes it or its buyer leaves, whichever comes first.
const (
	waits int32 = iota
	taken
	left
)

func newRequest(ctx context.Context) *request {
	return &request{ctx: ctx, answer: make(chan answer, 1)}
}

// name is the same for a request and its repetitions, and another one for every other request on the run. It is empty
// where no buyer waits for an answer.
func (r *request) name() string {
	switch {
	case r.place != nil:
		return "place " + r.place.key.Buyer + " " + r.place.key.Key
	case r.cancel != nil:
		return "cancel " + r.cancel.OrderID
	case r.refund != nil:
		return "refund " + r.refund.id
	case r.begin != nil:
		return "change " + r.begin.id
	case r.use != nil:
		return "use " + r.use.id
	}
	return ""
}

// order is the order whose tickets the request may change, "" where there is none.
func (r *request) order() string {
	switch {
	case r.refund != nil:
		return r.refund.OrderID
	case r.begin != nil:
		return r.begin.Ticket.OrderID
	case r.finish != nil:
		return r.finish.order
	case r.use != nil:
		return r.use.ticket.OrderID
	}
	return ""
}

// key is the one that the request places an order with, on the run of its worker. always tells that it is looked up
// before anything is decided.
func (r *request) key() (key ledger.OrderKey, always bool) {
	switch {
	case r.place != nil:
		return r.place.key, r.place.looks()
	case r.begin != nil && r.begin.sameRun():
		return r.begin.key, true
	case r.finish != nil && r.finish.sameRun():
		return r.finish.key, true
	}
	return ledger.OrderKey{}, false
}

// placing is the order that the request may place on the run of its worker, nil where there is none.
func (r *request) placing() *placing {
	if r.begin != nil && r.begin.sameRun() {
		return r.begin.place
	}
	return r.place
}

// take claims the request for a batch. False: its buyer has left.
func (r *request) take() bool { return r.ctx.Err() == nil && r.state.CompareAndSwap(waits, taken) }
