package partnerhook

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

// What a partner gets is verified by the specification's own library, its time too.
func TestPost(t *testing.T) {
	type received struct {
		*http.Request
		body string
	}
	got := make(chan received, 1)
	sender, net := partner(t, Options{UserAgent: "Railway/2"}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- received{r, string(body)}
		w.WriteHeader(http.StatusAccepted)
	})
	older, newer := NewSecret(), NewSecret()
	now := time.Now()
	body, err := Payload("order.paid", now, map[string]any{"order": "o-1"})
	require.NoError(t, err)
	answer, err := sender.Post(t.Context(), target(newer, older), "msg_1", now, body)
	require.NoError(t, err)
	require.Equal(t, Answer{Status: 202}, answer)
	require.True(t, Accepted(answer.Status))

	r := <-got
	require.Equal(t, "POST /hooks?token=sesame", r.Method+" "+r.RequestURI)
	require.Equal(t, "example.com", r.Host)
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.Equal(t, "Railway/2", r.Header.Get("User-Agent"))
	require.Equal(t, "msg_1", r.Header.Get("webhook-id"))
	require.Equal(t, string(body), r.body)
	require.Empty(t, r.Header.Get("Accept-Encoding"))
	require.Equal(t, []string{publicIP + ":443"}, net.calls())
	for _, secret := range []string{older, newer} {
		library, err := standardwebhooks.NewWebhook(secret)
		require.NoError(t, err)
		require.NoError(t, library.Verify([]byte(r.body), r.Header))
	}
}

func TestPost_Statuses(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, test := range []struct {
		status         int
		retryAfter     string
		wait           time.Duration
		accepted, gone bool
	}{
		{status: 200, accepted: true},
		{status: 204, accepted: true},
		{status: 299, accepted: true},
		{status: 300},
		{status: 301},
		{status: 302},
		{status: 303},
		{status: 304},
		{status: 307},
		{status: 308},
		{status: 400},
		{status: 404},
		{status: 410, gone: true},
		{status: 429, retryAfter: "120", wait: 2 * time.Minute},
		{status: 502},
		{status: 503, retryAfter: "9999999999999999999999", wait: MaxRetryAfter},
		{status: 504},
	} {
		t.Run(http.StatusText(test.status), func(t *testing.T) {
			var calls atomic.Int32
			sender, _ := partner(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				if test.status/100 == 3 {
					w.Header().Set("Location", other.URL)
				}
				if test.retryAfter != "" {
					w.Header().Set("Retry-After", test.retryAfter)
				}
				w.WriteHeader(test.status)
			})
			answer, err := post(t, sender)
			require.NoError(t, err)
			require.Equal(t, Answer{Status: test.status, RetryAfter: test.wait}, answer)
			require.Equal(t, test.accepted, Accepted(answer.Status))
			require.Equal(t, test.gone, Gone(answer.Status))
			require.Equal(t, int32(1), calls.Load())
		})
	}
	require.Zero(t, elsewhere.Load(), "a redirect was followed")
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, " 60 ": time.Minute, "86400": 24 * time.Hour, "86401": 24 * time.Hour,
		"99999999999999999999": 24 * time.Hour,
		"-5":                   0, "+5": 0, "1.5": 0, "1e3": 0, "soon": 0,
		"Fri, 01 May 2026 12:00:30 GMT": 30 * time.Second,
		"Fri, 01 May 2026 11:00:00 GMT": 0,
		"Sun, 01 May 2050 12:00:00 GMT": 24 * time.Hour,
	} {
		require.Equal(t, want, retryAfter(text, now), text)
	}
}

