package payrpc

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"interlock/services/pay"
	"interlock/services/pay/paypb"
	"interlock/services/rail"
	"interlock/services/rpc"
)

const (
	// DefaultMaxStarting is how many payments are being opened at once: a hundred a second with a provider that is dead
	// are five hundred.
	DefaultMaxStarting = 1_000
	// DefaultMaxOther bounds all other calls: they wait for no provider.
	DefaultMaxOther = 250
	// compressFrom is how long an answer is, in bytes, before it is compressed for a client that asks for it.
	compressFrom = 4 << 10
)

// HandlerOptions make a Handler.
type HandlerOptions struct {
	Service Service
	Access  rpc.Access
	Log     *slog.Logger
	// MaxStarting and MaxOther are the defaults where they are 0.
	MaxStarting, MaxOther int
}

// Handler serves calls on paths of its own, see Path.
type Handler struct {
	options         HandlerOptions
	gate            *rpc.Gate
	calls           http.Handler
	starting, other rpc.Places
}

// Path is where a Handler's paths begin.
const Path = "/" + paypb.PaymentServiceName + "/"

// NewHandler makes a Handler.
func NewHandler(o HandlerOptions) *Handler {
	if o.MaxStarting == 0 {
		o.MaxStarting = DefaultMaxStarting
	}
	if o.MaxOther == 0 {
		o.MaxOther = DefaultMaxOther
	}
	h := &Handler{
		options: o, gate: rpc.NewGate(words, o.Access, o.Log),
		starting: rpc.Places{Limit: int64(o.MaxStarting)}, other: rpc.Places{Limit: int64(o.MaxOther)},
	}
	_, h.calls = paypb.NewPaymentServiceHandler(answers{h},
		connect.WithReadMaxBytes(maxRequest), connect.WithCompressMinBytes(compressFrom),
		connect.WithRecover(func(ctx context.Context, spec connect.Spec, _ http.Header, cause any) error {
			return h.gate.Failed(ctx, spec.Procedure, fmt.Errorf("it panicked: %v", cause))
		}))
	return h
}

// Stats are the counts.
func (h *Handler) Stats() rpc.GateStats { return h.gate.Stats(&h.starting, &h.other) }

// ServeHTTP implements http.Handler. A stranger is refused before the body is read.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in, within := &h.other, settleTimeout
	switch r.URL.Path {
	case paypb.PaymentServiceStartProcedure:
		in = &h.starting
	case paypb.PaymentServiceReconcileProcedure:
		within = reconcileTimeout
	}
	h.gate.Serve(w, r, in, within, h.calls)
}

// answers turns calls into those of a Service. It implements what pay.proto says.
type answers struct{ *Handler }

// Start implements paypb.PaymentServiceHandler.
func (w answers) Start(ctx context.Context, r *paypb.StartRequest) (*paypb.StartResponse, error) {
	return rpc.Answer(ctx, w.gate, paypb.PaymentServiceStartProcedure, startTimeout,
		func(ctx context.Context) (*paypb.StartResponse, error) {
			payFor, err := spanOf("pay_for", r.GetPayFor())
			if err != nil {
				return nil, err
			}
			started, err := w.options.Service.Start(ctx, &pay.Payment{
				ID: r.GetPaymentId(), OrderID: r.GetOrderId(), RunID: rail.RunID(r.GetRunId()),
				Amount: moneyOf(r.GetAmount()),
			}, payFor)
			if err != nil {
				return nil, err
			}
			return &paypb.StartResponse{Payment: paymentToWire(started)}, nil
		})
}

// Settle implements paypb.PaymentServiceHandler.
func (w answers) Settle(ctx context.Context, r *paypb.SettleRequest) (*paypb.SettleResponse, error) {
	return rpc.Answer(ctx, w.gate, paypb.PaymentServiceSettleProcedure, settleTimeout,
		func(ctx context.Context) (*paypb.SettleResponse, error) {
			settlements, err := settlementsOf(r)
			if err != nil {
				return nil, err
			}
			errs, err := w.options.Service.Settle(ctx, settlements)
			if err != nil {
				return nil, err
			}
			response := &paypb.SettleResponse{}
			for i, err := range errs {
				if err != nil {
					//nolint:gosec // below MaxItems
					failure := &paypb.SettlementFailure{Index: int32(i), Failure: words.FailureOf(err).(*paypb.Failure)}
					response.Failures = append(response.Failures, failure)
				}
			}
			return response, nil
		})
}

