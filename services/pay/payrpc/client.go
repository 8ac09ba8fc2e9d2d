package payrpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"interlock/internal/logonce"
	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/pay/paypb"
	"interlock/services/rail"
)

const (
	// tries is how often a call is tried, and retryPause the first pause. Each pause is up to twice as long as the one
	// before, and at least half of that: callers that failed together do not come back together.
	tries      = 3
	retryPause = 100 * time.Millisecond
	// dialTimeout, idleTimeout and pingAfter find out that the other side is gone without a word.
	dialTimeout = 3 * time.Second
	idleTimeout = 90 * time.Second
	pingAfter   = 5 * time.Second
	pingTimeout = 3 * time.Second
)

// ClientOptions make a Client.
type ClientOptions struct {
	// URL is where the other process listens: http://host:port, or https:// where it has a certificate.
	URL string
	// Access is what it is shown: the first secret, and a certificate.
	Access Access
	Log    *slog.Logger
	// GRPC speaks gRPC and not Connect.
	GRPC bool
}

// Client is a Service in another process. It may be used by many goroutines.
//
// A call whose outcome is not known, or that was not let in for want of a server, is tried again with the same ids,
// until it has been tried three times or its context ends. What the Handler refuses is not.
type Client struct {
	remote    paypb.PaymentServiceClient
	transport *http.Transport
	log       *slog.Logger
	// away and refused log when it does not answer, and when it does not take what it is shown.
	away, refused *logonce.Failure
	counts        struct{ calls, failed, refused, retried atomic.Int64 }
}

// ClientStats count since the start of this process.
type ClientStats struct {
	// Calls are all, Failed those that had no answer in the end, Retried the tries besides the first.
	Calls, Failed, Retried int64
	// Refused are calls for which the secret or the certificate was not the right one.
	Refused int64
}

// NewClient makes a Client. It does not connect yet.
func NewClient(o ClientOptions) (*Client, error) {
	at, err := url.Parse(o.URL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" ||
		at.User != nil || at.RawQuery != "" || at.Fragment != "" || at.Path != "" && at.Path != "/" {
		return nil, fmt.Errorf("%q is not http://host:port or https://host:port", o.URL)
	}
	var config *tls.Config
	if at.Scheme == "https" {
		if config, err = o.Access.Certificates.client(); err != nil {
			return nil, err
		}
	} else if o.Access.Certificates != (Certificates{}) {
		return nil, fmt.Errorf("certificates go with https://, not with %s", o.URL)
	}
	c := &Client{
		transport: newTransport(config), log: o.Log,
		away: logonce.Warn("payments do not answer: buyers cannot pay just now", "payments answer again"),
		refused: logonce.Error("payments refuse our secret or certificate: buyers cannot pay",
			"payments take our secret or certificate again"),
	}
	options := []connect.ClientOption{
		connect.WithReadMaxBytes(maxResponse), connect.WithSendMaxBytes(maxRequest),
		connect.WithAcceptCompression("gzip", nil, nil), // The two are near each other.
	}
	if o.GRPC {
		options = append(options, connect.WithGRPC())
	}
	if len(o.Access.Secrets) > 0 {
		options = append(options, connect.WithInterceptors(showing(o.Access.Secrets.header())))
	}
	c.remote = paypb.NewPaymentServiceClient(&http.Client{Transport: c.transport}, o.URL, options...)
	return c, nil
}

// newTransport speaks HTTP/2 alone, with or without TLS: calls share a connection, and none waits for another.
func newTransport(config *tls.Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(config != nil)
	protocols.SetUnencryptedHTTP2(config == nil)
	return &http.Transport{
		TLSClientConfig: config, Protocols: protocols, DialContext: dialer.DialContext,
		TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: idleTimeout,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// showing sends a secret with each call.
func showing(header string) connect.Interceptor {
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
			r.Header().Set("Authorization", header)
			return next(ctx, r)
		}
	})
}

