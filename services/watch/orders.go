package watch

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/internal/logonce"
	"interlock/services/rail"
)

const (
	// lookEverySweeps is how often a watched order is read though nothing was heard of it: every five seconds.
	lookEverySweeps = 5
	// orderReaders is how many calls are made at a time: enough to keep up, and a small part of the primary's
	// connections.
	orderReaders = 4
	// ordersAtOnce is how many are read in one call: a call for one order costs as much as for dozens.
	ordersAtOnce = 100
	// orderTimeout is how long one call may take.
	orderTimeout = 2 * time.Second
)

// watchedOrder is an order that is watched.
type watchedOrder struct {
	run *watchedRun
	// latest is what every subscriber has got, or a later version that says the same.
	latest      *rail.Order
	subscribers []*orderSubscriber
	// said is the highest version that a message told of.
	said int64
	// lapsedSince is when the order was first read as over by the clock; zero before.
	lapsedSince time.Time
	// unheard says that it has a subscriber since its run was last followed: a change may have gone unheard.
	unheard bool
	// dirty says that the order is to be read; sweeps counts those since it was.
	dirty  bool
	sweeps int
	// due has the order read when its time ends; nil where it has none. It is stopped with the last subscription.
	due *time.Timer
}

// orderSubscriber watches one order.
type orderSubscriber struct {
	slots    slots[rail.Order]
	accounts []account
	release  func() bool
}

// SubscribeOrder opens a stream of an order: first as it is, then each new version, or at least the last. The channel
// is closed when the order is cancelled or expired, or paid and its run closed, and when ctx or the hub ends.
//
// A hold reads as expired from the end of its time on, and an order that is being paid as cancelled. But a payment that
// was in time may still wait for its commit, and would come as the same version. So the end is told when it is certain:
// when a sweep has written it, which takes about a second, or when PaymentGrace is over. Only then does the stream end.
// A subscriber that comes in between gets the order as ended, at the version that is written.
//
// Errors: NOT_FOUND where there is no such order, or visible says no; OVERLOADED; UNAVAILABLE when the hub has stopped;
// and those of reading the order.
func (h *Hub) SubscribeOrder(
	ctx context.Context, orderID string, visible func(*rail.Order) bool,
) (<-chan *rail.Order, error) {
	order, err := h.readOrder(ctx, orderID)
	if err != nil {
		return nil, err
	}
	if order == nil || !visible(order) {
		return nil, rail.Refuse(rail.NotFound, "there is no such order").At("orderId")
	}
	s := &orderSubscriber{slots: newSlots[rail.Order](1), accounts: h.accountsOf(ctx)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admit(h.orderSubscribers, h.MaxOrderSubscribers); err != nil {
		return nil, err
	}
	o := h.watchedOrders[orderID]
	// An order that is watched already is read again anyway, and that tells whether it is certain.
	lapsed := lapses(order) && (o != nil || h.Now().Before(timeOf(order).Add(h.PaymentGrace)))
	first := order
	if lapsed {
		first, order = asWritten(order)
	}
	if o == nil && h.isOver(order) {
		s.slots.put(0, order)
		close(s.slots.events)
		return s.slots.events, nil
	}
	if err := h.charge(s.accounts, orderWeight); err != nil {
		return nil, err
	}
	if o == nil {
		o = h.watchOrder(order)
	}
	h.addOrderSubscriber(ctx, o, s)
	// Others may have seen a later version than was just read, or this may be new to them.
	switch {
	case order.Version > o.latest.Version:
		h.tellOrder(o, order)
	case lapsed && order.Version == o.latest.Version:
		s.slots.put(0, first)
	default:
		s.slots.put(0, o.latest)
	}
	// A change between reading the order and following its run went unheard. So the order is read again once it is
	// followed.
	o.unheard = true
	h.refollow(order.RunID)
	return s.slots.events, nil
}

// watchOrder begins to watch an order that is not watched yet. The mutex is held.
func (h *Hub) watchOrder(order *rail.Order) *watchedOrder {
	o := &watchedOrder{run: h.watch(order.RunID), latest: order}
	h.watchedOrders[order.ID] = o
	o.run.orders[order.ID] = o
	h.lookWhenDue(o)
	return o
}

// addOrderSubscriber adds a subscriber, which stays until ctx ends. The mutex is held.
func (h *Hub) addOrderSubscriber(ctx context.Context, o *watchedOrder, s *orderSubscriber) {
	o.subscribers = append(o.subscribers, s)
	h.orderSubscribers++
	s.release = context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.endOrderSubscriber(o, s)
	})
}

// isOver tells whether an order has had its last event. The mutex need not be held.
func (h *Hub) isOver(order *rail.Order) bool {
	if order.State != rail.Paid {
		return !order.State.Live()
	}
	run, ok := h.runs.Run(order.RunID)
	return ok && !h.Now().Before(run.ClosesAt())
}

// timeOf is when an order ends by itself, or has: its hold, or its wait for the money.
func timeOf(order *rail.Order) time.Time {
	if order.CaptureBy.IsZero() {
		return order.PayBy
	}
	return order.CaptureBy
}

// lapses tells whether an order has ended by the clock, written or not: a hold, or the wait for money.
func lapses(order *rail.Order) bool {
	return order.State == rail.Expired ||
		order.State == rail.Cancelled && !order.CaptureBy.IsZero() && order.EndedAt.Equal(order.CaptureBy)
}

