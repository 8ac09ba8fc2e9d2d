package pay

import (
	"context"

	"interlock/services/rail"
)

// remake notes a payment anew that is not known here, of its charge: the database was lost, or an older one was
// restored, or it is the wrong one. The order may be PAID by it, so that the ledger decides what the money is for. A
// captured charge is taken as wanted, since money is captured once the ledger wants it; the event of it asks again.
//
// A charge without money is left alone: its amount is not known, and its page closes by itself. Where it is paid, the
// provider tells of it.
func (s *Service) remake(ctx context.Context, provider Provider, c *Charge, notices []Heeded,
) (after *Payment, changed bool, err error) {
	amount := rail.Money{Minor: max(c.Authorised, c.Captured), Currency: c.Currency}
	if amount.Minor == 0 || isOver(c) {
		return nil, false, s.committer.heed(ctx, notices)
	}
	run, ok := runOf(c.OrderID)
	if !ok {
		return nil, false, errNoOrder
	}
	lost := Payment{
		ID: c.PaymentID, OrderID: c.OrderID, RunID: run, Amount: amount, Provider: provider.Name(),
		Reference: c.Reference, State: Created,
	}
	if c.Captured > 0 {
		lost.Wants = Capture
	}
	p, created, err := s.committer.start(ctx, Start{Payment: lost, PayFor: maxPayFor})
	if rail.CodeOf(err) == rail.IdempotencyConflict { // It was started a moment ago.
		var known []*Payment
		if known, err = s.Store.Payments(ctx, []string{c.PaymentID}); err == nil {
			p = known[0]
		}
	}
	if err != nil || p == nil {
		return nil, false, err
	}
	if created {
		s.Log.WarnContext(ctx, "a payment that was lost here is noted anew: the ledger decides about its money",
			"payment", p.ID, "order", p.OrderID, "provider", p.Provider)
	}
	after, changed, err = s.take(ctx, provider, p, c, notices...)
	return after, changed || created, err
}
