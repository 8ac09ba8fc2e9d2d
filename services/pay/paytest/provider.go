package paytest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"interlock/services/pay"
	"interlock/services/rail"
)

// Provider is a provider in memory, on whose side a test plays the buyers. It keeps to its contract whatever becomes of
// its answers. It must not be copied.
type Provider struct {
	// Named is its name; "" is "fake".
	Named string
	// Before and After are called around each call, with its method and the payment's id; nil: not at all. They may
	// wait. An error is the call's answer: of Before, so that nothing takes effect, and of After, when it has.
	Before, After func(ctx context.Context, method, paymentID string) error
	// Notify is called with each notice that it sends; nil: it sends none.
	Notify func(pay.Notice)

	mu      sync.Mutex
	charges []*charge
	answers map[string]answer
	notices int
	calls   map[string]int
}

// charge is a charge, and what was asked for.
type charge struct {
	pay.Charge
	asked int64
	// refunds are the keys of the refunds that were made.
	refunds map[string]bool
}

// answer is what a key was answered with. The same key is answered so for ever, also when the charge has moved on.
type answer struct {
	charge pay.Charge
	err    error
}

// Name is of pay.Provider.
func (f *Provider) Name() string { return cmp.Or(f.Named, "fake") }

// Takes is of pay.Provider: it takes all but XTS, the currency of tests.
func (f *Provider) Takes(amount rail.Money) error {
	if amount.Currency == "XTS" {
		return fmt.Errorf("%s is no currency that can be paid in here", amount.Currency)
	}
	return nil
}

// Calls is how often a method was called.
func (f *Provider) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// Keys are all keys that calls carried, sorted.
func (f *Provider) Keys() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.answers))
}

// Charges are all charges, the oldest first.
func (f *Provider) Charges() []pay.Charge {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]pay.Charge, len(f.charges))
	for i, c := range f.charges {
		all[i] = c.Charge
	}
	return all
}

// Change changes the first charge of a payment by hand. Nothing is sent.
func (f *Provider) Change(paymentID string, change func(*pay.Charge)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.find(&pay.Payment{ID: paymentID}).Charge)
}

// Forget loses all charges of a payment.
func (f *Provider) Forget(paymentID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.charges = slices.DeleteFunc(f.charges, func(c *charge) bool { return c.PaymentID == paymentID })
}

// ForgetKeys forgets what was answered to keys, as a provider may after a day.
func (f *Provider) ForgetKeys() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.answers)
}

// do makes a call between the hooks. A call with a key that is known answers what it answered then.
func (f *Provider) do(ctx context.Context, method, paymentID, key string, call func() (*charge, error),
) (pay.Charge, error) {
	f.mu.Lock()
	if f.calls == nil {
		f.calls, f.answers = map[string]int{}, map[string]answer{}
	}
	f.calls[method]++
	f.mu.Unlock()
	if f.Before != nil {
		if err := f.Before(ctx, method, paymentID); err != nil {
			return pay.Charge{}, err
		}
	}
	found, err := f.keyed(key, call)
	if f.After != nil {
		if after := f.After(ctx, method, paymentID); after != nil {
			return pay.Charge{}, after
		}
	}
	return found, err
}

func (f *Provider) keyed(key string, call func() (*charge, error)) (pay.Charge, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, has := f.answers[key]
	if key == "" || !has {
		c, err := call()
		known = answer{err: err}
		if err == nil {
			known.charge = c.Charge
		}
		if key != "" {
			f.answers[key] = known
		}
	}
	return known.charge, known.err
}

func (f *Provider) byReference(reference string) *charge {
	for _, c := range f.charges {
		if c.Reference == reference {
			return c
		}
	}
	return nil
}

// find is the charge of a payment; nil where there is none.
func (f *Provider) find(p *pay.Payment) *charge {
	if p.Reference != "" {
		return f.byReference(p.Reference)
	}
	for _, c := range f.charges {
		if c.PaymentID == p.ID {
			return c
		}
	}
	return nil
}

