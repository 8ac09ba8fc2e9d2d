// Package partnerhook sends webhooks to partners by the Standard Webhooks specification 1.0.0: the payload, the
// signature, and one attempt. The caller keeps what is to be sent, and tries again.
//
// A partner names the address that this server calls. So an address inside the operator's own network is refused, when
// it is given (CheckURL) and each time a connection is made (the specification's section "Server side request
// forgery"): a name may stand for another address by then.
package partnerhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxBody bounds a payload, in bytes. The specification recommends less than 20 kB.
	MaxBody = 20_000
	// DefaultTimeout is how long an attempt may take. The specification recommends 15 to 30 s.
	DefaultTimeout = 20 * time.Second
	// MaxRetryAfter bounds how long a partner may ask us to wait.
	MaxRetryAfter = 24 * time.Hour

	defaultUserAgent = "Interlock-Webhooks/1.0"
	// maxAnswer is how much of an answer's body is read, in bytes. It is read so that the connection can be used again.
	maxAnswer = 4 << 10
	// maxAnswerHeader bounds an answer's header, in bytes.
	maxAnswerHeader = 16 << 10
	// Connections are kept for the next webhook, so many of all partners and of one, so long.
	maxIdle, maxIdlePerHost, idleTimeout = 64, 2, 30 * time.Second
)

// ErrMessage is in an error about a message that no attempt can send: its id, its body, or the target's secrets.
var ErrMessage = errors.New("the webhook cannot be sent")

// Target is where a partner takes webhooks.
type Target struct {
	// URL is as CheckURL returned it.
	URL string
	// Secrets are those that NewSecret made, 1 to 4 of them. Each signs, so that a partner can go from one to the next.
	Secrets []string
}

// Options make a Sender.
type Options struct {
	// AllowPrivate is for tests and labs: http, any port, and targets at loopback and private addresses.
	AllowPrivate bool
	// Timeout bounds an attempt, from the name's look-up to the answer's end; 0 is DefaultTimeout.
	Timeout time.Duration
	// UserAgent is what a partner's log shows; "" is one of our own.
	UserAgent string
	// Roots are the authorities that a partner's certificate may come from; nil are the system's.
	Roots *x509.CertPool
	// Resolver finds the addresses of a name; nil is net.DefaultResolver.
	Resolver Resolver
}

// Sender sends webhooks. It is safe for concurrent use.
type Sender struct {
	options   Options
	transport *http.Transport
}

// Answer is what a partner said.
type Answer struct {
	// Status is the status of the answer. See Accepted and Gone.
	Status int
	// RetryAfter is how long the partner asked us to wait, at most MaxRetryAfter; 0 where it did not ask.
	RetryAfter time.Duration
}

// New makes a Sender. Close it in the end.
func New(o Options) *Sender {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	return newSender(o, newDialer(&o).DialContext)
}

func newSender(o Options, connect dialFunc) *Sender {
	dial := &dialing{options: o, connect: connect}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &Sender{options: o, transport: &http.Transport{
		// Proxy is nil: a proxy of the environment would look the name up by itself.
		DialContext:            dial.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:    o.Timeout, // net/http ends a handshake by its own clock, and not by the request's
		MaxResponseHeaderBytes: maxAnswerHeader,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		DisableCompression:     true,
		Protocols:              &protocols,
	}}
}

// Close lets go of idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Post makes one attempt to send a message. The id is the same at each attempt, so that a partner can tell a message
// that it has: 1 to 128 letters, digits, _ and -, since a full stop would end it in what is signed. At is the time of
// this attempt. The body is what Payload made, at most MaxBody bytes.
//
// Any status is an answer, a redirect too, which is not followed. ErrTarget: the address is refused. ErrMessage: no
// attempt can send this. Any other error: there was no answer. An error's text says nothing of the URL's path and
// query, and nothing that the partner sent but names of its certificate.
func (s *Sender) Post(ctx context.Context, t *Target, id string, at time.Time, body []byte) (Answer, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	var reached stage
	request, err := s.request(httptrace.WithClientTrace(ctx, reached.trace()), t, id, at, body)
	if err != nil {
		return Answer{}, err
	}
	// Not a http.Client: that would follow redirects.
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		return Answer{}, explain(parent, err, request.URL.Hostname(), &reached)
	}
	defer response.Body.Close()
	answer := Answer{Status: response.StatusCode}
	answer.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
	// The connection of a 101 belongs to us, and no context ends a read of it.
	if answer.Status != http.StatusSwitchingProtocols {
		_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // the status has been said, whatever becomes of the rest
	}
	return answer, nil
}

var messageID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func (s *Sender) request(
	ctx context.Context, t *Target, id string, at time.Time, body []byte,
) (*http.Request, error) {
	if !messageID.MatchString(id) {
		return nil, fmt.Errorf("%w: an id is 1 to 128 letters, digits, _ and -", ErrMessage)
	}
	if len(body) == 0 || len(body) > MaxBody {
		return nil, fmt.Errorf("%w: a body has 1 to %d bytes, and this one has %d", ErrMessage, MaxBody, len(body))
	}
	// It was checked when it was given. It may have been by other rules.
	url, err := CheckURL(t.URL, s.options.AllowPrivate)
	if err != nil {
		return nil, err
	}
	signatures, err := sign(t.Secrets, id, at, body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, refused("it is no URL")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", s.options.UserAgent)
	request.Header.Set("Webhook-Id", id)
	request.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	request.Header.Set("Webhook-Signature", signatures)
	return request, nil
}

// Accepted tells whether a partner has taken a message: any 2xx.
func Accepted(status int) bool { return status >= 200 && status <= 299 }

// Gone tells whether a partner wants no more messages: 410.
func Gone(status int) bool { return status == http.StatusGone }

// retryAfter is how long a Retry-After asks to wait (RFC 9110, section 10.2.3): seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if date, err := http.ParseTime(text); err == nil {
		return min(max(date.Sub(now), 0), MaxRetryAfter)
	}
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
		return MaxRetryAfter // so many digits are a long time
	}
	return time.Duration(seconds) * time.Second
}
