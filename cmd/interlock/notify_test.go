package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
	"interlock/internal/servers/serverstest"
	"interlock/services/notify/sqlnotify"
	"interlock/services/rail"
)

const (
	mailsQuery     = `query($o:ID!){order(id:$o){mails{id kind state channel tries answer}}}`
	resendMutation = `mutation($i:ResendTicketInput!){resendTicket(input:$i){delivery{id state} userErrors{code path}}}`
)

// placeWritten places an order of a buyer who is written to, and pays for it.
func (r *running) placeWritten(t *testing.T, run, buyer, language string, documents ...string) (order string) {
	t.Helper()
	input := orderInput(run, "key-of-"+buyer, "")
	var passengers []any
	for _, d := range documents {
		passengers = append(passengers, map[string]any{"name": "王秀英", "documentNumber": d, "seatClass": "HARD_SLEEPER"})
	}
	input["passengers"] = passengers
	input["contact"] = map[string]any{"email": buyer + "@Example.com", "language": language}
	a := r.ask(t, r.token(t, buyer, rail.RolePassenger), placeOrderMutation, map[string]any{"i": input})
	require.Empty(t, a.at(t, "placeOrder.userErrors"), "%s", a.Data)
	order = a.at(t, "placeOrder.order.id").(string)
	r.pay(t, buyer, order)
	return order
}

// letter is a mail as its receiver reads it.
type letter struct {
	id, to, subject, text string
	pdf                   []byte
}

// lettersIn are the mails in a folder.
func lettersIn(t *testing.T, folder string) (all []letter) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.eml"))
	require.NoError(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(all, readLetter(t, b))
	}
	return all
}

func readLetter(t *testing.T, b []byte) letter {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(b))
	require.NoError(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	l := letter{id: strings.Trim(m.Header.Get("Message-Id"), "<> "), to: m.Header.Get("To"), subject: subject}
	l.part(t, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	return l
}

// part reads a part of a mail, and those in it.
func (l *letter) part(t *testing.T, kind, encoding string, body io.Reader) {
	t.Helper()
	media, parameters, err := mime.ParseMediaType(kind)
	require.NoError(t, err)
	if strings.HasPrefix(media, "multipart/") {
		for parts := multipart.NewReader(body, parameters["boundary"]); ; {
			p, err := parts.NextPart() // It decodes what is quoted-printable.
			if errors.Is(err, io.EOF) {
				return
			}
			require.NoError(t, err)
			l.part(t, p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p)
		}
	}
	if encoding == "base64" {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	b, err := io.ReadAll(body)
	require.NoError(t, err)
	switch media {
	case "text/plain":
		l.text = string(b)
	case "application/pdf":
		l.pdf = b
	}
}

// awaitLetters waits until so many mails are in a folder.
func awaitLetters(t *testing.T, folder string, n int) (all []letter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), becomesSo)
	defer cancel()
	held, err := pause.Until(ctx, 20*time.Millisecond, func() (bool, error) {
		all = lettersIn(t, folder)
		return len(all) >= n, nil
	})
	require.NoError(t, err)
	require.True(t, held, "there are %d mails, not %d", len(all), n)
	require.Len(t, all, n)
	return all
}

// partner takes webhooks, and verifies them as partners do.
type partner struct {
	*httptest.Server
	mu     sync.Mutex
	secret string
	told   []string
	// status is what it answers, 0 is 204.
	status int
}

