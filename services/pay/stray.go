package pay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"interlock/services/rail"
)

// errNoOrder says that a charge names no order, so that it cannot be told of.
var errNoOrder = errors.New("the charge names no order")

// take notes how a charge stands: of the payment p, where it is that payment's charge, and otherwise of a payment of
// its own that is let go. p may be nil. It answers the payment as it is then; nil where nothing has to be noted. The
// notices that told of the charge are written with that, and not before.
func (s *Service) take(ctx context.Context, provider Provider, p *Payment, c *Charge, notices ...Heeded,
) (after *Payment, changed bool, err error) {
	if p == nil && paymentID.MatchString(c.PaymentID) {
		return s.remake(ctx, provider, c, notices)
	}
	if p == nil || p.Reference != "" && p.Reference != c.Reference || p.Provider != provider.Name() ||
		p.Amount.Currency != c.Currency {
		return s.stray(ctx, provider, c, notices)
	}
	if p.Reference == c.Reference {
		return s.advance(ctx, p.ID, p, c, notices)
	}
	after, changed, err = s.advance(ctx, p.ID, p, c, nil)
	switch {
	case err != nil:
		return nil, false, err
	case after != nil && after.Reference != c.Reference:
		return s.stray(ctx, provider, c, notices) // Another charge of it was seen meanwhile.
	}
	return after, changed, s.committer.heed(ctx, notices)
}

// advance notes what a charge says of a payment. An error leaves open whether it was noted, and who waited for it no
// longer looks at what the commit does: it may still be under way.
func (s *Service) advance(ctx context.Context, id string, p *Payment, c *Charge, notices []Heeded,
) (*Payment, bool, error) {
	var changed bool
	after, err := s.committer.change(ctx, id, p, func(p Payment) (next Payment, advanced bool) {
		next, changed = Advance(p, *c)
		return next, changed
	}, notices...)
	if err != nil {
		return nil, false, err
	}
	return after, changed, nil
}

// strayID is the id of the payment that is made of a second charge.
func strayID(provider, reference string) string {
	sum := sha256.Sum256([]byte(provider + "/" + reference))
	return "stray" + hex.EncodeToString(sum[:16])
}

// stray notes a charge that no payment has, as a payment that is let go: the buyer paid twice.
func (s *Service) stray(ctx context.Context, provider Provider, c *Charge, notices []Heeded,
) (after *Payment, changed bool, err error) {
	id := strayID(provider.Name(), c.Reference)
	known, err := s.Store.Payments(ctx, []string{id})
	if err != nil {
		return nil, false, err
	}
	p := known[0]
	if p == nil {
		if isOver(c) {
			return nil, false, s.committer.heed(ctx, notices)
		}
		if p, err = s.noteStray(ctx, provider, id, c); err != nil {
			return nil, false, err
		}
		changed = true
	}
	after, advanced, err := s.advance(ctx, id, p, c, notices)
	return after, changed || advanced, err
}

// isOver tells whether nothing of a charge can go back any more.
func isOver(c *Charge) bool {
	return c.Status == ChargeClosed || c.Captured > 0 && c.Refunded >= c.Captured
}

func (s *Service) noteStray(ctx context.Context, provider Provider, id string, c *Charge) (*Payment, error) {
	run, ok := runOf(c.OrderID)
	if !ok {
		return nil, errNoOrder
	}
	p, created, err := s.committer.start(ctx, Start{Payment: Payment{
		ID: id, OrderID: c.OrderID, RunID: run,
		Amount:   rail.Money{Minor: max(c.Authorised, c.Captured), Currency: c.Currency},
		Provider: provider.Name(), Reference: c.Reference, State: Releasing, Wants: Release, Reason: reasonNotAskedFor,
	}})
	if rail.CodeOf(err) == rail.IdempotencyConflict { // It was noted a moment ago, while less was authorised.
		var known []*Payment
		if known, err = s.Store.Payments(ctx, []string{id}); err == nil {
			return known[0], nil
		}
	}
	if err != nil {
		return nil, err
	}
	if created {
		s.counts.reached(Releasing)
		s.Log.WarnContext(ctx, "a second charge of a payment goes back", "payment", id, "of", c.PaymentID,
			"order", c.OrderID, "provider", provider.Name())
	}
	s.wakeWorker()
	return p, nil
}
