package bank_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/bank"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/pay/stripepay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key    = "sk_test_123"
	secret = "whsec_123"
	// soon is how long a test waits at the most for what must happen.
	soon = 20 * time.Second
)

// railway is who is paid through a bank: it takes webhooks, and has a provider.
type railway struct {
	*bank.Bank
	*stripepay.Provider
	url    string
	client *http.Client

	mu      sync.Mutex
	notices []pay.Notice
	refused []string
	// unwell is how many webhooks it fails to take, before it takes any.
	unwell atomic.Int64
}

// open starts a bank with a railway that it tells of payments.
func open(t *testing.T, change func(*bank.Options)) *railway {
	t.Helper()
	r := &railway{}
	hooks := httptest.NewServer(http.HandlerFunc(r.webhook))
	t.Cleanup(hooks.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.Bank.Handler().ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	options := bank.Options{
		Key: key, URL: server.URL, WebhookURL: hooks.URL, WebhookSecret: secret, RetryAfter: time.Millisecond,
	}
	if change != nil {
		change(&options)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	r.client, r.url = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, server.URL
	var err error
	r.Provider, err = stripepay.New(&stripepay.Options{
		Name: "bank", URL: server.URL, Key: key, WebhookSecrets: []string{secret}, Transport: transport,
		ReturnURL: "https://railway.example/orders/{ORDER_ID}", Timeout: 2 * time.Second,
	})
	require.NoError(t, err)
	r.Bank, err = bank.Open(&options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Bank.Close()) })
	return r
}

func (r *railway) webhook(w http.ResponseWriter, q *http.Request) {
	if r.unwell.Add(-1) >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, _ := io.ReadAll(q.Body)
	notice, err := r.Provider.Webhook(q.Header, body, time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.refused = append(r.refused, err.Error())
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.notices = append(r.notices, notice)
}

// told are the notices until now, and what was refused.
func (r *railway) told() (notices []pay.Notice, refused []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]pay.Notice(nil), r.notices...), append([]string(nil), r.refused...)
}

// opened is a payment whose page is open for a while.
func (r *railway) opened(t *testing.T, payFor time.Duration) *pay.Payment {
	t.Helper()
	p := paytest.PaymentToOpen(1)
	p.PayBy = time.Now().Add(payFor)
	charge, err := r.Authorise(t.Context(), p, p.ID)
	require.NoError(t, err)
	p.Reference, p.RedirectURL = charge.Reference, charge.RedirectURL
	return p
}

// press presses a button on a payment's page, as a browser does.
func (r *railway) press(t *testing.T, p *pay.Payment, what string) {
	t.Helper()
	response, err := r.client.PostForm(p.RedirectURL, url.Values{"do": {what}})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusSeeOther, response.StatusCode)
}

func (r *railway) page(t *testing.T, p *pay.Payment) string {
	t.Helper()
	response, err := r.client.Get(p.RedirectURL)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.NotContains(t, string(body), "<script")
	return string(body)
}

func (r *railway) status(t *testing.T, p *pay.Payment) pay.ChargeStatus {
	t.Helper()
	charge, err := r.Get(t.Context(), p)
	require.NoError(t, err)
	return charge.Status
}

func (r *railway) becomes(t *testing.T, p *pay.Payment, want pay.ChargeStatus) {
	t.Helper()
	require.Eventually(t, func() bool {
		charge, err := r.Get(t.Context(), p)
		return err == nil && charge.Status == want
	}, soon, 5*time.Millisecond)
}

func (r *railway) hears(t *testing.T, n int) []pay.Notice {
	t.Helper()
	require.Eventually(t, func() bool { all, _ := r.told(); return len(all) >= n }, soon, time.Millisecond)
	all, _ := r.told()
	return all
}

