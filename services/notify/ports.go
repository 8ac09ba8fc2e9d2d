package notify

import (
	"context"
	"errors"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Orders is where orders are read: in this process, or in the servers' behind RPC.
type Orders interface {
	// Order reads an order; nil where there is none. UNAVAILABLE: it cannot be read now.
	Order(ctx context.Context, orderID string) (*Order, error)
	// PaidOn lists the orders of a run that are PAID, the newest first, from a place on (zero for all), at most limit.
	PaidOn(ctx context.Context, run rail.RunID, after ledger.OrderPlace, limit int) ([]*Order, error)
}

// Store keeps deliveries and endpoints. Times are by its own clock. Every method keeps to its context's deadline.
// UNAVAILABLE: nothing was written. ledger.ErrInDoubt: it may have been.
type Store interface {
	Now(ctx context.Context) (time.Time, error)
	// Write writes a batch in one acknowledged commit.
	Write(ctx context.Context, b Batch) (Written, error)
	// Due are deliveries that are due, the longest first, of each queue at most so many. What is read may rest on a
	// commit that was never acknowledged: claim it by Write before anything is done.
	Due(ctx context.Context, queues []Queue) ([]*Delivery, error)
	// Deliveries reads deliveries by their ids, in that order; nil where there is none. At most MaxItems.
	Deliveries(ctx context.Context, ids []string) ([]*Delivery, error)
	// List lists deliveries, the newest first.
	List(ctx context.Context, f Filter) ([]*Delivery, error)
	// Endpoints are all endpoints, the oldest first.
	Endpoints(ctx context.Context) ([]*Endpoint, error)
	// PutEndpoint writes an endpoint that has the version before its own; version 1 is a new one. ErrStale: it has
	// another version by now. OVERLOADED: there are MaxEndpoints.
	PutEndpoint(ctx context.Context, e *Endpoint) error
	// DropEndpoint removes an endpoint, and tells whether it was there. Its deliveries stay.
	DropEndpoint(ctx context.Context, id string) (was bool, err error)
	// Skip ends deliveries to an endpoint that are pending, at most limit, and tells how many. GiveUp does so with those
	// of any receiver that are due, and have not changed since a time.
	Skip(ctx context.Context, endpoint, reason string, limit int) (int, error)
	GiveUp(ctx context.Context, since time.Time, reason string, limit int) (int, error)
	// Forget removes deliveries that ended before a time, at most limit, and tells how many.
	Forget(ctx context.Context, before time.Time, limit int) (int, error)
}

// Bounds.
const (
	// MaxItems is how many deliveries are read, listed or written at a time.
	MaxItems = 500
	// MaxEndpoints is how many endpoints there are.
	MaxEndpoints = 100
)

// ErrStale says that something has another version than the change was made for.
var ErrStale = errors.New("it was changed meanwhile")

// Batch is what one commit writes, at most MaxItems of both together.
type Batch struct {
	// New are deliveries that are due at once. One whose ID is there stays as it is.
	New []Delivery
	// Changes are written where the row has the version before theirs.
	Changes []Change
}

// Change is a delivery as it is to be.
type Change struct {
	Delivery Delivery
	// DueIn is when it is due again, from now; what has ended is never due.
	DueIn time.Duration
}

// Written is what became of a batch.
type Written struct {
	// Errs has an error for each change: nil or ErrStale.
	Errs []error
}

// Queue is what waits for one receiver.
type Queue struct {
	// Endpoint is where it goes, "" for mails.
	Endpoint string
	// Limit is how many are read, at most MaxItems.
	Limit int
}

// Filter says which deliveries are listed.
type Filter struct {
	// OrderID or Endpoint, "" for any.
	OrderID, Endpoint string
	// States, none for any.
	States []State
	// After is the place to go on from, zero for the newest.
	After Place
	// Limit is at most MaxItems.
	Limit int
}

// Place is a delivery's place in a list.
type Place struct {
	CreatedAt time.Time
	ID        string
}

// Endpoint is where a partner takes webhooks.
type Endpoint struct {
	ID string
	// URL is where it is. Description is for people.
	URL, Description string
	// Secrets are what its webhooks are signed with, the newest first, each as the specification writes it: at most
	// two, while one is replaced.
	Secrets []string
	// Events are the types that it is told, none for all.
	Events  []ledger.EventType
	Enabled bool
	// FailingSince is when its first delivery failed after the last that did not; zero while none fails. DisabledWhy says
	// why it was disabled by itself, "" where it was not.
	FailingSince time.Time
	DisabledWhy  string
	Version      int64
	CreatedAt    time.Time
	ChangedAt    time.Time
}

// Tells tells whether an endpoint is told of a type of events.
func (e *Endpoint) Tells(t ledger.EventType) bool {
	if !e.Enabled {
		return false
	}
	for _, one := range e.Events {
		if one == t {
			return true
		}
	}
	return len(e.Events) == 0
}

// Outcome is what became of a try. The zero Outcome is that nothing is known.
type Outcome struct {
	// State is Sent, Refused or Skipped, or Pending where it is to be tried again.
	State State
	// Answer and Reason: see Delivery.
	Answer int
	Reason string
	// RetryIn is how long the receiver wants to be left alone, 0 where it did not say.
	RetryIn time.Duration
	// Gone tells that the receiver wants nothing more, ever.
	Gone bool
}

// Mailer writes a mail about an order and sends it.
type Mailer interface {
	Mail(ctx context.Context, d *Delivery, o *Order) Outcome
}

// Poster posts webhooks to endpoints.
type Poster interface {
	// CheckURL is an endpoint's URL as it is kept. An error says why webhooks cannot be posted there, to who has given
	// it. NewSecret makes a secret to sign with.
	CheckURL(text string) (string, error)
	NewSecret() string
	Post(ctx context.Context, d *Delivery, e *Endpoint) Outcome
}
