package pay

import (
	"context"
	"log/slog"
	"regexp"
	"time"

	"interlock/internal/logonce"
	"interlock/services/rail"
)

const (
	// startTimeout is how long who starts a payment waits for the provider's page. Then the worker goes on.
	startTimeout = 5 * time.Second
	// maxStarting is how many payments are opened at a time while their callers wait.
	maxStarting = 1_024
	// maxPayFor and maxCaptureWithin bound what is asked for.
	maxPayFor        = 24 * time.Hour
	maxCaptureWithin = time.Hour
)

// paymentID are the ids that a payment may have.
var paymentID = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)

// Options are what a Service is made of.
type Options struct {
	Store Store
	// Providers are those that there are. New payments are opened with the first; the others end what they have.
	Providers []Provider
	Log       *slog.Logger
	// Woken is called after each commit that noted an event. It may be nil, and must not wait.
	Woken func()
	// CallsAtOnce bounds how many calls of providers the worker makes at a time; 0 is 256. At most half of them ask
	// after open pages.
	CallsAtOnce int
}

// Service collects money. Its methods may run at once, in any number of processes on one store. Errors are those of the
// store, unchanged, or *rail.Error.
type Service struct {
	Options

	committer committer
	clock     clock
	providers map[string]Provider
	// starting, heeding and calling have a place for each call of a provider: by who starts a payment, by webhooks, and
	// by the worker.
	starting, heeding, calling chan struct{}
	wake                       chan struct{}
	polls                      polls
	hearings                   hearings
	// failing logs when a provider begins to fail, noting when payments cannot be worked on for another reason.
	failing map[string]*logonce.Failure
	noting  *logonce.Failure
	counts  counts
}

// New makes a service. Run makes it work.
func New(o Options) *Service {
	if o.CallsAtOnce == 0 {
		o.CallsAtOnce = 256
	}
	s := &Service{
		Options: o, providers: map[string]Provider{}, failing: map[string]*logonce.Failure{},
		starting: make(chan struct{}, maxStarting), heeding: make(chan struct{}, o.CallsAtOnce),
		calling: make(chan struct{}, o.CallsAtOnce), polls: newPolls(o.CallsAtOnce), wake: make(chan struct{}, 1),
		counts: newCounts(),
	}
	s.noting = logonce.Warn("a payment cannot be worked on: it is tried again", "payments are worked on again")
	s.noting.Calm = maxBackoff
	s.committer = committer{store: o.Store, now: s.now, noted: s.noted}
	for _, p := range o.Providers {
		s.providers[p.Name()] = p
		f := logonce.Warn("a provider of payments fails: its calls are made again",
			"the provider of payments works again")
		f.Calm = maxBackoff
		s.failing[p.Name()] = f
	}
	return s
}

func (s *Service) now(ctx context.Context) (time.Time, error) { return s.clock.now(ctx, s.Store) }

// noted is told of each commit.
func (s *Service) noted(changes []Change) {
	told, due := false, false
	for i := range changes {
		_, tells := changes[i].Event()
		told = told || tells
		due = due || changes[i].DueIn == 0
		if changes[i].From != changes[i].Payment.State {
			s.counts.reached(changes[i].Payment.State)
		}
	}
	if told && s.Woken != nil {
		s.Woken()
	}
	if due {
		s.wakeWorker()
	}
}

func (s *Service) wakeWorker() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Start opens a payment of p's ID, OrderID, RunID and Amount, which the buyer may pay for as long as payFor. It waits
// for the provider's page for at most five seconds, and answers the payment as it stands then, with or without the
// page. The same ID again answers how that payment stands. INVALID: something of it is malformed, or payFor is not
// above 0 and at most a day. PAYMENT_UNAVAILABLE: the provider does not take it; nothing was noted.
func (s *Service) Start(ctx context.Context, p *Payment, payFor time.Duration) (*Payment, error) {
	if err := check(p, payFor); err != nil {
		return nil, err
	}
	provider := s.Providers[0]
	if err := provider.Takes(p.Amount); err != nil {
		return s.untaken(ctx, p, err)
	}
	noted, _, err := s.committer.start(ctx, Start{PayFor: payFor, Payment: Payment{
		ID: p.ID, OrderID: p.OrderID, RunID: p.RunID, Amount: p.Amount, Provider: provider.Name(), State: Created,
	}})
	if err != nil || noted.State != Created {
		return noted, err
	}
	return s.open(ctx, noted)
}

func check(p *Payment, payFor time.Duration) error {
	run, ok := runOf(p.OrderID)
	switch {
	case !paymentID.MatchString(p.ID):
		return rail.Refuse(rail.Invalid, "a payment's id is 1 to 64 letters and digits")
	case !ok || run != p.RunID:
		return rail.Refuse(rail.Invalid, "the order id is not one of an order of that run")
	case !p.Amount.Currency.Valid() || p.Amount.Minor <= 0:
		return rail.Refuse(rail.Invalid, "an amount is above 0, in an ISO 4217 currency")
	case payFor <= 0 || payFor > maxPayFor:
		return rail.Refuse(rail.Invalid, "a payment is open for more than 0 and at most %v", maxPayFor)
	}
	return nil
}

// runOf is the run of an order's id.
func runOf(orderID string) (rail.RunID, bool) {
	if _, _, ok := rail.VersionInOrderID(orderID); !ok {
		return "", false
	}
	return rail.RunOfOrder(orderID)
}

