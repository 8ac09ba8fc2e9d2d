package payrpc

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"interlock/services/pay"
	"interlock/services/pay/paypb"
	"interlock/services/rail"
)

// states and decisions are package pay's words as those on the wire.
var (
	states = map[pay.State]paypb.State{
		pay.Created:    paypb.State_STATE_CREATED,
		pay.Open:       paypb.State_STATE_OPEN,
		pay.Authorised: paypb.State_STATE_AUTHORISED,
		pay.Capturing:  paypb.State_STATE_CAPTURING,
		pay.Releasing:  paypb.State_STATE_RELEASING,
		pay.Failed:     paypb.State_STATE_FAILED,
		pay.Released:   paypb.State_STATE_RELEASED,
		pay.Captured:   paypb.State_STATE_CAPTURED,
		pay.Refunding:  paypb.State_STATE_REFUNDING,
		pay.Refunded:   paypb.State_STATE_REFUNDED,
	}
	decisions = map[pay.Decision]paypb.Decision{
		pay.Undecided: paypb.Decision_DECISION_UNSPECIFIED,
		pay.Capture:   paypb.Decision_DECISION_CAPTURE,
		pay.Release:   paypb.Decision_DECISION_RELEASE,
	}
	stateOf    = turned(states)
	decisionOf = turned(decisions)
)

func turned[K, V comparable](m map[K]V) map[V]K {
	t := make(map[V]K, len(m))
	for k, v := range m {
		t[v] = k
	}
	return t
}

// stamp is a time on the wire; the zero time is not set.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// span is a duration on the wire; 0 is not set.
func span(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// spanOf is a duration of 0 to maxSpan. INVALID: it is another.
func spanOf(field string, d *durationpb.Duration) (time.Duration, error) {
	if d == nil {
		return 0, nil
	}
	if err := d.CheckValid(); err != nil || d.AsDuration() < 0 || d.AsDuration() > maxSpan {
		return 0, rail.Refuse(rail.Invalid, "%s is 0 to %s", field, maxSpan).At(field)
	}
	return d.AsDuration(), nil
}

func moneyToWire(m rail.Money) *paypb.Money {
	return &paypb.Money{Currency: string(m.Currency), Minor: m.Minor}
}

func moneyOf(m *paypb.Money) rail.Money {
	return rail.Money{Currency: rail.Currency(m.GetCurrency()), Minor: m.GetMinor()}
}

func paymentToWire(p *pay.Payment) *paypb.Payment {
	return &paypb.Payment{
		Id: p.ID, OrderId: p.OrderID, RunId: string(p.RunID), Amount: moneyToWire(p.Amount), Provider: p.Provider,
		Reference: p.Reference, RedirectUrl: p.RedirectURL, State: states[p.State], Wants: decisions[p.Wants],
		Authorised: p.Authorised, Captured: p.Captured, Released: p.Released, Refunded: p.Refunded,
		PayBy: stamp(p.PayBy), CaptureBy: stamp(p.CaptureBy), CreatedAt: stamp(p.CreatedAt),
		ChangedAt: stamp(p.ChangedAt), Version: p.Version, Reason: p.Reason, Refunds: refundsToWire(p),
	}
}

func refundsToWire(p *pay.Payment) (wire []*paypb.Refund) {
	for _, r := range p.RefundsAsked() {
		wire = append(wire, &paypb.Refund{
			Id: r.ID, OrderId: r.OrderID, Minor: r.Amount.Minor, Done: r.State == pay.RefundDone,
		})
	}
	return wire
}

func refundsOf(w *paypb.Payment) pay.RefundList {
	var all []pay.Refund
	for _, r := range w.GetRefunds() {
		one := pay.Refund{
			RefundOrder: pay.RefundOrder{ID: r.GetId(), OrderID: r.GetOrderId(), Amount: rail.Money{Minor: r.GetMinor()}},
			State:       pay.RefundPending,
		}
		if r.GetDone() {
			one.State = pay.RefundDone
		}
		all = append(all, one)
	}
	return pay.NewRefundList(all)
}

func paymentsToWire(all []*pay.Payment) []*paypb.Payment {
	wire := make([]*paypb.Payment, 0, len(all))
	for _, p := range all {
		if p != nil {
			wire = append(wire, paymentToWire(p))
		}
	}
	return wire
}

// paymentOf reads a payment. Its Tries and Due stay with those who call the provider. INTERNAL: it is in a state that
// this version does not know.
func paymentOf(w *paypb.Payment) (*pay.Payment, error) {
	state, knownState := stateOf[w.GetState()]
	wants, knownDecision := decisionOf[w.GetWants()]
	if !knownState || !knownDecision || w.GetId() == "" {
		return nil, rail.Refuse(rail.Internal,
			"payments answered with a payment in a state that is not known here: %s, %s",
			w.GetState(), w.GetWants())
	}
	return &pay.Payment{
		ID: w.GetId(), OrderID: w.GetOrderId(), RunID: rail.RunID(w.GetRunId()), Amount: moneyOf(w.GetAmount()),
		Provider: w.GetProvider(), Reference: w.GetReference(), RedirectURL: w.GetRedirectUrl(), State: state,
		Wants: wants, Authorised: w.GetAuthorised(), Captured: w.GetCaptured(), Released: w.GetReleased(),
		Refunded: w.GetRefunded(), PayBy: timeOf(w.GetPayBy()), CaptureBy: timeOf(w.GetCaptureBy()),
		CreatedAt: timeOf(w.GetCreatedAt()), ChangedAt: timeOf(w.GetChangedAt()), Version: w.GetVersion(),
		Reason: w.GetReason(), Refunds: refundsOf(w),
	}, nil
}

func paymentsOf(wire []*paypb.Payment) ([]*pay.Payment, error) {
	all := make([]*pay.Payment, len(wire))
	for i, w := range wire {
		var err error
		if all[i], err = paymentOf(w); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func reportToWire(r pay.Report) *paypb.ReconcileResponse {
	wire := &paypb.ReconcileResponse{
		Charges: r.Charges, Payments: r.Payments, Healed: r.Healed, Left: r.Left,
	}
	for _, d := range r.Differences[:min(len(r.Differences), MaxItems)] {
		wire.Differences = append(wire.Differences, &paypb.Difference{
			PaymentId: d.PaymentID, OrderId: d.OrderID, Reference: d.Reference, What: d.What, Healed: d.Healed,
		})
	}
	return wire
}

func reportOf(w *paypb.ReconcileResponse) pay.Report {
	r := pay.Report{
		Charges: w.GetCharges(), Payments: w.GetPayments(), Healed: w.GetHealed(), Left: w.GetLeft(),
	}
	for _, d := range w.GetDifferences() {
		r.Differences = append(r.Differences, pay.Difference{
			PaymentID: d.GetPaymentId(), OrderID: d.GetOrderId(), Reference: d.GetReference(), What: d.GetWhat(),
			Healed: d.GetHealed(),
		})
	}
	return r
}
