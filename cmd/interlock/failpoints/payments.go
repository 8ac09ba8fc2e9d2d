package failpoints

import (
	"context"
	"time"

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

func (s heldStore) Create(
	ctx context.Context, p *pay.Payment, payFor time.Duration,
) (noted *pay.Payment, created bool, err error) {
	noted, created, err = s.Store.Create(ctx, p, payFor)
	if created {
		s.control.atPayment(AfterNote, p.RunID, p.ID)
	}
	return noted, created, err
}

// noted are the points that follow the commit of a state.
var noted = map[pay.State]Point{
	pay.Authorised: AfterAuthorised, pay.Capturing: AfterCapturing, pay.Captured: AfterCaptured,
}

func (s heldStore) Update(ctx context.Context, changes []pay.Change) (errs []error, err error) {
	errs, err = s.Store.Update(ctx, changes)
	if err != nil {
		return errs, err
	}
	for i := range changes {
		c := &changes[i]
		if point := noted[c.Payment.State]; point != "" && c.From != c.Payment.State && errs[i] == nil {
			s.control.atPayment(point, c.Payment.RunID, c.Payment.ID)
		}
	}
	return errs, nil
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
