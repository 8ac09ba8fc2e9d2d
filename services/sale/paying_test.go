package sale_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
	"interlock/services/sale"
)

// slowPay is the payments of a provider that takes time, in memory: what package pay promises, and no more. What the
// provider and the buyer do, a test does.
type slowPay struct {
	mu       sync.Mutex
	book     *book
	payments map[string]*pay.Payment
	order    []string // the ids, as they were started
	events   []ledger.Event
	payFor   []time.Duration
	settled  []pay.Settlement
	// charging is called before a payment is started, settling before and after a settlement is noted.
	charging func()
	settling func(noted bool, s pay.Settlement) error
	// listing is called before payments are listed that changed within a time.
	listing func(within time.Duration) error
	// wrong is what must not have been settled, as far as the ledger knows.
	wrong []string
}

func newSlowPay(b *book) *slowPay { return &slowPay{book: b, payments: map[string]*pay.Payment{}} }

// openSlow opens a world whose provider takes time.
func openSlow(w *world) *slowPay {
	slow := newSlowPay(w.book)
	w.Payments, w.PaymentService = slow, slow
	return slow
}

func (s *slowPay) Charge(
	_ context.Context, order *rail.Order, key string, payFor time.Duration,
) (sale.Payment, error) {
	if s.charging != nil {
		s.charging()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.payments[key]
	if p == nil {
		p = &pay.Payment{
			ID: key, OrderID: order.ID, RunID: order.RunID, Amount: order.ToPay(), State: pay.Open, Version: 1,
			RedirectURL: "https://bank.example/" + key, PayBy: time.Now().Add(payFor), ChangedAt: time.Now(),
		}
		s.payments[key] = p
		s.order = append(s.order, key)
		s.payFor = append(s.payFor, payFor)
	}
	switch p.State {
	case pay.Created, pay.Open:
		return sale.Payment{State: sale.PaymentPending, RedirectURL: p.RedirectURL}, nil
	case pay.Authorised, pay.Capturing, pay.Captured:
		return sale.Payment{State: sale.PaymentPending}, nil
	}
	return sale.Payment{State: sale.PaymentFailed}, nil
}

func (s *slowPay) Void(ctx context.Context, _ *rail.Order, key string) error {
	_, err := s.Settle(ctx, []pay.Settlement{{PaymentID: key, Decision: pay.Release}})
	return err
}

// Refund gives nothing back: what a bank does is in bank.
func (s *slowPay) Refund(context.Context, pay.RefundOrder) (bool, error) {
	return false, rail.Refuse(rail.NotFound, "there is no such payment")
}

func (s *slowPay) Settle(_ context.Context, settlements []pay.Settlement) (errs []error, err error) {
	for _, one := range settlements {
		if s.settling != nil {
			if err := s.settling(false, one); err != nil {
				return nil, err
			}
		}
		errs = append(errs, s.settle(one))
		if s.settling != nil {
			if err := s.settling(true, one); err != nil {
				return nil, err
			}
		}
	}
	return errs, nil
}

func (s *slowPay) settle(one pay.Settlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.payments[one.PaymentID]
	if p == nil {
		return rail.Refuse(rail.NotFound, "there is no such payment")
	}
	s.settled = append(s.settled, one)
	s.judge(one, p)
	if one.Decision == pay.Release {
		switch p.State {
		case pay.Created, pay.Open, pay.Authorised, pay.Capturing:
			s.to(p, pay.Releasing)
		case pay.Captured:
			s.to(p, pay.Refunding)
		}
		return nil
	}
	switch p.State {
	case pay.Authorised:
		p.CaptureBy = time.Now().Add(one.Within)
		s.to(p, pay.Capturing)
	case pay.Capturing, pay.Captured:
	default:
		return rail.Refuse(rail.WrongState, "the payment has ended, or goes back")
	}
	return nil
}

// judge notes a settlement that the ledger, as it is, does not call for.
func (s *slowPay) judge(one pay.Settlement, p *pay.Payment) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	o := s.book.read(p.OrderID)
	mine := o != nil && o.PaymentID == p.ID
	switch {
	case one.Decision == pay.Capture && !mine:
		s.wrong = append(s.wrong, "captured for an order that is not for it: "+p.ID)
	case one.Decision == pay.Release && mine && (o.State.Live() || !o.PaidAt.IsZero()):
		s.wrong = append(s.wrong, "given back from an order that it pays: "+p.ID)
	}
}

