package notifyrpc

import (
	"context"
	"log/slog"
	"net/http"

	"interlock/services/notify"
	"interlock/services/notify/notifypb"
	"interlock/services/rail"
	"interlock/services/rpc"
)

// ServicePath is where the paths of a ServiceHandler begin.
const ServicePath = "/" + notifypb.NotifyServiceName + "/"

var serviceWords = wordsOf("notifications")

// ServiceHandler answers for a Service.
type ServiceHandler struct {
	service Service
	gate    *rpc.Gate
	calls   http.Handler
	places  rpc.Places
}

// NewServiceHandler makes a ServiceHandler.
func NewServiceHandler(service Service, access rpc.Access, log *slog.Logger) *ServiceHandler {
	h := &ServiceHandler{
		service: service, gate: rpc.NewGate(serviceWords, access, log), places: rpc.Places{Limit: maxCalls},
	}
	_, h.calls = notifypb.NewNotifyServiceHandler(serviceAnswers{h}, handlerOptions(h.gate)...)
	return h
}

// ServeHTTP implements http.Handler.
func (h *ServiceHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.gate.Serve(w, r, &h.places, callTimeout, h.calls)
}

// Stats are the counts.
func (h *ServiceHandler) Stats() rpc.GateStats { return h.gate.Stats(&h.places) }

type serviceAnswers struct{ *ServiceHandler }

// Resend implements notifypb.NotifyServiceHandler.
func (a serviceAnswers) Resend(ctx context.Context, r *notifypb.ResendRequest) (*notifypb.DeliveryResponse, error) {
	return rpc.Answer(ctx, a.gate, notifypb.NotifyServiceResendProcedure, callTimeout,
		func(ctx context.Context) (*notifypb.DeliveryResponse, error) {
			d, err := a.service.Resend(ctx, r.GetOrderId(), r.GetIdempotencyKey())
			if err != nil {
				return nil, err
			}
			return &notifypb.DeliveryResponse{Delivery: deliveryToWire(d)}, nil
		})
}

// Replay implements notifypb.NotifyServiceHandler.
func (a serviceAnswers) Replay(ctx context.Context, r *notifypb.ReplayRequest) (*notifypb.DeliveryResponse, error) {
	return rpc.Answer(ctx, a.gate, notifypb.NotifyServiceReplayProcedure, callTimeout,
		func(ctx context.Context) (*notifypb.DeliveryResponse, error) {
			d, err := a.service.Replay(ctx, r.GetDeliveryId())
			if err != nil {
				return nil, err
			}
			return &notifypb.DeliveryResponse{Delivery: deliveryToWire(d)}, nil
		})
}

// Deliveries implements notifypb.NotifyServiceHandler.
func (a serviceAnswers) Deliveries(
	ctx context.Context, r *notifypb.DeliveriesRequest,
) (*notifypb.DeliveriesResponse, error) {
	return rpc.Answer(ctx, a.gate, notifypb.NotifyServiceDeliveriesProcedure, callTimeout,
		func(ctx context.Context) (*notifypb.DeliveriesResponse, error) {
			limit := int(r.GetLimit())
			if limit < 1 || limit > notify.MaxItems || len(r.GetStates()) > len(notify.States) {
				return nil, rail.Refuse(rail.Invalid, "limit is 1 to %d, and each state is named once", notify.MaxItems).
					At("limit")
			}
			f := notify.Filter{
				OrderID: r.GetOrderId(), Endpoint: r.GetEndpoint(), Limit: limit,
				After: notify.Place{CreatedAt: timeOf(r.GetAfterCreatedAt()), ID: r.GetAfterId()},
			}
			for _, state := range r.GetStates() {
				f.States = append(f.States, notify.State(state))
			}
			found, err := a.service.Deliveries(ctx, f)
			if err != nil {
				return nil, err
			}
			response := &notifypb.DeliveriesResponse{}
			for _, d := range found {
				response.Deliveries = append(response.Deliveries, deliveryToWire(d))
			}
			return response, nil
		})
}

// Endpoints implements notifypb.NotifyServiceHandler.
func (a serviceAnswers) Endpoints(
	ctx context.Context, _ *notifypb.EndpointsRequest,
) (*notifypb.EndpointsResponse, error) {
	return rpc.Answer(ctx, a.gate, notifypb.NotifyServiceEndpointsProcedure, callTimeout,
		func(ctx context.Context) (*notifypb.EndpointsResponse, error) {
			found, err := a.service.Endpoints(ctx)
			if err != nil {
				return nil, err
			}
			response := &notifypb.EndpointsResponse{}
			for _, e := range found {
				response.Endpoints = append(response.Endpoints, endpointToWire(e))
			}
			return response, nil
		})
}

// PutEndpoint implements notifypb.NotifyServiceHandler.
func (a serviceAnswers) PutEndpoint(
	ctx context.Context, r *notifypb.PutEndpointRequest,
) (*notifypb.PutEndpointResponse, error) {
	return rpc.Answer(ctx, a.gate, notifypb.NotifyServicePutEndpointProcedure, callTimeout,
		func(ctx context.Context) (*notifypb.PutEndpointResponse, error) {
			if r.GetEndpoint() == nil {
				return nil, rail.Refuse(rail.Invalid, "there is no endpoint in it").At("endpoint")
			}
			e, err := a.service.PutEndpoint(ctx, endpointOf(r.GetEndpoint()))
			if err != nil {
				return nil, err
			}
			return &notifypb.PutEndpointResponse{Endpoint: endpointToWire(e)}, nil
		})
}