// Each button does what it says.
func TestPage(t *testing.T) {
	brief := func(o *bank.Options) {
		o.Think, o.Silence, o.LateBy = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	}
	for button, check := range map[string]func(*testing.T, *railway, *pay.Payment){
		"pay": func(t *testing.T, r *railway, p *pay.Payment) {
			require.Equal(t, pay.ChargeAuthorised, r.status(t, p))
			for _, notice := range r.hears(t, 2) {
				require.Equal(t, p.ID, notice.PaymentID)
				require.Contains(t, []string{"", p.Reference}, notice.Reference)
			}
			require.Contains(t, r.page(t, p), "holds the money")
			r.press(t, p, "decline")
			require.Equal(t, pay.ChargeAuthorised, r.status(t, p), "the page is closed")
		},
		"decline": func(t *testing.T, r *railway, p *pay.Payment) {
			require.Equal(t, pay.ChargeOpen, r.status(t, p))
			require.Contains(t, r.page(t, p), "The bank declined")
			r.hears(t, 1)
		},
		"think": func(t *testing.T, r *railway, p *pay.Payment) {
			require.Contains(t, r.page(t, p), "You will be charged at")
			require.Equal(t, pay.ChargeOpen, r.status(t, p))
			r.becomes(t, p, pay.ChargeAuthorised)
		},
		"twice": func(t *testing.T, r *railway, p *pay.Payment) {
			second := ""
			for _, notice := range r.hears(t, 4) {
				require.Equal(t, p.ID, notice.PaymentID)
				if notice.Reference != "" && notice.Reference != p.Reference {
					second = notice.Reference
				}
			}
			require.NotEmpty(t, second, "the notice names the second charge")
			ledger, next := r.Ledger(0, 10)
			require.Len(t, ledger, 2)
			require.Equal(t, -1, next)
			require.Equal(t, p.ID, ledger[1].PaymentID)
			require.Equal(t, int64(55_300), ledger[1].Authorised)
		},
		"late": func(t *testing.T, r *railway, p *pay.Payment) {
			r.becomes(t, p, pay.ChargeAuthorised)
			require.Greater(t, time.Now(), p.PayBy)
		},
		"refuse-later": func(t *testing.T, r *railway, p *pay.Payment) {
			_, err := r.Capture(t.Context(), p, p.ID+"c")
			require.ErrorIs(t, err, pay.ErrRefused)
			require.Equal(t, pay.ChargeClosed, r.status(t, p))
			require.Contains(t, r.page(t, p), "You have paid nothing")
		},
		"silent": func(t *testing.T, r *railway, p *pay.Payment) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := r.Get(ctx, p)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			r.becomes(t, p, pay.ChargeAuthorised)
		},
		"lose": func(t *testing.T, r *railway, p *pay.Payment) {
			require.Equal(t, pay.ChargeAuthorised, r.status(t, p))
			other := r.opened(t, time.Hour)
			r.press(t, other, "pay")
			for _, notice := range r.hears(t, 2) {
				require.Equal(t, other.ID, notice.PaymentID, "of the first nothing is told")
			}
		},
		"triple": func(t *testing.T, r *railway, p *pay.Payment) {
			times := map[string]int{}
			for _, notice := range r.hears(t, 6) {
				times[notice.ID]++
			}
			require.Len(t, times, 2)
			for id, n := range times {
				require.Equal(t, 3, n, id)
			}
		},
	} {
		t.Run(button, func(t *testing.T) {
			t.Parallel()
			r := open(t, brief)
			payFor := time.Hour
			if button == "late" {
				payFor = time.Second
			}
			p := r.opened(t, payFor)
			shown := r.page(t, p)
			require.Contains(t, shown, `value="`+button+`"`)
			require.Contains(t, shown, "takes no money")
			require.Contains(t, shown, "https://railway.example/orders/"+p.OrderID)
			r.press(t, p, button)
			check(t, r, p)
		})
	}
}

func TestPage_Ends(t *testing.T) {
	r := open(t, nil)
	p := r.opened(t, time.Second)
	r.becomes(t, p, pay.ChargeClosed)
	require.Contains(t, r.page(t, p), "Nothing was paid")
	require.False(t, r.Act("pay", p.Reference))
	require.Equal(t, p.Reference, r.hears(t, 1)[0].Reference)

	p = r.opened(t, time.Hour)
	_, err := r.Release(t.Context(), p, p.ID+"r")
	require.NoError(t, err)
	require.Contains(t, r.page(t, p), "Nothing was paid")
	p.RedirectURL = r.url + "/pay/cs_test_nobody"
	require.Contains(t, r.page(t, p), "no such payment")
	require.False(t, r.Act("pay", "cs_test_nobody"))
	require.False(t, r.Act("no such button", r.opened(t, time.Hour).Reference))
}