func newPartner(t *testing.T) *partner {
	p := &partner{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		hook, err := standardwebhooks.NewWebhook(p.secret)
		if err == nil {
			err = hook.Verify(body, r.Header)
		}
		switch {
		case err != nil:
			p.told = append(p.told, "forged: "+err.Error())
		case p.status != 0:
			w.WriteHeader(p.status)
			return
		default:
			p.told = append(p.told, string(body))
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *partner) answers(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

// await waits until it was told of something.
func (p *partner) await(t *testing.T, kind, order string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), becomesSo)
	defer cancel()
	held, err := pause.Until(ctx, 20*time.Millisecond, func() (bool, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, one := range p.told {
			var told struct {
				Type string
				Data struct{ OrderID, RunID string }
			}
			if json.Unmarshal([]byte(one), &told) == nil && told.Type == kind && told.Data.OrderID == order {
				return true, nil
			}
		}
		return false, nil
	})
	require.NoError(t, err)
	require.True(t, held, "it was told %v", p.told)
}

const addWebhookMutation = `mutation($i:AddWebhookInput!){addWebhook(input:$i){webhook{id enabled} secret
	userErrors{code path message}}}`

// told has everything told: to a buyer by mails, and to a partner by webhooks. It leaves a run that is suspended.
func told(t *testing.T, r *running, folder string) (run string) {
	p := newPartner(t)
	a := r.ask(t, r.admin, addWebhookMutation, map[string]any{"i": map[string]any{
		"url": p.URL, "events": []string{"interlock.order.paid", "interlock.order.refunded"},
	}})
	require.Empty(t, a.at(t, "addWebhook.userErrors"), "%s", a.Data)
	p.mu.Lock()
	p.secret = a.at(t, "addWebhook.secret").(string)
	p.mu.Unlock()
	hook := a.at(t, "addWebhook.webhook.id")

	run = r.publishT12(t)
	order := r.placeWritten(t, run, "anna", "zh-CN", "D0000001", "D0000002")
	first := awaitLetters(t, folder, 1)[0]
	require.Equal(t, "<anna@example.com>", first.to)
	require.Contains(t, first.subject, "出票成功")
	require.Contains(t, first.text, "王秀英")
	require.True(t, bytes.HasPrefix(first.pdf, []byte("%PDF-")))
	p.await(t, "interlock.order.paid", order)

	anna := r.token(t, "anna", rail.RolePassenger)
	a = r.ask(t, anna, mailsQuery, map[string]any{"o": order})
	require.Equal(t, "paid", a.at(t, "order.mails.0.kind"), "%s", a.Data)
	require.Equal(t, "MAIL", a.at(t, "order.mails.0.channel"))

	// One of two is given back, while the partner is out of order.
	p.answers(http.StatusServiceUnavailable)
	tickets := r.ask(t, anna, `query($o:ID!){order(id:$o){tickets{id}}}`, map[string]any{"o": order})
	given := []any{tickets.at(t, "order.tickets.0.id")}
	quote := r.ask(t, anna, refundQuoteQuery, map[string]any{"o": order, "t": given})
	a = r.ask(t, anna, refundMutation, map[string]any{"i": map[string]any{
		"orderId": order, "ticketIds": given, "quoteId": quote.at(t, "refundQuote.quote.id"), "idempotencyKey": "refund-01",
	}})
	require.Empty(t, a.at(t, "refundTickets.userErrors"), "%s", a.Data)
	awaitLetters(t, folder, 2)
	p.answers(0)
	p.await(t, "interlock.order.refunded", order)

	again := map[string]any{"i": map[string]any{"orderId": order, "idempotencyKey": "resend-01"}}
	for range 2 {
		a = r.ask(t, anna, resendMutation, again)
		require.Empty(t, a.at(t, "resendTicket.userErrors"), "%s", a.Data)
	}
	awaitLetters(t, folder, 3)
	a = r.ask(t, r.token(t, "eve", rail.RolePassenger), resendMutation, again)
	require.Equal(t, "NOT_FOUND", a.at(t, "resendTicket.userErrors.0.code"), "%s", a.Data)

	r.do(t, r.admin, "suspendRun", `runId:$id,reason:"snow"`, run)
	all := awaitLetters(t, folder, 4)
	kinds := map[string]int{}
	for _, l := range all {
		for _, word := range []string{"出票成功", "退票成功", "重新发送车票", "列车暂停运行"} {
			if strings.Contains(l.subject, word) {
				kinds[word]++
			}
		}
	}
	require.Len(t, kinds, 4, "%v", kinds)

	list := r.ask(t, r.admin, `query($f:DeliveryFilter){webhooks{enabled failingSince}
		deliveries(filter:$f){nodes{kind state webhookId}}}`, map[string]any{"f": map[string]any{"webhookId": hook}})
	require.Equal(t, true, list.at(t, "webhooks.0.enabled"), "%s", list.Data)
	require.Equal(t, "interlock.order.refunded", list.at(t, "deliveries.nodes.0.kind"))
	a = r.ask(t, r.admin, `mutation($id:ID!){removeWebhook(input:{webhookId:$id}){removed userErrors{code}}}`,
		map[string]any{"id": hook})
	require.Equal(t, true, a.at(t, "removeWebhook.removed"), "%s", a.Data)
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NotContains(t, fmt.Sprint(p.told), "forged")
	require.NotContains(t, fmt.Sprint(p.told), "anna")
	require.NotContains(t, fmt.Sprint(p.told), "王")
	return run
}

// TestNotify_Inside tells in the server, where nothing is configured.
func TestNotify_Inside(t *testing.T) {
	s := embeddedSettings(t)
	s.Payments, s.InsecureWebhookTargets = "sandbox", true
	told(t, start(t, s), filepath.Join(s.Data, mailsFolder))
}

// TestNotify_BadWebhooks asks for webhooks to where none go: each has a code and a path.
func TestNotify_BadWebhooks(t *testing.T) {
	r := start(t, embeddedSettings(t))
	for url, path := range map[string]string{
		"": "url", "partner.example": "url", "http://partner.example": "url", "https://127.0.0.1/": "url",
		"https://10.1.2.3/": "url", "https://[::1]/": "url", "https://169.254.169.254/latest": "url",
		"https://user:secret@partner.example/": "url", "https://localhost/": "url",
	} {
		a := r.ask(t, r.admin, addWebhookMutation, map[string]any{"i": map[string]any{"url": url}})
		require.Equal(t, "INVALID", a.at(t, "addWebhook.userErrors.0.code"), "%s: %s", url, a.Data)
		require.Equal(t, "[input "+path+"]", fmt.Sprint(a.at(t, "addWebhook.userErrors.0.path")))
	}
	a := r.ask(t, r.admin, addWebhookMutation, map[string]any{"i": map[string]any{
		"url": "https://partner.com", "events": []string{"interlock.order.paid", "order.stolen"},
	}})
	require.Equal(t, "[input events 1]", fmt.Sprint(a.at(t, "addWebhook.userErrors.0.path")), "%s", a.Data)
	require.Empty(t, r.ask(t, r.admin, `{webhooks{id}}`, nil).at(t, "webhooks"))
}

// apart are the settings of a server and of the interlock notify beside it.
func apart(t *testing.T, folder string) (server, beside *Settings) {
	s := realSettings(t, withDatabase(serverstest.MySQL(t)))
	s.NotifySecretFile = filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(s.NotifySecretFile, []byte(strings.Repeat("s", 40)), 0o600))
	ring := filepath.Join(t.TempDir(), "ticket-keys")
	s.TicketKeysFile = ring
	require.NoError(t, ticketKeysCommand{Add: true}.Run(s, io.Discard))
	n := *s
	calls, orders := freeAddress(t), freeAddress(t)
	s.NotifyURL, s.ListenOrders = "http://"+calls, orders
	n.Listen, n.OrdersURL, n.MailFolder, n.MailTLS = calls, "http://"+orders, folder, "starttls"
	n.InsecureWebhookTargets, n.Webhooks = true, true
	options, err := notifyOptions(&n)
	require.NoError(t, err)
	require.NoError(t, sqlnotify.Migrate(t.Context(), options))
	return s, &n
}