// untaken answers for an amount that the provider does not take now. It may have taken it before.
func (s *Service) untaken(ctx context.Context, p *Payment, why error) (*Payment, error) {
	known, err := s.Store.Payments(ctx, []string{p.ID})
	switch {
	case err != nil:
		return nil, err
	case known[0] == nil:
		return nil, &rail.Error{Code: rail.PaymentUnavailable, Message: why.Error(), Cause: why}
	case known[0].OrderID != p.OrderID || known[0].Amount != p.Amount:
		return nil, rail.Refuse(rail.IdempotencyConflict, "that payment is of another order or amount")
	}
	return known[0], nil
}

// open opens a payment while its buyer waits. Where that fails, the worker goes on.
func (s *Service) open(ctx context.Context, p *Payment) (*Payment, error) {
	provider, has := s.providers[p.Provider]
	now, err := s.now(ctx)
	if err != nil {
		return nil, err
	}
	if !has || !p.PayBy.After(now) {
		return p, nil
	}
	select {
	case s.starting <- struct{}{}:
		defer func() { <-s.starting }()
	default:
		return nil, &rail.Error{
			Code: rail.Overloaded, Message: "too many payments are opened at once; try again", RetryAfter: time.Second,
		}
	}
	calling, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return s.step(calling, ctx, provider, p)
}

// Settle notes what the ledger decided. Without err, each settlement that has no error is durable; errs is nil where
// none has one. NOT_FOUND: there is no such payment. INVALID: it says nothing that can be decided. WRONG_STATE: a
// capture of a payment that has ended, or is to be let go; it stays so. At most 1,000 at once: INVALID.
func (s *Service) Settle(ctx context.Context, settlements []Settlement) (errs []error, err error) {
	if len(settlements) > MaxBatch {
		return nil, rail.Refuse(rail.Invalid, "at most %d payments are settled at once", MaxBatch)
	}
	all := make([]error, len(settlements))
	waits := make([]*waiting, 0, len(settlements))
	of := make([]int, 0, len(settlements))
	for i, one := range settlements {
		if all[i] = checkSettlement(one); all[i] == nil {
			waits, of = append(waits, &waiting{id: one.PaymentID, apply: settling(one)}), append(of, i)
		}
	}
	if err := s.committer.do(ctx, waits...); err != nil {
		return nil, err
	}
	failed := len(waits) < len(settlements)
	for k, w := range waits {
		switch {
		case w.err != nil:
			return nil, w.err // What the others have come to is asked for again.
		case w.after == nil:
			all[of[k]] = rail.Refuse(rail.NotFound, "there is no payment %s", w.id)
		case settlements[of[k]].Decision == Capture && w.after.goesBack():
			all[of[k]] = rail.Refuse(rail.WrongState, "the payment is %s", w.after.State)
		}
		failed = failed || all[of[k]] != nil
	}
	if !failed {
		return nil, nil
	}
	return all, nil
}

func checkSettlement(s Settlement) error {
	switch {
	case !paymentID.MatchString(s.PaymentID):
		return rail.Refuse(rail.Invalid, "a payment's id is 1 to 64 letters and digits")
	case s.Decision != Capture && s.Decision != Release:
		return rail.Refuse(rail.Invalid, "a payment is settled by %s or %s", Capture, Release)
	case s.Decision == Capture && (s.Within <= 0 || s.Within > maxCaptureWithin):
		return rail.Refuse(rail.Invalid, "a capture may take more than 0 and at most %v", maxCaptureWithin)
	}
	return nil
}

// settling notes a settlement. One that changes nothing is written as well: what was read may rest on a commit that was
// never acknowledged, and the commit after it vouches for it.
func settling(s Settlement) func(p Payment) (Change, bool) {
	return func(p Payment) (Change, bool) {
		next, decided := Decide(p, s)
		change := Change{Payment: next}
		if decided && s.Decision == Capture {
			change.CaptureWithin = s.Within
		}
		return change, true
	}
}

// Payments reads payments by their ids, in that order; nil where there is none. At most 1,000: INVALID.
func (s *Service) Payments(ctx context.Context, ids []string) ([]*Payment, error) {
	if len(ids) > MaxBatch {
		return nil, rail.Refuse(rail.Invalid, "at most %d payments are read at once", MaxBatch)
	}
	return s.Store.Payments(ctx, ids)
}

// OfOrders reads all payments of orders, sorted by order and creation. At most 1,000 orders: INVALID.
func (s *Service) OfOrders(ctx context.Context, orderIDs []string) ([]*Payment, error) {
	if len(orderIDs) > MaxBatch {
		return nil, rail.Refuse(rail.Invalid, "payments of at most %d orders are read at once", MaxBatch)
	}
	return s.Store.OfOrders(ctx, orderIDs)
}

// Changed lists payments that have one of the states (none: any) and were changed within that time (0: ever), in the
// order of (ChangedAt, ID), after a place. limit is 1 to 1,000: INVALID.
func (s *Service) Changed(ctx context.Context, states []State, within time.Duration, after Place, limit int,
) ([]*Payment, error) {
	if limit < 1 || limit > MaxBatch || within < 0 {
		return nil, rail.Refuse(rail.Invalid, "1 to %d payments are listed at once", MaxBatch)
	}
	for _, state := range states {
		if state.rank() < 0 {
			return nil, rail.Refuse(rail.Invalid, "%q is no state of a payment", state)
		}
	}
	var since time.Time
	if within > 0 {
		now, err := s.now(ctx)
		if err != nil {
			return nil, err
		}
		since = now.Add(-within)
	}
	return s.Store.Changed(ctx, states, since, after, limit)
}
