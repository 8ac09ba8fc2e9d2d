// Package sale sells seats: it takes orders, pays, cancels and expires them.
//
// All that changes the seat maps of a run goes through the run's worker. A process has one worker for each run that is
// being sold. A worker gets the run's lock, takes all requests that wait, and serves the whole batch in one transaction
// of the ledger. The lock keeps the workers of different processes out of each other's way. The ledger alone decides
// what is right: everything here stays right with a lock that always says yes.
//
// Package sale answers a buyer once the ledger has acknowledged the commit that the answer rests on. It says that an
// order failed only when that is known.
//
// All methods of Service may be called by many goroutines.
package sale

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Service sells seats of all runs. Make one with Open.
type Service struct {
	Options
	settings Settings
	counters counters
	// bodyMACs make the keyed digests of requests.
	bodyMACs sync.Pool
	// seed makes the hashes of claims: a buyer who does not know it cannot choose two documents or names with one hash.
	seed        maphash.Seed
	buyerLimits *buyerLimits
	layouts     sync.Map // formation id → map[rail.SeatClass]*seatmap.Layout

	// life ends with Close. No batch begins after it. background are the goroutines that Close waits for.
	life       context.Context
	end        context.CancelFunc
	background sync.WaitGroup

	// paying has a place for each read or commit of payments that may be in the ledger, charging for each payment that
	// may be with the provider.
	paying, charging chan struct{}
	steps            paymentSteps

	mu     sync.Mutex
	closed bool
	// waiting is how many requests wait in all queues.
	waiting   int
	workers   map[rail.RunID]*worker
	scheduler scheduler
	runCache  runCache
	// inDoubt are the runs with a commit in doubt, and the names of the requests that were in it.
	inDoubt map[rail.RunID]map[string]bool
	// paymentsInDoubt are the payments whose commit is in doubt.
	paymentsInDoubt map[payAttempt]bool
}

// Options are what a service works with. All fields but Settings and PaymentService are needed.
type Options struct {
	Ledger       Ledger
	Lock         Lock
	Availability Availability
	Runs         Runs
	Payments     Payments
	// PaymentService is nil where Payments answers at once.
	PaymentService PaymentService
	// NewID makes the unique part of an order's id, at most 26 characters. NewNumber makes the order number that people
	// use, which must be hard to guess.
	NewID, NewNumber func() string
	// DocumentKey keys the digests of document numbers. All servers on one ledger must have the same key.
	DocumentKey []byte
	Settings    Settings
	Log         *slog.Logger
}

// Open opens a service. Close it to end its goroutines.
func Open(options Options) *Service {
	s := &Service{
		Options:  options,
		settings: options.Settings.withDefaults(),
		seed:     maphash.MakeSeed(),
		workers:  map[rail.RunID]*worker{},
		inDoubt:  map[rail.RunID]map[string]bool{},

		paymentsInDoubt: map[payAttempt]bool{},
	}
	bodyKey := deriveBodyKey(s.DocumentKey)
	s.bodyMACs.New = func() any { return hmac.New(sha256.New, bodyKey) }
	s.runCache = newRunCache()
	s.buyerLimits = newBuyerLimits(s)
	s.scheduler.free = s.settings.MaxCommitting
	s.paying = make(chan struct{}, s.settings.MaxPaying)
	s.charging = make(chan struct{}, s.settings.MaxCharging)
	s.steps.runs = map[rail.RunID][]*waitingStep{}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Close takes no more requests, lets the workers serve those that wait until ctx ends, and then ends the workers.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.background.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.end()
	<-done
	return err
}

// begin has Close wait until background.Done is called. It returns false on a closed service, which waits for nothing
// new. Only a goroutine that Close waits for already may use background without it.
func (s *Service) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.background.Add(1)
	return true
}

