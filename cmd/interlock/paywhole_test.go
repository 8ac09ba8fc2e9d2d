package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/pay"
	"interlock/services/rpc/rpctest"
)

// payingServer is a server whose buyers pay at a sandbox bank.
type payingServer struct {
	*running
	run  string
	bank *ownBank
}

// payInside is a server that takes payments itself, and has a bank of its own.
func payInside(t *testing.T) *payingServer {
	r := start(t, bankSettings(t))
	return &payingServer{running: r, run: r.publishT12(t), bank: r.bank}
}

// payApart is a server, interlock pay and a bank, each at a port of its own.
func payApart(t *testing.T, s *Settings) *payingServer {
	calls, hooks := freeAddress(t), freeAddress(t)
	apart := *s
	apart.PayURL = ""
	s.PayURL = "http://" + calls
	if s.PayCert != "" {
		s.PayURL = "https://" + calls
	}
	r := start(t, s)
	b := bankBeside(t, s, hooks)
	apart.Listen, apart.ListenWebhooks, apart.BankURL = calls, hooks, b.url()
	startPay(t, &apart, discard())
	return &payingServer{running: r, run: r.publishT12(t), bank: b}
}

// bankBeside runs a bank, which tells an address of payments, until the test ends.
func bankBeside(t *testing.T, s *Settings, tells string) *ownBank {
	t.Helper()
	b, err := openBank(t.Context(), s, discard(), "http://"+tells)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; require.NoError(t, b.Close()) })
	return b
}

// freeAddress is an address on loopback without a listener.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

const startPayment = `mutation($i:PayOrderInput!){payOrder(input:$i){order{state} payment{state redirectUrl}
	userErrors{code message}}}`

// place puts an order on hold.
func (p *payingServer) place(t *testing.T, document string) (orderID string) {
	t.Helper()
	a := p.ask(t, p.passenger, placeOrderMutation, map[string]any{"i": orderInput(p.run, "key-of-"+document, document)})
	require.Empty(t, a.at(t, "placeOrder.userErrors"), "%s", a.Data)
	return a.at(t, "placeOrder.order.id").(string)
}

// pay asks for the page of the bank.
func (p *payingServer) pay(t *testing.T, orderID, key string) (page string) {
	t.Helper()
	a := p.ask(t, p.passenger, startPayment,
		map[string]any{"i": map[string]any{"orderId": orderID, "idempotencyKey": key}})
	require.Empty(t, a.at(t, "payOrder.userErrors"), "%s", a.Data)
	require.Equal(t, "PENDING", a.at(t, "payOrder.payment.state"))
	require.Equal(t, "ON_HOLD", a.at(t, "payOrder.order.state"))
	page, _ = a.at(t, "payOrder.payment.redirectUrl").(string)
	require.Contains(t, page, p.bank.url())
	response, err := http.Get(page)
	require.NoError(t, err)
	shown, err := io.ReadAll(response.Body)
	require.NoError(t, errors.Join(err, response.Body.Close()))
	require.Contains(t, string(shown), "/playground?order="+orderID+`"`,
		"it leads back to the order by the id it has here")
	return page
}

// choose does at the bank's page what a person does who presses a button.
func choose(t *testing.T, page, what string) {
	t.Helper()
	response, err := http.PostForm(page, url.Values{"do": {what}})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Less(t, response.StatusCode, http.StatusBadRequest, what)
}

// becomes waits until an order is told to be in a state.
func becomes(t *testing.T, next func() map[string]any, state string) {
	t.Helper()
	var seen []string
	for {
		message := next()
		b, err := json.Marshal(message["payload"])
		require.NoError(t, err)
		var a answer
		require.NoError(t, json.Unmarshal(b, &a), "%s", b)
		now, _ := a.at(t, "orderChanged.state").(string)
		if seen = append(seen, now); now == state {
			return
		}
		require.NotContains(t, []string{"PAID", "CANCELLED", "EXPIRED"}, now, "%v", seen)
	}
}

const orderSubscription = `subscription($o:ID!){orderChanged(orderId:$o){state}}`

// charges are what the bank has of payments.
func (p *payingServer) charges(t *testing.T) []pay.Charge {
	t.Helper()
	s := *p.settings
	s.BankURL = p.bank.url()
	provider, err := openProvider(&s, "", returnPage("http://127.0.0.1"))
	require.NoError(t, err)
	all, next, err := provider.List(t.Context(), time.Now().Add(-time.Hour), "", 100)
	require.NoError(t, err)
	require.Empty(t, next)
	return all
}

