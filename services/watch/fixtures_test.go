package watch_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"interlock/services/rail"
	"interlock/services/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("down")

var formation = rail.NewFormation([]rail.Coach{{
	Number: "1", SeatClass: rail.Second,
	Seats: []rail.Seat{{Label: "1A"}, {Label: "1B"}},
}})

// trainOf calls at stations an hour apart, beginning an hour from now.
func trainOf(number string, stations ...rail.StationCode) *rail.Train {
	var calls []rail.Call
	now := time.Now().UTC()
	for i, code := range stations {
		seconds := int32((now.Hour()+1+i)*3600 + now.Minute()*60)
		calls = append(calls, rail.Call{
			Station: code, ArrivalSeconds: seconds, DepartureSeconds: seconds,
			Metres: rail.NoDistance,
		})
	}
	return rail.NewTrain(number, "G", "UTC", calls, formation, &rail.Fares{Currency: "CNY"})
}

// world is everything a hub sees: a timetable, an availability with its messages, and orders.
type world struct {
	mu       sync.Mutex
	runs     map[rail.RunID]*rail.Run
	left     map[rail.RunID]rail.Left
	orders   map[string]*rail.Order
	listener *listener
	// listens counts Listen, reads Remaining, asked the asks of it, checked the runs of Versions, orderReads the orders
	// that were read, and orderCalls the calls of OrdersByID.
	listens, reads, asked, checked, orderReads, orderCalls int
	// read is what an order looks like when it is read; nil is as it was put.
	read func(*rail.Order) *rail.Order
	// answering is called when an order was looked at and the answer is on its way; nil is nothing.
	answering func()
	// remaining answers in place of what is left; nil does not.
	remaining func() ([]rail.Left, error)
	// loading says that the runs are not read yet.
	loading bool
	// down has everything fail; slow is how long a read takes after it has looked.
	down bool
	slow time.Duration
}

func newWorld() *world {
	return &world{runs: map[rail.RunID]*rail.Run{}, left: map[rail.RunID]rail.Left{}, orders: map[string]*rail.Order{}}
}

// publish puts a run of a new train on sale, today.
func (w *world) publish(number string, stations ...rail.StationCode) rail.RunID {
	today := rail.DateIn(time.Now(), time.UTC)
	id := rail.NewRunID(number, today)
	w.set(func() {
		w.runs[id] = &rail.Run{
			ID: id, Train: trainOf(number, stations...), Date: today, Status: rail.Published,
			ClosesBefore: 5 * time.Minute,
		}
		w.left[id] = rail.Left{Known: true, Version: 1, Status: rail.Published, Counts: []uint16{100}}
	})
	return id
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// get reads a counter.
func (w *world) get(counter *int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *counter
}

// sell moves a run on by one version, and says nothing.
func (w *world) sell(id rail.RunID) rail.Change { return w.decide(id, "") }

// decide moves a run on to a version with a status, the same for "", and says nothing.
func (w *world) decide(id rail.RunID, status rail.RunStatus) rail.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.left[id]
	left.Version++
	if status != "" {
		left.Status = status
	}
	left.Counts = []uint16{uint16(left.Version)}
	w.left[id] = left
	return rail.Change{RunID: id, Version: left.Version}
}

// say sends a message, which is heard if somebody follows the run.
func (w *world) say(changes ...rail.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, change := range changes {
		if w.listener != nil && w.listener.followed[change.RunID] {
			select {
			case w.listener.changes <- change:
			default: // A reader that falls behind loses changes.
			}
		}
	}
}

func (w *world) Run(id rail.RunID) (*rail.Run, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	run, ok := w.runs[id]
	return run, ok
}

func (w *world) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loading {
		return &rail.Error{Code: rail.Unavailable, Message: "still reading", RetryAfter: time.Second}
	}
	return nil
}

func (w *world) Remaining(ctx context.Context, asks []rail.Ask) ([]rail.Left, error) {
	w.mu.Lock()
	w.reads++
	w.asked += len(asks)
	down, slow := w.down, w.slow
	left := make([]rail.Left, len(asks))
	for i, ask := range asks {
		left[i] = w.left[ask.Run.ID]
	}
	var err error
	if w.remaining != nil {
		left, err = w.remaining()
	}
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if down {
		return nil, errDown
	}
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return left, nil
}

