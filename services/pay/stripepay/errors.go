package stripepay

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/stripe/stripe-go/v85"

	"interlock/services/pay"
)

// told says what an error of Stripe means. Its own text is not passed on: it is all of the answer, and may have
// something of the buyer. https://docs.stripe.com/api/errors
func (p *Provider) told(err error) error {
	var e *stripe.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", p.options.Name, err)
	}
	text := fmt.Sprintf("%s: HTTP %d %s", p.options.Name, e.HTTPStatusCode, e.Type)
	for _, more := range []struct{ what, is string }{
		{"code", string(e.Code)}, {"decline", string(e.DeclineCode)}, {"parameter", e.Param}, {"request", e.RequestID},
	} {
		if more.is != "" {
			text += ", " + more.what + " " + more.is
		}
	}
	switch {
	case e.HTTPStatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %s", pay.ErrUnknown, text)
	case refuses(e):
		return fmt.Errorf("%w: %s", pay.ErrRefused, text)
	}
	return errors.New(text)
}

// refuses tells whether an error is for ever. All others may have had an effect, or may be over soon: a wrong API key
// is replaced, a limit of the rate passes.
func refuses(e *stripe.Error) bool {
	switch e.HTTPStatusCode {
	case http.StatusPaymentRequired:
		return true
	case http.StatusBadRequest:
		return e.Type == stripe.ErrorTypeInvalidRequest && e.Code != stripe.ErrorCodeLockTimeout &&
			e.Code != stripe.ErrorCodeRateLimit
	}
	return false
}
