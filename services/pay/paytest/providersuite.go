// Package paytest says what the adapters of services/pay must do.
package paytest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/pay"
	"interlock/services/rail"
)

// ProviderBench is a provider, and the buyers on its pages.
type ProviderBench struct {
	Provider pay.Provider
	// Pay pays on a charge's page, Decline tries to with a card that is declined, PayTwice is charged twice, and
	// PayInVain pays with a card that is declined when the money is captured.
	Pay, Decline, PayTwice, PayInVain func(t *testing.T, charge pay.Charge)
	// ForgetKeys has the provider forget what it answered to keys.
	ForgetKeys func()
}

// price is the amount of all payments of the suite.
var price = rail.Money{Minor: 55_300, Currency: "EUR"}

// PaymentToOpen is a payment that was never seen before, to be paid within an hour.
func PaymentToOpen(n int) *pay.Payment {
	now := time.Now().UTC()
	id := fmt.Sprintf("P%dT%d", n, now.UnixNano())
	return &pay.Payment{
		ID: id, OrderID: "O" + id, RunID: "T12@2030-01-01", Amount: price, State: pay.Created,
		CreatedAt: now, PayBy: now.Add(time.Hour),
	}
}

// RunProvider runs the suite. open makes a provider with nothing in it.
func RunProvider(t *testing.T, open func(t *testing.T) *ProviderBench) {
	for name, test := range map[string]func(*providerSuite, *testing.T){
		"a page is opened once":                (*providerSuite).opens,
		"held, taken and given back":           (*providerSuite).captures,
		"given back once for ever":             (*providerSuite).refundsOnce,
		"an open page is closed":               (*providerSuite).closes,
		"what is held is let go":               (*providerSuite).releases,
		"what was taken is not let go":         (*providerSuite).refusesToRelease,
		"a declined buyer may try again":       (*providerSuite).declines,
		"yes, and then no":                     (*providerSuite).declinesCapture,
		"one payment paid twice":               (*providerSuite).paidTwice,
		"nothing that is not known":            (*providerSuite).unknown,
		"what is not taken":                    (*providerSuite).takes,
		"the same key at the same time":        (*providerSuite).atOnce,
		"the list begins with the newest":      (*providerSuite).lists,
		"a deadline is kept":                   (*providerSuite).deadline,
		"a webhook without a signature is not": (*providerSuite).unsigned,
	} {
		t.Run(name, func(t *testing.T) { test(&providerSuite{ProviderBench: open(t)}, t) })
	}
}

type providerSuite struct{ *ProviderBench }

// opened is a payment whose page is open.
func (s *providerSuite) opened(t *testing.T, n int) *pay.Payment {
	t.Helper()
	p := PaymentToOpen(n)
	charge, err := s.Provider.Authorise(t.Context(), p, p.ID+"-authorise")
	require.NoError(t, err)
	p.Reference, p.RedirectURL = charge.Reference, charge.RedirectURL
	return p
}

// stands holds a charge against what it should be; what never changes is filled in.
func (s *providerSuite) stands(t *testing.T, p *pay.Payment, got, want pay.Charge) {
	t.Helper()
	require.WithinDuration(t, time.Now(), got.CreatedAt, time.Minute)
	want.PaymentID, want.OrderID, want.Reference, want.Currency = p.ID, p.OrderID, p.Reference, price.Currency
	want.CreatedAt = got.CreatedAt
	if want.Status == pay.ChargeClosed {
		want.Reason = got.Reason // in the provider's codes
	}
	require.Equal(t, want, got)
}

func (s *providerSuite) get(t *testing.T, p *pay.Payment, want pay.Charge) {
	t.Helper()
	got, err := s.Provider.Get(t.Context(), p)
	require.NoError(t, err)
	s.stands(t, p, got, want)
}

