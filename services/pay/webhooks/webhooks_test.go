package webhooks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/pay/webhooks"
	"interlock/services/rail"
)

// service is a webhooks.Service that does what a test says.
type service func(ctx context.Context, provider string, header http.Header, body []byte) error

func (s service) Webhook(ctx context.Context, provider string, header http.Header, body []byte) error {
	return s(ctx, provider, header, body)
}

func serve(t *testing.T, o webhooks.Options) (*webhooks.Handler, *httptest.Server) {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := webhooks.New(o)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, server
}

func post(t *testing.T, url, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Stripe-Signature", "t=1,v1=abc")
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestHandler_Answers(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		again  bool
	}{
		{nil, http.StatusNoContent, false},
		{rail.Refuse(rail.Unauthenticated, "forged by secret-word"), http.StatusBadRequest, false},
		{rail.Refuse(rail.NotFound, "secret-word"), http.StatusNotFound, false},
		{rail.Refuse(rail.Invalid, "secret-word"), http.StatusRequestEntityTooLarge, false},
		{rail.Refuse(rail.Overloaded, "secret-word"), http.StatusTooManyRequests, true},
		{rail.Refuse(rail.Unavailable, "secret-word"), http.StatusServiceUnavailable, true},
		{fmt.Errorf("secret-word: %w", ledger.ErrInDoubt), http.StatusServiceUnavailable, true},
		{errors.New("secret-word"), http.StatusServiceUnavailable, true},
	} {
		t.Run(fmt.Sprint(c.err), func(t *testing.T) {
			_, server := serve(t, webhooks.Options{Service: service(
				func(_ context.Context, provider string, header http.Header, body []byte) error {
					require.Equal(t, "bank", provider)
					require.Equal(t, "t=1,v1=abc", header.Get("Stripe-Signature"))
					require.Equal(t, "{\"a\": 1}\n", string(body), "the bytes as they are: the signature is of them")
					return c.err
				})})
			response := post(t, server.URL+"/webhooks/bank", "{\"a\": 1}\n")
			require.Equal(t, c.status, response.StatusCode)
			require.Equal(t, c.again, response.Header.Get("Retry-After") != "")
			text, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.NotContains(t, string(text), "secret-word")
		})
	}
}

// TestHandler_NotTaken: none of these reaches the service.
func TestHandler_NotTaken(t *testing.T) {
	_, server := serve(t, webhooks.Options{}) // it would panic
	large := strings.Repeat("x", webhooks.MaxBody+1)
	for name, c := range map[string]struct {
		method, path string
		body         io.Reader
		status       int
	}{
		"a read":       {http.MethodGet, "/webhooks/bank", nil, http.StatusMethodNotAllowed},
		"no name":      {http.MethodPost, "/webhooks/", nil, http.StatusNotFound},
		"another path": {http.MethodPost, "/webhooks/bank/x", nil, http.StatusNotFound},
		"too large":    {http.MethodPost, "/webhooks/bank", strings.NewReader(large), http.StatusRequestEntityTooLarge},
		"too large, of no known length": {
			http.MethodPost, "/webhooks/bank", io.MultiReader(strings.NewReader(large)),
			http.StatusRequestEntityTooLarge,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, c.body)
			require.NoError(t, err)
			response, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer response.Body.Close()
			require.Equal(t, c.status, response.StatusCode)
		})
	}
}

func TestHandler_LargestIsTaken(t *testing.T) {
	taken := 0
	_, server := serve(t, webhooks.Options{Service: service(
		func(_ context.Context, _ string, _ http.Header, body []byte) error { taken = len(body); return nil })})
	require.Equal(t, http.StatusNoContent,
		post(t, server.URL+"/webhooks/stripe", strings.Repeat("x", webhooks.MaxBody)).StatusCode)
	require.Equal(t, webhooks.MaxBody, taken)
}

func TestHandler_TooManyAtOnce(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	h, server := serve(t, webhooks.Options{MaxAtOnce: 1, Service: service(
		func(context.Context, string, http.Header, []byte) error { begun <- struct{}{}; <-goOn; return nil })})
	first := make(chan int)
	go func() { first <- post(t, server.URL+"/webhooks/bank", "{}").StatusCode }()
	<-begun
	require.Equal(t, http.StatusTooManyRequests, post(t, server.URL+"/webhooks/bank", "{}").StatusCode)
	require.EqualValues(t, 1, h.TurnedAway())
	close(goOn)
	require.Equal(t, http.StatusNoContent, <-first)
}

func TestHandler_TooManyASecond(t *testing.T) {
	_, server := serve(t, webhooks.Options{PerSecond: 2, Service: service(
		func(context.Context, string, http.Header, []byte) error { return nil })})
	turned := 0
	for range 20 {
		if post(t, server.URL+"/webhooks/bank", "{}").StatusCode == http.StatusTooManyRequests {
			turned++
		}
	}
	require.Positive(t, turned)
	require.Less(t, turned, 20)
}

// TestHandler_SlowBody: half a webhook holds no place for long.
func TestHandler_SlowBody(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for five seconds")
	}
	_, server := serve(t, webhooks.Options{MaxAtOnce: 1}) // it would panic
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("POST /webhooks/bank HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(15*time.Second)))
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 408")), string(answer[:n]))
}

func TestHandler_ForgedAreLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	_, server := serve(t, webhooks.Options{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Service: service(
			func(context.Context, string, http.Header, []byte) error {
				return rail.Refuse(rail.Unauthenticated, "no")
			}),
	})
	for range 5 {
		post(t, server.URL+"/webhooks/bank", "{}")
	}
	server.Close()
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
}
