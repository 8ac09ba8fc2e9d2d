package pay

import "time"

const (
	// firstBackoff is the pause before a call is made again. It doubles from try to try, up to maxBackoff.
	firstBackoff = time.Second
	maxBackoff   = time.Minute
	// firstPoll is the pause before the provider is first asked whether a buyer has paid. A webhook comes sooner.
	firstPoll = 5 * time.Second
	// payGrace is how long after PayBy a payment is still taken: the page was closed at PayBy by the provider's clock.
	payGrace = time.Minute
	// decideGrace is how long after PayBy an authorised payment waits for the ledger. By then no order can want it.
	decideGrace = time.Hour
)

// backoff is the pause after so many tries.
func backoff(first time.Duration, tries int) time.Duration {
	return min(first<<min(max(tries-1, 0), 10), maxBackoff)
}

// pauseOf is how long to wait after the last call for a payment until it is called for again.
func pauseOf(p *Payment) time.Duration {
	switch {
	case p.State == Open && p.Wants == Undecided:
		return backoff(firstPoll, p.Tries)
	case p.Tries == 0:
		return 0
	}
	return backoff(firstBackoff, p.Tries)
}

// dueIn is how long from now the provider is to be called for a payment; negative: not at all.
func dueIn(p *Payment, now time.Time) time.Duration {
	switch p.State {
	case Authorised:
		if by, _ := deadline(p); by.After(now) {
			return by.Sub(now)
		}
	case Captured:
		if _, pending := p.Refunds.pending(); !pending {
			return -1
		}
	case Failed, Released, Refunded:
		if p.left() <= 0 {
			return -1
		}
	case Created, Open, Capturing, Releasing, Refunding:
	}
	in := pauseOf(p)
	if by, _ := deadline(p); by.After(now) { // Afterwards the provider is asked until it answers.
		in = min(in, by.Sub(now))
	}
	return in
}

// deadline is when a payment is given up, and why; the zero time where it is not.
func deadline(p *Payment) (by time.Time, reason string) {
	switch {
	case p.goesBack() || p.State == Captured:
		return time.Time{}, ""
	case p.Wants == Capture:
		return p.CaptureBy, reasonNotCaptured
	case p.State == Authorised:
		return p.PayBy.Add(decideGrace), reasonUndecided
	}
	return p.PayBy.Add(payGrace), reasonNotPaid
}
