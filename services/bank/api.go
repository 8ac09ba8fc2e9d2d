package bank

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// maxBody bounds a request.
	maxBody = 64 << 10
	// maxKeyLength is Stripe's bound of an idempotency key.
	maxKeyLength = 255
	// maxPage and usualPage are how many objects a list has, as with Stripe.
	maxPage, usualPage = 100, 10
	// maxRefunds bounds the refunds of an intent.
	maxRefunds = 1_000
)

// call is a call of the API that was understood, and does what it does under the lock.
type call struct {
	*form
	*change
	request *http.Request
	now     time.Time
}

// endpoint is what a path of the API does. of names the payment's session, "" where there is none yet; the lock is held
// meanwhile.
type endpoint struct {
	of func(b *Bank, r *http.Request) string
	do func(*call) (object, *fault)
	// delay is how long the behaviour lets the call take.
	delay func(*Behaviour) int
}

func (b *Bank) routes() http.Handler {
	slowly := func(b *Behaviour) int { return b.DelayMS }
	api := map[string]endpoint{
		"POST /v1/checkout/sessions": {
			of: noSession, do: (*call).createSession, delay: func(b *Behaviour) int { return b.AuthoriseDelayMS },
		},
		"GET /v1/checkout/sessions":              {of: noSession, do: (*call).listSessions, delay: slowly},
		"GET /v1/checkout/sessions/{id}":         {of: pathID, do: (*call).getSession, delay: slowly},
		"POST /v1/checkout/sessions/{id}/expire": {of: pathID, do: (*call).expireSession, delay: slowly},
		"GET /v1/payment_intents/{id}":           {of: sessionOfIntent, do: (*call).getIntent, delay: slowly},
		"POST /v1/payment_intents/{id}/capture": {
			of: sessionOfIntent, do: (*call).captureIntent, delay: func(b *Behaviour) int { return b.CaptureDelayMS },
		},
		"POST /v1/payment_intents/{id}/cancel": {of: sessionOfIntent, do: (*call).cancelIntent, delay: slowly},
		"POST /v1/refunds":                     {of: sessionOfRefund, do: (*call).refund, delay: slowly},
		"GET /v1/refunds":                      {of: sessionOfRefund, do: (*call).listRefunds, delay: slowly},
	}
	mux := http.NewServeMux()
	for pattern, e := range api {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { b.serve(w, r, &e) })
	}
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, &fault{
			Status: http.StatusNotFound, Type: "invalid_request_error", Message: "Unrecognized request URL",
		})
	})
	b.pages(mux)
	b.controls(mux)
	return mux
}

func noSession(*Bank, *http.Request) string           { return "" }
func pathID(_ *Bank, r *http.Request) string          { return r.PathValue("id") }
func sessionOfIntent(b *Bank, r *http.Request) string { return b.sessionIDOf(r.PathValue("id")) }
func sessionOfRefund(b *Bank, r *http.Request) string {
	return b.sessionIDOf(r.Form.Get("payment_intent"))
}

func (b *Bank) sessionIDOf(intent string) string {
	if i := b.intents[intent]; i != nil {
		return i.Session
	}
	return ""
}

// permitted tells whether a request has the key, as a bearer token or as a user's name.
func (b *Bank) permitted(r *http.Request) bool {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		key, _, _ = r.BasicAuth()
	}
	return subtle.ConstantTimeCompare([]byte(key), []byte(b.options.Key)) == 1
}

