package stripepay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/bank"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/pay/stripepay"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	bankKey    = "sk_test_123"
	bankSecret = "whsec_the_banks"
)

// forgetful has the provider take a key for a new one, as it is to one that has forgotten it.
type forgetful struct {
	http.RoundTripper
	times atomic.Int64
}

func (f *forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Idempotency-Key", fmt.Sprint(key, "-", f.times.Load()))
	}
	return f.RoundTripper.RoundTrip(r)
}

func (f *forgetful) forget() { f.times.Add(1) }

// open is a bank, and a provider that speaks with it.
func open(t *testing.T, change func(*bank.Options, *stripepay.Options)) (*bank.Bank, *stripepay.Provider) {
	t.Helper()
	var b *bank.Bank
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	of := bank.Options{
		Key: bankKey, URL: server.URL, WebhookSecret: bankSecret, RetryAfter: time.Millisecond,
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	to := stripepay.Options{
		Name: "bank", URL: server.URL, Key: bankKey, WebhookSecrets: []string{bankSecret},
		ReturnURL: "https://railway.example/orders/{ORDER_ID}?paid", Transport: transport,
		PageID: func(orderID string) string { return "page-of/" + orderID },
	}
	if change != nil {
		change(&of, &to)
	}
	b, err := bank.Open(&of)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	p, err := stripepay.New(&to)
	require.NoError(t, err)
	return b, p
}

// onBank is a provider, and the buyers of its bank.
func onBank(t *testing.T, change func(*bank.Options, *stripepay.Options)) *paytest.ProviderBench {
	t.Helper()
	var forgets forgetful
	b, p := open(t, func(of *bank.Options, to *stripepay.Options) {
		forgets.RoundTripper = to.Transport
		to.Transport = &forgets
		if change != nil {
			change(of, to)
		}
	})
	act := func(what string) func(*testing.T, pay.Charge) {
		return func(t *testing.T, charge pay.Charge) { require.True(t, b.Act(what, charge.Reference)) }
	}
	return &paytest.ProviderBench{
		Provider: p, ForgetKeys: forgets.forget,
		Pay: act("pay"), Decline: act("decline"), PayTwice: act("twice"), PayInVain: act("refuse-later"),
	}
}

func TestProvider_OnTheBank(t *testing.T) {
	paytest.RunProvider(t, func(t *testing.T) *paytest.ProviderBench { return onBank(t, nil) })
}

func TestNew_Refuses(t *testing.T) {
	good := stripepay.Options{Name: "stripe", Key: "sk_test_1", ReturnURL: "https://railway.example/{ORDER_ID}"}
	_, err := stripepay.New(&good)
	require.NoError(t, err)
	for says, change := range map[string]func(*stripepay.Options){
		"name":           func(o *stripepay.Options) { o.Name = "Stripe" },
		"address":        func(o *stripepay.Options) { o.URL = "bank:80" },
		"key":            func(o *stripepay.Options) { o.Key = "" },
		"spaces":         func(o *stripepay.Options) { o.Key = "sk test" },
		"come back":      func(o *stripepay.Options) { o.ReturnURL = "javascript:alert(1)" },
		"installation":   func(o *stripepay.Options) { o.Source = "two words" },
		"webhook secret": func(o *stripepay.Options) { o.WebhookSecrets = []string{"whsec_1", ""} },
	} {
		o := good
		change(&o)
		_, err := stripepay.New(&o)
		require.ErrorContains(t, err, says)
	}
}

// What a page shows and where it leads, and what is never sent.
func TestAuthorise_SendsIdsAlone(t *testing.T) {
	var bodies []string
	_, p := open(t, func(_ *bank.Options, o *stripepay.Options) {
		o.Transport = seen{o.Transport, &bodies}
	})
	payment := paytest.PaymentToOpen(1)
	charge, err := p.Authorise(t.Context(), payment, "a-key")
	require.NoError(t, err)
	require.Contains(t, bodies[0], "success_url=https%3A%2F%2Frailway.example%2Forders%2Fpage-of%252F"+
		url.QueryEscape(url.QueryEscape(payment.OrderID))+"%3Fpaid")
	require.Contains(t, bodies[0], "capture_method%5D=manual")
	page := fetch(t, charge.RedirectURL)
	require.Contains(t, page, "553.00 EUR")
	require.Contains(t, page, "takes no money")
}

type seen struct {
	http.RoundTripper
	bodies *[]string
}

func (s seen) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if reader, err := r.GetBody(); err == nil {
		body, _ = io.ReadAll(reader)
	}
	*s.bodies = append(*s.bodies, strings.NewReplacer("[", "%5B", "]", "%5D").Replace(string(body)))
	return s.RoundTripper.RoundTrip(r)
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}

