package sale_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/rail"
	"interlock/services/sale"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// book is a ledger of one run in memory, with faults to be injected. The real ledgers are held against their own
// conformance suite; this one is here to make the worker's life hard.
type book struct {
	mu      sync.Mutex
	run     *rail.Run
	version int64
	maps    map[rail.SeatClass][]byte
	orders  map[string]*rail.Order
	keys    map[ledger.OrderKey]ledger.Replay
	claims  map[string][]string // order id → document digests
	asked   map[ledger.AskedDocument]bool
	changed []ledger.OrderChange
	old     int           // how many more were asked for longer than a day ago
	loading bool          // whether the timetable is still being read
	skew    time.Duration // how far the book's clock is ahead

	batches []ledger.Batch
	records atomic.Int64 // how often buyers' records were read
	unread  atomic.Bool  // whether they cannot be
	reading func()       // is called when they were read, before they are told
	// before is called as a batch begins; after has its changes, before they are written. lost is asked once they are.
	before func(ledger.Batch) error
	after  func(ledger.Batch, ledger.BatchChanges) error
	lost   func() bool
	// deciding is called as steps of payments begin, decided once they are written, before they are told.
	deciding, decided func([]ledger.PaymentStep) error
	decisions         atomic.Int64 // how many commits of steps were begun
}

// captureTime is how long an order is PAYING at most.
const captureTime = 5 * time.Minute

// ends is the state that an order has ended in by its time, "" where it has not.
func (b *book) ends(o *rail.Order) rail.OrderState {
	switch {
	case o.State == rail.OnHold && !o.PayBy.After(b.now()):
		return rail.Expired
	case o.State == rail.Paying && !o.CaptureBy.After(b.now()):
		return rail.Cancelled
	}
	return ""
}

func (b *book) now() time.Time { return time.Now().Add(b.skew) }

