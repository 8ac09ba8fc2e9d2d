package stripepay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/stripe/stripe-go/v85"

	"interlock/services/pay"
	"interlock/services/rail"
)

// Options say with whom to speak, and how.
type Options struct {
	// Name is the provider's in the payments: "stripe" or "bank".
	Name string
	// URL is where the API is; "" is Stripe's own.
	URL string
	// Key is the API's secret key, or a restricted one that may write Checkout Sessions, PaymentIntents and Refunds.
	Key string
	// WebhookSecrets are those that a webhook may be signed with: the newest, and older ones while they are replaced.
	WebhookSecrets []string
	// ReturnURL is the railway's page that a buyer comes back to, paid or not. {ORDER_ID} in it is what PageID makes
	// of the order's id.
	ReturnURL string
	// PageID is what the railway's pages call an order; nil is its own id.
	PageID func(orderID string) string
	// Title is what the page says is paid for; "" is "Train tickets".
	Title string
	// Source is noted with every charge, so that two installations can share an account: a charge of another source is
	// not ours. "" is "interlock".
	Source string
	// PageSlack is how long after PayBy the page is open at the most: the holder of the payment closes it in time.
	// Stripe takes no page that is open for less than half an hour (StripeSlack).
	PageSlack time.Duration
	// Timeout bounds a call whose context has no nearer deadline; 0 is 20 seconds.
	Timeout time.Duration
	// Transport is for tests; nil is one of our own.
	Transport http.RoundTripper
}

// StripeSlack is the PageSlack for Stripe, which takes an expiry from 30 minutes to 24 hours ahead. It leaves room for
// clocks that are an hour apart.
const StripeSlack = 2 * time.Hour

const (
	defaultTimeout = 20 * time.Second
	// maxConnections bounds the calls at a time. Stripe allows a hundred a second.
	maxConnections = 256
	// knownIntents is for how many sessions the intent's id is remembered, which saves a call of each capture.
	knownIntents = 20_000
	// maxKeyLength is Stripe's bound of an idempotency key.
	maxKeyLength = 255
	maxListed    = 100
)

// errNoReference says that nothing can be found by a payment's id. Where Authorise was called, its repetition with the
// same key tells the Reference.
var errNoReference = fmt.Errorf("%w: the payment has no reference yet", pay.ErrUnknown)

// Provider implements pay.Provider. It may be used by many at a time.
type Provider struct {
	options Options
	client  *stripe.Client
	// intents are the intents of sessions: an intent is never another one's.
	intents *lru.Cache[string, string]
}

var _ pay.Provider = (*Provider)(nil)

var namePattern = regexp.MustCompile(`^[a-z]{1,20}$`)

// New checks the options. It makes no call.
func New(o *Options) (*Provider, error) {
	options := *o
	if err := options.complete(); err != nil {
		return nil, err
	}
	transport := options.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxConnsPerHost, own.MaxIdleConnsPerHost, own.MaxIdleConns = maxConnections, maxConnections, maxConnections
		transport = own
	}
	config := &stripe.BackendConfig{
		HTTPClient:        &http.Client{Timeout: options.Timeout, Transport: transport},
		MaxNetworkRetries: stripe.Int64(0), // the payment's worker repeats, and knows what it repeats
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
	}
	if options.URL != "" {
		config.URL = stripe.String(options.URL)
	}
	intents, err := lru.New[string, string](knownIntents)
	if err != nil {
		return nil, err
	}
	client := stripe.NewClient(options.Key, stripe.WithBackends(stripe.NewBackendsWithConfig(config)))
	return &Provider{options: options, client: client, intents: intents}, nil
}

var sourcePattern = regexp.MustCompile(`^[0-9A-Za-z-]{1,40}$`)