// A webhook that is not taken comes again, signed anew.
func TestWebhooks_AreTriedAgain(t *testing.T) {
	r := open(t, nil)
	r.unwell.Store(5)
	p := r.opened(t, time.Hour)
	r.press(t, p, "pay")
	require.Len(t, r.hears(t, 2), 2)
}

func TestBehaviour_Webhooks(t *testing.T) {
	for name, c := range map[string]struct {
		disorders bank.Disorders
		notices   int
		refused   map[string]int
	}{
		"lost":           {bank.Disorders{Lost: 1}, 0, map[string]int{}},
		"tripled":        {bank.Disorders{Tripled: 1}, 6, map[string]int{}},
		"out of order":   {bank.Disorders{Reordered: 1}, 2, map[string]int{}},
		"forged and old": {bank.Disorders{Forged: 1, Old: 1}, 2, map[string]int{"signature": 2, "five minutes": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := open(t, nil)
			require.NoError(t, r.Behave(bank.Behaviour{Webhooks: c.disorders}))
			p := r.opened(t, time.Hour)
			r.press(t, p, "pay")
			wrong := 0
			for _, n := range c.refused {
				wrong += n
			}
			require.Eventually(t, func() bool {
				notices, refused := r.told()
				return len(notices) == c.notices && len(refused) == wrong
			}, soon, time.Millisecond)
			// What comes next is told after all that was told before.
			require.NoError(t, r.Behave(bank.Behaviour{}))
			r.press(t, r.opened(t, time.Hour), "pay")
			r.hears(t, c.notices+2)
			_, refused := r.told()
			for says, n := range c.refused {
				require.Equal(t, n, strings.Count(strings.Join(refused, "\n"), says), says)
			}
			require.Len(t, refused, wrong)
		})
	}
}

func TestBehaviour_Calls(t *testing.T) {
	t.Run("fails before it does anything", func(t *testing.T) {
		r := open(t, nil)
		require.NoError(t, r.Behave(bank.Behaviour{FailRate: 1}))
		p := paytest.PaymentToOpen(1)
		_, err := r.Authorise(t.Context(), p, p.ID)
		require.ErrorContains(t, err, "HTTP 500")
		require.NotErrorIs(t, err, pay.ErrRefused)
		ledger, _ := r.Ledger(0, 10)
		require.Empty(t, ledger)
		require.NoError(t, r.Behave(bank.Behaviour{}))
		_, err = r.Authorise(t.Context(), p, p.ID)
		require.NoError(t, err, "the failure is not kept for the key")
	})
	t.Run("does it and does not answer", func(t *testing.T) {
		r := open(t, nil)
		p := r.opened(t, time.Hour)
		r.press(t, p, "pay")
		require.NoError(t, r.Behave(bank.Behaviour{LostAnswerRate: 1, HangMS: 10}))
		_, err := r.Capture(t.Context(), p, p.ID+"c")
		require.Error(t, err)
		require.NotErrorIs(t, err, pay.ErrRefused)
		require.NoError(t, r.Behave(bank.Behaviour{}))
		charge, err := r.Capture(t.Context(), p, p.ID+"c")
		require.NoError(t, err)
		require.Equal(t, int64(55_300), charge.Captured)
		ledger, _ := r.Ledger(0, 10)
		require.Equal(t, int64(55_300), ledger[0].Captured)
	})
	t.Run("answers after the time-out", func(t *testing.T) {
		r := open(t, nil)
		p := r.opened(t, time.Hour)
		r.press(t, p, "pay")
		require.NoError(t, r.Behave(bank.Behaviour{CaptureDelayMS: 2_300}))
		_, err := r.Capture(t.Context(), p, p.ID+"c")
		require.Error(t, err, "the provider's time-out is two seconds")
		r.becomes(t, p, pay.ChargeCaptured)
	})
	t.Run("pays by itself", func(t *testing.T) {
		r := open(t, func(o *bank.Options) { o.LateBy = 100 * time.Millisecond })
		require.NoError(t, r.Behave(bank.Behaviour{AutoPayMS: 1}))
		r.becomes(t, r.opened(t, time.Hour), pay.ChargeAuthorised)
		require.NoError(t, r.Behave(bank.Behaviour{AutoPayMS: 1, DeclineRate: 1}))
		p := r.opened(t, time.Hour)
		require.Eventually(t, func() bool { return strings.Contains(r.page(t, p), "declined") }, soon, time.Millisecond)
		require.NoError(t, r.Behave(bank.Behaviour{AutoPayMS: 1, TwiceRate: 1}))
		r.becomes(t, r.opened(t, time.Hour), pay.ChargeAuthorised)
		ledger, _ := r.Ledger(0, 10)
		require.Len(t, ledger, 4)
		require.NoError(t, r.Behave(bank.Behaviour{AutoPayMS: 1, LateRate: 1}))
		p = r.opened(t, time.Second)
		r.becomes(t, p, pay.ChargeAuthorised)
		require.Greater(t, time.Now(), p.PayBy)
	})
	t.Run("yes, and then no", func(t *testing.T) {
		r := open(t, nil)
		require.NoError(t, r.Behave(bank.Behaviour{DeclineCaptureRate: 1}))
		p := r.opened(t, time.Hour)
		r.press(t, p, "pay")
		_, err := r.Capture(t.Context(), p, p.ID+"c")
		require.ErrorIs(t, err, pay.ErrRefused)
		ledger, _ := r.Ledger(0, 10)
		require.Equal(t, []int64{55_300, 0, 55_300},
			[]int64{ledger[0].Authorised, ledger[0].Captured, ledger[0].Released})
	})
}