func (s *providerSuite) opens(t *testing.T) {
	p := PaymentToOpen(0)
	charge, err := s.Provider.Authorise(t.Context(), p, "the-key-of-"+p.ID)
	require.NoError(t, err)
	require.NotEmpty(t, charge.Reference)
	require.NotEmpty(t, charge.RedirectURL)
	p.Reference = charge.Reference
	open := pay.Charge{Status: pay.ChargeOpen, RedirectURL: charge.RedirectURL}
	s.stands(t, p, charge, open)
	s.get(t, p, open)
	again, err := s.Provider.Authorise(t.Context(), p, "the-key-of-"+p.ID)
	require.NoError(t, err)
	require.Equal(t, charge, again)
	other, err := s.Provider.Authorise(t.Context(), p, "another-key-of-"+p.ID)
	require.NoError(t, err)
	require.NotEqual(t, charge.Reference, other.Reference)
	require.Equal(t, p.ID, other.PaymentID)
}

func (s *providerSuite) captures(t *testing.T) {
	p := s.opened(t, 0)
	_, err := s.Provider.Capture(t.Context(), p, p.ID+"-too-early")
	require.ErrorIs(t, err, pay.ErrRefused)
	s.Pay(t, pay.Charge{Reference: p.Reference, RedirectURL: p.RedirectURL})
	s.get(t, p, pay.Charge{Status: pay.ChargeAuthorised, Authorised: price.Minor})
	taken := pay.Charge{Status: pay.ChargeCaptured, Authorised: price.Minor, Captured: price.Minor}
	for range 2 {
		charge, err := s.Provider.Capture(t.Context(), p, p.ID+"-capture")
		require.NoError(t, err)
		s.stands(t, p, charge, taken)
	}
	_, err = s.Provider.Capture(t.Context(), p, p.ID+"-again")
	require.ErrorIs(t, err, pay.ErrRefused)
	s.get(t, p, taken)

	taken.Refunded = 300
	for range 2 {
		charge, err := s.Provider.Refund(t.Context(), p, 300, p.ID+"-refund-1")
		require.NoError(t, err)
		s.stands(t, p, charge, taken)
	}
	_, err = s.Provider.Refund(t.Context(), p, price.Minor, p.ID+"-too-much")
	require.ErrorIs(t, err, pay.ErrRefused)
	taken.Refunded = price.Minor
	charge, err := s.Provider.Refund(t.Context(), p, price.Minor-300, p.ID+"-refund-2")
	require.NoError(t, err)
	s.stands(t, p, charge, taken)
	for _, minor := range []int64{1, 0, -1} {
		_, err = s.Provider.Refund(t.Context(), p, minor, p.ID+"-nothing-left")
		require.ErrorIs(t, err, pay.ErrRefused)
	}
	s.get(t, p, taken)
}

// refundsOnce asks for refunds again after the provider has forgotten their keys: what went back is not given back
// again, a refund that was refused may be made, and another one of the same amount is another.
func (s *providerSuite) refundsOnce(t *testing.T) {
	p := s.opened(t, 0)
	s.Pay(t, pay.Charge{Reference: p.Reference, RedirectURL: p.RedirectURL})
	_, err := s.Provider.Capture(t.Context(), p, p.ID+"-capture")
	require.NoError(t, err)
	_, err = s.Provider.Refund(t.Context(), p, price.Minor+1, p.ID+"-refused")
	require.ErrorIs(t, err, pay.ErrRefused)
	want := pay.Charge{Status: pay.ChargeCaptured, Authorised: price.Minor, Captured: price.Minor}
	for _, key := range []string{"-1", "-2", "-1", "-refused", "-2", "-refused"} {
		s.ForgetKeys()
		want.Refunded = max(want.Refunded, map[string]int64{"-1": 300, "-2": 600, "-refused": 900}[key])
		charge, err := s.Provider.Refund(t.Context(), p, 300, p.ID+key)
		require.NoError(t, err)
		s.stands(t, p, charge, want)
	}
}

