package check

import (
	"time"

	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// inTime compares a payment that was made with the end of the hold. A hold is stopped while money is being taken: then
// that time is compared with the hold, and the payment with the time for taking the money.
func inTime(r *Result, t *history.Stored) {
	decided, what := t.PaidAt, "paid"
	if !t.PayingAt.IsZero() {
		decided, what = t.PayingAt, "PAYING"
		if !t.PaidAt.Before(t.CaptureBy) {
			r.wrong("order %s was paid %.3f s after the time for taking its money was over", t.Number,
				t.PaidAt.Sub(t.CaptureBy).Seconds())
		}
	}
	if !decided.Before(t.PayBy) {
		r.wrong("order %s was %s %.3f s after its hold was over", t.Number, what, decided.Sub(t.PayBy).Seconds())
	}
}

// payments compares payments with the end of their holds, by the primary's clock, whichever server was asked. Nothing
// is paid, or begins to be, once its hold is over. No hold ends early. No client is told too early that a hold is over.
func payments(r *Result, calls []history.Call, primary history.Member) {
	asked := history.ByRequest(calls)
	byNumber := map[string]history.Stored{}
	for _, t := range primary.Tickets {
		byNumber[t.Number] = t
		if !t.PaidAt.IsZero() {
			r.Looked++
			inTime(r, &t)
		}
		// What was carried over to a change may have paid for all of it.
		request := history.Request{Kind: history.Pay, Buyer: t.Buyer, Key: t.Number}
		if t.State == rail.Paid && t.Replaces == "" && asked[request] == nil {
			r.wrong("order %s is paid, and no client of this history has paid it", t.Number)
		}
		if t.State == rail.Expired {
			r.Looked++
			if t.EndedAt.Before(t.PayBy) {
				r.wrong("order %s expired %.3f s before its hold was over", t.Number, t.PayBy.Sub(t.EndedAt).Seconds())
			}
		}
	}
	for _, c := range calls {
		t, ok := byNumber[c.Key]
		if c.Code != "HOLD_EXPIRED" || !ok {
			continue
		}
		r.Looked++
		if left := t.PayBy.Sub(c.End); left > clockSlack {
			r.wrong("%s was told that the hold of order %s is over, %s before it was", c.Buyer, c.Key,
				left.Round(time.Millisecond))
		}
	}
}