// call makes a call as any client may.
func (r *railway) call(t *testing.T, method, path, body string, header ...string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := r.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// newSession are the parameters of a session, some of them replaced; "" leaves one out.
func newSession(changed ...string) string {
	values := url.Values{
		"mode": {"payment"}, "success_url": {"https://railway.example/"},
		"line_items[0][price_data][currency]": {"eur"}, "line_items[0][price_data][unit_amount]": {"100"},
		"line_items[0][price_data][product_data][name]": {"Tickets"}, "line_items[0][quantity]": {"1"},
	}
	for i := 0; i < len(changed); i += 2 {
		if values.Del(changed[i]); changed[i+1] != "" {
			values.Set(changed[i], changed[i+1])
		}
	}
	return values.Encode()
}

// Refusals have Stripe's shape, and nothing is opened.
func TestAPI_Refuses(t *testing.T) {
	r := open(t, nil)
	past := strconv.FormatInt(time.Now().Add(-time.Minute).Unix(), 10)
	far := strconv.FormatInt(time.Now().Add(25*time.Hour).Unix(), 10)
	const sessions, ledgerPath, behaves = "/v1/checkout/sessions", "/sandbox/ledger", "/sandbox/behaviour"
	const amount, currency = "line_items[0][price_data][unit_amount]", "line_items[0][price_data][currency]"
	stranger, endless := []string{"Authorization", "Bearer x"}, []string{"Idempotency-Key", strings.Repeat("k", 256)}
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		says               string
	}{
		"no key":        {"GET", sessions, "", []string{"Authorization", ""}, 401, "Invalid API Key"},
		"another key":   {"GET", sessions, "", stranger, 401, "Invalid API Key"},
		"unknown path":  {"GET", "/v1/customers", "", nil, 404, "Unrecognized request URL"},
		"no session":    {"GET", sessions + "/cs_0", "", nil, 404, "resource_missing"},
		"no intent":     {"POST", "/v1/payment_intents/pi_0/capture", "", nil, 404, "resource_missing"},
		"no page":       {"GET", sessions + "?starting_after=cs_0", "", nil, 404, "resource_missing"},
		"no mode":       {"POST", sessions, newSession("mode", ""), nil, 400, "parameter_missing"},
		"another mode":  {"POST", sessions, newSession("mode", "setup"), nil, 400, "parameter_invalid"},
		"an extra":      {"POST", sessions, newSession("tip", "1"), nil, 400, "parameter_unknown"},
		"in the past":   {"POST", sessions, newSession("expires_at", past), nil, 400, "expires_at"},
		"too far":       {"POST", sessions, newSession("expires_at", far), nil, 400, "expires_at"},
		"a script":      {"POST", sessions, newSession("success_url", "javascript:x"), nil, 400, "url_invalid"},
		"no amount":     {"POST", sessions, newSession(amount, ""), nil, 400, "unit_amount"},
		"no number":     {"POST", sessions, newSession(amount, "1e3"), nil, 400, "unit_amount"},
		"EUR":           {"POST", sessions, newSession(currency, "EUR"), nil, 400, "currency"},
		"endless":       {"POST", sessions, newSession("metadata[a]", strings.Repeat("x", 501)), nil, 400, "metadata"},
		"endless body":  {"POST", sessions, strings.Repeat("x", 70_000), nil, 400, "cannot be read"},
		"endless key":   {"POST", sessions, newSession(), endless, 400, "cannot be read"},
		"no refund of":  {"POST", "/v1/refunds", "amount=1", nil, 400, "payment_intent"},
		"refunds of":    {"GET", "/v1/refunds", "", nil, 400, "payment_intent"},
		"of no intent":  {"GET", "/v1/refunds?payment_intent=pi_0", "", nil, 404, "resource_missing"},
		"behaviour":     {"POST", behaves, `{"failRate": 2}`, nil, 400, "failRate is from 0 to 1"},
		"bad behaviour": {"POST", behaves, `{"failrat": 1}`, nil, 400, "failrat"},
		"slow":          {"POST", behaves, `{"delayMs": -1}`, nil, 400, "delayMs"},
		"ledger":        {"GET", ledgerPath + "?from=x", "", nil, 400, "from"},
		"ledger's key":  {"GET", ledgerPath, "", stranger, 401, "key"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := r.call(t, c.method, c.path, c.body, c.header...)
			require.Equal(t, c.status, status, answer)
			require.Contains(t, answer, c.says)
			if strings.HasPrefix(c.path, "/v1/") {
				var shape struct {
					Error struct{ Type, Message string }
				}
				require.NoError(t, json.Unmarshal([]byte(answer), &shape))
				require.Equal(t, "invalid_request_error", shape.Error.Type)
				require.NotEmpty(t, shape.Error.Message)
			}
		})
	}
	ledger, _ := r.Ledger(0, 10)
	require.Empty(t, ledger)
}