// asWritten takes an order that reads as over by the clock, and returns it in two forms. Reading had given it the
// version that a sweep will write, which may still become a payment's. told is over, at the version that is written.
// written is the order on hold or being paid, as it is written.
func asWritten(order *rail.Order) (told, written *rail.Order) {
	over, before := *order, *order
	over.Version--
	before.Version--
	before.State, before.StateReason, before.EndedAt = rail.OnHold, "", time.Time{}
	if !order.CaptureBy.IsZero() {
		before.State = rail.Paying
	}
	return &over, &before
}

// isCertain tells whether an order that was read as over cannot be paid any more. It is certain when a message had told
// of its version before it was read, since only what is committed is told of; said is the highest version that a
// message had told of. It is also certain when the order has read as over for PaymentGrace. The mutex is held.
func (h *Hub) isCertain(o *watchedOrder, order *rail.Order, said int64) bool {
	if said >= order.Version {
		return true
	}
	// This counts from when it was first read so. The order's own time is by the primary's clock, which may be another.
	if o.lapsedSince.IsZero() {
		o.lapsedSince = h.Now()
	}
	return h.Now().Sub(o.lapsedSince) >= h.PaymentGrace
}

// waits tells whether an order ends by itself at its time.
func waits(order *rail.Order) bool {
	return (order.State == rail.OnHold || order.State == rail.Paying) && !timeOf(order).IsZero()
}

// isDue tells whether an order's time has come by this server's clock. The primary's clock decides, and the ledger
// writes it. So every sweep looks at the order until it is certain.
func (h *Hub) isDue(order *rail.Order) bool {
	return waits(order) && !h.Now().Before(timeOf(order))
}

// lookWhenDue has an order read at once when its time ends. No message comes then: it ends by the clock, and is swept
// later. The mutex is held.
func (h *Hub) lookWhenDue(o *watchedOrder) {
	if o.due != nil {
		o.due.Stop()
		o.due = nil
	}
	if !waits(o.latest) {
		return
	}
	o.due = time.AfterFunc(timeOf(o.latest).Sub(h.Now()), func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.markOrder(o)
	})
}

// tellOrder gives a later version of an order to all its subscribers. The mutex is held.
func (h *Hub) tellOrder(o *watchedOrder, order *rail.Order) {
	o.latest, o.lapsedSince = order, time.Time{}
	h.lookWhenDue(o)
	for _, s := range o.subscribers {
		s.slots.put(0, order)
	}
	if h.isOver(order) {
		h.endOrder(o)
	}
}

// endOrder ends all subscriptions of an order. The mutex is held.
func (h *Hub) endOrder(o *watchedOrder) {
	for _, s := range slices.Clone(o.subscribers) {
		h.endOrderSubscriber(o, s)
	}
}

// endOrderSubscriber closes one stream, if it is not closed yet. The mutex is held.
func (h *Hub) endOrderSubscriber(o *watchedOrder, s *orderSubscriber) {
	at := slices.Index(o.subscribers, s)
	if at < 0 {
		return
	}
	o.subscribers = slices.Delete(o.subscribers, at, at+1)
	h.orderSubscribers--
	h.credit(s.accounts, orderWeight)
	s.release()
	close(s.slots.events)
	if len(o.subscribers) == 0 {
		if o.due != nil {
			o.due.Stop()
		}
		delete(h.watchedOrders, o.latest.ID)
		delete(o.run.orders, o.latest.ID)
		h.unwatch(o.run)
	}
}

// markOrder has an order read. The mutex is held.
func (h *Hub) markOrder(o *watchedOrder) {
	o.dirty = true
	raise(h.ordersDirty)
}

// handOutOrders reads what is marked, and what was not read for long, and hands it out, until ctx ends.
func (h *Hub) handOutOrders(ctx context.Context) {
	reading := logonce.Warn("watch: reading watched orders fails", "watch: reading watched orders works again")
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			h.sweepOrders()
		case <-h.ordersDirty:
		}
		err := h.readOrders(ctx)
		if ctx.Err() != nil {
			return
		}
		reading.Note(ctx, h.Log, err)
	}
}

// sweepOrders marks the orders that were not read for long or whose time has ended, and ends those whose run has
// closed.
func (h *Hub) sweepOrders() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.watchedOrders {
		o.sweeps++
		if h.isOver(o.latest) {
			h.endOrder(o)
		} else if o.sweeps >= lookEverySweeps || h.isDue(o.latest) {
			o.dirty = true
		}
	}
}

// readOrders reads the marked orders, each once.
func (h *Hub) readOrders(ctx context.Context) error {
	h.mu.Lock()
	said := map[string]int64{}
	for id, o := range h.watchedOrders {
		if o.dirty {
			o.dirty, o.sweeps = false, 0
			said[id] = o.said
		}
	}
	h.mu.Unlock()
	var readers errgroup.Group
	readers.SetLimit(orderReaders)
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(said)), ordersAtOnce) {
		readers.Go(func() error {
			limited, cancel := context.WithTimeout(ctx, orderTimeout)
			defer cancel()
			orders, err := h.orders.OrdersByID(limited, ids)
			h.mu.Lock()
			defer h.mu.Unlock()
			for i, id := range ids {
				switch o := h.watchedOrders[id]; {
				case o == nil:
				case err != nil:
					// It is read again with the next sweep. It may have been marked because it changed, so five seconds
					// are too long.
					o.sweeps = lookEverySweeps
				case orders[i] == nil || orders[i].Version <= o.latest.Version:
				case lapses(orders[i]) && !h.isCertain(o, orders[i], said[id]):
				default:
					h.tellOrder(o, orders[i])
				}
			}
			return err
		})
	}
	return readers.Wait()
}

// readOrder reads an order, within a time.
func (h *Hub) readOrder(ctx context.Context, id string) (*rail.Order, error) {
	limited, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	return h.orders.Order(limited, id)
}
