package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/pay"
	"interlock/services/pay/payrpc"
	"interlock/services/pay/paytest"
	"interlock/services/rail"
)

// secretFile is a file with one secret.
func secretFile(t testing.TB, letter string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat(letter, 40)+"\n"), 0o600))
	return file
}

// bankSettings are those of a server with payments that take time, and with a bank of its own.
func bankSettings(t testing.TB) *Settings {
	s := embeddedSettings(t)
	s.Payments = bankPayments
	return s
}

// besideServer are settings of interlock pay in the folder of a server with a bank of its own.
func besideServer(r *running) *Settings {
	s := *r.settings
	s.Listen, s.ListenWebhooks, s.BankURL = "127.0.0.1:0", "127.0.0.1:0", r.bank.url()
	return &s
}

// startPay runs interlock pay until the test ends.
func startPay(t testing.TB, s *Settings, log *slog.Logger) *payProcess {
	t.Helper()
	p, err := openPayProcess(t.Context(), s, log)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return p
}

func get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func TestPay_OffLoopbackNeedsToBeClosed(t *testing.T) {
	secret := secretFile(t, "s")
	for name, c := range map[string]struct {
		listen  string
		change  func(*Settings)
		refused bool
	}{
		"loopback":               {"127.0.0.1:0", func(*Settings) {}, false},
		"loopback of IPv6":       {"[::1]:0", func(*Settings) {}, false},
		"all":                    {":0", func(*Settings) {}, true},
		"an address":             {"192.0.2.1:8090", func(*Settings) {}, true},
		"with a secret":          {":0", func(s *Settings) { s.PaySecretFile = secret }, false},
		"with both certificates": {":0", func(s *Settings) { s.PayCA, s.PayCert, s.PayKey = "a", "b", "c" }, false},
		"with its own alone":     {":0", func(s *Settings) { s.PayCert, s.PayKey = "b", "c" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Settings{Listen: c.listen}
			c.change(s)
			access, err := payAccess(s)
			require.NoError(t, err)
			err = s.checkPayExposure(t.Context(), access)
			if !c.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "--pay-secret-file, or --pay-ca with --pay-cert and --pay-key")
		})
	}
}

func TestPay_Refuses(t *testing.T) {
	for wrong, change := range map[string]func(*Settings){
		"needs --payments bank or stripe":      func(s *Settings) { s.Payments, s.BankURL = "sandbox", "" },
		"--pay-url is for servers":             func(s *Settings) { s.PayURL = "http://127.0.0.1:1" },
		"--payments bank needs --bank-url":     func(s *Settings) { s.BankURL = "" },
		"--payments stripe needs --stripe-key": func(s *Settings) { s.Payments, s.BankURL = "stripe", "" },
		"no server is running":                 func(*Settings) {},
		"--mysql needs --messages or --redis":  func(s *Settings) { s.MySQL = []string{"a"} },
		"--mysql needs --lock-redis":           func(s *Settings) { s.MySQL, s.Redis = []string{"a"}, []string{"b"} },
		"--pay-secret-file: ":                  func(s *Settings) { s.PaySecretFile = "/no/such/file" },
		"--pay-cert and --pay-key go together": func(s *Settings) { s.PayCert = "x" },
		"--listen: ":                           func(s *Settings) { s.Listen = "127.0.0.1" },
		"needs --pay-return-url: the page that": func(s *Settings) {
			s.Payments, s.BankURL, s.StripeKeyFile, s.WebhookSecretFile = "stripe", "", "a", "b"
		},
	} {
		t.Run(wrong, func(t *testing.T) {
			s := bankSettings(t)
			s.ListenWebhooks, s.BankURL = "127.0.0.1:0", "http://127.0.0.1:1"
			change(s)
			_, err := openPayProcess(t.Context(), s, discard())
			require.ErrorContains(t, err, wrong)
		})
	}
}