// A key belongs to one request: the same again is answered the same, another is refused.
func TestAPI_Keys(t *testing.T) {
	r := open(t, nil)
	idempotent := []string{"Idempotency-Key", "k1"}
	status, first := r.call(t, "POST", "/v1/checkout/sessions", newSession(), idempotent...)
	require.Equal(t, http.StatusOK, status, first)
	_, again := r.call(t, "POST", "/v1/checkout/sessions", newSession(), idempotent...)
	require.Equal(t, first, again)
	status, other := r.call(t, "POST", "/v1/checkout/sessions", newSession("client_reference_id", "x"), idempotent...)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, other, "idempotency_error")
	ledger, _ := r.Ledger(0, 10)
	require.Len(t, ledger, 1)
	status, _ = r.call(t, "POST", "/v1/checkout/sessions", newSession("mode", "x"), "Idempotency-Key", "k2")
	require.Equal(t, http.StatusBadRequest, status)
	status, _ = r.call(t, "POST", "/v1/checkout/sessions", newSession(), "Idempotency-Key", "k2")
	require.Equal(t, http.StatusOK, status, "a key of parameters that were refused is free")
}

// The bank's controls over HTTP, as the lab uses them.
func TestControls(t *testing.T) {
	r := open(t, nil)
	status, _ := r.call(t, "POST", "/sandbox/behaviour", `{"autoPayMs": 1, "webhooks": {"lost": 1}}`)
	require.Equal(t, http.StatusOK, status)
	_, answer := r.call(t, "GET", "/sandbox/behaviour", "")
	require.Contains(t, answer, `"autoPayMs":1`)
	p := r.opened(t, time.Hour)
	r.becomes(t, p, pay.ChargeAuthorised)
	_, err := r.Capture(t.Context(), p, p.ID+"c")
	require.NoError(t, err)
	_, err = r.Refund(t.Context(), p, 300, p.ID+"f")
	require.NoError(t, err)
	_, answer = r.call(t, "GET", "/sandbox/ledger", "")
	var ledger struct {
		Charges []bank.Charge
		Next    int
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &ledger))
	require.Equal(t, -1, ledger.Next)
	require.Len(t, ledger.Charges, 1)
	c := ledger.Charges[0]
	require.Equal(t, []any{p.ID, p.OrderID, "eur", "succeeded"}, []any{c.PaymentID, c.OrderID, c.Currency, c.Status})
	require.Equal(t, []int64{55_300, 55_300, 0, 300}, []int64{c.Authorised, c.Captured, c.Released, c.Refunded})
}