// complete fills in the defaults, and refuses what cannot work.
func (o *Options) complete() error {
	if o.Title == "" {
		o.Title = "Train tickets"
	}
	if o.Source == "" {
		o.Source = "interlock"
	}
	if o.PageID == nil {
		o.PageID = func(orderID string) string { return orderID }
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	switch {
	case !namePattern.MatchString(o.Name):
		return fmt.Errorf("%q is not a provider's name: 1 to 20 lower-case letters", o.Name)
	case o.URL != "" && !isWebAddress(o.URL):
		return fmt.Errorf("the address of %s is %q, and not one like https://bank.example", o.Name, o.URL)
	case o.Key == "" || strings.ContainsAny(o.Key, " \t\r\n"):
		return fmt.Errorf("the key of %s is missing, or has spaces in it", o.Name)
	case !sourcePattern.MatchString(o.Source):
		return fmt.Errorf("%q is not a name of an installation: 1 to 40 letters, digits and hyphens", o.Source)
	case !isWebAddress(strings.ReplaceAll(o.ReturnURL, orderIDPlace, "x")):
		return fmt.Errorf("the page that buyers come back to is %q, and not one like https://railway.example/orders/%s",
			o.ReturnURL, orderIDPlace)
	}
	for _, secret := range o.WebhookSecrets {
		if secret == "" {
			return fmt.Errorf("a webhook secret of %s is empty", o.Name)
		}
	}
	return nil
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// orderIDPlace is where a return URL has the order's id.
const orderIDPlace = "{ORDER_ID}"

// Name implements pay.Provider.
func (p *Provider) Name() string { return p.options.Name }

// Takes implements pay.Provider.
func (p *Provider) Takes(amount rail.Money) error {
	_, err := toStripe(amount)
	return err
}

// Authorise opens a Checkout Session. All that is sent follows from the payment, so that a repetition is the same.
func (p *Provider) Authorise(ctx context.Context, payment *pay.Payment, key string) (pay.Charge, error) {
	amount, err := toStripe(payment.Amount)
	if err != nil {
		return pay.Charge{}, fmt.Errorf("%w: %w", pay.ErrRefused, err)
	}
	back := strings.ReplaceAll(p.options.ReturnURL, orderIDPlace, url.QueryEscape(p.options.PageID(payment.OrderID)))
	noted := p.metadata(payment)
	params := &stripe.CheckoutSessionCreateParams{
		Mode:              stripe.String(string(stripe.CheckoutSessionModePayment)),
		ClientReferenceID: stripe.String(payment.ID),
		Metadata:          noted,
		SuccessURL:        stripe.String(back),
		CancelURL:         stripe.String(back),
		// The page stays open to the end of the second that payBy is in.
		ExpiresAt: stripe.Int64(payment.PayBy.Add(p.options.PageSlack + time.Second - time.Nanosecond).Unix()),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency:   stripe.String(strings.ToLower(string(payment.Amount.Currency))),
				UnitAmount: stripe.Int64(amount),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{
					Name: stripe.String(p.options.Title),
				},
			},
		}},
		PaymentIntentData: &stripe.CheckoutSessionCreatePaymentIntentDataParams{
			CaptureMethod: stripe.String(string(stripe.PaymentIntentCaptureMethodManual)),
			Metadata:      noted,
		},
		// Otherwise Stripe may let the buyer pay another amount in another currency.
		AdaptivePricing: &stripe.CheckoutSessionCreateAdaptivePricingParams{Enabled: stripe.Bool(false)},
	}
	params.AddExpand("payment_intent.latest_charge")
	if err := keyed(&params.Params, key, ""); err != nil {
		return pay.Charge{}, err
	}
	session, err := p.client.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return pay.Charge{}, p.told(err)
	}
	return p.ofSession(session)
}

// metadata is what Stripe keeps with the session, and with the intent: ids alone.
func (p *Provider) metadata(payment *pay.Payment) map[string]string {
	return map[string]string{
		metaPayment: payment.ID, metaOrder: payment.OrderID, metaSource: p.options.Source,
	}
}

// keyed gives a call its idempotency key. A payment's calls for one purpose differ by the suffix: Stripe takes a key
// for one path alone.
func keyed(params *stripe.Params, key, suffix string) error {
	if key == "" || len(key)+len(suffix) > maxKeyLength {
		return fmt.Errorf("a key has 1 to %d characters, not %d", maxKeyLength, len(key)+len(suffix))
	}
	params.SetIdempotencyKey(key + suffix)
	return nil
}