// TestPay_TwoInstallations share an account: neither sees a charge of the other, which it would give back.
func TestPay_TwoInstallations(t *testing.T) {
	s := bankSettings(t)
	s.BankURL = bankBeside(t, s, "127.0.0.1:1").url()
	seen := func(source string, opens bool) int {
		of := *s
		of.PaySource = source
		p, err := openProvider(&of, "", returnPage("http://127.0.0.1"))
		require.NoError(t, err)
		if opens {
			_, err = p.Authorise(t.Context(), paytest.PaymentToOpen(1), "a-key")
			require.NoError(t, err)
		}
		charges, _, err := p.List(t.Context(), time.Now().Add(-time.Hour), "", 100)
		require.NoError(t, err)
		return len(charges)
	}
	require.Equal(t, 1, seen("north", true))
	require.Zero(t, seen("south", false))
}

// TestPay_Apart starts interlock pay in the folder of a server, and calls it.
func TestPay_Apart(t *testing.T) {
	r := start(t, bankSettings(t))
	s := besideServer(r)
	s.PaySecretFile = secretFile(t, "s")
	p := startPay(t, s, discard())

	status, body := get(t, p.url()+"/readyz")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"name":"payments","ok":true`)
	status, _ = get(t, p.url()+"/livez")
	require.Equal(t, http.StatusOK, status)

	access, err := payAccess(s)
	require.NoError(t, err)
	c, err := payrpc.NewClient(payrpc.ClientOptions{URL: p.url(), Access: access, Log: discard()})
	require.NoError(t, err)
	defer c.Close()
	started, err := c.Start(t.Context(), &pay.Payment{
		ID: "p1", OrderID: rail.NewOrderID("G1@2026-12-01", 7, "abc"), RunID: "G1@2026-12-01",
		Amount: rail.Money{Minor: 55_300, Currency: "CNY"},
	}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, pay.Open, started.State)
	status, body = get(t, started.RedirectURL)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "553.00", "the bank's page shows the amount")

	_, body = get(t, p.url()+"/metrics")
	require.Contains(t, body, `interlock_payments_reached_total{state="OPEN"} 1`)
	require.Contains(t, body, "interlock_pay_rpc_calls_total 1")

	var out bytes.Buffer
	s.PayURL = p.url()
	require.NoError(t, payReconcileCommand{Within: time.Hour, JSON: true}.Run(t.Context(), s, discard(), &out))
	require.JSONEq(t, `{"ok":true,"charges":1,"payments":1,"healed":0,"left":0,"differences":[]}`, out.String())
	s.PayURL, s.BankURL = "", "" // It is done by this process then.
	out.Reset()
	require.NoError(t, payReconcileCommand{Within: time.Hour}.Run(t.Context(), s, discard(), &out))
	require.Equal(t, "1 charge of the provider and 1 payment compared: 0 differences healed, 0 differences left\n",
		out.String())

	response, err := http.Post("http://"+p.webhooks.Addr().String()+"/webhooks/bank", "application/json",
		strings.NewReader("{}"))
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusBadRequest, response.StatusCode, "it is not signed")
}

// TestPay_TheServerOfItsFolderEnds: events would go nowhere.
func TestPay_TheServerOfItsFolderEnds(t *testing.T) {
	r := start(t, bankSettings(t))
	p, err := openPayProcess(t.Context(), besideServer(r), discard())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	r.stop()
	require.ErrorContains(t, <-done, "start interlock pay again")
}

func TestReconcile_Prints(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printReconcile(&out, pay.Report{
		Charges: 3, Payments: 1, Healed: 1, Left: 2, Differences: []pay.Difference{
			{PaymentID: "p1", OrderID: "o1", Reference: "cs_1", What: "it was behind", Healed: true},
			{Reference: "cs_2", What: "it is of another currency"},
		},
	}))
	require.Equal(t, `3 charges of the provider and 1 payment compared: 1 difference healed, 2 differences left
healed: it was behind (payment p1, order o1, the provider's cs_1)
left: it is of another currency (payment none, order none, the provider's cs_2)
and 1 more
`, out.String())
}
