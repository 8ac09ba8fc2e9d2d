package pay

import (
	"maps"
	"sync"
	"time"
)

// WebhookOutcome is what became of a webhook.
type WebhookOutcome string

// The outcomes. Forged ones are also those that are too large, or for no provider that there is.
const (
	WebhookHeeded   WebhookOutcome = "heeded"
	WebhookRepeated WebhookOutcome = "repeated"
	WebhookOfOthers WebhookOutcome = "of_others"
	WebhookForged   WebhookOutcome = "forged"
	WebhookTooOld   WebhookOutcome = "too_old"
	WebhookFailed   WebhookOutcome = "failed"
)

// WebhookOutcomes are all outcomes of webhooks.
var WebhookOutcomes = []WebhookOutcome{
	WebhookHeeded, WebhookRepeated, WebhookOfOthers, WebhookForged, WebhookTooOld, WebhookFailed,
}

// CallOutcome is what became of a call of a provider.
type CallOutcome string

// The outcomes. CallUnknown: the provider does not know the charge.
const (
	CallDone     CallOutcome = "done"
	CallRefused  CallOutcome = "refused"
	CallUnknown  CallOutcome = "unknown"
	CallTimedOut CallOutcome = "timed_out"
	CallFailed   CallOutcome = "failed"
)

// Calls are calls of a provider that had the same purpose (authorise, get, capture, release, refund, list) and outcome.
type Calls struct {
	Purpose string
	Outcome CallOutcome
}

// Stats count since the start of this process, unless they say otherwise.
type Stats struct {
	// Reached is how many payments this process brought into each state.
	Reached  map[State]int64
	Calls    map[Calls]int64
	Webhooks map[WebhookOutcome]int64
	// OldestDue is for how long the payment has been due that is due for longest, as the worker last saw it. Open pages
	// are not among them: many wait for their turn.
	OldestDue time.Duration
	// Overdue is how many payments have been tried to be released or refunded for more than ten minutes, now.
	Overdue int
	// UnderWay is how many calls of providers the worker makes now, Waiting how many changes wait for a commit.
	UnderWay, Waiting int
	// Healed and Left are differences that Reconcile found: those that were set right, and those that could not be.
	Healed, Left int64
	// ReconciledAt is when it last got through, by this machine's clock; zero before.
	ReconciledAt time.Time
}

type counts struct {
	mu      sync.Mutex
	stats   Stats
	overdue map[string]time.Time
}

func newCounts() counts {
	return counts{
		stats: Stats{
			Reached: map[State]int64{}, Calls: map[Calls]int64{}, Webhooks: map[WebhookOutcome]int64{},
		},
		overdue: map[string]time.Time{},
	}
}

// Stats reads the counts.
func (s *Service) Stats() Stats {
	c := &s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.stats
	stats.Reached, stats.Calls, stats.Webhooks = maps.Clone(stats.Reached), maps.Clone(stats.Calls),
		maps.Clone(stats.Webhooks)
	c.forgetOverdue()
	stats.Overdue, stats.UnderWay, stats.Waiting = len(c.overdue), len(s.calling), s.committer.length()
	return stats
}

func (c *counts) reached(state State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Reached[state]++
}

func (c *counts) call(purpose string, outcome CallOutcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Calls[Calls{purpose, outcome}]++
}

func (c *counts) webhook(outcome WebhookOutcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Webhooks[outcome]++
}

func (c *counts) oldestDue(age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.OldestDue = age
}

func (c *counts) reconciled(r *Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Healed += r.Healed
	c.stats.Left += r.Left
	c.stats.ReconciledAt = time.Now()
}

const (
	// overdueTries is after how many tries a payment is overdue: for ten minutes, with the backoff.
	overdueTries = 16
	// overdueFor is for how long a payment counts as overdue after it was last tried: another process may have ended
	// it.
	overdueFor = 5 * time.Minute
	// maxOverdue bounds how many are known.
	maxOverdue = 10_000
)

// isOverdue notes whether a payment is overdue, and tells whether that is news.
func (c *counts) isOverdue(p *Payment) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.overdue[p.ID]
	_, pending := p.Refunds.pending()
	if p.Tries < overdueTries || !p.goesBack() && !pending {
		delete(c.overdue, p.ID)
		return false
	}
	if known || len(c.overdue) < maxOverdue {
		c.overdue[p.ID] = time.Now()
	}
	return !known
}

func (c *counts) ended(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.overdue, id)
}

func (c *counts) forgetOverdue() {
	for id, at := range c.overdue {
		if time.Since(at) > overdueFor {
			delete(c.overdue, id)
		}
	}
}
