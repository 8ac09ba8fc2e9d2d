package payrpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"interlock/internal/logonce"
	"interlock/services/pay"
	"interlock/services/pay/paypb"
	"interlock/services/rail"
)

const (
	// DefaultMaxStarting is how many payments are being opened at once: a hundred a second with a provider that is dead
	// are five hundred.
	DefaultMaxStarting = 1_000
	// DefaultMaxOther bounds all other calls: they wait for no provider.
	DefaultMaxOther = 250
	// compressFrom is how long an answer is, in bytes, before it is compressed for a client that asks for it.
	compressFrom = 4 << 10
	// overloadedRetry is how long a caller waits that was turned away.
	overloadedRetry = time.Second
)

// HandlerOptions make a Handler.
type HandlerOptions struct {
	Service Service
	Access  Access
	Log     *slog.Logger
	// MaxStarting and MaxOther are the defaults where they are 0.
	MaxStarting, MaxOther int
}

// Handler serves calls on paths of its own, see Path.
type Handler struct {
	options         HandlerOptions
	calls           http.Handler
	refusals        *connect.ErrorWriter
	starting, other places
	// strangers logs when callers are refused.
	strangers *logonce.Failure
	counts    struct{ calls, failed, refused, overloaded atomic.Int64 }
}

// Path is where a Handler's paths begin.
const Path = "/" + paypb.PaymentServiceName + "/"

// HandlerStats count since the start of this process.
type HandlerStats struct {
	// Calls are all that were let in, Failed those of them that ended with INTERNAL or UNAVAILABLE.
	Calls, Failed int64
	// Refused had no secret or certificate that is taken. Overloaded were turned away.
	Refused, Overloaded int64
	// UnderWay are being answered now.
	UnderWay int64
}

// strangersCalm is how long no stranger must have called until the next one is logged again.
const strangersCalm = time.Minute

// NewHandler makes a Handler.
func NewHandler(o HandlerOptions) *Handler {
	if o.MaxStarting == 0 {
		o.MaxStarting = DefaultMaxStarting
	}
	if o.MaxOther == 0 {
		o.MaxOther = DefaultMaxOther
	}
	h := &Handler{
		options: o, refusals: connect.NewErrorWriter(),
		starting: places{limit: int64(o.MaxStarting)}, other: places{limit: int64(o.MaxOther)},
		strangers: logonce.Warn("a call for payments came without the right secret or certificate, and was refused",
			"callers have the right secret or certificate again"),
	}
	h.strangers.Calm = strangersCalm
	_, h.calls = paypb.NewPaymentServiceHandler(words{h},
		connect.WithReadMaxBytes(maxRequest), connect.WithCompressMinBytes(compressFrom),
		connect.WithRecover(func(ctx context.Context, spec connect.Spec, _ http.Header, cause any) error {
			return h.failed(ctx, spec.Procedure, fmt.Errorf("it panicked: %v", cause))
		}))
	return h
}

// Stats are the counts.
func (h *Handler) Stats() HandlerStats {
	return HandlerStats{
		Calls: h.counts.calls.Load(), Failed: h.counts.failed.Load(), Refused: h.counts.refused.Load(),
		Overloaded: h.counts.overloaded.Load(), UnderWay: h.starting.taken.Load() + h.other.taken.Load(),
	}
}

