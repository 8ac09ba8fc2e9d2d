package notifyrpc

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"connectrpc.com/connect"

	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/notify/notifypb"
	"interlock/services/rail"
	"interlock/services/rpc"
)

// OrdersPath is where the paths of an OrdersHandler begin.
const OrdersPath = "/" + notifypb.OrderServiceName + "/"

var orderWords = wordsOf("orders")

// OrdersHandler answers what can be told of orders.
type OrdersHandler struct {
	orders notify.Orders
	gate   *rpc.Gate
	calls  http.Handler
	places rpc.Places
}

// NewOrdersHandler makes an OrdersHandler.
func NewOrdersHandler(orders notify.Orders, access rpc.Access, log *slog.Logger) *OrdersHandler {
	h := &OrdersHandler{
		orders: orders, gate: rpc.NewGate(orderWords, access, log), places: rpc.Places{Limit: maxCalls},
	}
	_, h.calls = notifypb.NewOrderServiceHandler(orderAnswers{h}, handlerOptions(h.gate)...)
	return h
}

// handlerOptions are those of every handler.
func handlerOptions(gate *rpc.Gate) []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithReadMaxBytes(maxRequest), connect.WithCompressMinBytes(compressFrom),
		connect.WithRecover(func(ctx context.Context, spec connect.Spec, _ http.Header, cause any) error {
			return gate.Failed(ctx, spec.Procedure, fmt.Errorf("it panicked: %v", cause))
		}),
	}
}

// ServeHTTP implements http.Handler.
func (h *OrdersHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.gate.Serve(w, r, &h.places, callTimeout, h.calls)
}

// Stats are the counts.
func (h *OrdersHandler) Stats() rpc.GateStats { return h.gate.Stats(&h.places) }

type orderAnswers struct{ *OrdersHandler }

// Order implements notifypb.OrderServiceHandler.
func (a orderAnswers) Order(ctx context.Context, r *notifypb.OrderRequest) (*notifypb.OrderResponse, error) {
	return rpc.Answer(ctx, a.gate, notifypb.OrderServiceOrderProcedure, callTimeout,
		func(ctx context.Context) (*notifypb.OrderResponse, error) {
			o, err := a.orders.Order(ctx, r.GetOrderId())
			if err != nil {
				return nil, err
			}
			return &notifypb.OrderResponse{Order: orderToWire(o)}, nil
		})
}

// PaidOn implements notifypb.OrderServiceHandler.
func (a orderAnswers) PaidOn(ctx context.Context, r *notifypb.PaidOnRequest) (*notifypb.PaidOnResponse, error) {
	return rpc.Answer(ctx, a.gate, notifypb.OrderServicePaidOnProcedure, callTimeout,
		func(ctx context.Context) (*notifypb.PaidOnResponse, error) {
			limit := int(r.GetLimit())
			if limit < 1 || limit > maxOrders {
				return nil, rail.Refuse(rail.Invalid, "limit is 1 to %d", maxOrders).At("limit")
			}
			after := ledger.OrderPlace{PlacedAt: timeOf(r.GetAfterPlacedAt()), ID: r.GetAfterId()}
			found, err := a.orders.PaidOn(ctx, rail.RunID(r.GetRunId()), after, limit)
			if err != nil {
				return nil, err
			}
			response := &notifypb.PaidOnResponse{}
			for _, o := range found {
				response.Orders = append(response.Orders, orderToWire(o))
			}
			return response, nil
		})
}

// ClientOptions make a client.
type ClientOptions struct {
	// URL is where the other process listens: http://host:port, or https:// where it has a certificate.
	URL    string
	Access rpc.Access
	Log    *slog.Logger
}

// OrdersClient is a notify.Orders in another process. It may be used by many goroutines.
type OrdersClient struct {
	*rpc.Caller
	remote notifypb.OrderServiceClient
}

var _ notify.Orders = (*OrdersClient)(nil)

// NewOrdersClient makes an OrdersClient. It does not connect yet.
func NewOrdersClient(o ClientOptions) (*OrdersClient, error) {
	caller, err := rpc.NewCaller(rpc.CallerOptions{
		Words: orderWords, URL: o.URL, Access: o.Access, Log: o.Log, Lost: "buyers are told nothing just now",
	}, maxRequest, maxResponse)
	if err != nil {
		return nil, err
	}
	return &OrdersClient{caller, notifypb.NewOrderServiceClient(caller.HTTP, o.URL, caller.Options...)}, nil
}

// Ready tells whether the other process answers and takes what it is shown.
func (c *OrdersClient) Ready(ctx context.Context) error {
	_, err := rpc.Once(ctx, c.Caller, c.remote.Order, &notifypb.OrderRequest{})
	return err
}

// Order implements notify.Orders.
func (c *OrdersClient) Order(ctx context.Context, orderID string) (*notify.Order, error) {
	a, err := rpc.Call(ctx, c.Caller, callTimeout, c.remote.Order, &notifypb.OrderRequest{OrderId: orderID})
	if err != nil {
		return nil, err
	}
	return orderOf(a.GetOrder()), nil
}

// PaidOn implements notify.Orders.
func (c *OrdersClient) PaidOn(
	ctx context.Context, run rail.RunID, after ledger.OrderPlace, limit int,
) (all []*notify.Order, err error) {
	a, err := rpc.Call(ctx, c.Caller, callTimeout, c.remote.PaidOn, &notifypb.PaidOnRequest{
		RunId: string(run), AfterPlacedAt: stamp(after.PlacedAt), AfterId: after.ID,
		Limit: int32(min(limit, maxOrders)), //nolint:gosec // it is small
	})
	if err != nil {
		return nil, err
	}
	for _, o := range a.GetOrders() {
		all = append(all, orderOf(o))
	}
	return all, nil
}