// Place buys seats for all passengers of a request, or none. It may be repeated with the same key, and then returns the
// same order.
//
// Besides the refusals of rail: OVERLOADED, UNAVAILABLE: this attempt ordered nothing; an earlier attempt with the same
// key may have. ORDER_PENDING: not known yet, repeat with the same key.
func (s *Service) Place(ctx context.Context, buyer string, place rail.PlaceOrder) (*rail.Order, error) {
	place.Normalize()
	run, ok := s.Runs.Run(place.RunID)
	switch {
	case ok:
	case !s.Runs.Loaded():
		return nil, notLoaded()
	default:
		return nil, rail.Refuse(rail.NotFound, "there is no such run").At("input", "runId")
	}
	from, to, err := place.Validate(run)
	if err != nil {
		return nil, err
	}
	r := newRequest(ctx)
	r.place = &placing{
		key: ledger.OrderKey{Buyer: buyer, Key: place.IdempotencyKey}, body: place,
		train: run.Train, from: from, to: to,
	}
	if err := s.checkRoom(place.RunID); err != nil {
		return nil, s.failure(place.RunID, r, err)
	}
	if r.place.bodyHash, err = s.bodyHash(&place); err != nil {
		return nil, err
	}
	for _, who := range place.Passengers {
		r.place.documents = append(r.place.documents, DocumentDigest(s.DocumentKey, who.DocumentNumber))
	}
	leave, refusal := s.buyerLimits.enter(ctx, r.place)
	r.place.refuseIfNew = refusal
	a := s.submit(place.RunID, r)
	if a.early {
		go func() {
			late := <-r.answer // The batch that has taken the request answers it.
			leave(&late)
		}()
	} else {
		leave(&a)
	}
	return a.order, a.err
}

// Cancel gives a hold back. Repeating it is harmless. NOT_FOUND: the buyer has no such order. WRONG_STATE: it is paid.
// HOLD_EXPIRED: it has ended already.
func (s *Service) Cancel(ctx context.Context, buyer, orderID, reason string) (*rail.Order, error) {
	runID, ok := s.runOf(orderID)
	if !ok {
		return nil, notFound()
	}
	if reason = rail.NormalizeText(reason); reason != "" {
		if wrong := rail.CheckText("a reason", reason, rail.MaxReason); wrong != nil {
			return nil, wrong.At("input", "reason")
		}
	}
	return s.cancel(ctx, runID, ledger.Cancel{OrderID: orderID, Buyer: buyer, Reason: reason})
}

// CancelHold cancels any buyer's hold for the admin by, and records who asked and why. Besides the errors of Cancel,
// INVALID: there is no reason.
func (s *Service) CancelHold(ctx context.Context, by, orderID, reason string) (*rail.Order, error) {
	runID, ok := s.runOf(orderID)
	if !ok {
		return nil, notFound()
	}
	reason = rail.NormalizeText(reason)
	if wrong := rail.CheckText("a reason", reason, rail.MaxReason); wrong != nil {
		return nil, wrong.At("input", "reason")
	}
	return s.cancel(ctx, runID, ledger.Cancel{OrderID: orderID, By: by, Reason: reason})
}

// CorrectName corrects a passenger's name on an order that has its seats, and records which admin asked. NOT_FOUND:
// there is no such ticket. WRONG_STATE: the order has ended, or its passengers were forgotten; or the ticket has
// ended, or is being changed. ORDER_PENDING: it is not known yet; repeating it is harmless.
func (s *Service) CorrectName(ctx context.Context, c ledger.Correction) (*rail.Order, error) {
	c.Name, c.Reason = rail.NormalizeText(c.Name), rail.NormalizeText(c.Reason)
	var errs rail.Errors
	if wrong := rail.CheckText("a name", c.Name, rail.MaxPassengerName); wrong != nil {
		errs = append(errs, wrong.At("input", "name"))
	}
	if wrong := rail.CheckText("a reason", c.Reason, rail.MaxReason); wrong != nil {
		errs = append(errs, wrong.At("input", "reason"))
	}
	if err := errs.OrNil(); err != nil {
		return nil, err
	}
	if !s.begin() {
		return nil, closing()
	}
	defer s.background.Done()
	order, err := s.Ledger.Correct(ctx, c)
	if errors.Is(err, ledger.ErrInDoubt) {
		return nil, pending(err)
	}
	if err == nil {
		s.announce(order)
	}
	return order, err
}

// runOf is the run of an order, false where there is none. It asks the timetable: otherwise made-up orders would start
// workers for runs that do not exist.
func (s *Service) runOf(orderID string) (rail.RunID, bool) {
	id, ok := rail.RunOfOrder(orderID)
	if ok && s.Runs.Loaded() {
		_, ok = s.Runs.Run(id)
	}
	return id, ok
}

// cancel has the worker of a run carry out a cancellation.
func (s *Service) cancel(ctx context.Context, runID rail.RunID, c ledger.Cancel) (*rail.Order, error) {
	r := newRequest(ctx)
	r.cancel = &c
	a := s.submit(runID, r)
	order, err := a.order, a.err
	if rail.CodeOf(err) == rail.NotFound {
		err = notFound() // A run that does not exist looks the same as an order that does not.
	}
	return order, err
}