// Close closes connections that are idle.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Stats are the counts.
func (c *Client) Stats() ClientStats {
	return ClientStats{
		Calls: c.counts.calls.Load(), Failed: c.counts.failed.Load(), Retried: c.counts.retried.Load(),
		Refused: c.counts.refused.Load(),
	}
}

// Ready tells whether the other process answers and takes what it is shown.
func (c *Client) Ready(ctx context.Context) error {
	_, err := once(ctx, c, c.remote.Get, &paypb.GetRequest{})
	return err
}

// call makes a call within a time, and repeats it where that may help.
func call[Q, A any](
	ctx context.Context, c *Client, within time.Duration, do func(context.Context, *Q) (*A, error), q *Q,
) (*A, error) {
	ctx, cancel := context.WithTimeout(ctx, within+wayTimeout)
	defer cancel()
	for try := 1; ; try++ {
		a, err := once(ctx, c, do, q)
		again := errors.Is(err, ledger.ErrInDoubt) || rail.CodeOf(err) == rail.Unavailable
		if !again || try == tries {
			return a, err
		}
		wait := retryPause << (try - 1)
		if !pause.For(ctx, wait/2+rand.N(wait/2)) {
			return nil, err
		}
		c.counts.retried.Add(1)
	}
}

// once makes a call once, and notes what came of it.
func once[Q, A any](ctx context.Context, c *Client, do func(context.Context, *Q) (*A, error), q *Q) (*A, error) {
	c.counts.calls.Add(1)
	a, wire := do(ctx, q)
	if wire == nil {
		c.away.Note(ctx, c.log, nil)
		c.refused.Note(ctx, c.log, nil)
		return a, nil
	}
	err := fromWire(wire)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, err // The caller has left, which says nothing of payments.
	}
	switch rail.CodeOf(err) {
	case rail.Unauthenticated:
		c.counts.refused.Add(1)
		c.refused.Note(ctx, c.log, err)
	case rail.Unavailable:
		c.counts.failed.Add(1)
		c.away.Note(ctx, c.log, err)
	}
	return nil, err
}

// Start implements Service.
func (c *Client) Start(ctx context.Context, p *pay.Payment, payFor time.Duration) (*pay.Payment, error) {
	a, err := call(ctx, c, startTimeout, c.remote.Start, &paypb.StartRequest{
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
	a, err := call(ctx, c, settleTimeout, c.remote.Settle, q)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(settlements))
	for _, f := range a.GetFailures() {
		if int(f.GetIndex()) >= len(errs) || f.GetIndex() < 0 {
			return nil, rail.Refuse(rail.Internal, "payments told of a settlement that was not sent")
		}
		errs[f.GetIndex()] = errorOf(f.GetFailure())
	}
	return errs, nil
}

// Refund implements Service.
func (c *Client) Refund(ctx context.Context, o pay.RefundOrder) (done bool, err error) {
	a, err := call(ctx, c, settleTimeout, c.remote.Refund, &paypb.RefundRequest{
		RefundId: o.ID, PaymentId: o.PaymentID, OrderId: o.OrderID, Amount: moneyToWire(o.Amount),
	})
	if err != nil {
		return false, err
	}
	return a.GetDone(), nil
}

// Payments implements Service.
func (c *Client) Payments(ctx context.Context, ids []string) ([]*pay.Payment, error) {
	a, err := call(ctx, c, readTimeout, c.remote.Get, &paypb.GetRequest{PaymentIds: ids})
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
	a, err := call(ctx, c, readTimeout, c.remote.Get, &paypb.GetRequest{OrderIds: orderIDs})
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
	a, err := call(ctx, c, readTimeout, c.remote.Changed, q)
	if err != nil {
		return nil, err
	}
	return paymentsOf(a.GetPayments())
}

// Reconcile implements Service. It is tried once: it takes long, and is asked for again by a person.
func (c *Client) Reconcile(ctx context.Context, within time.Duration) (pay.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout+wayTimeout)
	defer cancel()
	a, err := once(ctx, c, c.remote.Reconcile, &paypb.ReconcileRequest{Within: span(within)})
	if err != nil {
		return pay.Report{}, err
	}
	return reportOf(a), nil
}
