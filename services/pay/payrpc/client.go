package payrpc

import (
	"context"
	"log/slog"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"interlock/services/pay"
	"interlock/services/pay/paypb"
	"interlock/services/rail"
	"interlock/services/rpc"
)

// words are how errors of payments go.
var words = rpc.Words{
	Service: "payments",
	New: func(code, message string, retryAfter *durationpb.Duration) rpc.Failure {
		return &paypb.Failure{Code: code, Message: message, RetryAfter: retryAfter}
	},
}

// ClientOptions make a Client.
type ClientOptions struct {
	// URL is where the other process listens: http://host:port, or https:// where it has a certificate.
	URL string
	// Access is what it is shown: the first secret, and a certificate.
	Access rpc.Access
	Log    *slog.Logger
	// GRPC speaks gRPC and not Connect.
	GRPC bool
}

// Client is a Service in another process: see rpc.Caller. It may be used by many goroutines.
type Client struct {
	*rpc.Caller
	remote paypb.PaymentServiceClient
}

// NewClient makes a Client. It does not connect yet.
func NewClient(o ClientOptions) (*Client, error) {
	caller, err := rpc.NewCaller(rpc.CallerOptions{
		Words: words, URL: o.URL, Access: o.Access, Log: o.Log, Lost: "buyers cannot pay just now",
	}, maxRequest, maxResponse)
	if err != nil {
		return nil, err
	}
	options := caller.Options
	if o.GRPC {
		options = append(options, connect.WithGRPC())
	}
	return &Client{Caller: caller, remote: paypb.NewPaymentServiceClient(caller.HTTP, o.URL, options...)}, nil
}

// Ready tells whether the other process answers and takes what it is shown.
func (c *Client) Ready(ctx context.Context) error {
	_, err := rpc.Once(ctx, c.Caller, c.remote.Get, &paypb.GetRequest{})
	return err
}

// Start implements Service.
func (c *Client) Start(ctx context.Context, p *pay.Payment, payFor time.Duration) (*pay.Payment, error) {
	a, err := rpc.Call(ctx, c.Caller, startTimeout, c.remote.Start, &paypb.StartRequest{
		PaymentId: p.ID, OrderId: p.OrderID, RunId: string(p.RunID), Amount: moneyToWire(p.Amount),
		PayFor: span(payFor),
	})
	if err != nil {
		return nil, err
	}
	return paymentOf(a.GetPayment())
}

// Settle implements Service.
func (c *Client) Settle(ctx context.Context, settlements []pay.Settlement) ([]error, error) {
	q := &paypb.SettleRequest{Settlements: make([]*paypb.Settlement, len(settlements))}
	for i, s := range settlements {
		q.Settlements[i] = &paypb.Settlement{
			PaymentId: s.PaymentID, Decision: decisions[s.Decision], Within: span(s.Within),
		}
	}
	a, err := rpc.Call(ctx, c.Caller, settleTimeout, c.remote.Settle, q)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(settlements))
	for _, f := range a.GetFailures() {
		if int(f.GetIndex()) >= len(errs) || f.GetIndex() < 0 {
			return nil, rail.Refuse(rail.Internal, "payments told of a settlement that was not sent")
		}
		errs[f.GetIndex()] = words.ErrorOf(f.GetFailure())
	}
	return errs, nil
}

// Refund implements Service.
func (c *Client) Refund(ctx context.Context, o pay.RefundOrder) (done bool, err error) {
	a, err := rpc.Call(ctx, c.Caller, settleTimeout, c.remote.Refund, &paypb.RefundRequest{
		RefundId: o.ID, PaymentId: o.PaymentID, OrderId: o.OrderID, Amount: moneyToWire(o.Amount),
	})
	if err != nil {
		return false, err
	}
	return a.GetDone(), nil
}

// Payments implements Service.
func (c *Client) Payments(ctx context.Context, ids []string) ([]*pay.Payment, error) {
	a, err := rpc.Call(ctx, c.Caller, readTimeout, c.remote.Get, &paypb.GetRequest{PaymentIds: ids})
	if err != nil {
		return nil, err
	}
	found, err := paymentsOf(a.GetPayments())
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*pay.Payment, len(found))
	for _, p := range found {
		byID[p.ID] = p
	}
	all := make([]*pay.Payment, len(ids))
	for i, id := range ids {
		all[i] = byID[id]
	}
	return all, nil
}

// OfOrders implements Service.
func (c *Client) OfOrders(ctx context.Context, orderIDs []string) ([]*pay.Payment, error) {
	a, err := rpc.Call(ctx, c.Caller, readTimeout, c.remote.Get, &paypb.GetRequest{OrderIds: orderIDs})
	if err != nil {
		return nil, err
	}
	return paymentsOf(a.GetPayments())
}

// Changed implements Service.
func (c *Client) Changed(
	ctx context.Context, wanted []pay.State, within time.Duration, after pay.Place, limit int,
) ([]*pay.Payment, error) {
	q := &paypb.ChangedRequest{
		Within: span(within), AfterAt: stamp(after.At), AfterId: after.ID,
		Limit: int32(min(limit, MaxItems+1)), //nolint:gosec // it is small
	}
	for _, s := range wanted {
		q.States = append(q.States, states[s])
	}
	a, err := rpc.Call(ctx, c.Caller, readTimeout, c.remote.Changed, q)
	if err != nil {
		return nil, err
	}
	return paymentsOf(a.GetPayments())
}

// Reconcile implements Service. It is tried once: it takes long, and is asked for again by a person.
func (c *Client) Reconcile(ctx context.Context, within time.Duration) (pay.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout+rpc.WayTimeout)
	defer cancel()
	a, err := rpc.Once(ctx, c.Caller, c.remote.Reconcile, &paypb.ReconcileRequest{Within: span(within)})
	if err != nil {
		return pay.Report{}, err
	}
	return reportOf(a), nil
}