// to moves a payment on, with its event. s.mu must be held.
func (s *slowPay) to(p *pay.Payment, state pay.State) {
	p.State, p.Version, p.ChangedAt = state, p.Version+1, time.Now()
	types := map[pay.State]ledger.EventType{
		pay.Authorised: ledger.EventPaymentAuthorised, pay.Captured: ledger.EventPaymentCaptured,
		pay.Failed: ledger.EventPaymentEnded, pay.Released: ledger.EventPaymentEnded,
		pay.Refunded: ledger.EventPaymentEnded,
	}
	switch state {
	case pay.Authorised:
		p.Authorised = p.Amount.Minor
	case pay.Captured:
		p.Captured = p.Authorised
	case pay.Released:
		p.Released = p.Authorised
	case pay.Refunded:
		p.Refunded = p.Captured
	}
	if kind, ok := types[state]; ok {
		s.events = append(s.events, ledger.Event{
			Type: kind, OrderID: p.OrderID, RunID: p.RunID, PaymentID: p.ID, PaymentVersion: p.Version,
		})
	}
}

// authorise is what a buyer does on the provider's page: it tells whether the payment was open.
func (s *slowPay) authorise(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.payments[id]
	if p.State != pay.Open {
		return false
	}
	s.to(p, pay.Authorised)
	return true
}

// goOn has the provider do the next thing that it was asked for; well tells whether a capture succeeds.
func (s *slowPay) goOn(id string, well bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p := s.payments[id]; {
	case p.State == pay.Open && !well:
		s.to(p, pay.Failed)
	case p.State == pay.Capturing && well && time.Now().Before(p.CaptureBy):
		s.to(p, pay.Captured)
	case p.State == pay.Capturing:
		s.to(p, pay.Releasing)
	case p.State == pay.Releasing && p.Authorised > 0:
		s.to(p, pay.Released)
	case p.State == pay.Releasing:
		s.to(p, pay.Failed)
	case p.State == pay.Refunding:
		s.to(p, pay.Refunded)
	}
}

func (s *slowPay) Changed(
	_ context.Context, states []pay.State, within time.Duration, after pay.Place, limit int,
) ([]*pay.Payment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listing != nil {
		if err := s.listing(within); err != nil {
			return nil, err
		}
	}
	place := func(p *pay.Payment, q pay.Place) int {
		return cmp.Or(p.ChangedAt.Compare(q.At), cmp.Compare(p.ID, q.ID))
	}
	var changed []*pay.Payment
	for _, p := range s.payments {
		if slices.Contains(states, p.State) && time.Since(p.ChangedAt) <= within && place(p, after) > 0 {
			copied := *p
			changed = append(changed, &copied)
		}
	}
	slices.SortFunc(changed, func(a, b *pay.Payment) int { return place(a, pay.Place{At: b.ChangedAt, ID: b.ID}) })
	return changed[:min(limit, len(changed))], nil
}

// state is how far a payment is, the only one where there is one.
func (s *slowPay) state(id string) pay.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.payments[id].State
}

// in are the payments that are in any of the states, in the order in which they were started.
func (s *slowPay) in(states ...pay.State) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.order {
		if slices.Contains(states, s.payments[id].State) {
			ids = append(ids, id)
		}
	}
	return ids
}

// last is the payment that was started last.
func (s *slowPay) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order[len(s.order)-1]
}

// event is the last event.
func (s *slowPay) event() ledger.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[len(s.events)-1]
}

// check says what is wrong with payments that have come to their end.
func (s *slowPay) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if len(s.wrong) > 0 {
		return fmt.Errorf("settled wrongly: %v", s.wrong)
	}
	for id, o := range s.book.orders {
		if !o.PaidAt.IsZero() && s.payments[o.PaymentID].State != pay.Captured {
			return fmt.Errorf("order %s was PAID by %s, which is %s", id, o.PaymentID, s.payments[o.PaymentID].State)
		}
		if o.State == rail.Paying || o.State == rail.OnHold {
			return fmt.Errorf("order %s is still %s", id, o.State)
		}
	}
	for id, p := range s.payments {
		o := s.book.orders[p.OrderID]
		kept := o != nil && o.PaymentID == id && !o.PaidAt.IsZero()
		switch {
		case p.Authorised != p.Captured+p.Released:
			return fmt.Errorf("payment %s is %s: %d authorised, %d captured, %d released", id, p.State, p.Authorised,
				p.Captured, p.Released)
		case kept != (p.Captured > p.Refunded):
			return fmt.Errorf("payment %s is %s: its order was paid by it: %v", id, p.State, kept)
		}
	}
	return nil
}
