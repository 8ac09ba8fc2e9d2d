package pay

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

const (
	// maxReconcileWindow bounds how far back Reconcile looks.
	maxReconcileWindow = 31 * 24 * time.Hour
	// listPage is how many charges a provider is asked for at once.
	listPage = 100
	// listTimeout bounds one page.
	listTimeout = 30 * time.Second
	// clocksApart is how far the provider's clock may be from ours: so much more of its list is read.
	clocksApart = 2 * time.Hour
	// maxSeen is how many charges are remembered, to find payments that the provider has no charge of.
	maxSeen = 1_000_000
	// settled is how long ago a payment was opened that the provider's list must have.
	settled = 10 * time.Minute
	// maxDifferences is how many differences a report names.
	maxDifferences = 1_000
)

// Report is what a reconciliation found.
type Report struct {
	// Charges is how many of the provider's were looked at, Payments how many of ours.
	Charges, Payments int64
	// Healed is how many differences were set right, or are being set right by the worker. Left is how many were not.
	Healed, Left int64
	// Differences are the first 1,000 of both.
	Differences []Difference
}

// Difference is something about which we and a provider do not say the same.
type Difference struct {
	PaymentID, OrderID, Reference string
	// What says it in words.
	What   string
	Healed bool
}

func (r *Report) add(d Difference) {
	if d.Healed {
		r.Healed++
	} else {
		r.Left++
	}
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, d)
	}
}

// Reconcile compares the charges of a time until now (0: 48 hours; at most 31 days: INVALID) with the providers' own
// lists. A state that is behind is brought up to date, a payment that was lost is noted anew, and a second charge of a
// payment goes back. Everything else is reported. With an error it reports what it found before. To do it again, or
// twice at once, is harmless.
func (s *Service) Reconcile(ctx context.Context, window time.Duration) (report Report, err error) {
	if window == 0 {
		window = reconcileWindow
	}
	if window < 0 || window > maxReconcileWindow {
		return report, rail.Refuse(rail.Invalid, "payments of at most %v are reconciled", maxReconcileWindow)
	}
	now, err := s.now(ctx)
	if err != nil {
		return report, err
	}
	defer func() {
		if err == nil {
			s.counts.reconciled(&report)
		}
	}()
	for _, provider := range s.Providers {
		r := reconciliation{
			Service: s, provider: provider, report: &report, seen: map[uint64]bool{},
			seed: maphash.MakeSeed(),
		}
		if err := r.charges(ctx, now.Add(-window-clocksApart)); err != nil {
			return report, err
		}
		if err := r.payments(ctx, now.Add(-window), now.Add(-settled)); err != nil {
			return report, err
		}
	}
	return report, nil
}

// reconciliation compares with one provider.
type reconciliation struct {
	*Service
	provider Provider
	report   *Report
	// seen are digests of the references that the provider's list has.
	seen map[uint64]bool
	seed maphash.Seed
	// said tells that a charge was logged which could not be compared.
	said bool
	// unanswered is how many payments in a row the provider has not answered for.
	unanswered int
}

// maxUnanswered is for how many payments in a row a provider may not answer before a reconciliation ends.
const maxUnanswered = 5

// leave reports a charge or payment that cannot be compared, so that it keeps no others from it. It answers the error
// where that is not of this one: the store cannot be reached, or ctx has ended.
func (r *reconciliation) leave(ctx context.Context, found *Difference, err error) error {
	if ctx.Err() != nil || rail.CodeOf(err) == rail.Unavailable || errors.Is(err, ledger.ErrInDoubt) {
		return err
	}
	found.Healed, found.What = false, "it cannot be compared: "+err.Error()
	r.report.add(*found)
	if !r.said {
		r.said = true
		r.Log.WarnContext(ctx, "a charge cannot be compared with its payment: it is left, and perhaps others like it",
			"payment", found.PaymentID, "order", found.OrderID, "reference", found.Reference,
			"provider", r.provider.Name(), "error", err)
	}
	return nil
}

