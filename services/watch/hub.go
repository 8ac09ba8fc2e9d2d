package watch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"interlock/services/rail"
)

const (
	// DefaultMaxSubscribers is how many seat subscriptions one server takes: at the few ten kilobytes that a connection
	// and its buffers cost, they fill what a server is given, and not more.
	DefaultMaxSubscribers = 20_000
	// DefaultMaxOrderSubscribers is less, because each watched order is read from the primary every five seconds: this
	// is a thousand reads a second.
	DefaultMaxOrderSubscribers = 5_000
	// DefaultMaxWatchedPerViewer is ten pages of search results, each of a hundred runs.
	DefaultMaxWatchedPerViewer = 1_000
	// DefaultMaxWatchedPerAddress is 25 runs for each of the 200 streams that an address may have open without a token,
	// and a quarter of the subscriptions that a server takes.
	DefaultMaxWatchedPerAddress = 5_000
	// DefaultEventsPerSecond is about a fifth of what one core writes to sockets: purchases go before subscriptions.
	// When a change goes to very many subscribers, the next change waits until they can have got it. What happens
	// meanwhile is told in one event.
	DefaultEventsPerSecond = 10_000
	// handful is how many events are handed out at once. Each wakes a goroutine, and thousands of them would stand
	// before a purchase in Go's scheduler.
	handful = 100

	// DefaultPaymentGrace is longer than a payment's statements and its commit may take (2 s each, and 3 s), and than
	// it takes to replace a primary that died with the commit (10 s).
	DefaultPaymentGrace = 15 * time.Second

	// sweepInterval is how often the versions of all watched runs are read, so that a lost message is made good within
	// a second.
	sweepInterval = time.Second
	// retryAfter is how long a client that was turned away should wait: streams end by the minute.
	retryAfter = 30 * time.Second
)

// Hub fans changes out. Make one with New; set its fields before it is used.
type Hub struct {
	// Now is the clock by which runs close.
	Now func() time.Time
	// Log gets the failures of Run, which returns none; nil is the default logger.
	Log *slog.Logger
	// MaxSubscribers and MaxOrderSubscribers bound the open subscriptions of seats and of orders.
	MaxSubscribers, MaxOrderSubscribers int
	// MaxWatchedPerViewer bounds what one viewer watches on this server, or one stream without a token: a run between
	// two stations counts one, in each subscription, and an order ten. MaxWatchedPerAddress bounds it for all streams
	// without a token from one address. 0 does not bound it.
	MaxWatchedPerViewer, MaxWatchedPerAddress int
	// EventsPerSecond bounds how fast seat events are handed out; 0 does not.
	EventsPerSecond int
	// PaymentGrace is how long after the end of a hold, or of the wait for money, a payment that was in time may still
	// become known. It must be longer than the ledger waits for a commit.
	PaymentGrace time.Duration

	availability Availability
	runs         Runs
	orders       Orders

	// The signals have capacity 1 and are written to without blocking: one that is waiting says all.
	seatsDirty, ordersDirty, followsDirty, timetableMoved chan struct{}

	mu      sync.Mutex
	stopped bool
	// watched are the runs that are to be followed.
	watched map[rail.RunID]*watchedRun
	// follows are the runs to tell the listener about: those that were added to watched or taken from it since it was
	// last told, and those that are to be read once it follows them.
	follows map[rail.RunID]struct{}
	// dirtyPairs are to be read.
	dirtyPairs  []*pair
	subscribers map[*subscriber]struct{}
	// charged is the weight that is watched, by the name of the account. Accounts that watch nothing are not in it.
	charged          map[string]int
	watchedOrders    map[string]*watchedOrder
	orderSubscribers int
}

// watchedRun is a run of which seats are watched, or an order.
type watchedRun struct {
	id     rail.RunID
	pairs  map[stations]*pair
	orders map[string]*watchedOrder
	// published is the run as the timetable last had it for its pairs; nil where it has none.
	published *rail.Run
	// version is the run's when the versions were last read, -1 where there was none.
	version int64
	// behind says that a pair may lack what the last read should have told it. The next sweep then reads all pairs.
	behind bool
	// closesAt is when there is nothing left to tell.
	closesAt time.Time
}

// New makes a hub. It tells subscribers nothing before Run.
func New(availability Availability, runs Runs, orders Orders) *Hub {
	signal := func() chan struct{} { return make(chan struct{}, 1) }
	return &Hub{
		Now:                  time.Now,
		MaxSubscribers:       DefaultMaxSubscribers,
		MaxOrderSubscribers:  DefaultMaxOrderSubscribers,
		MaxWatchedPerViewer:  DefaultMaxWatchedPerViewer,
		MaxWatchedPerAddress: DefaultMaxWatchedPerAddress,
		EventsPerSecond:      DefaultEventsPerSecond,
		PaymentGrace:         DefaultPaymentGrace,
		availability:         availability,
		runs:                 runs,
		orders:               orders,
		seatsDirty:           signal(),
		ordersDirty:          signal(),
		followsDirty:         signal(),
		timetableMoved:       signal(),
		watched:              map[rail.RunID]*watchedRun{},
		follows:              map[rail.RunID]struct{}{},
		subscribers:          map[*subscriber]struct{}{},
		charged:              map[string]int{},
		watchedOrders:        map[string]*watchedOrder{},
	}
}

// Run does the hub's work until ctx ends, and ends all subscriptions then. It is called once.
func (h *Hub) Run(ctx context.Context) {
	if h.Log == nil {
		h.Log = slog.Default()
	}
	var loops sync.WaitGroup
	loops.Go(func() { h.listen(ctx) })
	loops.Go(func() { h.handOutSeats(ctx) })
	loops.Go(func() { h.handOutOrders(ctx) })
	loops.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	for s := range h.subscribers {
		h.endSubscriber(s)
	}
	for _, o := range h.watchedOrders {
		h.endOrder(o)
	}
}

// Wake tells the hub that the timetable has moved on. It never waits.
func (h *Hub) Wake() { raise(h.timetableMoved) }

// Subscribers is how many subscriptions are open.
func (h *Hub) Subscribers() (seats, orders int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subscribers), h.orderSubscribers
}

// admit is nil when one more subscription may be opened. The mutex is held.
func (h *Hub) admit(open, most int) *rail.Error {
	if h.stopped {
		return rail.Refuse(rail.Unavailable, "this server is stopping")
	}
	if open >= most {
		err := rail.Refuse(rail.Overloaded, "this server has %d subscriptions, and takes no more", open)
		err.RetryAfter = retryAfter
		return err
	}
	return nil
}

// watch is the watched run with an id, made and given to the listener where there is none. The mutex is held.
func (h *Hub) watch(id rail.RunID) *watchedRun {
	run := h.watched[id]
	if run == nil {
		run = &watchedRun{id: id, pairs: map[stations]*pair{}, orders: map[string]*watchedOrder{}, version: -1}
		h.watched[id] = run
		h.refollow(id)
	}
	return run
}

// unwatch lets go of a run of which nothing is watched any more. The mutex is held.
func (h *Hub) unwatch(run *watchedRun) {
	if len(run.pairs) == 0 && len(run.orders) == 0 {
		delete(h.watched, run.id)
		h.refollow(run.id)
	}
}

// refollow puts a run before the listener. The mutex is held.
func (h *Hub) refollow(id rail.RunID) {
	h.follows[id] = struct{}{}
	raise(h.followsDirty)
}

// raise sets a signal that is not set.
func raise(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
