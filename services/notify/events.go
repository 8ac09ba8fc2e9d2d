package notify

import (
	"context"
	"errors"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// runPage is how many orders of a run are read at a time.
const runPage = 200

// Handle notes what an event asks to be told, and answers once that is durable. It is a messages.Handler: to be told
// the same again is harmless.
func (s *Service) Handle(ctx context.Context, e ledger.Event) error { return notYet(s.handle(ctx, &e)) }

// notYet makes UNAVAILABLE of errors that pass by themselves: the event comes again, and that is no try of it. What was
// written by then is found again.
func notYet(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ledger.ErrInDoubt), errors.Is(err, ledger.ErrLocked),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		rail.CodeOf(err) == rail.Overloaded:
		return &rail.Error{Code: rail.Unavailable, Message: "it cannot be noted now", Cause: err}
	}
	return err
}

func (s *Service) handle(ctx context.Context, e *ledger.Event) error {
	all, err := s.webhooksOf(ctx, e)
	if err != nil {
		return err
	}
	mail, err := s.mailOf(ctx, e)
	if err != nil {
		return err
	}
	if err := s.note(ctx, append(all, mail...)); err != nil {
		return err
	}
	switch e.Type {
	case ledger.EventRunSuspended:
		return s.tellRun(ctx, e, Suspended)
	case ledger.EventRunResumed:
		return s.tellRun(ctx, e, Resumed)
	}
	return nil
}

// note writes new deliveries, and wakes the worker.
func (s *Service) note(ctx context.Context, all []Delivery) error {
	if len(all) == 0 {
		return nil
	}
	if _, err := s.committer.write(ctx, Batch{New: all}); err != nil {
		return err
	}
	s.counts.noted(len(all))
	s.Wake()
	return nil
}

// webhooksOf are the webhooks that an event asks for.
func (s *Service) webhooksOf(ctx context.Context, e *ledger.Event) (all []Delivery, err error) {
	if s.Poster == nil {
		return nil, nil
	}
	endpoints, err := s.told.get(ctx, s.Store)
	if err != nil {
		return nil, err
	}
	for _, one := range endpoints {
		if one.Tells(e.Type) {
			all = append(all, newWebhook(e, one.ID))
		}
	}
	return all, nil
}

// mailOf is the mail that an event of an order asks for: none where the buyer gave no address.
func (s *Service) mailOf(ctx context.Context, e *ledger.Event) ([]Delivery, error) {
	kind := map[ledger.EventType]Kind{
		ledger.EventOrderPaid: Paid, ledger.EventOrderRefunded: Refunded, ledger.EventOrderCancelled: Withdrawn,
	}[e.Type]
	if kind == "" || s.Mailer == nil {
		return nil, nil
	}
	o, err := s.Orders.Order(ctx, e.OrderID)
	switch {
	case err != nil:
		return nil, err
	case o == nil || o.Contact.Email == "":
		return nil, nil
	case kind == Withdrawn && o.PaidAt.IsZero():
		return nil, nil // The buyer has cancelled a hold.
	}
	return []Delivery{newMail(kind, e.OrderID, e.OrderVersion, e.Time)}, nil
}

// tellRun notes a mail for each paid order of a run.
func (s *Service) tellRun(ctx context.Context, e *ledger.Event, kind Kind) error {
	if s.Mailer == nil {
		return nil
	}
	for after := (ledger.OrderPlace{}); ; {
		orders, err := s.Orders.PaidOn(ctx, e.RunID, after, runPage)
		if err != nil {
			return err
		}
		var all []Delivery
		for _, o := range orders {
			after = ledger.OrderPlace{PlacedAt: o.PlacedAt, ID: o.ID}
			if o.Contact.Email != "" {
				all = append(all, newMail(kind, o.ID, e.RunVersion, e.Time))
			}
		}
		if err := s.note(ctx, all); err != nil {
			return err
		}
		if len(orders) < runPage {
			return nil
		}
	}
}

const (
	// resentPer and maxResent are how often an order's tickets are sent again: addresses are not to be flooded.
	resentPer = time.Hour
	maxResent = 3
)

// Resend has the tickets of an order sent again to the address that the buyer gave. The same key is the same mail.
// NOT_FOUND: there is no such order. WRONG_STATE: it has no ticket to travel with, or no address, or that was asked
// for three times within an hour.
func (s *Service) Resend(ctx context.Context, orderID, key string) (*Delivery, error) {
	if s.Mailer == nil {
		return nil, rail.Refuse(rail.WrongState, "no mail is sent here")
	}
	if !rail.ValidKey(key) {
		return nil, rail.Refuse(rail.Invalid, "an idempotency key has 8 to 128 printable ASCII characters without spaces").
			At("input", "idempotencyKey")
	}
	o, err := s.Orders.Order(ctx, orderID)
	switch {
	case err != nil:
		return nil, err
	case o == nil:
		return nil, rail.Refuse(rail.NotFound, "there is no such order").At("input", "orderId")
	case o.State != rail.Paid:
		return nil, rail.Refuse(rail.WrongState, "the order is %s, and only one that is PAID has tickets", o.State).
			At("input", "orderId")
	case o.Contact.Email == "":
		return nil, rail.Refuse(rail.WrongState, "the order has no e-mail address").At("input", "orderId")
	}
	now, err := s.Store.Now(ctx)
	if err != nil {
		return nil, err
	}
	d := newMail(Resent, orderID, o.Version, now, key)
	d.ID = deliveryID("resent", orderID, key)
	sent, err := s.Store.List(ctx, Filter{OrderID: orderID, Limit: MaxItems})
	if err != nil {
		return nil, err
	}
	recent := 0
	for _, one := range sent {
		switch {
		case one.ID == d.ID:
			return one, nil
		case one.Kind == Resent && now.Sub(one.CreatedAt) < resentPer:
			recent++
		}
	}
	if recent >= maxResent {
		return nil, rail.Refuse(rail.WrongState, "the tickets were sent again %d times within the hour", recent).
			At("input", "orderId")
	}
	if err := s.note(ctx, []Delivery{d}); err != nil {
		return nil, err
	}
	found, err := s.Store.Deliveries(ctx, []string{d.ID})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}