// TestPay_AtTheBank buys, pays on the bank's page, and watches what becomes of the order. The money is asked for at the
// bank.
func TestPay_AtTheBank(t *testing.T) {
	ca := rpctest.NewAuthority(t, "ca")
	own := ca.Issue(t, ca)
	for name, with := range map[string]func(*testing.T) *payingServer{
		"inside": payInside,
		"apart":  func(t *testing.T) *payingServer { return payApart(t, bankSettings(t)) },
		"apart, with certificates": func(t *testing.T) *payingServer {
			s := bankSettings(t)
			s.PayCA, s.PayCert, s.PayKey = own.CA, own.Own, own.Key
			return payApart(t, s)
		},
		"apart, with a secret, on MySQL": func(t *testing.T) *payingServer {
			s := realSettings(t, withDatabase(serverstest.MySQL(t)))
			s.Payments, s.PaySecretFile = bankPayments, secretFile(t, "s")
			s.PayURL = "http://127.0.0.1" // Without it, the bank's address is asked for.
			require.NoError(t, migrateCommand{}.Run(t.Context(), s, discard()))
			return payApart(t, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := with(t)
			for i, c := range []struct {
				do, state, reason string
				kept              int64
			}{
				// The train has two such seats. A capture that fails puts its seat on sale again.
				{"refuse-later", "CANCELLED", "the payment was not completed", 0},
				{"twice", "PAID", "", 1}, // The second goes back.
				{"triple", "PAID", "", 1},
			} {
				id := p.place(t, fmt.Sprint("E1000", i))
				next := p.watch(t, p.passenger, orderSubscription, map[string]any{"o": id})
				page := p.pay(t, id, "pay-of-"+c.do)
				require.Equal(t, page, p.pay(t, id, "pay-of-"+c.do), "the same payment")
				choose(t, page, c.do)
				becomes(t, next, c.state)
				again := p.ask(t, p.passenger, startPayment,
					map[string]any{"i": map[string]any{"orderId": id, "idempotencyKey": "pay-of-" + c.do}})
				if c.state == "PAID" {
					require.Equal(t, "SUCCEEDED", again.at(t, "payOrder.payment.state"))
				} else {
					require.Equal(t, "WRONG_STATE", again.at(t, "payOrder.userErrors.0.code"))
					require.Equal(t, c.reason, p.ask(t, p.passenger, `query($o:ID!){order(id:$o){stateReason}}`,
						map[string]any{"o": id}).at(t, "order.stateReason"))
				}
				order, err := base64.RawURLEncoding.DecodeString(id)
				require.NoError(t, err)
				p.settles(t, strings.TrimPrefix(string(order), "Order:"), c.kept, c.do)
			}
		})
	}
}

// settles waits until the bank has nothing of an order left to do, and holds it against how many charges are to be
// kept.
func (p *payingServer) settles(t *testing.T, orderID string, kept int64, about string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var taken, open, seen int64
		for _, c := range p.charges(t) {
			if c.OrderID != orderID {
				continue
			}
			seen++
			require.GreaterOrEqual(t, c.Authorised, c.Captured+c.Released)
			if c.Captured > c.Refunded {
				taken++
			}
			if c.Authorised > c.Captured+c.Released {
				open++
			}
		}
		return seen > 0 && open == 0 && taken == kept
	}, 20*time.Second, 50*time.Millisecond, about)
}

// TestPay_WrongSecret: buyers are told that nothing can be paid. The log says why.
func TestPay_WrongSecret(t *testing.T) {
	right := bankSettings(t)
	right.PaySecretFile = secretFile(t, "s")
	p := payApart(t, right)
	s := *p.settings
	s.Data, s.PaySecretFile = t.TempDir(), secretFile(t, "w")
	var log printed
	r := startLogging(t, &s, slog.New(slog.NewTextHandler(&log, nil)))
	wrong := &payingServer{running: r, run: r.publishT12(t), bank: p.bank}
	id := wrong.place(t, "E10001")
	for range 3 {
		a := r.ask(t, r.passenger, startPayment,
			map[string]any{"i": map[string]any{"orderId": id, "idempotencyKey": "pay-of-E10001"}})
		require.Equal(t, "PAYMENT_UNAVAILABLE", a.at(t, "payOrder.userErrors.0.code"), "%s", a.Data)
	}
	status, body := get(t, r.url+"/readyz")
	require.Equal(t, http.StatusOK, status, "seats are sold")
	require.Contains(t, body, "interlock pay refuses our secret or certificate: orders cannot be paid")
	_, body = get(t, r.url+"/metrics")
	require.NotContains(t, body, "interlock_pay_client_refused_total 0\n")
	require.Contains(t, body, "interlock_pay_client_refused_total")
	require.Equal(t, 1, strings.Count(log.String(), "payments refuse our secret"), log.String())
	require.NotContains(t, log.String(), "wwww")
}

// TestPay_Away: pay does not run, and is not there yet. An order that is on hold can be paid once it is.
func TestPay_Away(t *testing.T) {
	s := bankSettings(t)
	calls, hooks := freeAddress(t), freeAddress(t)
	apart := *s
	s.PayURL = "http://" + calls
	r := start(t, s)
	b := bankBeside(t, s, hooks)
	p := &payingServer{running: r, run: r.publishT12(t), bank: b}
	id := p.place(t, "E10001")
	a := p.ask(t, p.passenger, startPayment,
		map[string]any{"i": map[string]any{"orderId": id, "idempotencyKey": "pay-of-E10001"}})
	require.Equal(t, "UNAVAILABLE", a.Errors[0].Extensions.Code)
	require.Positive(t, a.Errors[0].Extensions.RetryAfterMs)
	_, body := get(t, r.url+"/readyz")
	require.Contains(t, body, "interlock pay does not answer: orders cannot be paid")

	apart.Listen, apart.ListenWebhooks, apart.BankURL = calls, hooks, b.url()
	startPay(t, &apart, discard())
	next := p.watch(t, p.passenger, orderSubscription, map[string]any{"o": id})
	choose(t, p.pay(t, id, "pay-of-E10001"), "pay")
	becomes(t, next, "PAID")
}