func (s *providerSuite) closes(t *testing.T) {
	p := s.opened(t, 0)
	closed := pay.Charge{Status: pay.ChargeClosed}
	for _, key := range []string{"-release", "-release", "-other"} {
		charge, err := s.Provider.Release(t.Context(), p, p.ID+key)
		require.NoError(t, err)
		s.stands(t, p, charge, closed)
	}
	s.get(t, p, closed)
	_, err := s.Provider.Capture(t.Context(), p, p.ID+"-capture")
	require.ErrorIs(t, err, pay.ErrRefused)
}

func (s *providerSuite) releases(t *testing.T) {
	p := s.opened(t, 0)
	s.Pay(t, pay.Charge{Reference: p.Reference, RedirectURL: p.RedirectURL})
	gone := pay.Charge{Status: pay.ChargeClosed, Authorised: price.Minor, Released: price.Minor}
	for _, key := range []string{"-release", "-release", "-other"} {
		charge, err := s.Provider.Release(t.Context(), p, p.ID+key)
		require.NoError(t, err)
		s.stands(t, p, charge, gone)
	}
	_, err := s.Provider.Capture(t.Context(), p, p.ID+"-capture")
	require.ErrorIs(t, err, pay.ErrRefused)
	s.get(t, p, gone)
}

func (s *providerSuite) refusesToRelease(t *testing.T) {
	p := s.opened(t, 0)
	s.Pay(t, pay.Charge{Reference: p.Reference, RedirectURL: p.RedirectURL})
	_, err := s.Provider.Capture(t.Context(), p, p.ID+"-capture")
	require.NoError(t, err)
	_, err = s.Provider.Release(t.Context(), p, p.ID+"-release")
	require.ErrorIs(t, err, pay.ErrRefused)
	s.get(t, p, pay.Charge{Status: pay.ChargeCaptured, Authorised: price.Minor, Captured: price.Minor})
}

func (s *providerSuite) declines(t *testing.T) {
	p := s.opened(t, 0)
	page := pay.Charge{Reference: p.Reference, RedirectURL: p.RedirectURL}
	s.Decline(t, page)
	s.get(t, p, pay.Charge{Status: pay.ChargeOpen, RedirectURL: p.RedirectURL})
	s.Pay(t, page)
	s.get(t, p, pay.Charge{Status: pay.ChargeAuthorised, Authorised: price.Minor})

	declined := s.opened(t, 1)
	s.Decline(t, pay.Charge{Reference: declined.Reference, RedirectURL: declined.RedirectURL})
	charge, err := s.Provider.Release(t.Context(), declined, declined.ID+"-release")
	require.NoError(t, err)
	s.stands(t, declined, charge, pay.Charge{Status: pay.ChargeClosed})
	require.NotEmpty(t, charge.Reason)
}

func (s *providerSuite) declinesCapture(t *testing.T) {
	p := s.opened(t, 0)
	s.PayInVain(t, pay.Charge{Reference: p.Reference, RedirectURL: p.RedirectURL})
	s.get(t, p, pay.Charge{Status: pay.ChargeAuthorised, Authorised: price.Minor})
	for range 2 {
		_, err := s.Provider.Capture(t.Context(), p, p.ID+"-capture")
		require.ErrorIs(t, err, pay.ErrRefused)
	}
	s.get(t, p, pay.Charge{Status: pay.ChargeClosed, Authorised: price.Minor, Released: price.Minor})
}

func (s *providerSuite) paidTwice(t *testing.T) {
	p := s.opened(t, 0)
	s.PayTwice(t, pay.Charge{Reference: p.Reference, RedirectURL: p.RedirectURL})
	charges, _, err := s.Provider.List(t.Context(), p.CreatedAt.Add(-time.Minute), "", 100)
	require.NoError(t, err)
	require.Len(t, charges, 2)
	second := *p
	for _, charge := range charges {
		if charge.Reference != p.Reference {
			second.Reference = charge.Reference
		}
	}
	held := pay.Charge{Status: pay.ChargeAuthorised, Authorised: price.Minor}
	s.get(t, p, held)
	s.get(t, &second, held)
	_, err = s.Provider.Release(t.Context(), &second, p.ID+"-release-2")
	require.NoError(t, err)
	s.get(t, p, held)
}

