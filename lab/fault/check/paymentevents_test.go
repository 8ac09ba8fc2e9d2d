package check_test

import (
	"testing"

	"interlock/cmd/interlock/failpoints/effects"
	"interlock/lab/fault/check"
	"interlock/services/ledger"
	"interlock/services/pay"
)

// paymentsTold is a history of payments' events in which C13 holds: one was captured, one let go, one refunded, and one
// failed.
type paymentsTold struct {
	effects  []effects.Effect
	payments []*pay.Payment
}

func tellPayments() *paymentsTold {
	s := &paymentsTold{}
	add := func(id string, state pay.State, captured int64, events ...ledger.EventType) {
		p := &pay.Payment{ID: id, State: state, Captured: captured, Version: 9}
		if state != pay.Failed {
			p.Authorised = 100
		}
		s.payments = append(s.payments, p)
		for _, group := range []string{inOrder, shared} {
			for n, what := range events {
				s.effects = append(s.effects, effects.Effect{Group: group, Event: ledger.Event{
					Type: what, OrderID: "order", PaymentID: id, PaymentVersion: int64(3 + n),
				}})
			}
		}
	}
	add("p1", pay.Captured, 100, ledger.EventPaymentAuthorised, ledger.EventPaymentCaptured)
	add("p2", pay.Released, 0, ledger.EventPaymentAuthorised, ledger.EventPaymentEnded)
	add("p3", pay.Refunded, 100, ledger.EventPaymentEnded)
	add("p4", pay.Failed, 0, ledger.EventPaymentEnded)
	return s
}

func (s *paymentsTold) check() *check.Result {
	r := &check.Result{Name: "C13", OK: true}
	check.PaymentEvents(r, s.effects, s.payments, check.EventGroups{All: []string{inOrder, shared}, InOrder: inOrder})
	return r
}

func TestPaymentEvents_GoodHistory(t *testing.T) { holds(t, tellPayments().check()) }

func TestPaymentEvents_Planted(t *testing.T) {
	for name, one := range map[string]struct {
		plant func(*paymentsTold)
		says  string
	}{
		"Missing": {
			func(s *paymentsTold) { s.effects = append(s.effects[:1:1], s.effects[2:]...) },
			"in-order: payment p1 is CAPTURED, and interlock.payment.captured did not take effect",
		},
		"Twice": {
			func(s *paymentsTold) { s.effects = append(s.effects, s.effects[1]) },
			"in-order: interlock.payment.captured of payment p1 took effect at the versions [4 4]",
		},
		"NeverHappened": {
			func(s *paymentsTold) { s.effects[4].Event.Type = ledger.EventPaymentCaptured },
			"in-order: interlock.payment.captured took effect as version 3, and payment p2 is RELEASED at version 9",
		},
		"OfAFuture": {
			func(s *paymentsTold) { s.effects[1].Event.PaymentVersion = 10 },
			"in-order: interlock.payment.captured took effect as version 10",
		},
		"NoSuchPayment": {
			func(s *paymentsTold) { s.payments = s.payments[:3] },
			"in-order: payment p4 was told of, and there is none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := tellPayments()
			one.plant(s)
			fails(t, s.check(), one.says)
		})
	}
}
