package bank

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Options say how a bank is set up.
type Options struct {
	// Key is what calls of the API authenticate with.
	Key string
	// Folder keeps the journal; "" keeps nothing.
	Folder string
	// URL is where buyers reach the bank's pages, without a slash at its end.
	URL string
	// WebhookURL is told of changes; "" is for none. WebhookSecret signs what is told.
	WebhookURL, WebhookSecret string
	// Think is how long a buyer thinks who is to think; 0 is a minute. Silence is how long the bank answers nothing
	// about a payment; 0 is two minutes. LateBy is how long after its end a late payment comes; 0 is 5 seconds.
	Think, Silence, LateBy time.Duration
	// RetryAfter is the pause before a webhook is sent again; it doubles each time. 0 is a second.
	RetryAfter time.Duration
	Log        *slog.Logger
}

const (
	// maxSessions bounds what is kept; beyond it the oldest leave.
	maxSessions = 200_000
	// maxKeys bounds how many answers are kept for repetitions of their keys. Stripe keeps them for a day.
	maxKeys = 200_000
	// tick is how often the bank looks what is due.
	tick = 100 * time.Millisecond
)

// Bank is a sandbox bank. Its Handler may be served until Close.
type Bank struct {
	options Options
	handler http.Handler
	journal *journal
	hooks   *hooks
	close   func() error
	running sync.WaitGroup

	mu        sync.Mutex
	behaviour Behaviour
	sessions  map[string]*session
	intents   map[string]*intent
	// opened are the sessions in the order of their opening. place is a session's place in it, from before the first
	// dropped ones have left at the front.
	opened  []string
	place   map[string]int
	dropped int
	// alive are sessions that time changes: open ones.
	alive map[string]bool
	keys  keyring
}