// Get implements pay.Provider.
func (p *Provider) Get(ctx context.Context, payment *pay.Payment) (pay.Charge, error) {
	session, err := p.session(ctx, payment)
	if err != nil {
		return pay.Charge{}, err
	}
	return p.ofSession(session)
}

// session reads the session of a payment, with its intent and charge.
func (p *Provider) session(ctx context.Context, payment *pay.Payment) (*stripe.CheckoutSession, error) {
	if payment.Reference == "" {
		return nil, errNoReference
	}
	params := &stripe.CheckoutSessionRetrieveParams{}
	params.AddExpand("payment_intent.latest_charge")
	session, err := p.client.V1CheckoutSessions.Retrieve(ctx, payment.Reference, params)
	if err != nil {
		return nil, p.told(err)
	}
	return session, nil
}

// Capture takes the whole amount of the intent.
func (p *Provider) Capture(ctx context.Context, payment *pay.Payment, key string) (pay.Charge, error) {
	intent, err := p.intentOf(ctx, payment)
	if err != nil {
		return pay.Charge{}, err
	}
	params := &stripe.PaymentIntentCaptureParams{}
	params.AddExpand("latest_charge")
	if err := keyed(&params.Params, key, ""); err != nil {
		return pay.Charge{}, err
	}
	captured, err := p.client.V1PaymentIntents.Capture(ctx, intent, params)
	if err != nil {
		return pay.Charge{}, p.told(err)
	}
	return p.ofIntent(payment.Reference, captured)
}

// intentOf is the id of the payment's intent. Without one nothing was ever paid.
func (p *Provider) intentOf(ctx context.Context, payment *pay.Payment) (string, error) {
	if known, ok := p.intents.Get(payment.Reference); ok && payment.Reference != "" {
		return known, nil
	}
	session, err := p.session(ctx, payment)
	switch {
	case err != nil:
		return "", err
	case session.PaymentIntent == nil:
		return "", fmt.Errorf("%w: nothing is authorised, the page is %s", pay.ErrRefused, session.Status)
	}
	p.intents.Add(session.ID, session.PaymentIntent.ID)
	return session.PaymentIntent.ID, nil
}

// Release closes an open page, and cancels the intent of one that was paid. Where the buyer pays in between, the second
// look finds the intent.
func (p *Provider) Release(ctx context.Context, payment *pay.Payment, key string) (pay.Charge, error) {
	for range 2 {
		session, err := p.session(ctx, payment)
		if err != nil {
			return pay.Charge{}, err
		}
		if session.Status != stripe.CheckoutSessionStatusOpen {
			return p.releaseClosed(ctx, session, key)
		}
		params := &stripe.CheckoutSessionExpireParams{}
		params.AddExpand("payment_intent.latest_charge")
		if err := keyed(&params.Params, key, "-expire"); err != nil {
			return pay.Charge{}, err
		}
		expired, err := p.client.V1CheckoutSessions.Expire(ctx, session.ID, params)
		if err == nil {
			return p.ofSession(expired)
		}
		if err = p.told(err); !errors.Is(err, pay.ErrRefused) {
			return pay.Charge{}, err
		}
	}
	return pay.Charge{}, fmt.Errorf("the page of %s stays open although it was closed", payment.Reference)
}

// releaseClosed lets go what the intent of a session holds, if it holds anything.
func (p *Provider) releaseClosed(ctx context.Context, session *stripe.CheckoutSession, key string) (pay.Charge, error) {
	charge, err := p.ofSession(session)
	if err != nil || charge.Status == pay.ChargeClosed {
		return charge, err
	}
	if charge.Status == pay.ChargeCaptured {
		return charge, fmt.Errorf("%w: the money was taken", pay.ErrRefused)
	}
	params := &stripe.PaymentIntentCancelParams{}
	params.AddExpand("latest_charge")
	if err := keyed(&params.Params, key, "-cancel"); err != nil {
		return pay.Charge{}, err
	}
	cancelled, err := p.client.V1PaymentIntents.Cancel(ctx, session.PaymentIntent.ID, params)
	if err != nil {
		return pay.Charge{}, p.told(err)
	}
	return p.ofIntent(session.ID, cancelled)
}