// DropEndpoint implements notifypb.NotifyServiceHandler.
func (a serviceAnswers) DropEndpoint(
	ctx context.Context, r *notifypb.DropEndpointRequest,
) (*notifypb.DropEndpointResponse, error) {
	return rpc.Answer(ctx, a.gate, notifypb.NotifyServiceDropEndpointProcedure, callTimeout,
		func(ctx context.Context) (*notifypb.DropEndpointResponse, error) {
			was, err := a.service.DropEndpoint(ctx, r.GetEndpointId())
			if err != nil {
				return nil, err
			}
			return &notifypb.DropEndpointResponse{Was: was}, nil
		})
}

// ServiceClient is a Service in another process. It may be used by many goroutines.
type ServiceClient struct {
	*rpc.Caller
	remote notifypb.NotifyServiceClient
}

var _ Service = (*ServiceClient)(nil)

// NewServiceClient makes a ServiceClient. It does not connect yet.
func NewServiceClient(o ClientOptions) (*ServiceClient, error) {
	caller, err := rpc.NewCaller(rpc.CallerOptions{
		Words: serviceWords, URL: o.URL, Access: o.Access, Log: o.Log,
		Lost: "what was told can be neither seen nor sent again just now",
	}, maxRequest, maxResponse)
	if err != nil {
		return nil, err
	}
	return &ServiceClient{caller, notifypb.NewNotifyServiceClient(caller.HTTP, o.URL, caller.Options...)}, nil
}

// Ready tells whether the other process answers and takes what it is shown.
func (c *ServiceClient) Ready(ctx context.Context) error {
	_, err := rpc.Once(ctx, c.Caller, c.remote.Endpoints, &notifypb.EndpointsRequest{})
	return err
}

// Resend implements Service.
func (c *ServiceClient) Resend(ctx context.Context, orderID, key string) (*notify.Delivery, error) {
	a, err := rpc.Call(ctx, c.Caller, callTimeout, c.remote.Resend, &notifypb.ResendRequest{
		OrderId: orderID, IdempotencyKey: key,
	})
	if err != nil {
		return nil, err
	}
	return deliveryOf(a.GetDelivery()), nil
}

// Replay implements Service. It is tried once: where the answer is lost, the delivery may be under way already.
func (c *ServiceClient) Replay(ctx context.Context, id string) (*notify.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout+rpc.WayTimeout)
	defer cancel()
	a, err := rpc.Once(ctx, c.Caller, c.remote.Replay, &notifypb.ReplayRequest{DeliveryId: id})
	if err != nil {
		return nil, err
	}
	return deliveryOf(a.GetDelivery()), nil
}

// Deliveries implements Service.
func (c *ServiceClient) Deliveries(ctx context.Context, f notify.Filter) (all []*notify.Delivery, err error) {
	q := &notifypb.DeliveriesRequest{
		OrderId: f.OrderID, Endpoint: f.Endpoint, AfterCreatedAt: stamp(f.After.CreatedAt), AfterId: f.After.ID,
		Limit: int32(max(1, min(f.Limit, notify.MaxItems))), //nolint:gosec // it is small
	}
	for _, state := range f.States {
		q.States = append(q.States, string(state))
	}
	a, err := rpc.Call(ctx, c.Caller, callTimeout, c.remote.Deliveries, q)
	if err != nil {
		return nil, err
	}
	for _, d := range a.GetDeliveries() {
		all = append(all, deliveryOf(d))
	}
	return all, nil
}

// Endpoints implements Service.
func (c *ServiceClient) Endpoints(ctx context.Context) (all []*notify.Endpoint, err error) {
	a, err := rpc.Call(ctx, c.Caller, callTimeout, c.remote.Endpoints, &notifypb.EndpointsRequest{})
	if err != nil {
		return nil, err
	}
	for _, e := range a.GetEndpoints() {
		all = append(all, endpointOf(e))
	}
	return all, nil
}

// PutEndpoint implements Service. It is tried once: the same again would be stale where only the answer was lost.
func (c *ServiceClient) PutEndpoint(ctx context.Context, e *notify.Endpoint) (*notify.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout+rpc.WayTimeout)
	defer cancel()
	a, err := rpc.Once(ctx, c.Caller, c.remote.PutEndpoint,
		&notifypb.PutEndpointRequest{Endpoint: endpointToWire(e)})
	if err != nil {
		return nil, err
	}
	return endpointOf(a.GetEndpoint()), nil
}

// DropEndpoint implements Service.
func (c *ServiceClient) DropEndpoint(ctx context.Context, id string) (bool, error) {
	a, err := rpc.Call(ctx, c.Caller, callTimeout, c.remote.DropEndpoint,
		&notifypb.DropEndpointRequest{EndpointId: id})
	if err != nil {
		return false, err
	}
	return a.GetWas(), nil
}