// Open reads the journal, and goes on from there.
func Open(options *Options) (*Bank, error) {
	o := *options
	o.Think, o.Silence = cmp.Or(o.Think, time.Minute), cmp.Or(o.Silence, 2*time.Minute)
	o.LateBy, o.RetryAfter = cmp.Or(o.LateBy, 5*time.Second), cmp.Or(o.RetryAfter, time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Key == "" {
		return nil, errors.New("a bank needs a key")
	}
	if o.WebhookURL != "" && o.WebhookSecret == "" {
		return nil, errors.New("webhooks need a secret to be signed with")
	}
	b := &Bank{
		options: o, sessions: map[string]*session{}, intents: map[string]*intent{}, place: map[string]int{},
		alive: map[string]bool{}, keys: keyring{kept: map[string]*answer{}},
	}
	untold := map[string]*event{}
	if o.Folder != "" {
		var err error
		if b.journal, err = openJournal(o.Folder, func(e *entry) { b.replay(e, untold) }); err != nil {
			return nil, err
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	b.hooks = newHooks(ctx, &o, func(id string) { b.journal.append(&entry{Told: id}) })
	b.handler = b.routes()
	for _, e := range untold {
		b.hooks.send(e, "", Disorders{})
	}
	b.running.Go(func() { b.watchClock(ctx) })
	b.close = sync.OnceValue(func() error {
		stop()
		b.running.Wait()
		b.hooks.wait()
		return b.journal.close()
	})
	return b, nil
}

// Close ends what the bank does by itself. What is in the journal stays.
func (b *Bank) Close() error { return b.close() }

// Handler serves the API, the pages and the sandbox's own controls.
func (b *Bank) Handler() http.Handler { return b.handler }

// replay takes an entry of the journal.
func (b *Bank) replay(e *entry, untold map[string]*event) {
	if e.Session != nil {
		b.keepSession(e.Session)
	}
	if e.Intent != nil {
		b.intents[e.Intent.ID] = e.Intent
	}
	if e.Key != "" {
		b.keys.keep(e.Key, e.Answer)
	}
	for _, told := range e.Events {
		untold[told.ID] = told
	}
	delete(untold, e.Told)
}

// keepSession notes a session. Beyond the bound the oldest leaves, with its money.
func (b *Bank) keepSession(s *session) {
	if _, known := b.sessions[s.ID]; !known {
		b.place[s.ID] = b.dropped + len(b.opened)
		b.opened = append(b.opened, s.ID)
	}
	b.sessions[s.ID] = s
	if s.Status == sessionOpen {
		b.alive[s.ID] = true
	} else {
		delete(b.alive, s.ID)
	}
	for len(b.opened) > maxSessions {
		oldest := b.sessions[b.opened[0]]
		delete(b.intents, oldest.Intent)
		delete(b.sessions, oldest.ID)
		delete(b.place, oldest.ID)
		delete(b.alive, oldest.ID)
		b.opened = b.opened[1:]
		b.dropped++
	}
}

// change is what a step does to the state; it is noted and told as one.
type change struct {
	bank    *Bank
	entries []*entry
	events  []*event
	// befalls is what befalls the events.
	befalls disorder
}

// step makes changes under the lock. It returns once they are in the journal, and only then tells of them.
func (b *Bank) step(do func(c *change)) {
	b.mu.Lock()
	c := &change{bank: b}
	do(c)
	if len(c.events) > 0 {
		c.entries = append(c.entries, &entry{Events: c.events})
	}
	noted := b.journal.append(c.entries...)
	disorders := b.behaviour.Webhooks
	b.mu.Unlock()
	b.journal.wait(noted)
	for _, e := range c.events {
		b.hooks.send(e, c.befalls, disorders)
	}
}

func (c *change) session(s *session) *session {
	c.bank.keepSession(s)
	c.entries = append(c.entries, &entry{Session: s})
	if s.Webhooks != "" {
		c.befalls = s.Webhooks
	}
	return s
}

func (c *change) intent(i *intent) *intent {
	c.bank.intents[i.ID] = i
	c.entries = append(c.entries, &entry{Intent: i})
	if s := c.bank.sessions[i.Session]; s != nil && s.Webhooks != "" {
		c.befalls = s.Webhooks
	}
	return i
}

func (c *change) tell(kind string, object any) {
	c.events = append(c.events, newEvent(kind, object))
}

// authorise pays an open session: the bank holds the amount. It returns false where the session is not open.
func (c *change) authorise(id string) bool {
	s := c.bank.sessions[id]
	if s == nil || s.Status != sessionOpen {
		return false
	}
	i := c.bank.intentOf(s)
	i = c.intent(i.with(func(i *intent) {
		i.Status, i.Charge, i.Declined = intentHeld, newID("ch_"), ""
		if s.Automatic {
			i.Status, i.Received = intentSucceeded, i.Amount
		}
	}))
	s = c.session(s.with(func(s *session) {
		s.Status, s.Intent, s.Planned, s.PlannedAt = sessionComplete, i.ID, "", 0
	}))
	if i.Status == intentHeld {
		c.tell("payment_intent.amount_capturable_updated", c.bank.showIntent(i, shown{}))
	} else {
		c.tell("payment_intent.succeeded", c.bank.showIntent(i, shown{}))
	}
	c.tell("checkout.session.completed", c.bank.showSession(s, shown{}))
	return true
}

// intentOf is the session's intent, or the one that it gets.
func (b *Bank) intentOf(s *session) *intent {
	if i := b.intents[s.Intent]; i != nil {
		return i
	}
	return &intent{
		ID: newID("pi_"), Session: s.ID, Status: intentUnpaid, Created: time.Now().Unix(), Amount: s.Amount,
		Currency: s.Currency, Metadata: s.ForIntent,
	}
}

// decline refuses the buyer's money. The page stays open for another try.
func (c *change) decline(id string) bool {
	s := c.bank.sessions[id]
	if s == nil || s.Status != sessionOpen {
		return false
	}
	i := c.intent(c.bank.intentOf(s).with(func(i *intent) { i.Declined = "insufficient_funds" }))
	c.session(s.with(func(s *session) { s.Intent, s.Planned, s.PlannedAt = i.ID, "", 0 }))
	c.tell("payment_intent.payment_failed", c.bank.showIntent(i, shown{}))
	return true
}

// twice pays a session, and a second one for the same payment.
func (c *change) twice(id string) bool {
	s := c.bank.sessions[id]
	if !c.authorise(id) {
		return false
	}
	second := c.session(s.again(time.Now().Unix()))
	return c.authorise(second.ID)
}

// expire closes an open session.
func (c *change) expire(s *session) *session {
	s = c.session(s.with(func(s *session) { s.Status, s.Planned, s.PlannedAt = sessionExpired, "", 0 }))
	c.tell("checkout.session.expired", c.bank.showSession(s, shown{}))
	return s
}

// do carries out a plan.
func (c *change) do(p plan, id string) bool {
	switch p {
	case planDecline:
		return c.decline(id)
	case planTwice:
		return c.twice(id)
	}
	return c.authorise(id)
}

// watchClock carries out what is planned, and closes pages whose time is over.
func (b *Bank) watchClock(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			b.onTick(now)
		}
	}
}

// onTick does what is due, each as a step of its own.
func (b *Bank) onTick(now time.Time) {
	var due []string
	b.mu.Lock()
	for id := range b.alive {
		if s := b.sessions[id]; s.isDue(now, b.options.LateBy) {
			due = append(due, id)
		}
	}
	b.mu.Unlock()
	for _, id := range due {
		b.step(func(c *change) {
			s := b.sessions[id]
			switch {
			case s == nil || s.Status != sessionOpen || !s.isDue(now, b.options.LateBy):
			case s.Planned != "" && now.UnixMilli() >= s.PlannedAt:
				c.do(s.Planned, id)
			default:
				c.expire(s)
			}
		})
	}
}

// isDue tells whether time does something to an open session.
func (s *session) isDue(now time.Time, lateBy time.Duration) bool {
	ends := time.Unix(s.ExpiresAt, 0)
	if s.Late {
		ends = ends.Add(2 * lateBy)
	}
	return s.Planned != "" && now.UnixMilli() >= s.PlannedAt || !now.Before(ends)
}

// chance is true with a probability.
func chance(p float64) bool { return p > 0 && rand.Float64() < p }
