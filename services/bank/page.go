package bank

import (
	"embed"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"interlock/services/pay/stripepay"
)

//go:embed page.html page.css
var files embed.FS

var pageTemplate = template.Must(template.ParseFS(files, "page.html"))

// maxShownTitle bounds what a page shows of a title.
const maxShownTitle = 200

// button is a way to pay.
type button struct{ Do, Text, Hint string }

// buttons are the ways to pay, the usual two first.
func (o *Options) buttons() []button {
	return []button{
		{"pay", "Pay", "The bank holds the money, and says so at once."},
		{"decline", "Decline", "The bank says no. You can try again."},
		{"think", "Think for a while", "You are charged after " + seconds(o.Think) + "."},
		{"twice", "Pay twice", "The bank charges this payment two times."},
		{"late", "Pay after the hold", "You are charged " + seconds(o.LateBy) + " after the end of this page."},
		{"refuse-later", "Pay, and say no later", "The bank holds the money, and says no to the railway."},
		{"silent", "Answer nothing", "You are charged. The bank then answers nothing for " + seconds(o.Silence) + "."},
		{"lose", "Lose the webhook", "You are charged. The railway is not told, and has to ask."},
		{"triple", "Tell it three times", "You are charged. The railway is told three times, and out of order."},
	}
}

// seconds is a duration as a person reads it.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'g', 3, 64) + " seconds"
}

// act does what a button says.
func (c *change) act(what, id string) bool {
	s := c.bank.sessions[id]
	if s == nil || s.Status != sessionOpen {
		return false
	}
	o := &c.bank.options
	now := time.Now()
	switch what {
	case "pay":
		return c.authorise(id)
	case "decline":
		return c.decline(id)
	case "twice":
		return c.twice(id)
	case "think":
		c.session(s.with(func(s *session) { s.Planned, s.PlannedAt = planPay, now.Add(o.Think).UnixMilli() }))
	case "late":
		c.session(s.with(func(s *session) { s.late(o.LateBy) }))
	case "refuse-later":
		c.session(s.with(func(s *session) { s.NoCapture = true }))
		return c.authorise(id)
	case "silent":
		c.session(s.with(func(s *session) {
			s.SilentTill, s.Webhooks = now.Add(o.Silence).UnixMilli(), webhooksLost
		}))
		return c.authorise(id)
	case "lose":
		c.session(s.with(func(s *session) { s.Webhooks = webhooksLost }))
		return c.authorise(id)
	case "triple":
		c.session(s.with(func(s *session) { s.Webhooks = webhooksTripled }))
		return c.authorise(id)
	default:
		return false
	}
	return true
}

// Act does what a button of a page says: pay, decline, think, twice, late, refuse-later, silent, lose or triple. It
// returns false where there is no such page or button, or where the page is closed.
func (b *Bank) Act(what, session string) (done bool) {
	b.step(func(c *change) { done = c.act(what, session) })
	return done
}

// view is what a page shows.
type view struct {
	ID, Title, Amount, Status, Said, ReturnURL, Ends string
	Open                                             bool
	Buttons                                          []button
}

// pageOf is the address of a session's page.
func (b *Bank) pageOf(id string) string { return b.options.URL + "/pay/" + id }

func (b *Bank) pages(mux *http.ServeMux) {
	mux.HandleFunc("GET /pay/{id}", func(w http.ResponseWriter, r *http.Request) {
		shown, ok := b.view(r.PathValue("id"))
		status := http.StatusOK
		if !ok {
			status = http.StatusNotFound
		}
		b.show(w, status, &shown)
	})
	mux.HandleFunc("POST /pay/{id}", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		// A page that is closed by now says so itself.
		b.Act(r.PostFormValue("do"), r.PathValue("id"))
		http.Redirect(w, r, "/pay/"+r.PathValue("id"), http.StatusSeeOther)
	})
	mux.HandleFunc("GET /page.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "page.css")
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		b.show(w, http.StatusOK, &view{Status: "Open the page that a payment's redirectUrl names."})
	})
}

func (b *Bank) show(w http.ResponseWriter, status int, shown *view) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	if err := pageTemplate.Execute(w, shown); err != nil {
		b.options.Log.Debug("a page was not written", "err", err)
	}
}

// view is what a session's page shows now.
func (b *Bank) view(id string) (view, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[id]
	if s == nil {
		return view{Status: "There is no such payment."}, false
	}
	v := view{
		ID: id, Title: s.Title[:min(len(s.Title), maxShownTitle)], ReturnURL: s.ReturnURL,
		Amount: shownAmount(s.Currency, s.Amount),
	}
	i := b.intents[s.Intent]
	switch {
	case s.Status == sessionExpired:
		v.Status = "This page is closed. Nothing was paid."
	case s.Status == sessionOpen && s.Planned != "":
		v.Status = "You will be charged at " + clock(time.UnixMilli(s.PlannedAt)) + "."
	case s.Status == sessionOpen:
		v.Open, v.Buttons = true, b.options.buttons()
		v.Ends = clock(time.Unix(s.ExpiresAt, 0))
		if i != nil && i.Declined != "" {
			v.Said = "The bank declined. Nothing was paid. You can try again."
		}
	case i.Status == intentHeld:
		v.Status = "Thank you. The bank holds the money for the railway."
	case i.Status == intentCanceled:
		v.Status = "The money was let go. You have paid nothing."
	case i.Refunded > 0:
		v.Status = "The railway took the money, and gave back " +
			shownAmount(s.Currency, i.Refunded) + "."
	default:
		v.Status = "You have paid."
	}
	return v, true
}

// shownAmount is an amount as a person reads it.
func shownAmount(currency string, amount int64) string {
	m, err := stripepay.Money(currency, amount)
	if err != nil {
		return err.Error()
	}
	return m.String()
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 MST") }
