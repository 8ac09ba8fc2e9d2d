package pay

import (
	"context"
	"errors"
	"strconv"
	"time"

	"interlock/services/rail"
)

// purpose is what a provider is called for. With the payment's id it is the key of a call.
type purpose string

const (
	toAuthorise purpose = "authorise"
	toGet       purpose = "get"
	toCapture   purpose = "capture"
	toRelease   purpose = "release"
	toRefund    purpose = "refund"
	toList      purpose = "list"
)

// key is the same for all calls for one purpose: whatever became of the first, they have one effect.
func key(p *Payment, for_ purpose) string { return p.ID + ":" + string(for_) }

// called counts a call, and logs where a provider begins to fail or works again.
func (s *Service) called(ctx context.Context, provider Provider, for_ purpose, err error) {
	outcome := CallDone
	switch {
	case err == nil:
	case errors.Is(err, ErrRefused):
		outcome = CallRefused
	case errors.Is(err, ErrUnknown):
		outcome = CallUnknown
	case errors.Is(err, context.DeadlineExceeded):
		outcome = CallTimedOut
	default:
		outcome = CallFailed
	}
	s.counts.call(string(for_), outcome)
	if errors.Is(err, context.Canceled) {
		return
	}
	if outcome == CallRefused || outcome == CallUnknown {
		err = nil // It answered.
	}
	s.failing[provider.Name()].Note(ctx, s.Log, err, "provider", provider.Name(), "call", for_)
}

func (s *Service) get(ctx context.Context, provider Provider, p *Payment) (Charge, error) {
	c, err := provider.Get(ctx, p)
	s.called(ctx, provider, toGet, err)
	return c, err
}

// authorise opens a payment, or finds out how it was opened.
func (s *Service) authorise(ctx context.Context, provider Provider, p *Payment) (Charge, error) {
	c, err := provider.Authorise(ctx, p, key(p, toAuthorise))
	s.called(ctx, provider, toAuthorise, err)
	return c, err
}

// ask makes the call that a payment is in need of.
func (s *Service) ask(ctx context.Context, provider Provider, p *Payment) (c Charge, err error) {
	switch p.State {
	case Created:
		if p.Reference != "" {
			return s.get(ctx, provider, p) // It is one of remake.
		}
		return s.authorise(ctx, provider, p)
	case Open, Authorised:
		return s.get(ctx, provider, p)
	case Captured:
		refund, pending := p.Refunds.pending()
		if !pending {
			return s.get(ctx, provider, p)
		}
		c, err = provider.Refund(ctx, p, refund.Minor, refund.ID)
		s.called(ctx, provider, toRefund, err)
		return c, err
	case Capturing:
		c, err = provider.Capture(ctx, p, key(p, toCapture))
		s.called(ctx, provider, toCapture, err)
		return c, err
	case Refunding, Refunded:
		for_ := toRefund
		if p.Refunded > 0 { // A person gave back a part. The rest is another call than that for the whole.
			for_ += purpose("-" + strconv.FormatInt(p.Refunded, 10))
		}
		c, err = provider.Refund(ctx, p, p.Captured-p.Refunded, key(p, for_))
		s.called(ctx, provider, toRefund, err)
		return c, err
	case Releasing, Failed, Released:
	}
	known := *p
	if known.Reference == "" {
		// A call that opens it may still be under way. The same call again finds out what came of it, or what will.
		if c, err = s.authorise(ctx, provider, p); err != nil {
			return c, err
		}
		known.Reference = c.Reference
	}
	c, err = provider.Release(ctx, &known, key(p, toRelease))
	s.called(ctx, provider, toRelease, err)
	return c, err
}

// step makes the call that a payment is in need of, within ctx, and notes what came of it, which may take until the end
// of noting. A call that fails changes nothing: the payment stays due.
func (s *Service) step(ctx, noting context.Context, provider Provider, p *Payment) (*Payment, error) {
	c, err := s.ask(ctx, provider, p)
	refused := errors.Is(err, ErrRefused)
	if refused {
		c, err = s.get(ctx, provider, p)
	}
	switch {
	case errors.Is(err, ErrUnknown) && (p.State == Releasing || p.State == Created && refused):
		return s.committer.change(noting, p.ID, p, func(now Payment) (Payment, bool) {
			if now.State != p.State || now.Reference != p.Reference {
				return now, false
			}
			reason := reasonNeverReached
			if refused {
				reason = reasonRefused
			}
			return fail(now, reason)
		})
	case err != nil:
		return p, nil //nolint:nilerr // It is counted and logged, and the call is made again.
	}
	if refund, pending := p.Refunds.pending(); p.State == Captured && pending {
		// A person may have given back what is refused: then as much went back as was ever asked for.
		if asked, _ := p.Refunds.sums(); !refused || c.Refunded >= asked {
			return s.refunded(noting, p, refund, &c)
		}
	}
	after, _, err := s.take(noting, provider, p, &c)
	if err != nil || !refused || p.State != Capturing || after == nil || after.State != Capturing {
		return after, err
	}
	return s.committer.change(noting, p.ID, after, func(now Payment) (Payment, bool) {
		if now.State != Capturing {
			return now, false
		}
		return letGo(now, reasonCapture)
	})
}

// callTimeout bounds the calls of one step, and notingTimeout noting what came of them, which is not broken off.
const (
	callTimeout   = 10 * time.Second
	notingTimeout = 2 * commitTimeout
)

// lease is for how long a payment is the worker's that took it. Other processes may take it then.
const lease = callTimeout + 5*time.Second

// errNoProvider says that a payment was opened with a provider that this process does not have.
var errNoProvider = rail.Refuse(rail.Unavailable, "the payment's provider is not configured")
