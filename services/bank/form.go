package bank

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// form reads the parameters of a call, and keeps the first fault. A parameter that was not read is one too: Stripe
// refuses what it does not know.
type form struct {
	values url.Values
	read   map[string]bool
	wrong  *fault
}

func newForm(values url.Values) *form { return &form{values: values, read: map[string]bool{}} }

func (f *form) fail(err *fault) {
	if f.wrong == nil {
		f.wrong = err
	}
}

// text is a parameter, "" where it is not given.
func (f *form) text(name string) string {
	f.read[name] = true
	return f.values.Get(name)
}

func (f *form) required(name string) string {
	text := f.text(name)
	if text == "" {
		f.fail(invalid("parameter_missing", name, "Missing required param: "+name+"."))
	}
	return text
}

// one is a parameter that has one of some values; the first is the default.
func (f *form) one(name string, values ...string) string {
	text := f.text(name)
	if text == "" {
		return values[0]
	}
	for _, value := range values {
		if text == value {
			return text
		}
	}
	f.fail(invalid("parameter_invalid", name, "Invalid "+name+": must be one of "+strings.Join(values, ", ")))
	return values[0]
}

// integer is a parameter from lowest to highest; the default where it is not given.
func (f *form) integer(name string, otherwise, lowest, highest int64) int64 {
	text := f.text(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < lowest || n > highest {
		f.fail(invalid("parameter_invalid_integer", name, "Invalid integer: "+strconv.Quote(cut(text))))
		return otherwise
	}
	return n
}

// address is a web address.
func (f *form) address(name string, required bool) string {
	text := f.text(name)
	u, err := url.Parse(text)
	if text == "" && !required {
		return ""
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		f.fail(invalid("url_invalid", name, "Not a valid URL"))
	}
	return text
}

// The bounds of metadata. https://docs.stripe.com/api/metadata
const (
	maxMetadata      = 50
	maxMetadataKey   = 40
	maxMetadataValue = 500
)

// metadata are the texts name[key].
func (f *form) metadata(name string) map[string]string {
	all := map[string]string{}
	for parameter := range f.values {
		key, ok := strings.CutPrefix(parameter, name+"[")
		key, whole := strings.CutSuffix(key, "]")
		if !ok || !whole {
			continue
		}
		value := f.text(parameter)
		if len(key) > maxMetadataKey || len(value) > maxMetadataValue || len(all) >= maxMetadata {
			f.fail(invalid("parameter_invalid", parameter, "Metadata has too much of something."))
			continue
		}
		all[key] = value
	}
	return all
}

var expandPattern = regexp.MustCompile(`^expand\[\d+\]$`)

// expansions are the ids that are to be shown as objects. before is in front of all of them.
func (f *form) expansions(before string) (more shown) {
	for parameter, values := range f.values {
		if !expandPattern.MatchString(parameter) {
			continue
		}
		f.read[parameter] = true
		for _, value := range values {
			switch strings.TrimPrefix(value, before) {
			case "payment_intent":
				more.intent = true
			case "payment_intent.latest_charge":
				more.intent, more.charge = true, true
			case "latest_charge":
				more.charge = true
			default:
				f.fail(invalid("", "expand", "This property cannot be expanded ("+cut(value)+")."))
			}
		}
	}
	return more
}

// end is the first fault, or the first parameter that was not read.
func (f *form) end() *fault {
	for name := range f.values {
		if !f.read[name] {
			f.fail(invalid("parameter_unknown", name, "Received unknown parameter: "+cut(name)))
		}
	}
	return f.wrong
}

// cut bounds what is repeated of a request.
func cut(text string) string { return text[:min(len(text), 100)] }

const (
	maxAmount = 999_999_999_999
	maxOpen   = 24 * time.Hour
)

var currencyPattern = regexp.MustCompile(`^[a-z]{3}$`)

// newSession reads the parameters of a new session.
func newSession(f *form, now time.Time) *session {
	const item, intent = "line_items[0]", "payment_intent_data"
	s := &session{
		ID: newID("cs_test_"), Status: sessionOpen, Created: now.Unix(),
		Currency:  f.required(item + "[price_data][currency]"),
		Amount:    f.integer(item+"[price_data][unit_amount]", 0, 1, maxAmount),
		Title:     f.required(item + "[price_data][product_data][name]"),
		Client:    f.text("client_reference_id"),
		ReturnURL: f.address("success_url", true), CancelURL: f.address("cancel_url", false),
		Metadata: f.metadata("metadata"), ForIntent: f.metadata(intent + "[metadata]"),
		Automatic: f.one(intent+"[capture_method]", "automatic_async", "automatic", "manual") != "manual",
		// Stripe takes no page that is open for less than half an hour. That is too long to wait here.
		ExpiresAt: f.integer("expires_at", now.Add(maxOpen).Unix(), now.Unix()+1, now.Add(maxOpen).Unix()),
	}
	f.integer(item+"[quantity]", 1, 1, 1)
	f.one("adaptive_pricing[enabled]", "true", "false")
	if f.required("mode") != "payment" {
		f.fail(invalid("parameter_invalid", "mode", "This bank has the mode payment alone."))
	}
	if !currencyPattern.MatchString(s.Currency) {
		f.fail(invalid("parameter_invalid", item+"[price_data][currency]", "Invalid currency: "+cut(s.Currency)))
	}
	if s.Amount == 0 {
		f.fail(invalid("parameter_missing", item+"[price_data][unit_amount]", "An amount is needed."))
	}
	return s
}
