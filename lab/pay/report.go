package pay

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"interlock/lab/load"
)

// The goals.
const (
	// MaxOrderP99Ratio is how much slower orders may be beside payments.
	MaxOrderP99Ratio = 1.5
	// MinUnderWay is how many payments are under way at once.
	MinUnderWay = 100
	// MaxWebhookToPaid is within how many milliseconds of the bank's word a buyer knows.
	MaxWebhookToPaid = 300
	// MaxPaidToMail is within how many milliseconds of the payment its mail is sent.
	MaxPaidToMail = 2_000
)

// Report is the one document that `lab pay` prints.
type Report struct {
	StartedAt time.Time         `json:"started_at"`
	Command   string            `json:"command"`
	Versions  map[string]string `json:"versions,omitempty"`
	Seed      uint64            `json:"seed"`
	Rounds    int               `json:"rounds"`
	Seconds   float64           `json:"seconds"`
	// PaymentsPerSecond are begun, and BankSeconds is how long the bank takes to open each.
	PaymentsPerSecond float64 `json:"payments_per_second"`
	BankSeconds       float64 `json:"bank_seconds"`
	// CarriesPerSecond is what the server can sell, and Share is the part of it that is sold.
	CarriesPerSecond float64 `json:"carries_per_second"`
	Share            float64 `json:"share"`

	// OrderP99Ratio, ProcessorMicros, WebhookToPaidP99 and PaidToMailP99 are medians of the rounds. UnderWay is the least
	// of them, Paid, Failed and Unmailed are all of them.
	OrderP99Ratio    float64 `json:"order_p99_ratio"`
	UnderWay         int     `json:"under_way"`
	ProcessorMicros  float64 `json:"processor_us_per_payment"`
	WebhookToPaidP99 float64 `json:"webhook_to_paid_p99_ms"`
	PaidToMailP99    float64 `json:"paid_to_mail_p99_ms"`
	Unmailed         int     `json:"unmailed"`
	Paid             int     `json:"paid"`
	Failed           int     `json:"failed"`
	Round            []Round `json:"round"`
	TookSeconds      float64 `json:"took_seconds"`
}

// Round is one measurement.
type Round struct {
	// WithoutP99 and WithP99 are the orders' without payments and with them, OrdersWithout and OrdersWith how many
	// there were, Unserved how many of both had no answer in time.
	WithoutP99    float64 `json:"order_p99_ms_without"`
	WithP99       float64 `json:"order_p99_ms_with"`
	OrdersWithout int     `json:"orders_without"`
	OrdersWith    int     `json:"orders_with"`
	Unserved      int     `json:"unserved"`
	// UnderWay is the most payments under way at once. Paid are those that were paid, Failed the others, and Problem
	// why the last of them was.
	UnderWay int    `json:"under_way"`
	Paid     int    `json:"paid"`
	Failed   int    `json:"failed"`
	Problem  string `json:"problem,omitempty"`
	// ProcessorMicros is what the server and the service of payments ran longer than without payments, for each.
	ProcessorMicros float64 `json:"processor_us_per_payment"`
	// BeginP99 is until payOrder was answered. WebhookToPaidP50 and WebhookToPaidP99 are from when the bank first told
	// of a payment until the buyer heard that the order is paid. Untold payments were paid without any word of the
	// bank.
	BeginP99         float64 `json:"pay_order_p99_ms"`
	WebhookToPaidP50 float64 `json:"webhook_to_paid_p50_ms"`
	WebhookToPaidP99 float64 `json:"webhook_to_paid_p99_ms"`
	Untold           int     `json:"untold"`
	// PaidToMailP50 and PaidToMailP99 are from the commit that made an order PAID until its mail was sent, into a folder.
	// Unmailed orders had none half a minute after the window.
	PaidToMailP50 float64 `json:"paid_to_mail_p50_ms"`
	PaidToMailP99 float64 `json:"paid_to_mail_p99_ms"`
	Unmailed      int     `json:"unmailed"`
}

