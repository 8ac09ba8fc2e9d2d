package pay

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"interlock/services/rail"
)

// heedTimeout is how long a webhook may take.
const heedTimeout = 20 * time.Second

var errTooManyNotices = &rail.Error{
	Code: rail.Overloaded, Message: "too many webhooks at once; send it again", RetryAfter: 5 * time.Second,
}

// Webhook takes what a provider tells. It answers nil once all that follows is durable, and for what it needs not heed:
// what it was told before, and what is of nothing of ours. NOT_FOUND: there is no provider of that name. INVALID: the
// body is larger than 64 KB. UNAUTHENTICATED: the provider has not signed it, or too long ago. After OVERLOADED,
// UNAVAILABLE and all other errors the provider is to send it again.
func (s *Service) Webhook(ctx context.Context, name string, header http.Header, body []byte) error {
	outcome, err := s.webhook(ctx, name, header, body)
	s.counts.webhook(outcome)
	return err
}

func (s *Service) webhook(ctx context.Context, name string, header http.Header, body []byte) (WebhookOutcome, error) {
	provider, has := s.providers[name]
	if !has {
		return WebhookForged, rail.Refuse(rail.NotFound, "there is no provider of that name")
	}
	if len(body) > maxNotice {
		return WebhookForged, rail.Refuse(rail.Invalid, "a webhook has at most %d bytes", maxNotice)
	}
	ctx, cancel := context.WithTimeout(ctx, heedTimeout)
	defer cancel()
	now, err := s.now(ctx)
	if err != nil {
		return WebhookFailed, err // Whether it is too old is not known.
	}
	notice, err := provider.Webhook(header, body, now)
	switch {
	case errors.Is(err, ErrTooOld):
		return WebhookTooOld, &rail.Error{
			Code: rail.Unauthenticated, Message: "the webhook was signed too long ago",
			Cause: err,
		}
	case err != nil:
		return WebhookForged, &rail.Error{
			Code: rail.Unauthenticated, Message: "the webhook is not signed rightly",
			Cause: err,
		}
	case notice.PaymentID == "":
		return WebhookOfOthers, nil
	}
	heeded := Heeded{Provider: name, Notice: notice, Body: body}
	if err := heeded.Check(); err != nil {
		return WebhookFailed, err
	}
	select {
	case s.heeding <- struct{}{}:
		defer func() { <-s.heeding }()
	case <-ctx.Done():
		return WebhookFailed, errTooManyNotices
	}
	repeated, err := s.hear(ctx, provider, heeded)
	switch {
	case err != nil:
		return WebhookFailed, err
	case repeated:
		return WebhookRepeated, nil
	}
	return WebhookHeeded, nil
}

// hearings are the notices that are being heeded, by payment.
type hearings struct {
	mu sync.Mutex
	// newest is each payment's newest hearing.
	newest map[string]*hearing
}

// hearing is notices of one payment that are heeded together: all that come until it begins. What comes later waits for
// the next, since the provider may have been asked before that became true.
type hearing struct {
	notices []Heeded
	begun   bool
	// done is closed at its end. Then err is its result, and repeated are the ids of those that were heeded before.
	done     chan struct{}
	repeated map[string]bool
	err      error
}