// charges goes through the provider's list.
func (r *reconciliation) charges(ctx context.Context, since time.Time) error {
	for after := ""; ; {
		charges, next, err := r.list(ctx, since, after)
		if err != nil {
			return err
		}
		ids := make([]string, len(charges))
		for i := range charges {
			ids[i] = charges[i].PaymentID
		}
		var payments []*Payment
		if len(ids) > 0 {
			if payments, err = r.Store.Payments(ctx, ids); err != nil {
				return err
			}
		}
		for i := range charges {
			r.report.Charges++
			if len(r.seen) < maxSeen {
				r.seen[maphash.String(r.seed, charges[i].Reference)] = true
			}
			if err := r.compare(ctx, payments[i], &charges[i]); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		if next == after {
			return fmt.Errorf("the list of %s goes round in circles", r.provider.Name())
		}
		after = next
	}
}

func (r *reconciliation) list(ctx context.Context, since time.Time, after string) ([]Charge, string, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	charges, next, err := r.provider.List(ctx, since, after, listPage)
	r.called(ctx, r.provider, toList, err)
	if err != nil {
		return nil, "", unavailable(err)
	}
	return charges, next, nil
}

// compare compares a charge with its payment, which may be nil.
func (r *reconciliation) compare(ctx context.Context, p *Payment, c *Charge) error {
	found := Difference{PaymentID: c.PaymentID, OrderID: c.OrderID, Reference: c.Reference}
	if c.Unreadable != nil {
		return r.leave(ctx, &found, c.Unreadable)
	}
	after, changed, err := r.take(ctx, r.provider, p, c)
	switch {
	case errors.Is(err, errNoOrder):
		found.What = "the charge names no order: it has to be given back by hand"
		r.report.add(found)
		return nil
	case err != nil:
		return r.leave(ctx, &found, err)
	case after == nil:
		return nil
	}
	isStray := after.ID != c.PaymentID
	found.PaymentID, found.OrderID = after.ID, after.OrderID
	if changed && !isLeftOpen(after, c) {
		found.Healed = true
		found.What = "the payment was behind, and is " + string(after.State)
		switch {
		case p == nil && !isStray:
			found.What = "the payment was lost here, and is " + string(after.State) + " again"
		case isStray:
			found.What = "a second charge of the payment " + c.PaymentID + " goes back"
		}
		r.report.add(found)
	}
	return r.rest(ctx, after, c, &found)
}

// isLeftOpen tells whether the page of a payment that has ended is still open: the call that opened it was answered so
// late that its caller had given up.
func isLeftOpen(p *Payment, c *Charge) bool {
	return c.Status == ChargeOpen && (p.State == Failed || p.State == Released)
}

// isRefundedByOthers tells whether something else went back of a payment that succeeded than our refunds that are done.
// The next one may have gone back too, and its answer is still to come.
func isRefundedByOthers(p *Payment) bool {
	asked, pending := p.Refunds.sums()
	next, _ := p.Refunds.pending()
	done := asked - pending
	return p.State == Captured && p.Refunded != done && p.Refunded != done+next.Minor
}

// isRefundStuck tells whether the provider was asked for a refund for longer than it may take.
func isRefundStuck(p *Payment) bool {
	_, pending := p.Refunds.pending()
	return pending && p.State == Captured && p.Tries >= overdueTries
}

// rest looks for what cannot be told from a charge's state alone.
func (r *reconciliation) rest(ctx context.Context, p *Payment, c *Charge, found *Difference) error {
	switch {
	case isLeftOpen(p, c):
		known := *p
		known.Reference = c.Reference
		closed, err := r.provider.Release(ctx, &known, key(p, toRelease))
		r.called(ctx, r.provider, toRelease, err)
		found.What, found.Healed = "the page of a payment that has ended was open", err == nil
		r.report.add(*found)
		if err == nil {
			if _, _, err = r.take(ctx, r.provider, p, &closed); err != nil {
				return r.leave(ctx, found, err)
			}
		}
		return nil
	case p.Captured <= c.Captured && p.Refunded <= c.Refunded && !isRefundedByOthers(p) && !isRefundStuck(p):
		return nil
	}
	now, err := r.get(ctx, r.provider, p) // The list may be older than the payment.
	if err != nil {
		return nil //nolint:nilerr // It is counted and logged; the next reconciliation finds the rest.
	}
	found.Healed = false
	switch {
	case p.Captured > now.Captured || p.Refunded > now.Refunded:
		found.What = fmt.Sprintf("captured and refunded are %d and %d here, and %d and %d at the provider",
			p.Captured, p.Refunded, now.Captured, now.Refunded)
	case isRefundedByOthers(p):
		asked, _ := p.Refunds.sums()
		found.What = fmt.Sprintf("%d of %d were given back, and %d were asked for here", p.Refunded, p.Captured, asked)
	case isRefundStuck(p):
		refund, _ := p.Refunds.pending()
		found.What = fmt.Sprintf("a refund of %d was tried %d times, and the provider has not done it", refund.Minor, p.Tries)
	default:
		return nil
	}
	r.report.add(*found)
	return nil
}

// payments goes through our own, and asks for those that the provider's list does not have.
func (r *reconciliation) payments(ctx context.Context, since, until time.Time) error {
	var after Place
	for {
		page, err := r.Store.Changed(ctx, nil, since, after, MaxBatch)
		if err != nil {
			return err
		}
		for _, p := range page {
			if p.Provider != r.provider.Name() {
				continue
			}
			r.report.Payments++
			if p.Reference == "" || p.CreatedAt.Before(since) || p.CreatedAt.After(until) ||
				len(r.seen) >= maxSeen || r.seen[maphash.String(r.seed, p.Reference)] {
				continue
			}
			if err := r.missing(ctx, p); err != nil {
				return err
			}
		}
		if len(page) < MaxBatch {
			return nil
		}
		last := page[len(page)-1]
		after = Place{At: last.ChangedAt, ID: last.ID}
	}
}

// missing asks for a payment that the provider's list does not have.
func (r *reconciliation) missing(ctx context.Context, p *Payment) error {
	calling, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := r.get(calling, r.provider, p)
	switch {
	case errors.Is(err, ErrUnknown) && (p.State == Failed || p.Authorised == 0):
		return nil // It took no money. The worker ends it, if it has not.
	case errors.Is(err, ErrUnknown):
		r.report.add(Difference{
			PaymentID: p.ID, OrderID: p.OrderID, Reference: p.Reference,
			What: "the payment is " + string(p.State) + ", and the provider does not know it",
		})
		return nil
	case err != nil && ctx.Err() == nil && r.unanswered < maxUnanswered:
		r.unanswered++
		return r.leave(ctx, &Difference{PaymentID: p.ID, OrderID: p.OrderID, Reference: p.Reference}, err)
	case err != nil:
		return unavailable(err)
	}
	r.unanswered = 0
	return r.compare(ctx, p, &c)
}
