package stripepay

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"

	"interlock/services/pay"
	"interlock/services/rail"
)

// The names of what is noted with a charge.
const (
	metaPayment = "payment_id"
	metaOrder   = "order_id"
	metaSource  = "source"
	metaRefund  = "refund_key"
)

var paymentIDPattern = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)

// paymentOf is the payment that metadata name, "" where they are not ours.
func (p *Provider) paymentOf(metadata map[string]string) string {
	if metadata[metaSource] != p.options.Source || !paymentIDPattern.MatchString(metadata[metaPayment]) {
		return ""
	}
	return metadata[metaPayment]
}

// ofSession says how the charge of a session stands. The intent must be expanded, with its latest charge.
func (p *Provider) ofSession(s *stripe.CheckoutSession) (pay.Charge, error) {
	charge := pay.Charge{Status: pay.ChargeOpen}
	if s.PaymentIntent != nil {
		p.intents.Add(s.ID, s.PaymentIntent.ID)
		var err error
		if charge, err = p.ofIntent(s.ID, s.PaymentIntent); err != nil {
			return pay.Charge{}, err
		}
	}
	charge.PaymentID, charge.OrderID = p.paymentOf(s.Metadata), s.Metadata[metaOrder]
	charge.Reference, charge.CreatedAt = s.ID, time.Unix(s.Created, 0).UTC()
	charge.Currency = currencyOf(s.Currency)
	switch {
	case charge.Status != pay.ChargeOpen: // the intent has more to say than the page
	case s.Status == stripe.CheckoutSessionStatusOpen:
		charge.RedirectURL, charge.Reason = s.URL, ""
	case s.Status == stripe.CheckoutSessionStatusExpired:
		charge.Status, charge.Reason = pay.ChargeClosed, "expired"
	case s.PaymentIntent == nil:
		charge.Status, charge.Reason = pay.ChargeClosed, "nothing_to_pay"
	}
	return charge, nil
}

// ofIntent says how the charge of an intent stands. Its latest charge must be expanded.
func (p *Provider) ofIntent(reference string, intent *stripe.PaymentIntent) (pay.Charge, error) {
	charge := pay.Charge{
		PaymentID: p.paymentOf(intent.Metadata), OrderID: intent.Metadata[metaOrder], Reference: reference,
		Currency: currencyOf(intent.Currency), CreatedAt: time.Unix(intent.Created, 0).UTC(),
	}
	var refunded int64
	held := intent.AmountCapturable
	if last := intent.LatestCharge; last != nil && last.Status == stripe.ChargeStatusSucceeded {
		held = last.Amount
		if last.Captured {
			refunded = last.AmountRefunded // of one that was cancelled it is what was let go
		}
	}
	switch intent.Status {
	case stripe.PaymentIntentStatusRequiresCapture:
		charge.Status = pay.ChargeAuthorised
	case stripe.PaymentIntentStatusSucceeded:
		charge.Status = pay.ChargeCaptured
		held = intent.Amount
	case stripe.PaymentIntentStatusCanceled:
		charge.Status, charge.Reason = pay.ChargeClosed, string(intent.CancellationReason)
	default: // the buyer is at it
		charge.Status, held = pay.ChargeOpen, 0
	}
	if charge.Reason == "" && charge.Status != pay.ChargeCaptured && intent.LastPaymentError != nil {
		charge.Reason = reason(intent.LastPaymentError)
	}
	var err error
	into := func(amount int64) int64 {
		minor, wrong := fromStripe(charge.Currency, amount)
		if wrong != nil {
			err = wrong
		}
		return minor
	}
	charge.Authorised, charge.Captured, charge.Refunded = into(held), into(intent.AmountReceived), into(refunded)
	if charge.Status == pay.ChargeCaptured || charge.Status == pay.ChargeClosed {
		charge.Released = charge.Authorised - charge.Captured
	}
	if err != nil {
		return pay.Charge{}, fmt.Errorf("charge %s of %s: %w", reference, p.options.Name, err)
	}
	return charge, nil
}

// reason is why a payment failed, in Stripe's codes: the bank's own where it gave one.
func reason(e *stripe.Error) string {
	if e.DeclineCode != "" {
		return string(e.DeclineCode)
	}
	return string(e.Code)
}

// currencyOf is Stripe's lower-case code as ISO writes it.
func currencyOf(c stripe.Currency) rail.Currency { return rail.Currency(strings.ToUpper(string(c))) }
