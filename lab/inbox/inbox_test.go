package inbox_test

import (
	"context"
	"net/http"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/lab/inbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const letter = "Message-ID: <one@lab.example>\r\nSubject: hello\r\n\r\nhello\r\n"

func send(m *inbox.Mails) error {
	return smtp.SendMail(m.Addr(), nil, "tickets@lab.example", []string{"anna@f1.example"}, []byte(letter))
}

func TestMails(t *testing.T) {
	m, err := inbox.OpenMails()
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	require.NoError(t, send(m))
	all := m.All()
	require.Len(t, all, 1)
	require.Equal(t, "one", all[0].ID)
	require.Equal(t, "anna@f1.example", all[0].To)
	require.True(t, all[0].Answered)
	require.Zero(t, m.Held())
}

// TestMails_Hang keeps two senders waiting: one has handed over its mail. Both are answered in the end.
func TestMails_Hang(t *testing.T) {
	m, err := inbox.OpenMails()
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	m.Hang()
	m.Hang()
	sent := make(chan error, 2)
	for range 2 {
		go func() { sent <- send(m) }()
	}
	require.Eventually(t, func() bool { return m.Held() == 2 }, 10*time.Second, time.Millisecond)
	require.Empty(t, m.All())
	m.GoOn()
	require.NoError(t, <-sent)
	require.NoError(t, <-sent)
	all := m.All()
	require.Len(t, all, 2)
	require.True(t, all[0].Answered && all[1].Answered)
	require.NoError(t, send(m))
}

// TestMails_SenderLeaves has a sender hang up while the server hangs, with the mail.
func TestMails_SenderLeaves(t *testing.T) {
	m, err := inbox.OpenMails()
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	c, err := smtp.Dial(m.Addr())
	require.NoError(t, err)
	require.NoError(t, c.Hello("lab.example"))
	m.Hang()
	require.NoError(t, c.Mail("tickets@lab.example"))
	require.NoError(t, c.Rcpt("anna@f1.example"))
	w, err := c.Data()
	require.NoError(t, err)
	_, err = w.Write([]byte(letter))
	require.NoError(t, err)
	closed := make(chan error, 1)
	go func() { closed <- w.Close() }()
	require.Eventually(t, func() bool { return m.Held() == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, c.Close())
	require.Error(t, <-closed)
	require.Eventually(t, func() bool { return len(m.All()) == 1 }, 10*time.Second, time.Millisecond)
	require.False(t, m.All()[0].Answered)
}

func post(ctx context.Context, w *inbox.Webhooks, body string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL(), strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Close = true
	request.Header.Set("webhook-id", "one")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func TestWebhooks_Hang(t *testing.T) {
	w, err := inbox.OpenWebhooks()
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close()) }()
	const body = `{"type":"interlock.order.paid","data":{"orderId":"o","runId":"r","version":2}}`
	status, err := post(t.Context(), w, "rubbish")
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status)
	w.Hang()
	ctx, leave := context.WithCancel(t.Context())
	posted := make(chan error, 2)
	for _, of := range []context.Context{ctx, t.Context()} {
		go func() {
			_, err := post(of, w, body)
			posted <- err
		}()
	}
	require.Eventually(t, func() bool { return w.Held() == 2 }, 10*time.Second, time.Millisecond)
	leave()
	require.ErrorIs(t, <-posted, context.Canceled)
	require.Eventually(t, func() bool { return len(w.All()) == 1 }, 10*time.Second, time.Millisecond)
	w.GoOn()
	require.NoError(t, <-posted)
	all := w.All()
	require.Len(t, all, 2)
	require.False(t, all[0].Answered)
	require.True(t, all[1].Answered)
	all[0].At = time.Time{}
	require.Equal(t, inbox.Webhook{
		Receipt: inbox.Receipt{ID: "one"}, Type: "interlock.order.paid", Order: "o", Run: "r", Version: 2,
	}, all[0])
}
