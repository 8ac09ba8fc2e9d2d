package sale

import (
	"context"
	"sync/atomic"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// request is one thing somebody asked of a run's worker: to place an order, to cancel one, or (neither) only to look for
// holds that ran out and commits that are not settled.
type request struct {
	ctx    context.Context
	place  *placing
	cancel *ledger.Cancel
	since  time.Time
	state  atomic.Int32
	answer chan answer
}

// placing is a validated order.
type placing struct {
	key       ledger.OrderKey
	body      rail.PlaceOrder
	bodyHash  string
	documents []string
	// train is the one the request was validated against; from and to are calls of it.
	train    *rail.Train
	from, to int
	// refuseIfNew is why the buyer may have no further order; one that the key has already is theirs all the same.
	refuseIfNew error
}

type answer struct {
	order    *rail.Order
	err      error
	replayed bool
	// early tells that the buyer left before the worker has answered: that answer is still to come.
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

// name tells the request from all others on its run, also when it is repeated; "" where nobody would miss it.
func (r *request) name() string {
	switch {
	case r.place != nil:
		return "place " + r.place.key.Buyer + " " + r.place.key.Key
	case r.cancel != nil:
		return "cancel " + r.cancel.OrderID
	}
	return ""
}

// take claims the request for a batch; false when its buyer has left.
func (r *request) take() bool { return r.ctx.Err() == nil && r.state.CompareAndSwap(waits, taken) }