// serve answers a call of the API, in the way that the behaviour and the session want it answered.
func (b *Bank) serve(w http.ResponseWriter, r *http.Request, e *endpoint) {
	if !b.permitted(r) {
		refuse(w, &fault{
			Status: http.StatusUnauthorized, Type: "invalid_request_error", Message: "Invalid API Key provided.",
		})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	body, err := io.ReadAll(r.Body)
	if err == nil {
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		err = r.ParseForm()
	}
	key := r.Header.Get("Idempotency-Key")
	if err != nil || len(key) > maxKeyLength {
		refuse(w, invalid("", "", "The request cannot be read."))
		return
	}
	b.mu.Lock()
	behaviour, silent := b.behaviour, b.silence(e.of(b, r))
	b.mu.Unlock()
	wait(r.Context(), time.Duration(e.delay(&behaviour))*time.Millisecond)
	if silent > 0 {
		wait(r.Context(), silent)
		panic(http.ErrAbortHandler)
	}
	if chance(behaviour.FailRate) {
		refuse(w, &fault{
			Status: http.StatusInternalServerError, Type: "api_error", Message: "The bank has a bad moment.",
		})
		return
	}
	answered := b.perform(r, e, key, sha256.Sum256([]byte(r.Method+" "+r.URL.Path+"\n"+string(body))))
	if chance(behaviour.LostAnswerRate) {
		wait(r.Context(), time.Duration(behaviour.HangMS)*time.Millisecond)
		panic(http.ErrAbortHandler)
	}
	answered.write(w)
}

// silence is how long a session's calls get no answer yet.
func (b *Bank) silence(id string) time.Duration {
	s := b.sessions[id]
	if s == nil {
		return 0
	}
	return time.Until(time.UnixMilli(s.SilentTill))
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// perform carries out a call, or repeats the answer to its key.
func (b *Bank) perform(r *http.Request, e *endpoint, key string, print [sha256.Size]byte) *answer {
	if r.Method == http.MethodGet {
		key = ""
	}
	if b.journal.failed() != nil {
		return b.diskFailed()
	}
	var said *answer
	b.step(func(c *change) {
		if said = b.keys.repeat(key, print); said != nil {
			return
		}
		result, wrong := e.do(&call{form: newForm(r.Form), change: c, request: r, now: time.Now()})
		said = newAnswer(result, wrong)
		said.Print = print[:]
		if key != "" && !said.lacksEffect(wrong) {
			b.keys.keep(key, said)
			c.entries = append(c.entries, &entry{Key: key, Answer: said})
		}
	})
	if b.journal.failed() != nil {
		return b.diskFailed()
	}
	return said
}

func (b *Bank) diskFailed() *answer {
	b.options.Log.Error("the journal cannot be written", "err", b.journal.failed())
	return newAnswer(nil, &fault{
		Status: http.StatusInternalServerError, Type: "api_error", Message: "The bank cannot write its journal.",
	})
}

func refuse(w http.ResponseWriter, wrong *fault) { newAnswer(nil, wrong).write(w) }

// answer is what a call was answered with, to be said again to its key.
type answer struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
	Print  []byte          `json:"print"` // of the request
	again  bool
}

func newAnswer(result object, wrong *fault) *answer {
	status := http.StatusOK
	if wrong != nil {
		status, result = wrong.Status, object{"error": wrong}
	}
	body, err := json.Marshal(result)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return &answer{Status: status, Body: body}
}

// lacksEffect tells whether parameters were refused before anything was looked at. Stripe keeps no such answer.
func (*answer) lacksEffect(wrong *fault) bool {
	return wrong != nil && (strings.HasPrefix(wrong.Code, "parameter_") || wrong.Code == "url_invalid")
}

func (a *answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", newID("req_"))
	if a.again {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// keyring keeps the answers to keys, the newest maxKeys.
type keyring struct {
	kept map[string]*answer
	in   []string
}

func (k *keyring) keep(key string, a *answer) {
	if _, known := k.kept[key]; !known {
		k.in = append(k.in, key)
	}
	k.kept[key] = a
	for len(k.in) > maxKeys {
		delete(k.kept, k.in[0])
		k.in = k.in[1:]
	}
}

// repeat is the answer to a key, nil where it is new.
func (k *keyring) repeat(key string, print [sha256.Size]byte) *answer {
	kept := k.kept[key]
	switch {
	case key == "" || kept == nil:
		return nil
	case string(kept.Print) != string(print[:]):
		return newAnswer(nil, &fault{
			Status: http.StatusBadRequest, Type: "idempotency_error",
			Message: "The key was used for other parameters before.",
		})
	}
	return &answer{Status: kept.Status, Body: kept.Body, again: true}
}

func (c *call) createSession() (object, *fault) {
	s, more := newSession(c.form, c.now), c.expansions("")
	if err := c.end(); err != nil {
		return nil, err
	}
	c.bank.behaviour.plan(s, c.bank.options.LateBy)
	s = c.change.session(s)
	return c.bank.showSession(s, more), nil
}

func (c *call) found() (*session, *fault) {
	id := c.request.PathValue("id")
	if s := c.bank.sessions[id]; s != nil {
		return s, nil
	}
	return nil, missing("checkout.session", cut(id))
}

func (c *call) getSession() (object, *fault) {
	more := c.expansions("")
	if err := c.end(); err != nil {
		return nil, err
	}
	s, err := c.found()
	if err != nil {
		return nil, err
	}
	return c.bank.showSession(s, more), nil
}

func (c *call) expireSession() (object, *fault) {
	more := c.expansions("")
	if err := c.end(); err != nil {
		return nil, err
	}
	s, err := c.found()
	if err != nil {
		return nil, err
	}
	if s.Status != sessionOpen {
		return nil, invalid("", "", "Only Checkout Sessions with a status in [\"open\"] can be expired. "+
			"This one has a status of "+s.Status+".")
	}
	return c.bank.showSession(c.expire(s), more), nil
}

// listSessions is a page of the list, which begins with the newest.
func (c *call) listSessions() (object, *fault) {
	more := c.expansions("data.")
	limit := c.integer("limit", usualPage, 1, maxPage)
	since := c.integer("created[gte]", 0, 0, 1<<40)
	after := c.text("starting_after")
	if err := c.end(); err != nil {
		return nil, err
	}
	b := c.bank
	from := len(b.opened)
	if after != "" {
		if _, known := b.place[after]; !known {
			return nil, missing("checkout.session", cut(after))
		}
		from = b.place[after] - b.dropped
	}
	data, left := []object{}, false
	for at := from - 1; at >= 0; at-- {
		s := b.sessions[b.opened[at]]
		if s.Created < since {
			break
		}
		if left = int64(len(data)) == limit; left {
			break
		}
		data = append(data, b.showSession(s, more))
	}
	return object{"object": "list", "url": "/v1/checkout/sessions", "has_more": left, "data": data}, nil
}

func (c *call) foundIntent(id string) (*intent, *fault) {
	if i := c.bank.intents[id]; i != nil {
		return i, nil
	}
	return nil, missing("payment_intent", cut(id))
}

func (c *call) getIntent() (object, *fault) {
	more := c.expansions("")
	if err := c.end(); err != nil {
		return nil, err
	}
	i, err := c.foundIntent(c.request.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return c.bank.showIntent(i, more), nil
}

// captureIntent takes the whole amount. A bank may have said yes before, and say no now.
func (c *call) captureIntent() (object, *fault) {
	more := c.expansions("")
	if err := c.end(); err != nil {
		return nil, err
	}
	i, err := c.foundIntent(c.request.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if i.Status != intentHeld {
		return nil, unexpected(i, "captured")
	}
	s := c.bank.sessions[i.Session]
	if s.NoCapture || chance(c.bank.behaviour.DeclineCaptureRate) {
		i = c.change.intent(i.with(func(i *intent) {
			i.Status, i.Reason, i.Declined = intentCanceled, "automatic", "do_not_honor"
		}))
		c.tell("payment_intent.canceled", c.bank.showIntent(i, shown{}))
		return nil, &fault{
			Status: http.StatusPaymentRequired, Type: "card_error", Code: "card_declined", Decline: i.Declined,
			Message: "The card was declined.",
		}
	}
	i = c.change.intent(i.with(func(i *intent) { i.Status, i.Received = intentSucceeded, i.Amount }))
	c.tell("payment_intent.succeeded", c.bank.showIntent(i, shown{}))
	return c.bank.showIntent(i, more), nil
}

func (c *call) cancelIntent() (object, *fault) {
	more := c.expansions("")
	why := c.text("cancellation_reason")
	if err := c.end(); err != nil {
		return nil, err
	}
	i, err := c.foundIntent(c.request.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if i.Status != intentHeld && i.Status != intentUnpaid {
		return nil, unexpected(i, "canceled")
	}
	i = c.change.intent(i.with(func(i *intent) { i.Status, i.Reason = intentCanceled, why }))
	c.tell("payment_intent.canceled", c.bank.showIntent(i, shown{}))
	return c.bank.showIntent(i, more), nil
}

func (c *call) refund() (object, *fault) {
	id, amount := c.required("payment_intent"), c.integer("amount", 0, 1, maxAmount)
	metadata := c.metadata("metadata")
	if err := c.end(); err != nil {
		return nil, err
	}
	i, err := c.foundIntent(id)
	if err != nil {
		return nil, err
	}
	left := i.Received - i.Refunded
	if amount == 0 {
		amount = left
	}
	switch {
	case i.Status != intentSucceeded:
		return nil, unexpected(i, "refunded")
	case left == 0:
		return nil, invalid("charge_already_refunded", "", "Charge "+i.Charge+" has already been refunded.")
	case amount > left:
		return nil, invalid("amount_too_large", "amount", "Refund amount is greater than unrefunded amount on charge.")
	}
	if len(i.Refunds) >= maxRefunds {
		return nil, invalid("", "", "Charge "+i.Charge+" has too many refunds.")
	}
	r := refund{ID: newID("re_"), Created: c.now.Unix(), Amount: amount, Metadata: metadata}
	i = c.change.intent(i.with(func(i *intent) {
		i.Refunded += amount
		i.Refunds = append(slices.Clip(i.Refunds), r)
	}))
	c.tell("charge.refunded", showCharge(i))
	return showRefund(i, &r), nil
}

// listRefunds is a page of the refunds of an intent, which begins with the newest.
func (c *call) listRefunds() (object, *fault) {
	id, limit := c.required("payment_intent"), c.integer("limit", usualPage, 1, maxPage)
	after := c.text("starting_after")
	if err := c.end(); err != nil {
		return nil, err
	}
	i, err := c.foundIntent(id)
	if err != nil {
		return nil, err
	}
	left := i.Refunds
	if after != "" {
		at := slices.IndexFunc(left, func(r refund) bool { return r.ID == after })
		if at < 0 {
			return nil, missing("refund", cut(after))
		}
		left = left[:at]
	}
	data := []object{}
	for at := len(left) - 1; at >= 0 && int64(len(data)) < limit; at-- {
		data = append(data, showRefund(i, &left[at]))
	}
	return object{"object": "list", "url": "/v1/refunds", "has_more": len(data) < len(left), "data": data}, nil
}

// decode reads a JSON document with no unknown fields.
func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("there is more than one document")
	}
	return nil
}
