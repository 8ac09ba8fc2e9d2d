package bank

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"
)

// event tells of a change. https://docs.stripe.com/api/events/object
type event struct {
	ID   string          `json:"id"`
	Body json.RawMessage `json:"body"`
}

func newEvent(kind string, object any) *event {
	id := newID("evt_")
	body, err := json.Marshal(map[string]any{
		"id": id, "object": "event", "api_version": stripe.APIVersion, "created": time.Now().Unix(), "type": kind,
		"livemode": false, "pending_webhooks": 1, "data": map[string]any{"object": object},
	})
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return &event{ID: id, Body: body}
}

const (
	// maxTries is how often a webhook is sent: for about eight minutes.
	maxTries = 12
	// maxRetryAfter bounds the pause between two tries.
	maxRetryAfter = time.Minute
	// maxWaiting bounds the webhooks that wait; those beyond it are lost, and the log says so.
	maxWaiting = 50_000
	// maxSending bounds the webhooks that are sent at a time.
	maxSending = 64
	// sendTimeout is how long an answer may take.
	sendTimeout = 5 * time.Second
	// strayFor is how long a webhook that is out of order may be late.
	strayFor = 1500 * time.Millisecond
	// oldBy is how old a webhook is that is to be too old.
	oldBy = time.Hour
)

// hooks sends webhooks.
type hooks struct {
	ctx     context.Context
	options *Options
	told    func(id string)
	client  *http.Client
	waiting atomic.Int64
	sending chan struct{}
	running sync.WaitGroup
}

func newHooks(ctx context.Context, o *Options, told func(id string)) *hooks {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = maxSending
	return &hooks{
		ctx: ctx, options: o, told: told, sending: make(chan struct{}, maxSending),
		client: &http.Client{
			Timeout: sendTimeout, Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (h *hooks) wait() {
	h.running.Wait()
	h.client.CloseIdleConnections()
}

// send tells of an event, as the disorders want it.
func (h *hooks) send(e *event, befalls disorder, d Disorders) {
	if h.options.WebhookURL == "" || befalls == webhooksLost || chance(d.Lost) {
		h.told(e.ID)
		return
	}
	stray := func(likely bool) time.Duration {
		if likely {
			return rand.N(strayFor)
		}
		return 0
	}
	copies, strays := 1, befalls == webhooksTripled || chance(d.Reordered)
	if befalls == webhooksTripled || chance(d.Tripled) {
		copies = 3
	}
	for range copies {
		h.start(stray(strays), func() { h.deliver(e) })
	}
	if chance(d.Forged) {
		h.start(0, func() { h.once(e.Body, time.Now(), "whsec_forged") })
	}
	if chance(d.Old) {
		h.start(0, func() { h.once(e.Body, time.Now().Add(-oldBy), h.options.WebhookSecret) })
	}
}

// start does something after a pause, unless too much waits already.
func (h *hooks) start(after time.Duration, do func()) {
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		h.options.Log.Warn("a webhook is lost: too many wait", "waiting", maxWaiting)
		return
	}
	h.running.Go(func() {
		defer h.waiting.Add(-1)
		if h.pause(after) {
			do()
		}
	})
}

// pause returns false where the bank is closed meanwhile.
func (h *hooks) pause(d time.Duration) bool {
	if d <= 0 {
		return h.ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-h.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// deliver sends until it is taken. Each try is signed anew, as Stripe does.
func (h *hooks) deliver(e *event) {
	pause := h.options.RetryAfter
	for range maxTries {
		if h.once(e.Body, time.Now(), h.options.WebhookSecret) {
			h.told(e.ID)
			return
		}
		if !h.pause(pause) {
			return
		}
		pause = min(2*pause, maxRetryAfter)
	}
	h.options.Log.Warn("a webhook was not taken, and is given up", slog.String("event", e.ID), "tries", maxTries)
	h.told(e.ID)
}

// once sends once, and tells whether it was taken.
func (h *hooks) once(body []byte, at time.Time, secret string) bool {
	select {
	case h.sending <- struct{}{}:
		defer func() { <-h.sending }()
	case <-h.ctx.Done():
		return false
	}
	request, err := http.NewRequestWithContext(h.ctx, http.MethodPost, h.options.WebhookURL, bytes.NewReader(body))
	if err != nil {
		h.options.Log.Error("no webhook can be sent", "err", err)
		return false
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", at.Unix(),
		hex.EncodeToString(webhook.ComputeSignature(at, body, secret))))
	response, err := h.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxLine))
	return response.StatusCode/100 == 2
}