func (b *book) Sell(ctx context.Context, batch ledger.Batch, decide ledger.Decide) (int64, error) {
	b.mu.Lock()
	b.batches = append(b.batches, batch)
	before := b.before
	b.mu.Unlock()
	if before != nil {
		if err := before(batch); err != nil {
			return 0, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.run == nil || batch.RunID != b.run.ID {
		return 0, rail.Refuse(rail.NotFound, "there is no such run")
	}
	state := &ledger.BatchState{
		Now: b.now(), Run: b.run, Version: b.version,
	}
	if batch.KnownVersion != b.version {
		state.Maps = maps.Clone(b.maps)
	}
	ended := map[string]rail.OrderState{}
	for _, id := range slices.Sorted(maps.Keys(b.orders)) {
		if o := b.orders[id]; b.ends(o) != "" {
			ended[id] = b.ends(o)
			now := *o
			now.State, now.Version = b.ends(o), o.Version+1
			state.Expired = append(state.Expired, &now)
		}
	}
	for _, cancel := range batch.Cancels {
		var result ledger.CancelResult
		if o := b.orders[cancel.OrderID]; o != nil && o.Buyer == cancel.Buyer {
			now := *o
			if ended[o.ID] != "" {
				now.State = ended[o.ID]
			} else if o.State == rail.OnHold {
				now.State, now.StateReason, now.Version = rail.Cancelled, cancel.Reason, o.Version+1
				ended[o.ID], result.Changed = rail.Cancelled, true
			}
			result.Order = &now
		}
		state.Cancels = append(state.Cancels, result)
	}
	state.Find = func(keys []ledger.OrderKey) (map[ledger.OrderKey]ledger.Replay, error) {
		found := map[ledger.OrderKey]ledger.Replay{}
		for _, key := range keys {
			if replay, ok := b.keys[key]; ok {
				replay.Order = b.read(replay.Order.ID)
				found[key] = replay
			}
		}
		return found, nil
	}
	state.Replays, _ = state.Find(batch.Keys)
	if batch.ClaimsAt != b.version {
		from := rail.OrderIDsFrom(b.run.ID, batch.ClaimsAt+1)
		for _, id := range slices.Sorted(maps.Keys(b.orders)) {
			if o := b.orders[id]; id >= from && o.State.Live() {
				for i, document := range b.claims[id] {
					if !o.Tickets[i].Own.OwnsSeat() {
						continue
					}
					state.Claims = append(state.Claims, ledger.Claim{
						OrderID: id, Buyer: o.Buyer, Held: o.State == rail.OnHold,
						From: o.From, To: o.To, Document: document,
					})
				}
			}
		}
	}
	state.States = func(ids []string) (map[string]ledger.OrderLife, error) {
		states := map[string]ledger.OrderLife{}
		for _, id := range ids {
			o := b.orders[id]
			if o == nil {
				continue
			}
			life := ledger.OrderLife{State: o.State}
			if ended[id] != "" {
				life.State = ended[id]
			}
			for i := range o.Tickets {
				if !o.Tickets[i].Own.OwnsSeat() {
					life.Ended = append(life.Ended, b.claims[id][i])
				}
			}
			states[id] = life
		}
		return states, nil
	}
	state.Orders = map[string]*rail.Order{}
	for _, id := range batch.Orders {
		if o := b.read(id); o != nil {
			state.Orders[id] = o
		}
	}
	changes, err := decide(state)
	if err != nil {
		return 0, err
	}
	if b.after != nil {
		if err := b.after(batch, changes); err != nil {
			return 0, err
		}
	}
	for _, n := range changes.Orders {
		if _, ok := b.keys[ledger.OrderKey{Buyer: n.Order.Buyer, Key: n.Key}]; ok {
			return 0, &ledger.DuplicateError{Cause: ledger.DuplicateKey}
		}
	}
	b.version++
	for id, s := range ended {
		o := *b.orders[id]
		o.State, o.Version, o.EndedAt = s, o.Version+1, state.Now
		b.orders[id] = &o
	}
	once := map[string]bool{}
	for _, c := range changes.Changed {
		was, twice := b.orders[c.Order.ID], once[c.Order.ID]
		once[c.Order.ID] = true
		if was == nil || twice || c.Order.Version != was.Version+1 {
			return 0, errors.New("an order was changed that is not there, or twice")
		}
		b.orders[c.Order.ID] = c.Order
		b.changed = append(b.changed, c)
	}
	if len(changes.Seats) > 0 {
		maps.Copy(b.maps, changes.Maps())
	}
	for _, n := range changes.Orders {
		b.orders[n.Order.ID] = n.Order
		b.keys[ledger.OrderKey{Buyer: n.Order.Buyer, Key: n.Key}] = ledger.Replay{Order: n.Order, BodyHash: n.BodyHash}
		b.claims[n.Order.ID] = n.Documents
	}
	for _, a := range changes.Asked {
		b.asked[a] = true
	}
	if b.lost != nil && b.lost() {
		return 0, ledger.ErrInDoubt
	}
	return b.version, nil
}

// set gives the run another status.
func (b *book) set(status rail.RunStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	run := *b.run
	run.Status = status
	b.run = &run
}

func (b *book) DecidePayments(
	_ context.Context, _ rail.RunID, steps []ledger.PaymentStep,
) ([]ledger.PaymentOutcome, error) {
	b.decisions.Add(1)
	if b.deciding != nil {
		if err := b.deciding(steps); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	outcomes := make([]ledger.PaymentOutcome, len(steps))
	for i, step := range steps {
		outcomes[i] = b.decidePayment(step)
	}
	if b.decided != nil {
		if err := b.decided(steps); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

func (b *book) decidePayment(step ledger.PaymentStep) ledger.PaymentOutcome {
	o := b.orders[step.OrderID]
	if o == nil || step.Buyer != "" && step.Buyer != o.Buyer {
		return ledger.PaymentOutcome{}
	}
	now := *o
	mine := o.PaymentID == step.PaymentID
	switch {
	case step.Kind == ledger.MoneyBack:
		now.Refunds = slices.Clone(o.Refunds)
		for i := range now.Refunds {
			if r := &now.Refunds[i]; r.ID == step.RefundID && r.PaidBackAt.IsZero() {
				r.PaidBackAt, now.Version = b.now().Add(time.Millisecond), o.Version+1
			}
		}
	case b.ends(o) != "":
	case step.Kind == ledger.PaidAtOnce && o.State == rail.OnHold,
		step.Kind == ledger.PaymentCaptured && o.State == rail.Paying && mine:
		now.State, now.PaymentID, now.PaidAt, now.Version = rail.Paid, step.PaymentID, b.now(), o.Version+1
	case step.Kind == ledger.PaymentAuthorised && o.State == rail.OnHold:
		now.State, now.PaymentID, now.Version = rail.Paying, step.PaymentID, o.Version+1
		now.PayingAt, now.CaptureBy = b.now(), b.now().Add(captureTime)
	case step.Kind == ledger.PaymentFailed && o.State == rail.Paying && mine:
		now.CaptureBy = b.now()
	}
	b.orders[step.OrderID] = &now
	shown := b.read(step.OrderID)
	live := shown.State == rail.Paying || shown.State == rail.Paid
	return ledger.PaymentOutcome{Order: shown, Counts: live && shown.PaymentID == step.PaymentID}
}

// withdraw ends an order as a withdrawal of its run does.
func (b *book) withdraw(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := *b.orders[id]
	o.State, o.Version = rail.Cancelled, o.Version+1
	b.orders[id] = &o
}

// Correct answers that there is no such ticket: what a correction does is proved of the real ledgers.
func (b *book) Correct(context.Context, ledger.Correction) (*rail.Order, error) {
	return nil, rail.Refuse(rail.NotFound, "there is no such ticket")
}

func (b *book) DueChanges(_ context.Context, after ledger.DueChange, limit int) (due []ledger.DueChange, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, o := range b.orders {
		for _, c := range o.Changes {
			one := ledger.DueChange{OrderID: id, ChangeID: c.ID, To: c.To, DueAt: c.DueAt}
			if c.State == rail.ChangeOpen && !c.DueAt.After(b.now()) && inTurn(one, after) > 0 {
				due = append(due, one)
			}
		}
	}
	slices.SortFunc(due, inTurn)
	return due[:min(limit, len(due))], nil
}

// inTurn is the order of changes that are due.
func inTurn(a, b ledger.DueChange) int {
	return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ChangeID, b.ChangeID))
}

func (b *book) OwedRefunds(_ context.Context, age time.Duration, after string, limit int) (owed []string, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(b.orders)) {
		if id > after && len(owed) < limit && slices.ContainsFunc(b.orders[id].Refunds, func(r rail.Refund) bool {
			return r.PaidBackAt.IsZero() && r.At.Before(b.now().Add(-age))
		}) {
			owed = append(owed, id)
		}
	}
	return owed, nil
}

func (b *book) DueRuns(context.Context, int) ([]rail.RunID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.orders {
		if b.ends(o) != "" {
			return []rail.RunID{b.run.ID}, nil
		}
	}
	return nil, nil
}

func (b *book) Buyers(
	_ context.Context, buyers []string, _ time.Duration, documents bool,
) (map[string]*ledger.BuyerRecord, error) {
	b.records.Add(1)
	if b.reading != nil {
		defer b.reading() // after the book's lock is free again
	}
	if b.unread.Load() {
		return nil, errors.New("the ledger does not answer")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	records := map[string]*ledger.BuyerRecord{}
	for _, buyer := range buyers {
		r := &ledger.BuyerRecord{Lapsed: map[rail.RunID]int{}, Documents: map[string]bool{}}
		for id, o := range b.orders {
			if o.Buyer != buyer {
				continue
			}
			for _, document := range b.claims[id] {
				r.Documents[document] = true
			}
			switch {
			case o.State == rail.OnHold && o.PayBy.After(b.now()):
				r.OpenHolds++
			case o.State == rail.OnHold, o.State == rail.Expired:
				r.Lapsed[o.RunID]++
			case o.State == rail.Cancelled:
				r.Cancelled++
			}
		}
		for a := range b.asked {
			if a.Buyer == buyer {
				r.Documents[a.Document] = true
			}
		}
		if !documents {
			clear(r.Documents)
		}
		records[buyer] = r
	}
	return records, nil
}

func (b *book) ForgetAsked(_ context.Context, limit int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(limit, b.old)
	b.old -= n
	return n, nil
}

func (b *book) Order(_ context.Context, id string) (*rail.Order, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.orders[id], nil
}

func (b *book) OrderToPay(_ context.Context, id string) (*rail.Order, time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.read(id)
	if o == nil {
		return nil, 0, nil
	}
	return o, o.PayBy.Sub(b.now()), nil
}

// read is an order as the ledger shows it.
func (b *book) read(id string) *rail.Order {
	o := b.orders[id]
	if o == nil {
		return nil
	}
	shown := *o
	if ends := b.ends(o); ends != "" {
		shown.State = ends
		if shown.EndedAt = o.PayBy; ends == rail.Cancelled {
			shown.EndedAt = o.CaptureBy
		}
	}
	return &shown
}

func (b *book) OrdersByID(_ context.Context, ids []string) ([]*rail.Order, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var orders []*rail.Order
	for _, id := range ids {
		orders = append(orders, b.read(id))
	}
	return orders, nil
}

func (b *book) state(id string) rail.OrderState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.orders[id].State
}

func (b *book) OrderByNumber(context.Context, string) (*rail.Order, error) {
	return nil, errors.ErrUnsupported
}

func (b *book) OrderByKey(context.Context, rail.RunID, string, string) (*rail.Order, error) {
	return nil, errors.ErrUnsupported
}

func (b *book) Orders(context.Context, ledger.OrderFilter) ([]*rail.Order, error) {
	return nil, errors.ErrUnsupported
}

func (b *book) Train(context.Context, string) (*rail.Train, error) { return b.run.Train, nil }

func (b *book) Run(id rail.RunID) (*rail.Run, bool) {
	return b.run, b.run.ID == id && !b.loading
}

func (b *book) Loaded() bool { return !b.loading }

// board is what Redis would be told.
type board struct {
	mu        sync.Mutex
	applied   []*rail.Availability
	announced []rail.Change
	hang      chan struct{}
}

func (b *board) Apply(ctx context.Context, left *rail.Availability) error {
	if b.hang != nil {
		select {
		case <-b.hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.applied = append(b.applied, left)
	return nil
}

func (b *board) Announce(_ context.Context, change rail.Change) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.announced = append(b.announced, change)
	return nil
}

// fakeLock is held by one lease at a time per name, or always says yes, or answers an error.
type fakeLock struct {
	yes  bool
	err  error
	held sync.Map // name → true
}

func (l *fakeLock) Acquire(_ context.Context, name string) (lock.Lease, error) {
	if l.err != nil {
		return nil, l.err
	}
	if _, taken := l.held.LoadOrStore(name, true); taken && !l.yes {
		return nil, lock.ErrTaken
	}
	return lease{l, name}, nil
}

type lease struct {
	l    *fakeLock
	name string
}

func (lease) Extend(context.Context) error { return nil }
func (lease) Until() time.Time             { return time.Now().Add(time.Hour) }
func (l lease) Release()                   { l.l.held.Delete(l.name) }

// world is a service with everything around it.
type world struct {
	*sale.Service
	book  *book
	board *board
	lock  *fakeLock
	ids   atomic.Int64
}

// openWorld sells a train of five calls with one coach each of 10 FIRST and 20 SECOND seats, that leaves in two days.
func openWorld(t *testing.T, settings sale.Settings) *world {
	t.Helper()
	w := &world{
		book: &book{
			run: newRun(t), version: 1, maps: map[rail.SeatClass][]byte{}, orders: map[string]*rail.Order{},
			keys: map[ledger.OrderKey]ledger.Replay{}, claims: map[string][]string{},
			asked: map[ledger.AskedDocument]bool{},
		},
		board: &board{}, lock: &fakeLock{},
	}
	w.Service = w.open(t, settings)
	return w
}

// open opens a service of one more server.
func (w *world) open(t *testing.T, settings sale.Settings) *sale.Service {
	t.Helper()
	service := sale.Open(w.options(settings))
	t.Cleanup(func() { require.NoError(t, service.Close(context.Background())) })
	return service
}

// options are those of every service of the world.
func (w *world) options(settings sale.Settings) sale.Options {
	// Buyers are limited where a test says how.
	for _, limit := range []*int{
		&settings.MaxRunHolds, &settings.MaxOpenHolds, &settings.MaxLapsedHolds, &settings.MaxDocuments,
	} {
		if *limit == 0 {
			*limit = -1
		}
	}
	next := func() string { return strconv.FormatInt(w.ids.Add(1), 10) }
	return sale.Options{
		Ledger: w.book, Lock: w.lock, Availability: w.board, Runs: w.book, Payments: sale.NewSandbox(),
		NewID: next, NewNumber: next, DocumentKey: []byte("key of this test"), Settings: settings,
		Log: slog.New(slog.DiscardHandler),
	}
}

func newRun(t *testing.T) *rail.Run {
	t.Helper()
	var calls []rail.Call
	for i, code := range []rail.StationCode{"AAA", "BBB", "CCC", "DDD", "EEE"} {
		calls = append(calls, rail.Call{
			Station: code, ArrivalSeconds: int32(i * 3600), DepartureSeconds: int32(i*3600 + 60),
			Metres: int32(i * 100_000),
		})
	}
	first, err := rail.RowSeats("A C", 1, 5, nil)
	require.NoError(t, err)
	second, err := rail.RowSeats("AB CD", 1, 5, nil)
	require.NoError(t, err)
	train := rail.NewTrain("T12", "T", "UTC", calls,
		rail.NewFormation([]rail.Coach{
			{Number: "1", SeatClass: rail.First, Seats: first}, {Number: "2", SeatClass: rail.Second, Seats: second},
		}),
		&rail.Fares{Currency: "CNY", PerKm: []rail.KmRate{
			{SeatClass: rail.First, MicrosPerKm: 80_000_000}, {SeatClass: rail.Second, MicrosPerKm: 50_000_000},
		}})
	require.Empty(t, train.Validate())
	date := rail.DateIn(time.Now(), time.UTC).AddDays(2)
	return &rail.Run{
		ID: rail.NewRunID("T12", date), Train: train, Date: date, ClosesBefore: 5 * time.Minute,
		Status: rail.Published,
	}
}

// order is a request for SECOND seats from AAA to CCC, one for each document.
func (w *world) order(key string, documents ...string) rail.PlaceOrder {
	place := rail.PlaceOrder{IdempotencyKey: "key-" + key + "-0000", RunID: w.book.run.ID, From: "AAA", To: "CCC"}
	for _, document := range documents {
		place.Passengers = append(place.Passengers, rail.PassengerRequest{
			Passenger: rail.Passenger{Name: "Passenger " + document, DocumentNumber: document}, SeatClass: rail.Second,
		})
	}
	return place
}