// Refund implements paypb.PaymentServiceHandler.
func (w answers) Refund(ctx context.Context, r *paypb.RefundRequest) (*paypb.RefundResponse, error) {
	return rpc.Answer(ctx, w.gate, paypb.PaymentServiceRefundProcedure, settleTimeout,
		func(ctx context.Context) (*paypb.RefundResponse, error) {
			done, err := w.options.Service.Refund(ctx, pay.RefundOrder{
				ID: r.GetRefundId(), PaymentID: r.GetPaymentId(), OrderID: r.GetOrderId(), Amount: moneyOf(r.GetAmount()),
			})
			if err != nil {
				return nil, err
			}
			return &paypb.RefundResponse{Done: done}, nil
		})
}

func settlementsOf(r *paypb.SettleRequest) ([]pay.Settlement, error) {
	if err := bounded("settlements", len(r.GetSettlements())); err != nil {
		return nil, err
	}
	all := make([]pay.Settlement, len(r.GetSettlements()))
	for i, s := range r.GetSettlements() {
		within, err := spanOf("within", s.GetWithin())
		if err != nil {
			return nil, err
		}
		all[i] = pay.Settlement{PaymentID: s.GetPaymentId(), Decision: decisionOf[s.GetDecision()], Within: within}
	}
	return all, nil
}

func bounded(field string, n int) error {
	if n > MaxItems {
		return rail.Refuse(rail.Invalid, "%s are at most %d", field, MaxItems).At(field)
	}
	return nil
}

// Get implements paypb.PaymentServiceHandler.
func (w answers) Get(ctx context.Context, r *paypb.GetRequest) (*paypb.GetResponse, error) {
	return rpc.Answer(ctx, w.gate, paypb.PaymentServiceGetProcedure, readTimeout,
		func(ctx context.Context) (*paypb.GetResponse, error) {
			err := bounded("payment_ids and order_ids", len(r.GetPaymentIds())+len(r.GetOrderIds()))
			if err != nil {
				return nil, err
			}
			response := &paypb.GetResponse{}
			for _, read := range []struct {
				ids  []string
				from func(context.Context, []string) ([]*pay.Payment, error)
			}{
				{r.GetPaymentIds(), w.options.Service.Payments}, {r.GetOrderIds(), w.options.Service.OfOrders},
			} {
				if len(read.ids) == 0 {
					continue
				}
				found, err := read.from(ctx, read.ids)
				if err != nil {
					return nil, err
				}
				response.Payments = append(response.Payments, paymentsToWire(found)...)
			}
			return response, nil
		})
}

// Changed implements paypb.PaymentServiceHandler.
func (w answers) Changed(ctx context.Context, r *paypb.ChangedRequest) (*paypb.ChangedResponse, error) {
	return rpc.Answer(ctx, w.gate, paypb.PaymentServiceChangedProcedure, readTimeout,
		func(ctx context.Context) (*paypb.ChangedResponse, error) {
			limit := int(r.GetLimit())
			if limit < 1 || limit > MaxItems {
				return nil, rail.Refuse(rail.Invalid, "limit is 1 to %d", MaxItems).At("limit")
			}
			within, err := spanOf("within", r.GetWithin())
			if err != nil {
				return nil, err
			}
			wanted := make([]pay.State, len(r.GetStates()))
			for i, s := range r.GetStates() {
				known, ok := stateOf[s]
				if !ok || i >= len(states) {
					return nil, rail.Refuse(rail.Invalid, "states are each named once, and known").At("states")
				}
				wanted[i] = known
			}
			after := pay.Place{At: timeOf(r.GetAfterAt()), ID: r.GetAfterId()}
			found, err := w.options.Service.Changed(ctx, wanted, within, after, limit)
			if err != nil {
				return nil, err
			}
			return &paypb.ChangedResponse{Payments: paymentsToWire(found)}, nil
		})
}

// defaultReconcile is how far back is looked where nothing is said.
const defaultReconcile = 48 * time.Hour

// Reconcile implements paypb.PaymentServiceHandler.
func (w answers) Reconcile(ctx context.Context, r *paypb.ReconcileRequest) (*paypb.ReconcileResponse, error) {
	return rpc.Answer(ctx, w.gate, paypb.PaymentServiceReconcileProcedure, reconcileTimeout,
		func(ctx context.Context) (*paypb.ReconcileResponse, error) {
			within, err := spanOf("within", r.GetWithin())
			if err != nil {
				return nil, err
			}
			if within == 0 {
				within = defaultReconcile
			}
			report, err := w.options.Service.Reconcile(ctx, within)
			if err != nil {
				return nil, err
			}
			return reportToWire(report), nil
		})
}
