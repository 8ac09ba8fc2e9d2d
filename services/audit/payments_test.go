package audit

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/pay"
	"interlock/services/rail"
)

// payments are a database of payments at one moment.
type payments struct {
	all []*pay.Payment
	now time.Time
}

func (p *payments) AllPayments(context.Context) iter.Seq2[*pay.Payment, error] {
	return func(yield func(*pay.Payment, error) bool) {
		for _, one := range p.all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

func (p *payments) Payments(_ context.Context, ids []string) ([]*pay.Payment, error) {
	found := make([]*pay.Payment, len(ids))
	for i, id := range ids {
		for _, one := range p.all {
			if one.ID == id {
				found[i] = one
			}
		}
	}
	return found, nil
}

func (p *payments) Now(context.Context) (time.Time, error) { return p.now, nil }

var payNow = time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)

// soundPayment is a payment as it should be in a state.
func soundPayment(state pay.State) *pay.Payment {
	const price = 8_400
	p := &pay.Payment{
		ID: "p1", OrderID: rail.NewOrderID("T12@2026-10-12", 106, "q"), RunID: "T12@2026-10-12", Provider: "bank",
		Amount: rail.Money{Minor: price, Currency: "CNY"}, Reference: "cs_1", State: state, Version: 3,
		CreatedAt: payNow.Add(-time.Hour), ChangedAt: payNow.Add(-time.Minute), PayBy: payNow.Add(-50 * time.Minute),
	}
	switch state {
	case pay.Created, pay.Open, pay.Authorised, pay.Capturing, pay.Releasing, pay.Refunding:
		p.Due = payNow
	case pay.Failed, pay.Released, pay.Captured, pay.Refunded:
	}
	switch state {
	case pay.Created:
		p.Reference = ""
	case pay.Open, pay.Failed:
	case pay.Authorised, pay.Releasing:
		p.Authorised = price
	case pay.Capturing:
		p.Authorised, p.Wants, p.CaptureBy = price, pay.Capture, payNow.Add(time.Minute)
	case pay.Released:
		p.Authorised, p.Released, p.Wants = price, price, pay.Release
	case pay.Captured:
		p.Authorised, p.Captured, p.Wants, p.CaptureBy = price, price, pay.Capture, payNow
	case pay.Refunding:
		p.Authorised, p.Captured, p.Wants = price, price, pay.Release
	case pay.Refunded:
		p.Authorised, p.Captured, p.Refunded, p.Wants = price, price, price, pay.Release
	}
	return p
}

// found are the messages of the defects that payments have.
func found(t *testing.T, a *Auditor) (messages []string) {
	t.Helper()
	report := &Report{OK: true}
	require.NoError(t, a.verifyPayments(t.Context(), newSeen(), payNow, report))
	require.Equal(t, len(report.Defects) == 0, report.OK)
	for _, d := range report.Defects {
		require.Equal(t, CheckPayment, d.Check)
		require.Contains(t, d.Row, "payment ")
		messages = append(messages, d.Message)
	}
	return messages
}

func TestVerifyPayments_Sound(t *testing.T) {
	store := &payments{now: payNow}
	for _, state := range pay.States {
		store.all = append(store.all, soundPayment(state))
	}
	// The provider took it back what it had said: some is still held, and it is called for.
	held := soundPayment(pay.Failed)
	held.Authorised, held.Due = 8_400, payNow
	// It was captured elsewhere before the ledger decided.
	early := soundPayment(pay.Authorised)
	early.Captured = 8_400
	// A charge that was not asked for.
	stray := soundPayment(pay.Released)
	stray.Amount.Minor, stray.OrderID, stray.RunID = 0, "whatever it said", ""
	partly := soundPayment(pay.Refunded)
	partly.Captured, partly.Refunded, partly.Released = 8_000, 8_000, 400
	store.all = append(store.all, held, early, stray, partly)
	require.Empty(t, found(t, &Auditor{Payments: store}))
}

// partsBack are refunds of parts of a payment.
func partsBack(state pay.RefundState, amounts ...int64) pay.RefundList {
	var all []pay.Refund
	for n, minor := range amounts {
		all = append(all, pay.Refund{
			RefundOrder: pay.RefundOrder{ID: fmt.Sprintf("%064x", n), Amount: rail.Money{Minor: minor}}, State: state,
		})
	}
	return pay.NewRefundList(all)
}

func TestVerifyPayments_Planted(t *testing.T) {
	for name, c := range map[string]struct {
		state pay.State
		plant func(p *pay.Payment)
		want  string
	}{
		"more captured than authorised": {
			pay.Captured, func(p *pay.Payment) { p.Authorised-- },
			"8399 was authorised, and 8400 captured and 0 released",
		},
		"a minor unit that is nowhere": {
			pay.Captured, func(p *pay.Payment) { p.Authorised++ },
			"1 was neither captured nor released",
		},
		"released too little": {
			pay.Released, func(p *pay.Payment) { p.Released-- },
			"1 was neither captured nor released",
		},
		"held for nobody": {
			pay.Failed, func(p *pay.Payment) { p.Authorised = 5 },
			"5 was neither captured nor released",
		},
		"captured another amount": {
			pay.Captured, func(p *pay.Payment) { p.Amount.Minor++ },
			"it is CAPTURED",
		},
		"captured in another state": {
			pay.Open, func(p *pay.Payment) { p.Authorised, p.Captured = 8_400, 8_400 },
			"it is OPEN",
		},
		"authorised and open": {
			pay.Open, func(p *pay.Payment) { p.Authorised = 8_400 },
			"it is OPEN",
		},
		"open at nobody's": {
			pay.Open, func(p *pay.Payment) { p.Reference = "" },
			"it is OPEN",
		},
		"authorised nothing": {
			pay.Authorised, func(p *pay.Payment) { p.Authorised = 0 },
			"it is AUTHORISED",
		},
		"captured and undecided": {
			pay.Captured, func(p *pay.Payment) { p.Wants = pay.Undecided },
			"it is CAPTURED",
		},
		"captured though it was let go": {
			pay.Captured, func(p *pay.Payment) { p.Wants = pay.Release },
			"it is CAPTURED",
		},
		"some of it went back": {
			pay.Captured, func(p *pay.Payment) { p.Refunded, p.Refunds = 100, partsBack(pay.RefundDone, 200) },
			"100 was refunded, and refunds of 200 are done",
		},
		"more is to go back than was captured": {
			pay.Captured, func(p *pay.Payment) { p.Refunds = partsBack(pay.RefundPending, 8_000, 401) },
			"8400 was captured, and the refunds are of 8401",
		},
		"refunded more than it had": {
			pay.Refunding, func(p *pay.Payment) { p.Refunded = 8_401 },
			"8400 was captured, and 8401 refunded",
		},
		"refunded a part": {
			pay.Refunded, func(p *pay.Payment) { p.Refunded-- },
			"it is REFUNDED",
		},
		"refunded nothing": {
			pay.Refunding, func(p *pay.Payment) { p.Captured = 0 },
			"it is REFUNDING",
		},
		"capturing and undecided": {
			pay.Capturing, func(p *pay.Payment) { p.Wants = pay.Undecided },
			"it is CAPTURING",
		},
		"capturing for ever": {
			pay.Capturing, func(p *pay.Payment) { p.CaptureBy = time.Time{} },
			"no time by which",
		},
		"released and captured": {
			pay.Released, func(p *pay.Payment) { p.Captured, p.Released = 8_400, 0 },
			"it is RELEASED",
		},
		"an amount below nothing": {
			pay.Open, func(p *pay.Payment) { p.Released = -1 },
			"below nothing",
		},
		"no state": {
			pay.Open, func(p *pay.Payment) { p.State = "PAID" },
			"no state of a payment",
		},
		"no decision": {
			pay.Open, func(p *pay.Payment) { p.Wants = "YES" },
			"no decision",
		},
		"no version": {
			pay.Open, func(p *pay.Payment) { p.Version = 0 },
			"its version 0",
		},
		"forgotten by all": {
			pay.Releasing, func(p *pay.Payment) { p.Due = time.Time{} },
			"nobody is to call",
		},
		"authorised, and forgotten by all": {
			pay.Authorised, func(p *pay.Payment) { p.Due = time.Time{} },
			"nobody is to call",
		},
		"not called for": {
			pay.Open, func(p *pay.Payment) { p.Due = payNow.Add(-time.Hour) },
			"and nobody has",
		},
		"made after it was changed": {
			pay.Open, func(p *pay.Payment) { p.CreatedAt = payNow.Add(time.Hour) },
			"it was made at",
		},
		"changed in time to come": {
			pay.Open, func(p *pay.Payment) { p.ChangedAt = payNow.Add(time.Hour) },
			"and now it is",
		},
		"closed before it was open": {
			pay.Open, func(p *pay.Payment) { p.PayBy = p.CreatedAt.Add(-time.Second) },
			"open until",
		},
	} {
		p := soundPayment(c.state)
		c.plant(p)
		store := &payments{all: []*pay.Payment{soundPayment(pay.Open), p}, now: payNow}
		messages := found(t, &Auditor{Payments: store})
		require.True(t, slices.ContainsFunc(messages, func(m string) bool {
			return strings.Contains(m, c.want)
		}), "%s: %q", name, messages)
	}
	// What only a running server does is not missed where none runs.
	late := soundPayment(pay.Open)
	late.Due = payNow.Add(-time.Hour)
	require.Empty(t, found(t, &Auditor{Payments: &payments{all: []*pay.Payment{late}, now: payNow}, Idle: true}))
}