// What was answered is there after the process has died, wherever it died in writing a line.
func TestJournal(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "bank")
	keep := func(o *bank.Options) { o.Folder = folder }
	r := open(t, keep)
	open1, paid, taken := r.opened(t, time.Hour), r.opened(t, time.Hour), r.opened(t, time.Hour)
	r.press(t, paid, "pay")
	r.press(t, taken, "pay")
	_, err := r.Capture(t.Context(), taken, taken.ID+"c")
	require.NoError(t, err)
	name := filepath.Join(folder, "bank.jsonl")
	require.Eventually(t, func() bool {
		journal, err := os.ReadFile(name)
		return err == nil && bytes.Count(journal, []byte(`"told":`)) == 5
	}, soon, time.Millisecond)
	before, _ := r.Ledger(0, 10)
	require.NoError(t, r.Bank.Close())
	journal, err := os.ReadFile(name)
	require.NoError(t, err)
	half := `{"session":{"id":"cs_` + strings.Repeat("half", 10_000)
	require.NoError(t, os.WriteFile(name, append(bytes.Clone(journal), half...), 0o600))
	again := open(t, keep)
	after, _ := again.Ledger(0, 10)
	require.Equal(t, before, after)
	require.Equal(t, pay.ChargeOpen, again.status(t, open1))
	require.True(t, again.Act("pay", open1.Reference))
	charge, err := again.Capture(t.Context(), taken, taken.ID+"c")
	require.NoError(t, err, "a key outlives the process")
	require.Equal(t, int64(55_300), charge.Captured)
	for _, notice := range again.hears(t, 2) {
		require.Equal(t, open1.ID, notice.PaymentID, "what was told is not told again")
	}
	require.NoError(t, again.Bank.Close())
	third := open(t, keep)
	require.Equal(t, pay.ChargeAuthorised, third.status(t, open1), "nothing of the half line is left")
	require.NoError(t, third.Bank.Close())

	require.NoError(t, os.WriteFile(name, append([]byte("nonsense\n"), journal...), 0o600))
	_, err = bank.Open(&bank.Options{Key: key, Folder: folder})
	require.ErrorContains(t, err, "bank.jsonl:1")
}

// A webhook that was not taken before the bank died is sent by the next.
func TestJournal_TellsLater(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "bank")
	keep := func(o *bank.Options) { o.Folder, o.RetryAfter = folder, time.Hour }
	r := open(t, keep)
	r.unwell.Store(1 << 40)
	p := r.opened(t, time.Hour)
	r.press(t, p, "pay")
	require.Eventually(t, func() bool { return r.unwell.Load() <= 1<<40-2 }, soon, time.Millisecond)
	require.NoError(t, r.Bank.Close())
	again := open(t, keep)
	require.Len(t, again.hears(t, 2), 2)
}

func TestOpen_Refuses(t *testing.T) {
	_, err := bank.Open(&bank.Options{})
	require.ErrorContains(t, err, "key")
	_, err = bank.Open(&bank.Options{Key: key, WebhookURL: "http://127.0.0.1:1"})
	require.ErrorContains(t, err, "secret")
}

// How many charges a second the bank holds, takes and tells of, with a journal.
func BenchmarkCharges(b *testing.B) {
	opened, err := bank.Open(&bank.Options{Key: key, Folder: b.TempDir()})
	require.NoError(b, err)
	defer func() { require.NoError(b, opened.Close()) }()
	handler := opened.Handler()
	post := func(path, body string) string {
		request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		require.Equal(b, http.StatusOK, answer.Code)
		var object struct{ ID string }
		require.NoError(b, json.Unmarshal(answer.Body.Bytes(), &object))
		return object.ID
	}
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			id := post("/v1/checkout/sessions", newSession("payment_intent_data[capture_method]", "manual"))
			opened.Act("pay", id)
			post("/v1/checkout/sessions", newSession("client_reference_id", id))
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "charges/s")
}
