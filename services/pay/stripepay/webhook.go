package stripepay

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"

	"interlock/services/pay"
)

// Tolerance is how far a webhook's time may be from ours, as Stripe recommends. Afterwards the same webhook is a
// replay. https://docs.stripe.com/webhooks#verify-official-libraries
const Tolerance = 5 * time.Minute

const (
	signatureHeader = "Stripe-Signature"
	maxWebhook      = 64 << 10
	maxEventID      = 255
)

var (
	errNotSigned = errors.New("the webhook has no signature of ours")
	errTooOld    = fmt.Errorf("%w: its time is more than five minutes from ours", pay.ErrTooOld)
)

// event is as much of Stripe's event as is looked at: it says which charge, and how that stands is asked for.
type event struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data struct {
		Object struct {
			ID       string            `json:"id"`
			Object   string            `json:"object"`
			Metadata map[string]string `json:"metadata"`
		} `json:"object"`
	} `json:"data"`
}

// tells are the types of events that come once a charge has reached a status. A session is completed by the buyer,
// whose money is held then, or not yet; of a charge whose money is held already, it tells nothing new.
// https://docs.stripe.com/api/events/types
var tells = map[string]pay.ChargeStatus{
	"checkout.session.completed":               pay.ChargeAuthorised,
	"payment_intent.amount_capturable_updated": pay.ChargeAuthorised,
	"payment_intent.succeeded":                 pay.ChargeCaptured,
}

// Webhook checks the signature with each secret, and the time that it covers.
func (p *Provider) Webhook(header http.Header, body []byte, now time.Time) (pay.Notice, error) {
	if len(body) > maxWebhook {
		return pay.Notice{}, fmt.Errorf("the webhook has more than %d bytes", maxWebhook)
	}
	signature := header.Get(signatureHeader)
	if !p.signed(signature, body) {
		return pay.Notice{}, errNotSigned
	}
	if signedAt(signature).Sub(now).Abs() > Tolerance {
		return pay.Notice{}, errTooOld
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return pay.Notice{}, errors.New("the webhook is no JSON of an event")
	}
	if e.ID == "" || len(e.ID) > maxEventID {
		return pay.Notice{}, errors.New("the webhook's event has no id")
	}
	notice := pay.Notice{ID: e.ID, PaymentID: p.paymentOf(e.Data.Object.Metadata), Tells: tells[e.Type]}
	if notice.PaymentID != "" && e.Data.Object.Object == "checkout.session" {
		notice.Reference = e.Data.Object.ID
	}
	return notice, nil
}

func (p *Provider) signed(signature string, body []byte) bool {
	for _, secret := range p.options.WebhookSecrets {
		// The times are compared with the payments' clock, and not with this machine's.
		if webhook.ValidatePayloadIgnoringTolerance(body, signature, secret) == nil {
			return true
		}
	}
	return false
}

// signedAt is the time in a signature that was checked; it is covered by the signature. Of several, Stripe's library
// takes the last, and so do we.
func signedAt(signature string) (at time.Time) {
	for _, part := range strings.Split(signature, ",") {
		if text, ok := strings.CutPrefix(part, "t="); ok {
			if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
				at = time.Unix(seconds, 0)
			}
		}
	}
	return at
}