// An installation leaves another's charges alone, although they share an account.
func TestProvider_SharesAnAccount(t *testing.T) {
	var other *stripepay.Provider
	_, p := open(t, func(_ *bank.Options, o *stripepay.Options) {
		mine := *o
		mine.Source = "the-other-railway"
		var err error
		other, err = stripepay.New(&mine)
		require.NoError(t, err)
	})
	theirs, ours := paytest.PaymentToOpen(1), paytest.PaymentToOpen(2)
	_, err := other.Authorise(t.Context(), theirs, "key-1")
	require.NoError(t, err)
	_, err = p.Authorise(t.Context(), ours, "key-2")
	require.NoError(t, err)
	charges, _, err := p.List(t.Context(), time.Now().Add(-time.Minute), "", 100)
	require.NoError(t, err)
	require.Len(t, charges, 1)
	require.Equal(t, ours.ID, charges[0].PaymentID)
	charges, next, err := p.List(t.Context(), time.Now().Add(-time.Minute), charges[0].Reference, 1)
	require.NoError(t, err)
	require.Empty(t, charges)
	require.Empty(t, next)
}

func TestTakes(t *testing.T) {
	_, p := open(t, nil)
	for _, c := range []struct {
		minor    int64
		currency rail.Currency
		says     string // "" where it is taken
	}{
		{50, "EUR", ""},
		{49, "EUR", "0.50 EUR"},
		{30, "GBP", ""},
		{99_999_999, "EUR", ""},
		{100_000_000, "EUR", "more than"},
		{100_000_000, "IDR", ""},
		{50, "JPY", ""},
		{49, "JPY", "50 JPY"},
		{5, "ISK", ""},
		{999_999, "ISK", ""},
		{1_000_000, "ISK", "more than"},
		{5, "UGX", ""},
		{100, "MGA", ""},
		{150, "MGA", "whole units"},
		{5120, "KWD", ""},
		{5124, "KWD", "last digit"},
		{1000, "CNY", ""},
		{1000, "IRR", "no currency"},
		{1000, "CLF", "no currency"},
		{1 << 62, "ISK", "more than"},
	} {
		err := p.Takes(rail.Money{Minor: c.minor, Currency: c.currency})
		if c.says == "" {
			require.NoError(t, err, "%v", c)
			continue
		}
		require.ErrorContains(t, err, c.says, "%v", c)
	}
}

// What goes out in Stripe's units comes back in ours.
func TestProvider_EveryKindOfCurrency(t *testing.T) {
	b, p := open(t, nil)
	for _, c := range []struct {
		amount rail.Money
		bank   int64
	}{
		{rail.Money{Minor: 5530, Currency: "CHF"}, 5530},
		{rail.Money{Minor: 5530, Currency: "JPY"}, 5530},
		{rail.Money{Minor: 5530, Currency: "ISK"}, 553_000},
		{rail.Money{Minor: 5500, Currency: "MGA"}, 55},
		{rail.Money{Minor: 5530, Currency: "KWD"}, 5530},
	} {
		payment := paytest.PaymentToOpen(int(c.bank))
		payment.Amount = c.amount
		charge, err := p.Authorise(t.Context(), payment, payment.ID)
		require.NoError(t, err)
		payment.Reference = charge.Reference
		require.Contains(t, fetch(t, charge.RedirectURL), c.amount.String())
		require.True(t, b.Act("pay", charge.Reference))
		charge, err = p.Capture(t.Context(), payment, payment.ID+"c")
		require.NoError(t, err)
		require.Equal(t, c.amount.Minor, charge.Captured, c.amount.String())
		require.Equal(t, c.amount.Currency, charge.Currency)
		ledger, _ := b.Ledger(0, 100)
		require.Equal(t, c.bank, ledger[len(ledger)-1].Captured)
	}
}