// An attempt ends at its deadline, wherever a partner hangs. A status that was said counts, whatever its body does.
func TestPost_PartnerHangs(t *testing.T) {
	hangs := func(started, release chan struct{}) func(net.Conn) {
		return func(conn net.Conn) {
			close(started)
			<-release
		}
	}
	const timeout = 300 * time.Millisecond
	for _, test := range []struct {
		name, text string
		status     int
		make       func(t *testing.T, release chan struct{}) *Sender
	}{
		{
			name: "looking the name up", text: "no address of its name in time",
			make: func(t *testing.T, _ chan struct{}) *Sender {
				s, _ := reach(t, Options{Timeout: timeout, Resolver: resolverFunc(
					func(ctx context.Context, _ string) ([]netip.Addr, error) {
						<-ctx.Done()
						return nil, ctx.Err()
					})}, "")
				return s
			},
		},
		{
			name: "connecting", text: "no connection in time",
			make: func(t *testing.T, _ chan struct{}) *Sender {
				s := newSender(Options{Timeout: timeout, Resolver: at([]string{publicIP})},
					func(ctx context.Context, network, address string) (net.Conn, error) {
						httptrace.ContextClientTrace(ctx).ConnectStart(network, address) // as net.Dialer does
						<-ctx.Done()
						return nil, ctx.Err()
					})
				t.Cleanup(s.Close)
				return s
			},
		},
		{
			name: "shaking hands", text: "no end of the TLS handshake in time",
			make: func(t *testing.T, release chan struct{}) *Sender {
				s, _ := reach(t, Options{Timeout: timeout}, listen(t, hangs(make(chan struct{}), release)))
				return s
			},
		},
		{
			name: "before the header", text: "no answer in time",
			make: func(t *testing.T, release chan struct{}) *Sender {
				s, _ := partner(t, Options{Timeout: timeout}, func(http.ResponseWriter, *http.Request) { <-release })
				return s
			},
		},
		{
			name: "after an early hint", text: "no answer in time",
			make: func(t *testing.T, release chan struct{}) *Sender {
				s, _ := partner(t, Options{Timeout: timeout}, func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusEarlyHints)
					<-release
				})
				return s
			},
		},
		{
			name: "within the body", status: 200,
			make: func(t *testing.T, release chan struct{}) *Sender {
				s, _ := partner(t, Options{Timeout: timeout}, func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, "t")
					_ = http.NewResponseController(w).Flush()
					<-release
				})
				return s
			},
		},
		{
			name: "after another protocol", status: 101,
			make: func(t *testing.T, release chan struct{}) *Sender {
				s, _ := partner(t, Options{Timeout: timeout}, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Upgrade", "raw")
					w.Header().Set("Connection", "Upgrade")
					w.WriteHeader(http.StatusSwitchingProtocols)
					_ = http.NewResponseController(w).Flush()
					<-release
				})
				return s
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			release := make(chan struct{})
			sender := test.make(t, release)
			defer close(release)
			begun := time.Now()
			answer, err := post(t, sender)
			require.Less(t, time.Since(begun), 20*time.Second)
			if test.status != 0 {
				require.NoError(t, err)
				require.Equal(t, test.status, answer.Status)
				return
			}
			require.EqualError(t, err, test.text)
			require.NotErrorIs(t, err, ErrTarget)
		})
	}
}

func TestPost_CallerGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	sender, _ := partner(t, Options{}, func(http.ResponseWriter, *http.Request) { cancel(); <-release })
	defer close(release)
	_, err := sender.Post(ctx, target(), exampleID, time.Now(), []byte(exampleBody))
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "the attempt was given up before there was an answer")
}

// A partner reads these texts. Nothing that was answered is in them, and nothing of the path and the query.
func TestPost_NoAnswer(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	roots := certificate.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	says := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			secure := tls.Server(conn, certificate.TLS)
			_, _ = secure.Read(make([]byte, 4096))
			_, _ = io.WriteString(secure, text)
			_ = secure.Close()
		}
	}
	for _, test := range []struct {
		name, text string
		serve      func(net.Conn)
		resolver   Resolver
		url        string
		untrusting bool
	}{
		{name: "another protocol", text: "no answer that is HTTP", serve: says("SSH-2.0-sesame\r\n\r\n")},
		{name: "closed", text: "the connection was closed before there was an answer", serve: says("")},
		{
			name: "broken off", text: "the connection was closed before there was an answer",
			serve: says("HTTP/1.1 200 OK\r\nA: sesame"),
		},
		{
			name: "header too large", text: "no answer that is HTTP",
			serve: says("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("sesame", 4096) + "\r\n\r\n"),
		},
		{name: "no TLS", text: "no TLS is spoken there", serve: func(conn net.Conn) {
			_, _ = io.WriteString(conn, "220 sesame.internal ESMTP\r\n")
		}},
		{
			name: "of another name", serve: says(""), url: "https://partner.com/hooks?token=sesame",
			text: "tls: failed to verify certificate: x509: certificate is valid for example.com, " +
				"*.example.com, not partner.com",
		},
		{
			name: "of an unknown authority", serve: says(""), untrusting: true,
			text: "tls: failed to verify certificate: x509: certificate signed by unknown authority",
		},
		{name: "no such name", text: "example.com has no address", resolver: resolverFunc(
			func(_ context.Context, host string) ([]netip.Addr, error) {
				return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.0.0.2:53", IsNotFound: true}
			})},
		{name: "name without addresses", text: "example.com has no address", resolver: at([]string{})},
		{name: "name server fails", text: "example.com could not be looked up", resolver: resolverFunc(
			func(_ context.Context, host string) ([]netip.Addr, error) {
				return nil, &net.DNSError{Err: "server misbehaving", Name: host, Server: "10.0.0.2:53"}
			})},
		{name: "no name server", text: "no address of its name in time", resolver: resolverFunc(
			func(_ context.Context, host string) ([]netip.Addr, error) {
				return nil, &net.DNSError{Err: "i/o timeout", Name: host, Server: "10.0.0.2:53", IsTimeout: true}
			})},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Roots: roots, Resolver: test.resolver}
			if test.untrusting {
				o.Roots = nil
			}
			listener := ""
			if test.serve != nil {
				listener = listen(t, test.serve)
			}
			sender, _ := reach(t, o, listener)
			to := target()
			if test.url != "" {
				to.URL = test.url
			}
			_, err := sender.Post(t.Context(), to, exampleID, time.Now(), []byte(exampleBody))
			require.EqualError(t, err, test.text)
			require.NotErrorIs(t, err, ErrTarget)
		})
	}
}

