package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"interlock/internal/logonce"
	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/rail"
)

const (
	// tries is how often a call is tried, and retryPause the first pause. Each pause is up to twice as long as the one
	// before, and at least half of that: callers that failed together do not come back together.
	tries      = 3
	retryPause = 100 * time.Millisecond
	// dialTimeout, idleTimeout and pingAfter find out that the other side is gone without a word.
	dialTimeout = 3 * time.Second
	idleTimeout = 90 * time.Second
	pingAfter   = 5 * time.Second
	pingTimeout = 3 * time.Second
	// WayTimeout is how much longer a caller waits than the service takes, so that an answer has time to come back.
	WayTimeout = 2 * time.Second
)

// CallerOptions make a Caller.
type CallerOptions struct {
	Words Words
	// URL is where the other process listens: http://host:port, or https:// where it has a certificate.
	URL string
	// Access is what it is shown: the first secret, and a certificate.
	Access Access
	Log    *slog.Logger
	// Lost is what a person is told who reads that the service does not answer, such as "buyers cannot pay just now".
	Lost string
}

// Caller calls a service in another process. It may be used by many goroutines.
//
// A call whose outcome is not known, or that was not let in for want of a server, is tried again with the same ids,
// until it has been tried three times or its context ends. What the service refuses is not.
type Caller struct {
	words     Words
	transport *http.Transport
	// HTTP and Options make a generated client.
	HTTP    *http.Client
	Options []connect.ClientOption
	log     *slog.Logger
	// away and refused log when it does not answer, and when it does not take what it is shown.
	away, refused *logonce.Failure
	counts        struct{ calls, failed, refused, retried atomic.Int64 }
}

// CallerStats count since the start of this process.
type CallerStats struct {
	// Calls are all, Failed those that had no answer in the end, Retried the tries besides the first.
	Calls, Failed, Retried int64
	// Refused are calls for which the secret or the certificate was not the right one.
	Refused int64
}

// NewCaller makes a Caller. It does not connect yet. maxRequest and maxResponse bound messages, in bytes.
func NewCaller(o CallerOptions, maxRequest, maxResponse int) (*Caller, error) {
	at, err := url.Parse(o.URL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" ||
		at.User != nil || at.RawQuery != "" || at.Fragment != "" || at.Path != "" && at.Path != "/" {
		return nil, fmt.Errorf("%q is not http://host:port or https://host:port", o.URL)
	}
	var config *tls.Config
	if at.Scheme == "https" {
		if config, err = o.Access.Certificates.client(); err != nil {
			return nil, err
		}
	} else if o.Access.Certificates != (Certificates{}) {
		return nil, fmt.Errorf("certificates go with https://, not with %s", o.URL)
	}
	service := o.Words.Service
	c := &Caller{
		words: o.Words, transport: newTransport(config), log: o.Log,
		away: logonce.Warn(service+" do not answer: "+o.Lost, service+" answer again"),
		refused: logonce.Error(service+" refuse our secret or certificate: "+o.Lost,
			service+" take our secret or certificate again"),
	}
	c.HTTP = &http.Client{Transport: c.transport}
	c.Options = []connect.ClientOption{
		connect.WithReadMaxBytes(maxResponse), connect.WithSendMaxBytes(maxRequest),
		connect.WithAcceptCompression("gzip", nil, nil), // The two are near each other.
	}
	if len(o.Access.Secrets) > 0 {
		c.Options = append(c.Options, connect.WithInterceptors(showing(o.Access.Secrets.header())))
	}
	return c, nil
}

// newTransport speaks HTTP/2 alone, with or without TLS: calls share a connection, and none waits for another.
func newTransport(config *tls.Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(config != nil)
	protocols.SetUnencryptedHTTP2(config == nil)
	return &http.Transport{
		TLSClientConfig: config, Protocols: protocols, DialContext: dialer.DialContext,
		TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: idleTimeout,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// showing sends a secret with each call.
func showing(header string) connect.Interceptor {
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
			r.Header().Set("Authorization", header)
			return next(ctx, r)
		}
	})
}

// Close closes connections that are idle.
func (c *Caller) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Stats are the counts.
func (c *Caller) Stats() CallerStats {
	return CallerStats{
		Calls: c.counts.calls.Load(), Failed: c.counts.failed.Load(), Retried: c.counts.retried.Load(),
		Refused: c.counts.refused.Load(),
	}
}

// Call makes a call within a time, and repeats it where that may help.
func Call[Q, A any](
	ctx context.Context, c *Caller, within time.Duration, do func(context.Context, *Q) (*A, error), q *Q,
) (*A, error) {
	ctx, cancel := context.WithTimeout(ctx, within+WayTimeout)
	defer cancel()
	for try := 1; ; try++ {
		a, err := Once(ctx, c, do, q)
		again := errors.Is(err, ledger.ErrInDoubt) || rail.CodeOf(err) == rail.Unavailable
		if !again || try == tries {
			return a, err
		}
		wait := retryPause << (try - 1)
		if !pause.For(ctx, wait/2+rand.N(wait/2)) {
			return nil, err
		}
		c.counts.retried.Add(1)
	}
}

// Once makes a call once, and notes what came of it.
func Once[Q, A any](ctx context.Context, c *Caller, do func(context.Context, *Q) (*A, error), q *Q) (*A, error) {
	c.counts.calls.Add(1)
	a, wire := do(ctx, q)
	if wire == nil {
		c.away.Note(ctx, c.log, nil)
		c.refused.Note(ctx, c.log, nil)
		return a, nil
	}
	err := c.words.FromWire(wire)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, err // The caller has left, which says nothing of the service.
	}
	switch rail.CodeOf(err) {
	case rail.Unauthenticated:
		c.counts.refused.Add(1)
		c.refused.Note(ctx, c.log, err)
	case rail.Unavailable:
		c.counts.failed.Add(1)
		c.away.Note(ctx, c.log, err)
	}
	return nil, err
}
