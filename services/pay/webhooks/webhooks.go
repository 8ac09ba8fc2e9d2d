// Package webhooks takes what providers of payments tell over HTTP: POST /webhooks/NAME. The world can reach it, so
// sizes, times and numbers are bounded, and the answers say nothing but whether to send it again.
//
// An answer of 2xx says that all that follows from the webhook is durable. 400: it is not signed rightly, or too long
// ago. 404: there is no such provider. 413: it is too large. 429 and 503: send it again later.
package webhooks

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"interlock/internal/logonce"
	"interlock/services/rail"
)

const (
	// Path is where the paths of webhooks begin. The provider's name follows.
	Path = "/webhooks/"
	// MaxBody bounds a webhook's body, in bytes.
	MaxBody = 64 << 10
	// DefaultMaxAtOnce is how many are read and heeded at a time.
	DefaultMaxAtOnce = 256
	// DefaultPerSecond is how many a second are begun. A busy sale of a hundred payments a second has three for each
	// payment.
	DefaultPerSecond = 2_000
	// readTimeout is how long a body may take, answerTimeout how long an answer may.
	readTimeout   = 5 * time.Second
	answerTimeout = 25 * time.Second
	// retryAfter is what a provider is told that is to send a webhook again.
	retryAfter = 5 * time.Second
	// forgedCalm is how long nothing forged must have come until the next is logged again.
	forgedCalm = 10 * time.Minute
)

// Service heeds webhooks. See pay.Service.
type Service interface {
	// Webhook answers nil once all that follows is durable. UNAUTHENTICATED: it is not signed rightly, or too long ago.
	// NOT_FOUND: there is no provider of that name. After any other error the provider is to send it again.
	Webhook(ctx context.Context, provider string, header http.Header, body []byte) error
}

// Options make a Handler.
type Options struct {
	Service Service
	Log     *slog.Logger
	// MaxAtOnce and PerSecond are the defaults where they are 0.
	MaxAtOnce, PerSecond int
}

// Handler serves webhooks, at Path.
type Handler struct {
	options Options
	mux     *http.ServeMux
	pace    *rate.Limiter
	atOnce  chan struct{}
	// forged and failing log when webhooks begin to be refused, or cannot be heeded.
	forged, failing *logonce.Failure
	turnedAway      atomic.Int64
}

// New makes a Handler.
func New(o Options) *Handler {
	if o.MaxAtOnce == 0 {
		o.MaxAtOnce = DefaultMaxAtOnce
	}
	if o.PerSecond == 0 {
		o.PerSecond = DefaultPerSecond
	}
	h := &Handler{
		options: o, mux: http.NewServeMux(), pace: rate.NewLimiter(rate.Limit(o.PerSecond), o.PerSecond),
		atOnce: make(chan struct{}, o.MaxAtOnce),
		forged: logonce.Warn("webhooks that are not signed rightly are refused: the secret may be another one now, or "+
			"somebody forges them", "webhooks are signed rightly again"),
		failing: logonce.Warn("webhooks cannot be heeded: the provider sends them again", "webhooks are heeded again"),
	}
	h.forged.Calm = forgedCalm
	h.mux.HandleFunc("POST "+Path+"{provider}", h.take)
	return h
}

// TurnedAway is how many came while too many others were there, since the start of this process.
func (h *Handler) TurnedAway() int64 { return h.turnedAway.Load() }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Only a test's writer has no deadlines.
	controller := http.NewResponseController(w)
	_ = controller.SetReadDeadline(time.Now().Add(readTimeout))
	_ = controller.SetWriteDeadline(time.Now().Add(readTimeout + answerTimeout))
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request) {
	if !h.pace.Allow() {
		h.turnAway(w)
		return
	}
	select {
	case h.atOnce <- struct{}{}:
		defer func() { <-h.atOnce }()
	default:
		h.turnAway(w)
		return
	}
	if r.ContentLength > MaxBody {
		say(w, http.StatusRequestEntityTooLarge)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		say(w, http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		say(w, http.StatusRequestTimeout)
		return
	}
	// The time to read is over. Under HTTP/1.1 its end would end the request.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	h.answer(ctx, w, h.options.Service.Webhook(ctx, r.PathValue("provider"), r.Header, body))
}

// answer tells the provider whether to send it again. No answer has words of an error: any caller may have asked.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, err error) {
	switch rail.CodeOf(err) {
	case "":
		h.forged.Note(ctx, h.options.Log, nil)
		h.failing.Note(ctx, h.options.Log, nil)
		w.WriteHeader(http.StatusNoContent)
	case rail.Unauthenticated:
		h.forged.Note(ctx, h.options.Log, err)
		say(w, http.StatusBadRequest)
	case rail.NotFound:
		say(w, http.StatusNotFound)
	case rail.Invalid:
		say(w, http.StatusRequestEntityTooLarge)
	case rail.Overloaded:
		h.turnAway(w)
	default:
		h.failing.Note(ctx, h.options.Log, err)
		again(w)
		say(w, http.StatusServiceUnavailable)
	}
}

func (h *Handler) turnAway(w http.ResponseWriter) {
	h.turnedAway.Add(1)
	again(w)
	say(w, http.StatusTooManyRequests)
}

func again(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
}

// say answers with a status alone. What was not read of the body is not waited for.
func say(w http.ResponseWriter, status int) {
	w.Header().Set("Connection", "close")
	http.Error(w, http.StatusText(status), status)
}