// Refund gives back, and looks at the charge afterwards: the refund's answer has no sum of all refunds.
func (p *Provider) Refund(ctx context.Context, payment *pay.Payment, minor int64, key string) (pay.Charge, error) {
	amount, err := scale(rail.Money{Minor: minor, Currency: payment.Amount.Currency})
	if err == nil && amount == 0 {
		err = errors.New("nothing is to be given back")
	}
	if err != nil {
		return pay.Charge{}, fmt.Errorf("%w: %w", pay.ErrRefused, err)
	}
	intent, err := p.intentOf(ctx, payment)
	if err != nil {
		return pay.Charge{}, err
	}
	metadata := p.metadata(payment)
	metadata[metaRefund] = key
	params := &stripe.RefundCreateParams{
		PaymentIntent: stripe.String(intent), Amount: stripe.Int64(amount), Metadata: metadata,
	}
	if err := keyed(&params.Params, key, ""); err != nil {
		return pay.Charge{}, err
	}
	made, err := p.hasRefund(ctx, intent, key)
	if err != nil || made {
		return p.afterwards(ctx, payment, err)
	}
	refund, err := p.client.V1Refunds.Create(ctx, params)
	if err == nil && hasFailed(refund) {
		err = fmt.Errorf("%w: the refund is %s", pay.ErrRefused, refund.Status)
	} else if err != nil {
		err = p.told(err)
	}
	return p.afterwards(ctx, payment, err)
}

// afterwards is how the charge stands after a call.
func (p *Provider) afterwards(ctx context.Context, payment *pay.Payment, err error) (pay.Charge, error) {
	if err != nil {
		return pay.Charge{}, err
	}
	return p.Get(ctx, payment)
}

func hasFailed(r *stripe.Refund) bool {
	return r.Status == stripe.RefundStatusFailed || r.Status == stripe.RefundStatusCanceled
}

// hasRefund tells whether an intent has a refund of a key. Stripe may forget keys after 24 hours, and the refund whose
// answer was lost is then told by what was noted with it. https://docs.stripe.com/api/idempotent_requests
func (p *Provider) hasRefund(ctx context.Context, intent, key string) (bool, error) {
	params := &stripe.RefundListParams{PaymentIntent: stripe.String(intent)}
	params.Limit = stripe.Int64(maxListed)
	for refund, err := range p.client.V1Refunds.List(ctx, params).All(ctx) {
		switch {
		case err != nil:
			return false, p.told(err)
		case refund.Metadata[metaRefund] == key && !hasFailed(refund):
			return true, nil
		}
	}
	return false, nil
}

// List lists Checkout Sessions. Stripe's list begins with the newest.
func (p *Provider) List(ctx context.Context, since time.Time, after string, limit int) ([]pay.Charge, string, error) {
	params := &stripe.CheckoutSessionListParams{
		CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()},
	}
	params.Single = true
	params.Limit = stripe.Int64(int64(min(max(limit, 1), maxListed)))
	params.AddExpand("data.payment_intent.latest_charge")
	if after != "" {
		params.StartingAfter = stripe.String(after)
	}
	page := p.client.V1CheckoutSessions.List(ctx, params)
	if err := page.Err(); err != nil {
		return nil, "", p.told(err)
	}
	var charges []pay.Charge
	for _, session := range page.Data() {
		if p.paymentOf(session.Metadata) == "" {
			continue
		}
		charge, err := p.ofSession(session)
		if err != nil { // One that cannot be read hides no others.
			charge = pay.Charge{
				PaymentID: p.paymentOf(session.Metadata), OrderID: session.Metadata[metaOrder], Reference: session.ID,
				Unreadable: err,
			}
		}
		charges = append(charges, charge)
	}
	next := ""
	if sessions := page.Data(); page.Meta().HasMore && len(sessions) > 0 {
		next = sessions[len(sessions)-1].ID
	}
	return charges, next, nil
}