// newRound works a round out. results and spent are those without payments and with them.
func newRound(
	results [2]*load.Result, spent [2]time.Duration, p *payers, told map[string]time.Time,
) Round {
	r := Round{
		WithoutP99: results[0].P99Milliseconds, WithP99: results[1].P99Milliseconds, OrdersWithout: results[0].Orders,
		OrdersWith: results[1].Orders, Unserved: results[0].Unserved + results[1].Unserved,
		UnderWay: p.most, Paid: len(p.paid), Failed: p.failed,
		ProcessorMicros: float64((spent[1] - spent[0]).Microseconds()) / float64(max(len(p.paid), 1)),
	}
	if p.problem != nil {
		r.Problem = p.problem.Error()
	}
	var begins, waits []time.Duration
	for _, one := range p.paid {
		begins = append(begins, one.begun.Sub(one.asked))
		if at, known := told[one.session]; known {
			waits = append(waits, one.paid.Sub(at))
		} else {
			r.Untold++
		}
	}
	r.BeginP99 = quantile(begins, 0.99)
	r.WebhookToPaidP50, r.WebhookToPaidP99 = quantile(waits, 0.5), quantile(waits, 0.99)
	return r
}

// quantile is in milliseconds: of some times the least that so large a part does not exceed; 0 of none.
func quantile(of []time.Duration, part float64) float64 {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	at := max(0, int(math.Ceil(part*float64(len(of))))-1)
	return math.Round(of[at].Seconds()*1e5) / 1e2
}

// sum fills in what all rounds come to.
func (r *Report) sum() {
	median := func(of func(*Round) float64) float64 {
		var all []float64
		for i := range r.Round {
			all = append(all, of(&r.Round[i]))
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	r.UnderWay = r.Round[0].UnderWay
	for _, one := range r.Round {
		r.UnderWay = min(r.UnderWay, one.UnderWay)
		r.Paid, r.Failed, r.Unmailed = r.Paid+one.Paid, r.Failed+one.Failed, r.Unmailed+one.Unmailed
	}
	r.OrderP99Ratio = median(func(one *Round) float64 { return one.WithP99 / max(one.WithoutP99, 0.01) })
	r.ProcessorMicros = median(func(one *Round) float64 { return one.ProcessorMicros })
	r.WebhookToPaidP99 = median(func(one *Round) float64 { return one.WebhookToPaidP99 })
	r.PaidToMailP99 = median(func(one *Round) float64 { return one.PaidToMailP99 })
}

// OK tells whether the goals are met, and every payment was paid.
func (r *Report) OK() bool {
	return r.Paid > 0 && r.Failed == 0 && r.OrderP99Ratio <= MaxOrderP99Ratio && r.UnderWay >= MinUnderWay &&
		r.WebhookToPaidP99 > 0 && r.WebhookToPaidP99 <= MaxWebhookToPaid &&
		r.PaidToMailP99 > 0 && r.PaidToMailP99 <= MaxPaidToMail && r.Unmailed == 0
}

// Text is the report for people.
func Text(r *Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The server can sell %.0f orders a second; %.2f of that is sold beside %.0f payments a "+
		"second, for each of which the bank takes %.1f s.\n\n", r.CarriesPerSecond, r.Share, r.PaymentsPerSecond,
		r.BankSeconds)
	for i := range r.Round {
		one := &r.Round[i]
		fmt.Fprintf(&b, "round %d: orders p99 %.1f ms without payments and %.1f ms with them; %d paid, %d failed, "+
			"%d under way at once; %.0f us of processor each; from the bank's word until it is paid p50 %.0f ms, p99 "+
			"%.0f ms\n", i+1, one.WithoutP99, one.WithP99, one.Paid, one.Failed, one.UnderWay, one.ProcessorMicros,
			one.WebhookToPaidP50, one.WebhookToPaidP99)
		if one.Problem != "" {
			fmt.Fprintf(&b, "  the last that failed: %s\n", one.Problem)
		}
	}
	fmt.Fprintf(&b, "\norders are %.2f times as slow (goal: at most %.1f)\n", r.OrderP99Ratio, MaxOrderP99Ratio)
	fmt.Fprintf(&b, "%d payments under way at once (goal: at least %d)\n", r.UnderWay, MinUnderWay)
	fmt.Fprintf(&b, "%.0f us of processor a payment\n", r.ProcessorMicros)
	fmt.Fprintf(&b, "%.0f ms from the bank's word until it is paid, p99 (goal: at most %d)\n", r.WebhookToPaidP99,
		MaxWebhookToPaid)
	fmt.Fprintf(&b, "%.0f ms from the payment until its mail is sent, p99 (goal: at most %d); %d were not sent\n",
		r.PaidToMailP99, MaxPaidToMail, r.Unmailed)
	return b.String()
}