// ServeHTTP implements http.Handler. A stranger is refused before the body is read.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.options.Access.allows(r.Header.Get("Authorization"), r.TLS) {
		h.counts.refused.Add(1)
		h.strangers.Note(r.Context(), h.options.Log, errStranger)
		h.refuse(w, r, rail.Refuse(rail.Unauthenticated, "the secret or the certificate is not the right one"))
		return
	}
	h.strangers.Note(r.Context(), h.options.Log, nil)
	in, within := &h.other, settleTimeout
	switch r.URL.Path {
	case paypb.PaymentServiceStartProcedure:
		in = &h.starting
	case paypb.PaymentServiceReconcileProcedure:
		within = reconcileTimeout
	}
	if !in.take() {
		h.counts.overloaded.Add(1)
		h.refuse(w, r, &rail.Error{
			Code: rail.Overloaded, Message: "too many calls for payments at once: nothing was done",
			RetryAfter: overloadedRetry,
		})
		return
	}
	defer in.leave()
	h.counts.calls.Add(1)
	// Only a test's writer has no deadlines. Under HTTP/1.1 the end of the time to read ends the call.
	controller, end := http.NewResponseController(w), time.Now().Add(within+wayTimeout)
	_ = controller.SetReadDeadline(end)
	_ = controller.SetWriteDeadline(end)
	h.calls.ServeHTTP(w, r)
}

var errStranger = errors.New("the secret or the certificate is not the right one")

// refuse answers in the caller's protocol.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	// Nothing is read of the body, so that the connection of an old client is of no more use.
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	// An error can only mean that the caller is gone.
	_ = h.refusals.Write(w, r, toWire(err))
}

// failed makes an error for the wire, and logs one whose text must stay inside.
func (h *Handler) failed(ctx context.Context, procedure string, err error) error {
	code := rail.CodeOf(err)
	if code == rail.Internal || code == rail.Unavailable {
		h.counts.failed.Add(1)
	}
	if code == rail.Internal && ctx.Err() == nil {
		h.options.Log.ErrorContext(ctx, "a call for payments failed", "procedure", procedure, "error", err)
	}
	return toWire(err)
}

// places are bounded.
type places struct {
	limit int64
	taken atomic.Int64
}

func (p *places) take() bool {
	if p.taken.Add(1) > p.limit {
		p.taken.Add(-1)
		return false
	}
	return true
}

func (p *places) leave() { p.taken.Add(-1) }

// words turns calls into those of a Service. It implements what pay.proto says.
type words struct{ *Handler }

// answer does one thing within a time. The caller's own deadline counts where it is shorter.
func answer[T any](
	ctx context.Context, w words, procedure string, within time.Duration, do func(context.Context) (T, error),
) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	response, err := do(ctx)
	if err != nil {
		var none T
		return none, w.failed(ctx, procedure, err)
	}
	return response, nil
}

// Start implements paypb.PaymentServiceHandler.
func (w words) Start(ctx context.Context, r *paypb.StartRequest) (*paypb.StartResponse, error) {
	return answer(ctx, w, paypb.PaymentServiceStartProcedure, startTimeout,
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
func (w words) Settle(ctx context.Context, r *paypb.SettleRequest) (*paypb.SettleResponse, error) {
	return answer(ctx, w, paypb.PaymentServiceSettleProcedure, settleTimeout,
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
					failure := &paypb.SettlementFailure{Index: int32(i), Failure: failureOf(err)}
					response.Failures = append(response.Failures, failure)
				}
			}
			return response, nil
		})
}

// Refund implements paypb.PaymentServiceHandler.
func (w words) Refund(ctx context.Context, r *paypb.RefundRequest) (*paypb.RefundResponse, error) {
	return answer(ctx, w, paypb.PaymentServiceRefundProcedure, settleTimeout,
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
func (w words) Get(ctx context.Context, r *paypb.GetRequest) (*paypb.GetResponse, error) {
	return answer(ctx, w, paypb.PaymentServiceGetProcedure, readTimeout,
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
func (w words) Changed(ctx context.Context, r *paypb.ChangedRequest) (*paypb.ChangedResponse, error) {
	return answer(ctx, w, paypb.PaymentServiceChangedProcedure, readTimeout,
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
func (w words) Reconcile(ctx context.Context, r *paypb.ReconcileRequest) (*paypb.ReconcileResponse, error) {
	return answer(ctx, w, paypb.PaymentServiceReconcileProcedure, reconcileTimeout,
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
