package outgoing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/notify/letters"
	"interlock/services/notify/outgoing"
	"interlock/services/notify/partnerhook"
	"interlock/services/notify/smtpmail"
	"interlock/services/rail"
	"interlock/services/ticketpdf"
)

// carrier keeps the mails that it is given, and answers with an error.
type carrier struct {
	mails []*smtpmail.Mail
	err   error
}

func (c *carrier) Send(_ context.Context, m *smtpmail.Mail) error {
	c.mails = append(c.mails, m)
	return c.err
}

func mailer(t *testing.T, c *carrier) *outgoing.Mailer {
	t.Helper()
	templates, err := letters.Open("")
	require.NoError(t, err)
	return &outgoing.Mailer{
		Templates: templates, Printer: &ticketpdf.Printer{}, Sender: c, Log: slog.New(slog.DiscardHandler),
		Domain: "railway.example", OrderPage: "https://railway.example/orders/{ORDER_ID}",
	}
}

func order() *notify.Order {
	at := time.Date(2030, 5, 1, 9, 0, 0, 0, time.UTC)
	return &notify.Order{
		ID: "T1@2030-05-01/1", Number: "4F7K2M9QX8TB", PageID: "page-1", State: rail.Paid, Train: "T1",
		Contact: rail.Contact{Email: "anna@example.com", Language: "en"},
		From:    notify.Stop{Name: "北京", At: at}, To: notify.Stop{Name: "上海", At: at.Add(time.Hour)},
		Tickets: []notify.Ticket{{
			Passenger: "王秀英", Coach: "3", Seat: "23B", Price: rail.Money{Minor: 100, Currency: "CNY"}, State: rail.TicketIssued,
		}},
	}
}

func delivery(kind notify.Kind) *notify.Delivery {
	return &notify.Delivery{
		ID: strings.Repeat("0f", 32), Channel: notify.Mail, Kind: kind, OrderID: "T1@2030-05-01/1", RunID: "T1@2030-05-01",
		Subject: 2, At: time.Date(2030, 4, 1, 9, 0, 0, 0, time.UTC), State: notify.Pending, Tries: 1,
	}
}

// TestMailer_SameMail writes the same mail each time, with the tickets where one can travel with them.
func TestMailer_SameMail(t *testing.T) {
	c := &carrier{}
	m := mailer(t, c)
	for range 2 {
		require.Equal(t, notify.Sent, m.Mail(t.Context(), delivery(notify.Paid), order()).State)
	}
	require.Equal(t, c.mails[0], c.mails[1])
	mail := c.mails[0]
	require.Equal(t, strings.Repeat("0f", 32)+"@railway.example", mail.MessageID)
	require.Equal(t, "anna@example.com", mail.To)
	require.Equal(t, delivery(notify.Paid).At, mail.At)
	require.Contains(t, mail.Text, "https://railway.example/orders/page-1")
	require.Len(t, mail.Attachments, 1)
	require.Equal(t, "tickets-4F7K2M9QX8TB.pdf", mail.Attachments[0].Name)
	require.True(t, bytes.HasPrefix(mail.Attachments[0].Data, []byte("%PDF-")))

	given := order()
	given.State, given.Tickets[0].State = rail.Returned, rail.TicketRefunded
	require.Equal(t, notify.Sent, m.Mail(t.Context(), delivery(notify.Refunded), given).State)
	require.Empty(t, c.mails[2].Attachments, "nobody can travel with it")
	require.Equal(t, notify.Sent, m.Mail(t.Context(), delivery(notify.Suspended), order()).State)
	require.Empty(t, c.mails[3].Attachments)
}

// TestMailer_Outcomes holds what a mail server said against what becomes of the delivery.
func TestMailer_Outcomes(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want notify.State
	}{
		"taken":            {nil, notify.Sent},
		"refused for good": {fmt.Errorf("RCPT: %w", smtpmail.ErrRefused), notify.Refused},
		"perhaps taken":    {fmt.Errorf("DATA: %w", smtpmail.ErrUnknown), notify.Pending},
		"no answer":        {errors.New("connection refused"), notify.Pending},
		"took too long":    {context.DeadlineExceeded, notify.Pending},
	} {
		outcome := mailer(t, &carrier{err: c.err}).Mail(t.Context(), delivery(notify.Paid), order())
		require.Equal(t, c.want, outcome.State, name)
		require.Equal(t, c.want == notify.Pending, outcome.State == notify.Pending && outcome.Reason != "", name)
	}
}

// TestPoster_Outcomes holds what a partner answers against what becomes of the delivery. What is told has ids alone.
func TestPoster_Outcomes(t *testing.T) {
	var status atomic.Int64
	var body atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err == nil {
			text := string(b)
			body.Store(&text)
		}
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(int(status.Load()))
	}))
	defer server.Close()
	sender := partnerhook.New(partnerhook.Options{AllowPrivate: true})
	defer sender.Close()
	p := &outgoing.Poster{
		Sender: sender, Log: slog.New(slog.DiscardHandler), AllowPrivate: true,
		PageID: func(id string) string { return "page of " + id },
		RunID:  func(id rail.RunID) string { return "page of " + string(id) },
	}
	d := delivery(notify.Kind(ledger.EventOrderPaid))
	endpoint := &notify.Endpoint{URL: server.URL, Secrets: []string{p.NewSecret()}}
	for code, want := range map[int]notify.Outcome{
		200: {State: notify.Sent, Answer: 200}, 204: {State: notify.Sent, Answer: 204},
		302: {State: notify.Pending, Answer: 302, Reason: "it was not accepted"},
		400: {State: notify.Pending, Answer: 400, Reason: "it was not accepted"},
		410: {State: notify.Refused, Answer: 410, Reason: "it wants nothing more", Gone: true},
		503: {State: notify.Pending, Answer: 503, Reason: "it was not accepted"},
	} {
		status.Store(int64(code))
		outcome := p.Post(t.Context(), d, endpoint)
		outcome.RetryIn = 0
		require.Equal(t, want, outcome, code)
	}
	var told struct {
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(*body.Load()), &told))
	require.Equal(t, "interlock.order.paid", told.Type)
	require.Equal(t, d.At, told.Timestamp)
	require.Equal(t, map[string]any{
		"orderId": "page of T1@2030-05-01/1", "runId": "page of T1@2030-05-01", "version": 2.0,
	}, told.Data)

	server.Close()
	outcome := p.Post(t.Context(), d, endpoint)
	require.Equal(t, notify.Pending, outcome.State)
	require.Zero(t, outcome.Answer)
	require.NotEmpty(t, outcome.Reason)
	endpoint.Secrets = []string{"no secret"}
	require.Equal(t, notify.Refused, p.Post(t.Context(), d, endpoint).State)
	_, err := p.CheckURL("ftp://partner.example")
	require.Error(t, err)
}