func TestPost_Refused(t *testing.T) {
	refusing := newSender(Options{Timeout: time.Minute, Resolver: at([]string{publicIP})},
		func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{
				Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IP{10, 0, 0, 1}}, Err: syscall.ECONNREFUSED,
			}
		})
	_, err := post(t, refusing)
	require.EqualError(t, err, "connection refused")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// What no attempt can send goes nowhere.
func TestPost_Message(t *testing.T) {
	sender, net := partner(t, Options{}, func(http.ResponseWriter, *http.Request) {})
	for _, test := range []struct {
		name, id, body string
		to             *Target
		kind           error
	}{
		{name: "no id", body: "{}", to: target(), kind: ErrMessage},
		{name: "full stop in the id", id: "a.b", body: "{}", to: target(), kind: ErrMessage},
		{name: "line end in the id", id: "a\r\nb: c", body: "{}", to: target(), kind: ErrMessage},
		{name: "long id", id: strings.Repeat("a", 129), body: "{}", to: target(), kind: ErrMessage},
		{name: "no body", id: "a", to: target(), kind: ErrMessage},
		{name: "long body", id: "a", body: strings.Repeat("a", MaxBody+1), to: target(), kind: ErrMessage},
		{name: "no secret", id: "a", body: "{}", to: &Target{URL: partnerURL}, kind: ErrMessage},
		{
			name: "http", id: "a", body: "{}", kind: ErrTarget,
			to: &Target{URL: "http://example.com/", Secrets: []string{exampleSecret}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := sender.Post(t.Context(), test.to, test.id, time.Now(), []byte(test.body))
			require.ErrorIs(t, err, test.kind)
		})
	}
	require.Empty(t, net.calls())
	id, body := strings.Repeat("a", 128), []byte(strings.Repeat("a", MaxBody))
	answer, err := sender.Post(t.Context(), target(), id, time.Now(), body)
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status)
}

// A body without an end is left after a few kilobytes, and a short one leaves its connection to the next message.
func TestPost_Bodies(t *testing.T) {
	t.Run("endless", func(t *testing.T) {
		sender, _ := partner(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			for _, err := w.Write(make([]byte, 1<<16)); err == nil; {
				_, err = w.Write(make([]byte, 1<<16))
			}
		})
		begun := time.Now()
		answer, err := post(t, sender)
		require.NoError(t, err)
		require.Equal(t, 200, answer.Status)
		require.Less(t, time.Since(begun), 20*time.Second, "the deadline ended it")
	})
	t.Run("short", func(t *testing.T) {
		sender, net := partner(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("a", 1000))
		})
		for range 3 {
			_, err := post(t, sender)
			require.NoError(t, err)
		}
		require.Len(t, net.calls(), 1)
	})
}

// A proxy would look names up by itself, and connect to what it likes.
func TestPost_NoProxyOfTheEnvironment(t *testing.T) {
	require.NotEmpty(t, os.Getenv("HTTPS_PROXY"), "TestMain sets it")
	sender, _ := partner(t, Options{}, func(http.ResponseWriter, *http.Request) {})
	_, err := post(t, sender)
	require.NoError(t, err)
}

func TestPost_OldTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	sender, _ := reach(t, Options{Roots: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
		server.Listener.Addr().String())
	_, err := post(t, sender)
	require.EqualError(t, err, "TLS was refused: tls: protocol version not supported")
}

// In a lab a target is a plain server on loopback.
func TestPost_Lab(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer server.Close()
	to := &Target{URL: server.URL + "/", Secrets: []string{exampleSecret}}
	for _, allow := range []bool{true, false} {
		sender := New(Options{AllowPrivate: allow})
		_, err := sender.Post(t.Context(), to, exampleID, time.Now(), []byte(exampleBody))
		sender.Close()
		if allow {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, ErrTarget)
		}
	}
	require.Equal(t, int32(1), calls.Load())
}