func (w *world) Versions(ctx context.Context, ids []rail.RunID) ([]int64, error) {
	w.mu.Lock()
	w.checked += len(ids)
	down, slow := w.down, w.slow
	versions := make([]int64, len(ids))
	for i, id := range ids {
		versions[i] = -1
		if left, ok := w.left[id]; ok {
			versions[i] = left.Version
		}
	}
	w.mu.Unlock()
	if down {
		return nil, errDown
	}
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return versions, nil
}

func (w *world) Order(_ context.Context, id string) (*rail.Order, error) {
	order, answering, err := w.look(id)
	if answering != nil {
		answering()
	}
	return order, err
}

func (w *world) OrdersByID(ctx context.Context, ids []string) ([]*rail.Order, error) {
	w.mu.Lock()
	w.orderCalls++
	w.mu.Unlock()
	orders := make([]*rail.Order, len(ids))
	for i, id := range ids {
		var err error
		if orders[i], err = w.Order(ctx, id); err != nil {
			return nil, err
		}
	}
	return orders, nil
}

func (w *world) look(id string) (_ *rail.Order, answering func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orderReads++
	if w.down {
		return nil, nil, errDown
	}
	if order := w.orders[id]; order != nil && w.read != nil {
		return w.read(order), w.answering, nil
	}
	return w.orders[id], w.answering, nil
}

// put makes a new version of an order, and says nothing.
func (w *world) put(order rail.Order) rail.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders[order.ID] = &order
	return rail.Change{RunID: order.RunID, OrderID: order.ID, Version: order.Version}
}

func (w *world) Listen(context.Context) (watch.Listener, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listens++
	if w.down {
		return nil, errDown
	}
	w.listener = &listener{world: w, changes: make(chan rail.Change, 64), followed: map[rail.RunID]bool{}}
	return w.listener, nil
}

// followed are the runs the listener follows, sorted.
func (w *world) followed() []rail.RunID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := []rail.RunID{}
	for id := range w.listener.followed {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

type listener struct {
	world    *world
	changes  chan rail.Change
	followed map[rail.RunID]bool
	closed   bool
}

func (l *listener) Follow(_ context.Context, ids ...rail.RunID) error {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	if l.world.down {
		return errDown
	}
	for _, id := range ids {
		l.followed[id] = true
	}
	return nil
}

func (l *listener) Unfollow(_ context.Context, ids ...rail.RunID) error {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	if l.world.down {
		return errDown
	}
	for _, id := range ids {
		delete(l.followed, id)
	}
	return nil
}

func (l *listener) Changes() <-chan rail.Change { return l.changes }

func (l *listener) Close() error {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.changes)
		l.world.listener = nil
	}
	return nil
}

// newHub makes a hub of a world that keeps its log to itself.
func newHub(w *world) *watch.Hub {
	hub := watch.New(w, w, w)
	hub.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	return hub
}

// inBubble runs a test with a hub at work, on a clock that moves when everybody waits.
func inBubble(t *testing.T, test func(t *testing.T, w *world, hub *watch.Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		hub := newHub(w)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { hub.Run(ctx) })
		synctest.Wait()
		test(t, w, hub)
		cancel()
		running.Wait()
		if seats, orders := hub.Subscribers(); seats != 0 || orders != 0 {
			t.Errorf("%d and %d subscriptions outlived the hub", seats, orders)
		}
	})
}

// quiesce lets an instant pass, so that all is done that does not wait for the next sweep.
func quiesce() {
	<-time.After(10 * time.Millisecond)
	synctest.Wait()
}

// wait lets time pass.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// taken takes what is there to be taken; open tells whether more may come.
func taken[T any](events <-chan *T) (all []*T, open bool) {
	for {
		select {
		case event, ok := <-events:
			if !ok {
				return all, false
			}
			all = append(all, event)
		default:
			return all, true
		}
	}
}

// versions are those of events.
func versions(events []*rail.Snapshot) []int64 {
	all := []int64{}
	for _, event := range events {
		all = append(all, event.Left.Version)
	}
	return all
}
