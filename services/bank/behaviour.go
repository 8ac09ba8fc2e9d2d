package bank

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Behaviour is how the bank behaves with all payments. Rates are from 0 to 1; the zero value is a good bank.
type Behaviour struct {
	// AuthoriseDelayMS is how long the opening of a page takes, CaptureDelayMS a capture, DelayMS any other call.
	AuthoriseDelayMS int `json:"authoriseDelayMs"`
	CaptureDelayMS   int `json:"captureDelayMs"`
	DelayMS          int `json:"delayMs"`
	// FailRate is for calls that fail with HTTP 500 before anything was done.
	FailRate float64 `json:"failRate"`
	// LostAnswerRate is for calls that are carried out, and whose connection is cut after HangMS without an answer.
	LostAnswerRate float64 `json:"lostAnswerRate"`
	HangMS         int     `json:"hangMs"`
	// DeclineCaptureRate is for captures that are declined although the money was held.
	DeclineCaptureRate float64 `json:"declineCaptureRate"`
	// AutoPayMS pays each new page after so long; 0 is never. Of these DeclineRate are declined, TwiceRate are paid
	// twice and LateRate are paid after the page's end.
	AutoPayMS   int     `json:"autoPayMs"`
	DeclineRate float64 `json:"declineRate"`
	TwiceRate   float64 `json:"twiceRate"`
	LateRate    float64 `json:"lateRate"`
	// Webhooks is what befalls webhooks.
	Webhooks Disorders `json:"webhooks"`
}

// Disorders are how many webhooks of a hundred percent are never sent, are sent three times, are late and so out of
// order, and have a forged one, or one that is an hour old, beside them.
type Disorders struct {
	Lost      float64 `json:"lost"`
	Tripled   float64 `json:"tripled"`
	Reordered float64 `json:"reordered"`
	Forged    float64 `json:"forged"`
	Old       float64 `json:"old"`
}

// maxDelayMS bounds each time of a behaviour: an hour.
const maxDelayMS = 3_600_000

// Validate names the first value that is out of its bounds.
func (b *Behaviour) Validate() error {
	for name, rate := range map[string]float64{
		"failRate": b.FailRate, "lostAnswerRate": b.LostAnswerRate, "declineCaptureRate": b.DeclineCaptureRate,
		"declineRate": b.DeclineRate, "twiceRate": b.TwiceRate, "lateRate": b.LateRate,
		"webhooks.lost": b.Webhooks.Lost, "webhooks.tripled": b.Webhooks.Tripled, "webhooks.old": b.Webhooks.Old,
		"webhooks.reordered": b.Webhooks.Reordered, "webhooks.forged": b.Webhooks.Forged,
	} {
		if !(rate >= 0 && rate <= 1) {
			return fmt.Errorf("%s is from 0 to 1, not %g", name, rate)
		}
	}
	for name, ms := range map[string]int{
		"authoriseDelayMs": b.AuthoriseDelayMS, "captureDelayMs": b.CaptureDelayMS, "delayMs": b.DelayMS,
		"hangMs": b.HangMS, "autoPayMs": b.AutoPayMS,
	} {
		if ms < 0 || ms > maxDelayMS {
			return fmt.Errorf("%s is from 0 to %d, not %d", name, maxDelayMS, ms)
		}
	}
	return nil
}

// plan says what will become of a new session.
func (b *Behaviour) plan(s *session, lateBy time.Duration) {
	if b.AutoPayMS == 0 {
		return
	}
	s.Planned, s.PlannedAt = planPay, time.Now().Add(time.Duration(b.AutoPayMS)*time.Millisecond).UnixMilli()
	switch {
	case chance(b.DeclineRate):
		s.Planned = planDecline
	case chance(b.TwiceRate):
		s.Planned = planTwice
	case chance(b.LateRate):
		s.late(lateBy)
	}
}

// late pays a session after its end. The bank closes it later still.
func (s *session) late(by time.Duration) {
	s.Late, s.Planned, s.PlannedAt = true, planPay, time.Unix(s.ExpiresAt, 0).Add(by).UnixMilli()
}

// Behave replaces the behaviour.
func (b *Bank) Behave(behaviour Behaviour) error {
	if err := behaviour.Validate(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.behaviour = behaviour
	return nil
}

// Charge is a line of the bank's ledger: one try to pay, in Stripe's units.
type Charge struct {
	PaymentID  string `json:"paymentId"`
	OrderID    string `json:"orderId"`
	Session    string `json:"session"`
	Intent     string `json:"intent,omitempty"`
	Status     string `json:"status"`
	Currency   string `json:"currency"`
	Authorised int64  `json:"authorised"`
	Captured   int64  `json:"captured"`
	Released   int64  `json:"released"`
	Refunded   int64  `json:"refunded"`
	CreatedAt  int64  `json:"createdAt"`
}

// Ledger are all charges from a place on, oldest first, at most limit; next is where to go on, -1 at the end.
func (b *Bank) Ledger(from, limit int) (charges []Charge, next int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	charges = []Charge{}
	for at := max(from-b.dropped, 0); at < len(b.opened); at++ {
		if len(charges) == limit {
			return charges, b.dropped + at
		}
		charges = append(charges, b.charge(b.sessions[b.opened[at]]))
	}
	return charges, -1
}

func (b *Bank) charge(s *session) Charge {
	c := Charge{
		PaymentID: s.Metadata["payment_id"], OrderID: s.Metadata["order_id"], Session: s.ID, Status: s.Status,
		Currency: s.Currency, CreatedAt: s.Created,
	}
	i := b.intents[s.Intent]
	if i == nil {
		return c
	}
	c.Intent, c.Captured, c.Refunded = i.ID, i.Received, i.Refunded
	if s.Status == sessionComplete {
		c.Status = i.Status
	}
	if i.Charge != "" {
		c.Authorised = i.Amount
	}
	if i.Status == intentCanceled || i.Status == intentSucceeded {
		c.Released = c.Authorised - c.Captured
	}
	return c
}

// maxLedgerPage bounds a page of the ledger.
const maxLedgerPage = 10_000

// controls are for the lab, and for people who try things out. They need the API's key.
func (b *Bank) controls(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	keyed := func(pattern string, do http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !b.permitted(r) {
				http.Error(w, "the bank's key is needed", http.StatusUnauthorized)
				return
			}
			do(w, r)
		})
	}
	keyed("GET /sandbox/behaviour", func(w http.ResponseWriter, _ *http.Request) {
		b.mu.Lock()
		behaviour := b.behaviour
		b.mu.Unlock()
		writeJSON(w, behaviour)
	})
	keyed("POST /sandbox/behaviour", func(w http.ResponseWriter, r *http.Request) {
		var behaviour Behaviour
		if err := decode(r, &behaviour); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := b.Behave(behaviour); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, behaviour)
	})
	keyed("GET /sandbox/ledger", func(w http.ResponseWriter, r *http.Request) {
		from, err := strconv.Atoi(r.FormValue("from"))
		if r.FormValue("from") != "" && (err != nil || from < 0) {
			http.Error(w, "from is a number that the last page ended with", http.StatusBadRequest)
			return
		}
		charges, next := b.Ledger(from, maxLedgerPage)
		writeJSON(w, map[string]any{"charges": charges, "next": next})
	})
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client is gone
}