// open opens a charge. f.mu is held.
func (f *Provider) open(paymentID, orderID string, amount rail.Money) *charge {
	reference := "ref" + strconv.Itoa(len(f.charges)+1)
	c := &charge{asked: amount.Minor, Charge: pay.Charge{
		PaymentID: paymentID, OrderID: orderID, Reference: reference, Status: pay.ChargeOpen, Currency: amount.Currency,
		RedirectURL: "https://bank.example/" + reference, CreatedAt: time.Now(),
	}}
	f.charges = append(f.charges, c)
	return c
}

// Authorise is of pay.Provider.
func (f *Provider) Authorise(ctx context.Context, p *pay.Payment, key string) (pay.Charge, error) {
	return f.do(ctx, "Authorise", p.ID, key, func() (*charge, error) { return f.open(p.ID, p.OrderID, p.Amount), nil })
}

// Get is of pay.Provider.
func (f *Provider) Get(ctx context.Context, p *pay.Payment) (pay.Charge, error) {
	return f.do(ctx, "Get", p.ID, "", func() (*charge, error) {
		if c := f.find(p); c != nil {
			return c, nil
		}
		return nil, pay.ErrUnknown
	})
}

// Capture is of pay.Provider.
func (f *Provider) Capture(ctx context.Context, p *pay.Payment, key string) (pay.Charge, error) {
	return f.do(ctx, "Capture", p.ID, key, func() (*charge, error) {
		c := f.find(p)
		switch {
		case c == nil:
			return nil, pay.ErrUnknown
		case c.Status != pay.ChargeAuthorised:
			return nil, fmt.Errorf("it is %s: %w", c.Status, pay.ErrRefused)
		}
		c.capture()
		return c, nil
	})
}

func (c *charge) capture() {
	c.Status, c.Captured, c.RedirectURL = pay.ChargeCaptured, c.Authorised, ""
}

func (c *charge) close(reason string) {
	c.Status, c.Released, c.RedirectURL, c.Reason = pay.ChargeClosed, c.Authorised, "", reason
}

// Release is of pay.Provider.
func (f *Provider) Release(ctx context.Context, p *pay.Payment, key string) (pay.Charge, error) {
	return f.do(ctx, "Release", p.ID, key, func() (*charge, error) {
		c := f.find(p)
		switch {
		case c == nil:
			return nil, pay.ErrUnknown
		case c.Status == pay.ChargeCaptured:
			return nil, fmt.Errorf("it is %s: %w", c.Status, pay.ErrRefused)
		case c.Status != pay.ChargeClosed:
			c.close("released")
		}
		return c, nil
	})
}

// Refund is of pay.Provider.
func (f *Provider) Refund(ctx context.Context, p *pay.Payment, minor int64, key string) (pay.Charge, error) {
	return f.do(ctx, "Refund", p.ID, key, func() (*charge, error) {
		c := f.find(p)
		switch {
		case c == nil:
			return nil, pay.ErrUnknown
		case c.refunds[key]:
			return c, nil
		case minor > c.Captured-c.Refunded:
			return nil, fmt.Errorf("%d are left: %w", c.Captured-c.Refunded, pay.ErrRefused)
		}
		if c.refunds == nil {
			c.refunds = map[string]bool{}
		}
		c.refunds[key] = true
		c.Refunded += minor
		return c, nil
	})
}

// List is of pay.Provider.
func (f *Provider) List(ctx context.Context, since time.Time, after string, limit int) ([]pay.Charge, string, error) {
	if _, err := f.do(ctx, "List", "", "", func() (*charge, error) { return &charge{}, nil }); err != nil {
		return nil, "", err
	}
	all := slices.DeleteFunc(f.Charges(), func(c pay.Charge) bool { return c.CreatedAt.Before(since) })
	slices.Reverse(all)
	if after != "" {
		all = all[slices.IndexFunc(all, func(c pay.Charge) bool { return c.Reference == after })+1:]
	}
	if len(all) <= limit {
		return all, "", nil
	}
	return all[:limit], all[limit-1].Reference, nil
}