// Which errors are for ever.
func TestProvider_Errors(t *testing.T) {
	for _, c := range []struct {
		status  int
		body    string
		refused bool
		unknown bool
	}{
		{400, `{"error":{"type":"invalid_request_error","code":"parameter_invalid_integer"}}`, true, false},
		{400, `{"error":{"type":"idempotency_error"}}`, false, false},
		{400, `{"error":{"type":"invalid_request_error","code":"lock_timeout"}}`, false, false},
		{401, `{"error":{"type":"invalid_request_error","message":"Invalid API Key"}}`, false, false},
		{402, `{"error":{"type":"card_error","code":"card_declined"}}`, true, false},
		{403, `{"error":{"type":"invalid_request_error"}}`, false, false},
		{404, `{"error":{"type":"invalid_request_error","code":"resource_missing"}}`, false, true},
		{409, `{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}`, false, false},
		{429, `{"error":{"type":"invalid_request_error","code":"rate_limit"}}`, false, false},
		{500, `{"error":{"type":"api_error"}}`, false, false},
		{502, `<html>no bank here</html>`, false, false},
		{200, `not JSON`, false, false},
	} {
		calls := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		_, p := open(t, func(_ *bank.Options, o *stripepay.Options) { o.URL = server.URL })
		payment := paytest.PaymentToOpen(1)
		_, err := p.Authorise(t.Context(), payment, "key")
		require.Error(t, err, c.body)
		require.Equal(t, c.refused, errors.Is(err, pay.ErrRefused), "%d %s: %v", c.status, c.body, err)
		require.Equal(t, c.unknown, errors.Is(err, pay.ErrUnknown), "%d %s: %v", c.status, c.body, err)
		require.Equal(t, 1, calls, "the holder of the payment alone repeats")
		server.Close()
	}
}

// A provider that does not answer takes no longer than the deadline, and its error is no refusal.
func TestProvider_KeepsToItsTimeout(t *testing.T) {
	b, p := open(t, func(_ *bank.Options, o *stripepay.Options) { o.Timeout = 50 * time.Millisecond })
	require.NoError(t, b.Behave(bank.Behaviour{AuthoriseDelayMS: 600_000}))
	began := time.Now()
	payment := paytest.PaymentToOpen(1)
	_, err := p.Authorise(t.Context(), payment, "key")
	require.Error(t, err)
	require.NotErrorIs(t, err, pay.ErrRefused)
	require.Less(t, time.Since(began), 10*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = p.Authorise(ctx, payment, "key")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestRefund_AmongMany finds the refund whose key was forgotten behind more than a page of others.
func TestRefund_AmongMany(t *testing.T) {
	bench := onBank(t, nil)
	p := paytest.PaymentToOpen(0)
	charge, err := bench.Provider.Authorise(t.Context(), p, p.ID+"-authorise")
	require.NoError(t, err)
	p.Reference = charge.Reference
	bench.Pay(t, charge)
	_, err = bench.Provider.Capture(t.Context(), p, p.ID)
	require.NoError(t, err)
	const others = 101
	for n := range 1 + others {
		_, err = bench.Provider.Refund(t.Context(), p, 100, fmt.Sprint("refund-", n))
		require.NoError(t, err)
	}
	bench.ForgetKeys()
	charge, err = bench.Provider.Refund(t.Context(), p, 100, "refund-0")
	require.NoError(t, err)
	require.EqualValues(t, 100*(1+others), charge.Refunded)
}
