package sale

import (
	"context"
	"sync/atomic"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// request asks a run's worker to place an order or to cancel one. A request for neither makes it serve a batch, which
// expires holds and resolves what is in doubt.
type request struct {
	// ctx is the buyer's.
	ctx    context.Context
	place  *placing
	cancel *ledger.Cancel
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
	}
	return ""
}

// take claims the request for a batch. False: its buyer has left.
func (r *request) take() bool { return r.ctx.Err() == nil && r.state.CompareAndSwap(waits, taken) }
