// Package notifyrpc carries the notification service between processes. Servers answer what can be told of orders
// (OrdersHandler), which `interlock notify` asks them (OrdersClient). It answers what was told and to whom it is told
// (ServiceHandler), which servers ask it (ServiceClient). A caller need not know which of the two it has: both ends are
// a notify.Orders, or a Service. See package rpc.
package notifyrpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"interlock/services/notify"
	"interlock/services/notify/notifypb"
	"interlock/services/rpc"
)

// Service is notify.Service in this process, or one in another behind a ServiceClient. See notify.Service.
type Service interface {
	Resend(ctx context.Context, orderID, key string) (*notify.Delivery, error)
	Replay(ctx context.Context, id string) (*notify.Delivery, error)
	Deliveries(ctx context.Context, f notify.Filter) ([]*notify.Delivery, error)
	Endpoints(ctx context.Context) ([]*notify.Endpoint, error)
	PutEndpoint(ctx context.Context, e *notify.Endpoint) (*notify.Endpoint, error)
	DropEndpoint(ctx context.Context, id string) (was bool, err error)
}

const (
	// maxRequest and maxResponse bound messages, in bytes: a page of a run's orders with nine passengers each is half of
	// the latter.
	maxRequest  = 64 << 10
	maxResponse = 8 << 20
	// maxOrders is how many orders one answer has at most.
	maxOrders = 200
	// callTimeout bounds a call.
	callTimeout = 10 * time.Second
	// maxCalls is how many calls of a handler are answered at once.
	maxCalls = 100
	// compressFrom is how long an answer is, in bytes, before it is compressed for a client that asks for it.
	compressFrom = 4 << 10
)

// wordsOf are how the errors of a service go that texts call by a name.
func wordsOf(service string) rpc.Words {
	return rpc.Words{
		Service: service,
		New: func(code, message string, retryAfter *durationpb.Duration) rpc.Failure {
			return &notifypb.Failure{Code: code, Message: message, RetryAfter: retryAfter}
		},
	}
}