func (s *providerSuite) unknown(t *testing.T) {
	p := PaymentToOpen(0)
	p.Reference = "nothing_of_that_name"
	_, err := s.Provider.Get(t.Context(), p)
	require.ErrorIs(t, err, pay.ErrUnknown)
	_, err = s.Provider.Capture(t.Context(), p, "key-1")
	require.ErrorIs(t, err, pay.ErrUnknown)
	_, err = s.Provider.Release(t.Context(), p, "key-2")
	require.ErrorIs(t, err, pay.ErrUnknown)
	_, err = s.Provider.Refund(t.Context(), p, 1, "key-3")
	require.ErrorIs(t, err, pay.ErrUnknown)
	p.Reference = ""
	_, err = s.Provider.Get(t.Context(), p)
	require.ErrorIs(t, err, pay.ErrUnknown, "nothing is found by the payment's id")
}

func (s *providerSuite) takes(t *testing.T) {
	require.NoError(t, s.Provider.Takes(price))
	for _, refused := range []rail.Money{
		{Minor: 55_300, Currency: "XXX"},
		{Minor: 55_300, Currency: "eur"},
		{Minor: 0, Currency: "EUR"},
		{Minor: -1, Currency: "EUR"},
		{Minor: 1 << 60, Currency: "EUR"},
	} {
		require.Error(t, s.Provider.Takes(refused), "%v", refused)
		p := PaymentToOpen(0)
		p.Amount = refused
		_, err := s.Provider.Authorise(t.Context(), p, p.ID)
		require.ErrorIs(t, err, pay.ErrRefused)
	}
}

// atOnce calls with one key from many sides.
func (s *providerSuite) atOnce(t *testing.T) {
	const sides = 8
	together := func(call func() (pay.Charge, error)) []pay.Charge {
		t.Helper()
		charges, errs := make([]pay.Charge, sides), make([]error, sides)
		var all sync.WaitGroup
		for i := range sides {
			all.Go(func() { charges[i], errs[i] = call() })
		}
		all.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		return charges
	}
	p := PaymentToOpen(0)
	opened := together(func() (pay.Charge, error) { return s.Provider.Authorise(t.Context(), p, p.ID+"-authorise") })
	for _, charge := range opened {
		require.Equal(t, opened[0].Reference, charge.Reference)
	}
	p.Reference = opened[0].Reference
	s.Pay(t, opened[0])
	together(func() (pay.Charge, error) { return s.Provider.Capture(t.Context(), p, p.ID+"-capture") })
	together(func() (pay.Charge, error) { return s.Provider.Refund(t.Context(), p, 100, p.ID+"-refund") })
	s.get(t, p, pay.Charge{
		Status: pay.ChargeCaptured, Authorised: price.Minor, Captured: price.Minor, Refunded: 100,
	})
}

func (s *providerSuite) lists(t *testing.T) {
	const n = 5
	var want []string
	for i := range n {
		want = append([]string{s.opened(t, i).Reference}, want...)
	}
	since := time.Now().Add(-time.Minute)
	var got []string
	after, pages := "", 0
	for {
		charges, next, err := s.Provider.List(t.Context(), since, after, 2)
		require.NoError(t, err)
		for _, charge := range charges {
			got = append(got, charge.Reference)
		}
		pages++
		if next == "" {
			break
		}
		after = next
	}
	require.Equal(t, want, got)
	require.Equal(t, 3, pages)
	charges, next, err := s.Provider.List(t.Context(), time.Now().Add(time.Minute), "", 100)
	require.NoError(t, err)
	require.Empty(t, charges)
	require.Empty(t, next)
}

func (s *providerSuite) deadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := PaymentToOpen(0)
	_, err := s.Provider.Authorise(ctx, p, p.ID)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, pay.ErrRefused)
}

func (s *providerSuite) unsigned(t *testing.T) {
	_, err := s.Provider.Webhook(http.Header{}, []byte(`{"id":"evt_1"}`), time.Now())
	require.Error(t, err)
}
