package outgoing

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"interlock/services/notify"
	"interlock/services/notify/partnerhook"
	"interlock/services/rail"
)

// Poster posts webhooks to partners. Its fields are set before it is used.
type Poster struct {
	Sender *partnerhook.Sender
	Log    *slog.Logger
	// AllowPrivate takes URLs at loopback and private addresses, too.
	AllowPrivate bool
	// PageID is what clients call an order, and RunID what they call a run.
	PageID func(orderID string) string
	RunID  func(run rail.RunID) string
}

var _ notify.Poster = (*Poster)(nil)

// CheckURL is an endpoint's URL as it is kept.
func (p *Poster) CheckURL(text string) (string, error) {
	return partnerhook.CheckURL(text, p.AllowPrivate)
}

// NewSecret makes a secret to sign with.
func (p *Poster) NewSecret() string { return partnerhook.NewSecret() }

// told is the data of a webhook: ids alone, as clients know them. Who wants more asks the API, and is authorised there.
type told struct {
	OrderID string `json:"orderId,omitempty"`
	RunID   string `json:"runId"`
	// Version is that of the order, or of the run where there is no order: it tells doubles, and what is newer.
	Version int64 `json:"version"`
}

// Post posts one webhook.
func (p *Poster) Post(ctx context.Context, d *notify.Delivery, e *notify.Endpoint) notify.Outcome {
	data := told{RunID: p.RunID(d.RunID), Version: d.Subject}
	if d.OrderID != "" {
		data.OrderID = p.PageID(d.OrderID)
	}
	body, err := partnerhook.Payload(string(d.Kind), d.At, data)
	if err != nil {
		return notify.Outcome{State: notify.Refused, Reason: "the message cannot be written"}
	}
	answer, err := p.Sender.Post(ctx, &partnerhook.Target{URL: e.URL, Secrets: e.Secrets}, d.ID, time.Now(), body)
	outcome := notify.Outcome{State: notify.Pending, Answer: answer.Status, RetryIn: answer.RetryAfter}
	switch {
	case errors.Is(err, partnerhook.ErrMessage):
		p.Log.ErrorContext(ctx, "a webhook cannot be sent", "delivery", d.ID, "error", err)
		outcome.State, outcome.Reason = notify.Refused, "the message cannot be sent"
	case errors.Is(err, partnerhook.ErrTarget):
		outcome.Reason = "the address is not one that may be called"
	case err != nil:
		outcome.Reason = clip(err.Error())
	case partnerhook.Accepted(answer.Status):
		outcome.State = notify.Sent
	case partnerhook.Gone(answer.Status):
		outcome.State, outcome.Gone, outcome.Reason = notify.Refused, true, "it wants nothing more"
	default:
		outcome.Reason = "it was not accepted"
	}
	return outcome
}

// maxReason is how many bytes of a reason are kept.
const maxReason = 160

func clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxReason)], "") }
