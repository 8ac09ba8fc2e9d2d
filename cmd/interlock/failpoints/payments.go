package failpoints

import (
	"context"

	"interlock/services/pay"
	"interlock/services/rail"
)

// Store has the service of payments held at its points, together with Provider.
func (c *Control) Store(store pay.Store) pay.Store { return heldStore{store, c} }

// Provider has the service of payments held at its points, together with Store.
func (c *Control) Provider(provider pay.Provider) pay.Provider { return heldProvider{provider, c} }

// atPayment holds a payment that passes a point.
func (c *Control) atPayment(point Point, run rail.RunID, id string) {
	c.at(point, Held{Run: run, Payment: id})
}

type heldStore struct {
	pay.Store
	control *Control
}

// noted are the points that follow the commit of a state.
var noted = map[pay.State]Point{
	pay.Authorised: AfterAuthorised, pay.Capturing: AfterCapturing, pay.Captured: AfterCaptured,
}

func (s heldStore) Update(ctx context.Context, b pay.Batch) (pay.Written, error) {
	written, err := s.Store.Update(ctx, b)
	if err != nil {
		return written, err
	}
	for i := range b.Starts {
		if p := &b.Starts[i].Payment; written.Started[i].Created {
			s.control.atPayment(AfterNote, p.RunID, p.ID)
		}
	}
	for i := range b.Changes {
		c := &b.Changes[i]
		if point := noted[c.Payment.State]; point != "" && c.From != c.Payment.State && written.Errs[i] == nil {
			s.control.atPayment(point, c.Payment.RunID, c.Payment.ID)
		}
	}
	return written, nil
}

type heldProvider struct {
	pay.Provider
	control *Control
}

func (p heldProvider) Authorise(ctx context.Context, payment *pay.Payment, key string) (pay.Charge, error) {
	charge, err := p.Provider.Authorise(ctx, payment, key)
	return p.answered(AfterOpen, payment, charge, err)
}

func (p heldProvider) Capture(ctx context.Context, payment *pay.Payment, key string) (pay.Charge, error) {
	charge, err := p.Provider.Capture(ctx, payment, key)
	return p.answered(AfterCapture, payment, charge, err)
}

func (p heldProvider) Release(ctx context.Context, payment *pay.Payment, key string) (pay.Charge, error) {
	charge, err := p.Provider.Release(ctx, payment, key)
	return p.answered(AfterRelease, payment, charge, err)
}

func (p heldProvider) answered(point Point, payment *pay.Payment, charge pay.Charge, err error) (pay.Charge, error) {
	if err == nil {
		p.control.atPayment(point, payment.RunID, payment.ID)
	}
	return charge, err
}
