package stripepay_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v85/webhook"

	"interlock/services/pay"
	"interlock/services/pay/stripepay"
)

const sessionEvent = `{"id":"evt_1","object":"event","type":"checkout.session.completed","data":{"object":` +
	`{"id":"cs_1","object":"checkout.session","metadata":{"payment_id":"P1","order_id":"O1","source":"interlock"}}}}`

// signed is the header of a webhook.
func signed(body string, at time.Time, secrets ...string) http.Header {
	value := fmt.Sprintf("t=%d", at.Unix())
	for _, secret := range secrets {
		value += ",v1=" + hex.EncodeToString(webhook.ComputeSignature(at, []byte(body), secret))
	}
	return http.Header{"Stripe-Signature": {value}}
}

func TestWebhook(t *testing.T) {
	p, err := stripepay.New(&stripepay.Options{
		Name: "stripe", Key: "sk_test_1", ReturnURL: "https://railway.example/",
		WebhookSecrets: []string{"whsec_new", "whsec_old"},
	})
	require.NoError(t, err)
	// The payments' clock is not this machine's.
	now := time.Now().Add(40 * 24 * time.Hour)
	ours := pay.Notice{ID: "evt_1", PaymentID: "P1", Reference: "cs_1", Tells: pay.ChargeAuthorised}
	told := func(event, kind, metadata string) string {
		return `{"id":"evt_1","type":"` + event + `","data":{"object":{"id":"x","object":"` + kind + `","metadata":` +
			metadata + `}}}`
	}
	object := func(kind, metadata string) string { return told("any", kind, metadata) }
	const mine = `{"payment_id":"P1","source":"interlock"}`
	for _, c := range []struct {
		name   string
		body   string
		header http.Header
		want   pay.Notice
		says   string // "" where it is taken
	}{
		{"good", sessionEvent, signed(sessionEvent, now, "whsec_new"), ours, ""},
		{"signed with the older secret", sessionEvent, signed(sessionEvent, now, "whsec_old"), ours, ""},
		{"signed with both", sessionEvent, signed(sessionEvent, now, "whsec_other", "whsec_old"), ours, ""},
		{"a little late", sessionEvent, signed(sessionEvent, now.Add(-299*time.Second), "whsec_new"), ours, ""},
		{"a little early", sessionEvent, signed(sessionEvent, now.Add(299*time.Second), "whsec_new"), ours, ""},
		{"of an intent", object("payment_intent", mine), nil, pay.Notice{ID: "evt_1", PaymentID: "P1"}, ""},
		{
			"of money that is held", told("payment_intent.amount_capturable_updated", "payment_intent", mine), nil,
			pay.Notice{ID: "evt_1", PaymentID: "P1", Tells: pay.ChargeAuthorised},
			"",
		},
		{
			"of money that was taken", told("payment_intent.succeeded", "payment_intent", mine), nil,
			pay.Notice{ID: "evt_1", PaymentID: "P1", Tells: pay.ChargeCaptured},
			"",
		},
		{
			"of money that goes back", told("charge.refunded", "charge", mine), nil,
			pay.Notice{ID: "evt_1", PaymentID: "P1"},
			"",
		},
		{
			"of a charge that ended", told("payment_intent.canceled", "payment_intent", mine), nil,
			pay.Notice{ID: "evt_1", PaymentID: "P1"},
			"",
		},
		{"of a charge", object("charge", mine), nil, pay.Notice{ID: "evt_1", PaymentID: "P1"}, ""},
		{"of nothing of ours", object("customer", `{}`), nil, pay.Notice{ID: "evt_1"}, ""},
		{
			"of another installation", object("checkout.session", `{"payment_id":"P1","source":"other"}`),
			nil,
			pay.Notice{ID: "evt_1"},
			"",
		},
		{
			"of a payment that cannot be", object("payment_intent", `{"payment_id":"P'1","source":"interlock"}`),
			nil,
			pay.Notice{ID: "evt_1"},
			"",
		},
		{"another secret", sessionEvent, signed(sessionEvent, now, "whsec_other"), pay.Notice{}, "no signature"},
		{"not signed", sessionEvent, http.Header{}, pay.Notice{}, "no signature"},
		{"no signature", sessionEvent, signed(sessionEvent, now), pay.Notice{}, "no signature"},
		{"nonsense", sessionEvent, http.Header{"Stripe-Signature": {"t=,v1=zz"}}, pay.Notice{}, "no signature"},
		{
			"changed", strings.Replace(sessionEvent, "P1", "P2", 1), signed(sessionEvent, now, "whsec_new"),
			pay.Notice{},
			"no signature",
		},
		{
			"old", sessionEvent, signed(sessionEvent, now.Add(-301*time.Second), "whsec_new"),
			pay.Notice{},
			"five minutes",
		},
		{
			"an hour early", sessionEvent, signed(sessionEvent, now.Add(time.Hour), "whsec_new"),
			pay.Notice{},
			"five minutes",
		},
		{
			"its time made newer", sessionEvent, newer(signed(sessionEvent, now.Add(-time.Hour), "whsec_new"), now),
			pay.Notice{},
			"no signature",
		},
		{"no JSON", "hello", nil, pay.Notice{}, "no JSON"},
		{"no id", `{"data":{}}`, nil, pay.Notice{}, "no id"},
		{"an endless id", `{"id":"` + strings.Repeat("x", 256) + `"}`, nil, pay.Notice{}, "no id"},
		{"too long", `{"id":"` + strings.Repeat("x", 64<<10) + `"}`, nil, pay.Notice{}, "more than 65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.header == nil {
				c.header = signed(c.body, now, "whsec_new")
			}
			notice, err := p.Webhook(c.header, []byte(c.body), now)
			require.Equal(t, c.says == "five minutes", errors.Is(err, pay.ErrTooOld))
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
				require.NotContains(t, err.Error(), "whsec", "a log shows it")
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, c.want, notice)
		})
	}
}

// newer adds a time to a signature that covers another. Stripe's library takes the last time, and so must we: to
// compare the first alone would take an old webhook for a new one.
func newer(h http.Header, now time.Time) http.Header {
	h.Set("Stripe-Signature", fmt.Sprintf("%s,t=%d", h.Get("Stripe-Signature"), now.Unix()))
	return h
}

// In front, the added time is not the one that the signature covers.
func TestWebhook_TimeInFront(t *testing.T) {
	p, err := stripepay.New(&stripepay.Options{
		Name: "stripe", Key: "sk_test_1", ReturnURL: "https://railway.example/", WebhookSecrets: []string{"whsec_new"},
	})
	require.NoError(t, err)
	now := time.Now()
	h := signed(sessionEvent, now.Add(-time.Hour), "whsec_new")
	h.Set("Stripe-Signature", fmt.Sprintf("t=%d,%s", now.Unix(), h.Get("Stripe-Signature")))
	_, err = p.Webhook(h, []byte(sessionEvent), now)
	require.Error(t, err)
}
