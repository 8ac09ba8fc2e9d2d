package sale

import (
	"context"
	"time"

	"interlock/services/rail"
)

// closing is the answer of a service that was closed.
func closing() error {
	return &rail.Error{
		Code: rail.Unavailable, Message: "this server is shutting down", RetryAfter: overloadedRetryAfter,
	}
}

// notLoaded is the answer of a service that does not know yet which runs there are.
func notLoaded() error {
	return &rail.Error{
		Code: rail.Unavailable, Message: "the timetable is not loaded yet", RetryAfter: overloadedRetryAfter,
	}
}

func notFound() error {
	return rail.Refuse(rail.NotFound, "there is no such order").At("input", "orderId")
}

func pending(cause error) error {
	return &rail.Error{
		Code: rail.OrderPending, Message: "it is not known yet whether this took place: repeat it with the same key",
		RetryAfter: pendingRetryAfter, Cause: cause,
	}
}

// pendingRetryAfter is about how long a locking read waits for a lost transaction.
const pendingRetryAfter = time.Second

// outOfTime is the answer to a request that was not begun before its ctx ended.
func outOfTime(ctx context.Context) error {
	return &rail.Error{
		Code: rail.Unavailable, Message: "the request ran out of time before its turn: nothing was done",
		RetryAfter: overloadedRetryAfter, Cause: ctx.Err(),
	}
}