// signature is what the fake signs its webhooks with: a word, and the Unix time.
const signature = "Signature"

// tolerance is how old a webhook may be.
const tolerance = 5 * time.Minute

// Sign makes the request of a webhook.
func (f *Provider) Sign(n pay.Notice, at time.Time) (http.Header, []byte) {
	body, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return http.Header{signature: {"good " + strconv.FormatInt(at.Unix(), 10)}}, body
}

// Webhook is of pay.Provider.
func (f *Provider) Webhook(header http.Header, body []byte, now time.Time) (n pay.Notice, err error) {
	word, at, _ := strings.Cut(header.Get(signature), " ")
	seconds, err := strconv.ParseInt(at, 10, 64)
	switch {
	case err != nil || word != "good":
		return n, errors.New("the signature is wrong")
	case now.Sub(time.Unix(seconds, 0)).Abs() > tolerance:
		return n, pay.ErrTooOld
	}
	return n, json.Unmarshal(body, &n)
}

// Act is what happens on the provider's side.
type Act string

// The acts. ActPay: the buyer lets the whole amount be held. ActPayWrong: another amount is held. ActDecline: the
// charge ends unpaid. ActVoid: what was held is let go. ActCapture and ActRefund: a person captures, or gives all back,
// by hand. ActPayTwice: a second charge of the payment is opened and paid.
const (
	ActPay      Act = "pay"
	ActPayWrong Act = "pay_wrong"
	ActDecline  Act = "decline"
	ActVoid     Act = "void"
	ActCapture  Act = "capture"
	ActRefund   Act = "refund"
	ActPayTwice Act = "pay_twice"
)

// Acts are all acts.
var Acts = []Act{ActPay, ActPayWrong, ActDecline, ActVoid, ActCapture, ActRefund, ActPayTwice}

// tells are the acts whose notices say how far the charge has come.
var tells = map[Act]pay.ChargeStatus{
	ActPay: pay.ChargeAuthorised, ActPayWrong: pay.ChargeAuthorised, ActPayTwice: pay.ChargeAuthorised,
	ActCapture: pay.ChargeCaptured,
}

// Do does an act on the first charge of a payment, tells whether it was possible, and sends a notice of it.
func (f *Provider) Do(act Act, paymentID string) bool {
	f.mu.Lock()
	c := f.find(&pay.Payment{ID: paymentID})
	if c == nil || !f.act(act, &c) {
		f.mu.Unlock()
		return false
	}
	f.notices++
	n := pay.Notice{
		ID: "notice" + strconv.Itoa(f.notices), PaymentID: c.PaymentID, Reference: c.Reference,
		Tells: tells[act],
	}
	f.mu.Unlock()
	if f.Notify != nil {
		f.Notify(n)
	}
	return true
}

// act does an act on a charge, or on another one, which it then answers.
func (f *Provider) act(act Act, c **charge) bool {
	switch one := *c; {
	case act == ActPay && one.Status == pay.ChargeOpen:
		one.Status, one.Authorised = pay.ChargeAuthorised, one.asked
	case act == ActPayWrong && one.Status == pay.ChargeOpen:
		one.Status, one.Authorised = pay.ChargeAuthorised, one.asked+1
	case act == ActDecline && one.Status == pay.ChargeOpen:
		one.close("declined")
	case act == ActVoid && one.Status == pay.ChargeAuthorised:
		one.close("expired")
	case act == ActCapture && one.Status == pay.ChargeAuthorised:
		one.capture()
	case act == ActRefund && one.Captured > one.Refunded:
		one.Refunded = one.Captured
	case act == ActPayTwice && one.Status != pay.ChargeOpen:
		second := f.open(one.PaymentID, one.OrderID, rail.Money{Minor: one.asked, Currency: one.Currency})
		second.Status, second.Authorised = pay.ChargeAuthorised, second.asked
		*c = second
	default:
		return false
	}
	return true
}