// hear heeds a notice, together with others of its payment. repeated: it was heeded before.
func (s *Service) hear(ctx context.Context, provider Provider, h Heeded) (repeated bool, err error) {
	one, before, leads := s.hearings.join(h)
	if leads {
		// Others rely on it: who hangs up does not end it.
		lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), heedTimeout)
		s.lead(lasting, provider, one, before)
		cancel()
	}
	select {
	case <-one.done:
		return one.repeated[h.Notice.ID], one.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// join joins the hearing that has not begun, or makes one, which its maker leads after the one before.
func (h *hearings) join(n Heeded) (one, before *hearing, leads bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := n.Provider + "/" + n.Notice.PaymentID
	one = h.newest[key]
	if one != nil && !one.begun {
		one.notices = append(one.notices, n)
		return one, nil, false
	}
	before, one = one, &hearing{notices: []Heeded{n}, done: make(chan struct{})}
	if h.newest == nil {
		h.newest = map[string]*hearing{}
	}
	h.newest[key] = one
	return one, before, true
}

// begin closes a hearing to further notices, and answers those that it has.
func (h *hearings) begin(one *hearing) []Heeded {
	h.mu.Lock()
	defer h.mu.Unlock()
	one.begun = true
	return one.notices
}

func (h *hearings) end(one *hearing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := one.notices[0]; h.newest[n.Provider+"/"+n.Notice.PaymentID] == one {
		delete(h.newest, n.Provider+"/"+n.Notice.PaymentID)
	}
	close(one.done)
}

// lead holds a hearing, after the one before.
func (s *Service) lead(ctx context.Context, provider Provider, one, before *hearing) {
	defer s.hearings.end(one)
	if before != nil {
		select {
		case <-before.done:
		case <-ctx.Done():
			s.hearings.begin(one)
			one.err = errTooManyNotices
			return
		}
	}
	notices := s.hearings.begin(one)
	one.repeated, one.err = s.heed(ctx, provider, notices)
}

// heed finds out how the charges of one payment stand that its provider has told of, and notes that. repeated are the
// ids of notices that were heeded before.
func (s *Service) heed(ctx context.Context, provider Provider, notices []Heeded) (repeated map[string]bool, err error) {
	fresh, repeated, err := s.fresh(ctx, provider, notices)
	if err != nil || len(fresh) == 0 {
		return repeated, err
	}
	payments, err := s.Store.Payments(ctx, []string{fresh[0].Notice.PaymentID})
	if err != nil {
		return nil, err
	}
	p := payments[0]
	byCharge := map[string][]Heeded{}
	for _, n := range fresh {
		reference := n.Notice.Reference
		if reference == "" && p != nil {
			reference = p.Reference
		}
		byCharge[reference] = append(byCharge[reference], n)
	}
	for reference, of := range byCharge {
		if err := s.heedCharge(ctx, provider, p, reference, of); err != nil {
			return nil, err
		}
	}
	return repeated, nil
}

// fresh are those of some notices that were not heeded before, each once.
func (s *Service) fresh(ctx context.Context, provider Provider, notices []Heeded,
) (fresh []Heeded, repeated map[string]bool, err error) {
	byID := map[string]Heeded{}
	for _, n := range notices {
		byID[n.Notice.ID] = n
	}
	ids := slices.Sorted(maps.Keys(byID))
	before, err := s.Store.HeededBefore(ctx, provider.Name(), ids)
	if err != nil {
		return nil, nil, err
	}
	repeated = map[string]bool{}
	for i, id := range ids {
		if repeated[id] = before[i]; !before[i] {
			fresh = append(fresh, byID[id])
		}
	}
	return fresh, repeated, nil
}

// heedCharge heeds notices of one charge of a payment, which may be nil. One question is the answer to all of them.
func (s *Service) heedCharge(ctx context.Context, provider Provider, p *Payment, reference string, of []Heeded) error {
	asked := &Payment{ID: of[0].Notice.PaymentID, Provider: provider.Name()}
	if p != nil {
		known := *p
		asked = &known
		if p.Provider == provider.Name() && p.Reference == reference && p.knowsAll(of) {
			return s.committer.heed(ctx, of)
		}
	}
	asked.Reference = reference
	charge, err := s.get(ctx, provider, asked)
	if errors.Is(err, ErrUnknown) {
		return s.committer.heed(ctx, of) // Where it comes to be, it is told of, or found by Reconcile.
	}
	if err != nil {
		return unavailable(err)
	}
	_, _, err = s.take(ctx, provider, p, &charge, of...)
	if errors.Is(err, errNoOrder) {
		return s.committer.heed(ctx, of) // Reconcile reports it.
	}
	return err
}

// knowsAll tells whether a payment is known to have come as far as notices of its charge tell: mostly they tell what a
// call of ours has done. Amounts only rise, so that no later fact is missed. What was read may rest on a commit that
// was never acknowledged; the commit that writes the notices vouches for it.
func (p *Payment) knowsAll(notices []Heeded) bool {
	return !slices.ContainsFunc(notices, func(n Heeded) bool {
		switch n.Notice.Tells {
		case ChargeAuthorised:
			return p.Authorised == 0
		case ChargeCaptured:
			return p.Captured == 0
		case ChargeOpen, ChargeClosed:
		}
		return true
	})
}

// unavailable is the error of a call that a provider has not answered.
func unavailable(err error) error {
	return &rail.Error{
		Code: rail.Unavailable, Message: "the provider of payments does not answer", RetryAfter: firstBackoff,
		Cause: err,
	}
}