// startNotify runs interlock notify until it is stopped, or the test ends.
func startNotify(t *testing.T, s *Settings) (stop func()) {
	t.Helper()
	p, err := openNotifyProcess(t.Context(), s, discard())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

// TestNotify_Apart tells in a process of its own, which reads orders by RPC. What happens while it is away is told when
// it is back.
func TestNotify_Apart(t *testing.T) {
	folder := t.TempDir()
	s, n := apart(t, folder)
	r := start(t, s)
	stop := startNotify(t, n)
	run := told(t, r, folder)
	stop()
	r.do(t, r.admin, "resumeRun", `runId:$id,reason:"thaw"`, run)
	a := r.ask(t, r.admin, `{webhooks{id}}`, nil)
	require.Len(t, a.Errors, 1, "it does not answer: %s", a.Data)
	startNotify(t, n)
	awaitLetters(t, folder, 5)
}

// TestNotify_NotMigrated pays for an order while there are no tables for what is told. It is told once there are.
func TestNotify_NotMigrated(t *testing.T) {
	s := realSettings(t, withDatabase(serverstest.MySQL(t)))
	s.MailFolder = t.TempDir()
	r := start(t, s)
	r.placeWritten(t, r.publishT12(t), "anna", "en", "D0000001")
	_, text := r.readiness(t)
	require.Contains(t, text, "the database is not ready")
	options, err := notifyOptions(s)
	require.NoError(t, err)
	require.NoError(t, sqlnotify.Migrate(t.Context(), options))
	require.Contains(t, awaitLetters(t, s.MailFolder, 1)[0].text, "your order is paid")
}
