package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"interlock/internal/logonce"
	"interlock/services/ledger"
	"interlock/services/rail"
)

const (
	// endpointsAge is for how long the endpoints that were read are believed.
	endpointsAge = time.Second
	// keepFor is how long a delivery is kept once it has ended.
	keepFor = 100 * 24 * time.Hour
)

// Options make a Service.
type Options struct {
	Store  Store
	Orders Orders
	// Mailer sends mails; nil: none are sent. Poster posts webhooks; nil: none are posted.
	Mailer Mailer
	Poster Poster
	Log    *slog.Logger
}

// Service notes what is to be told, and tells it. It may be used by many goroutines.
type Service struct {
	Options
	committer committer
	told      endpointCache
	counts    counts
	wake      chan struct{}
	// lookEvery is the pause between two looks for what is due.
	lookEvery time.Duration
	places    places
	// failing log when deliveries begin to fail, by channel.
	failing map[Channel]*logonce.Failure
	noting  *logonce.Failure
}

// New makes a Service. Run delivers.
func New(o Options) *Service {
	return &Service{
		Options: o, committer: committer{store: o.Store}, wake: make(chan struct{}, 1), counts: newCounts(),
		lookEvery: lookInterval,
		places:    newPlaces(),
		failing: map[Channel]*logonce.Failure{
			Mail:    logonce.Warn("mails cannot be sent: they are tried again", "mails are sent again"),
			Webhook: logonce.Warn("webhooks are not taken: they are tried again", "webhooks are taken again"),
		},
		noting: logonce.Warn("what became of deliveries cannot be noted: they are made again",
			"what becomes of deliveries is noted again"),
	}
}

// Wake has the worker look for what is due.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// endpointCache remembers the endpoints for a moment.
type endpointCache struct {
	mu   sync.Mutex
	all  []*Endpoint
	read time.Time
}

func (c *endpointCache) get(ctx context.Context, store Store) ([]*Endpoint, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.read.IsZero() && time.Since(c.read) < endpointsAge {
		return c.all, nil
	}
	all, err := store.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	c.all, c.read = all, time.Now()
	return all, nil
}

// forget has the endpoints read again.
func (c *endpointCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = time.Time{}
}

// Deliveries lists deliveries, the newest first.
func (s *Service) Deliveries(ctx context.Context, f Filter) ([]*Delivery, error) {
	f.Limit = max(1, min(f.Limit, MaxItems))
	return s.Store.List(ctx, f)
}

// Replay has a delivery that has ended made again, once for each time that it ended. NOT_FOUND: there is none.
// WRONG_STATE: it is pending, or its endpoint is disabled or gone.
func (s *Service) Replay(ctx context.Context, id string) (*Delivery, error) {
	found, err := s.Store.Deliveries(ctx, []string{id})
	switch {
	case err != nil:
		return nil, err
	case found[0] == nil:
		return nil, rail.Refuse(rail.NotFound, "there is no such delivery").At("input", "deliveryId")
	case !found[0].ended():
		return nil, rail.Refuse(rail.WrongState, "the delivery is pending").At("input", "deliveryId")
	}
	d := *found[0]
	if d.Channel == Webhook {
		e, err := s.Endpoint(ctx, d.Endpoint)
		switch {
		case err != nil:
			return nil, err
		case e == nil || !e.Enabled:
			return nil, rail.Refuse(rail.WrongState, "its webhook is disabled, or gone").At("input", "deliveryId")
		}
	}
	d.State, d.Tries, d.Answer, d.Reason, d.Version = Pending, 0, 0, "", d.Version+1
	errs, err := s.committer.write(ctx, Batch{Changes: []Change{{Delivery: d}}})
	switch {
	case err != nil:
		return nil, err
	case errs[0] != nil:
		return nil, rail.Refuse(rail.WrongState, "the delivery is pending").At("input", "deliveryId")
	}
	s.Wake()
	return &d, nil
}

// checkEvents refuses types of events that there are none of.
func checkEvents(types []ledger.EventType) error {
	for i, t := range types {
		if !slices.Contains(ledger.EventTypes, t) {
			return rail.Refuse(rail.Invalid, "there is no event of the type %s", rail.Quote(string(t))).
				At("input", "events", rail.Index(i))
		}
	}
	return nil
}

// Endpoints are all endpoints, the oldest first.
func (s *Service) Endpoints(ctx context.Context) ([]*Endpoint, error) { return s.Store.Endpoints(ctx) }

// Endpoint reads an endpoint; nil where there is none.
func (s *Service) Endpoint(ctx context.Context, id string) (*Endpoint, error) {
	all, err := s.Store.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.ID == id {
			return e, nil
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

// maxDescription is how many characters a description has at most.
const maxDescription = 200

// PutEndpoint writes an endpoint: a new one where its Version is 1. A secret that is "" is made, and answered. INVALID:
// its URL cannot be posted to, or there is no such event. WRONG_STATE: it was changed meanwhile, or nothing is posted
// here. OVERLOADED: there are as many as there may be.
func (s *Service) PutEndpoint(ctx context.Context, e *Endpoint) (*Endpoint, error) {
	if s.Poster == nil {
		return nil, rail.Refuse(rail.WrongState, "no webhooks are posted here")
	}
	url, err := s.Poster.CheckURL(e.URL)
	if err != nil {
		return nil, rail.Refuse(rail.Invalid, "%s", err.Error()).At("input", "url")
	}
	e.URL = url
	for i := range e.Secrets {
		if e.Secrets[i] == "" {
			e.Secrets[i] = s.Poster.NewSecret()
		}
	}
	e.Description = rail.NormalizeText(e.Description)
	if e.Description != "" {
		if err := rail.CheckText("a description", e.Description, maxDescription); err != nil {
			return nil, err.At("input", "description")
		}
	}
	if err := checkEvents(e.Events); err != nil {
		return nil, err
	}
	defer s.told.forget()
	err = s.Store.PutEndpoint(ctx, e)
	if errors.Is(err, ErrStale) {
		return nil, rail.Refuse(rail.WrongState, "the endpoint was changed meanwhile")
	}
	if err != nil {
		return nil, err
	}
	s.Wake()
	return s.Endpoint(ctx, e.ID)
}

// DropEndpoint removes an endpoint, and tells whether it was there. What waits for it is skipped; an event that is being
// noted just now may leave one more, which is given up a day later.
func (s *Service) DropEndpoint(ctx context.Context, id string) (bool, error) {
	was, err := s.Store.DropEndpoint(ctx, id)
	s.told.forget()
	if err != nil {
		return was, err
	}
	return was, s.skip(ctx, id, "the endpoint is gone")
}
