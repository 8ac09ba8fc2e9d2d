package failpoints

import (
	"context"
	"slices"
	"sync"
	"time"

	"interlock/services/ledger"
	"interlock/services/messages"
	"interlock/services/rail"
)

// Relay has a relay held at its points.
func (c *Control) Relay(relay *messages.Relay) {
	h := &heldRelay{control: c}
	relay.Outbox, relay.Stream = heldOutbox{relay.Outbox, h}, heldStream{relay.Stream, h}
}

// heldRelay is what one relay, which is one goroutine, has in its hands.
type heldRelay struct {
	control *Control
	rows    []ledger.OutboxRow
}

// at holds the rows that some ids name, if one of them is of a run that is waited for.
func (h *heldRelay) at(point Point, entry ledger.StreamID, named func(*ledger.OutboxRow) bool) {
	for i := range h.rows {
		row := &h.rows[i]
		if len(row.Events) == 0 || !named(row) {
			continue
		}
		held := Held{
			Run: row.RunID, Row: row.ID, Subject: row.Events[0].Subject(), Version: row.Events[0].Version(),
		}
		if !entry.IsZero() {
			held.Entry = entry.String()
		}
		if h.control.at(point, held) {
			return
		}
	}
}

type heldOutbox struct {
	messages.Outbox
	relay *heldRelay
}

func (o heldOutbox) TakeEvents(ctx context.Context, from rail.RunID, limit int) ([]ledger.OutboxRow, error) {
	rows, err := o.Outbox.TakeEvents(ctx, from, limit)
	if err == nil {
		o.relay.rows = rows
		o.relay.at(AfterTake, ledger.StreamID{}, func(*ledger.OutboxRow) bool { return true })
	}
	return rows, err
}

func (o heldOutbox) PublishedEvents(
	ctx context.Context, after ledger.OutboxPlace, upTo ledger.StreamID, limit int,
) ([]ledger.OutboxRow, error) {
	rows, err := o.Outbox.PublishedEvents(ctx, after, upTo, limit)
	o.relay.rows = rows
	return rows, err
}

func (o heldOutbox) MarkPublished(ctx context.Context, published []ledger.Published) error {
	err := o.Outbox.MarkPublished(ctx, published)
	if err == nil {
		for _, one := range published {
			o.relay.at(AfterMark, one.Last, func(row *ledger.OutboxRow) bool {
				return slices.Contains(one.IDs, row.ID)
			})
		}
	}
	return err
}

type heldStream struct {
	messages.Stream
	relay *heldRelay
}

func (s heldStream) Append(
	ctx context.Context, standing messages.Standing, after ledger.StreamID, events []ledger.Event,
) (ledger.StreamID, error) {
	last, err := s.Stream.Append(ctx, standing, after, events)
	if err == nil {
		appended := map[string]bool{}
		for i := range events {
			appended[events[i].ID()] = true
		}
		s.relay.at(AfterAppend, last, func(row *ledger.OutboxRow) bool { return appended[row.Events[0].ID()] })
	}
	return last, err
}

// Consumer has a consumer held at its points. Its handler may be called by several goroutines.
func (c *Control) Consumer(consumer *messages.Consumer) {
	h := &heldConsumer{
		control: c, group: consumer.Group, name: consumer.Name, given: map[ledger.StreamID]ledger.Event{},
	}
	handle := consumer.Handler
	consumer.Queue = heldQueue{consumer.Queue, h}
	consumer.Handler = func(ctx context.Context, event ledger.Event) error {
		err := handle(ctx, event)
		if err == nil {
			h.at(AfterEffect, h.entryOf(&event), &event)
		}
		return err
	}
}

// heldConsumer is what a consumer was given, and has not acknowledged.
type heldConsumer struct {
	control     *Control
	group, name string

	mu    sync.Mutex
	given map[ledger.StreamID]ledger.Event
}

func (h *heldConsumer) at(point Point, entry ledger.StreamID, event *ledger.Event) {
	h.control.at(point, Held{
		Run: event.RunID, Subject: event.Subject(), Version: event.Version(), Entry: entry.String(),
		Group: h.group, Consumer: h.name,
	})
}

// entryOf is where an event is in the stream. Of several places it is the first.
func (h *heldConsumer) entryOf(event *ledger.Event) (entry ledger.StreamID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.given {
		other := h.given[id]
		if other.ID() == event.ID() && (entry.IsZero() || id.Compare(entry) < 0) {
			entry = id
		}
	}
	return entry
}

type heldQueue struct {
	messages.Queue
	consumer *heldConsumer
}

func (q heldQueue) give(deliveries []messages.Delivery) {
	q.consumer.mu.Lock()
	defer q.consumer.mu.Unlock()
	for i := range deliveries {
		if deliveries[i].Err == nil {
			q.consumer.given[deliveries[i].ID] = deliveries[i].Event
		}
	}
}

func (q heldQueue) Fresh(
	ctx context.Context, group, consumer string, limit int, wait time.Duration,
) ([]messages.Delivery, error) {
	fresh, err := q.Queue.Fresh(ctx, group, consumer, limit, wait)
	q.give(fresh)
	for i := range fresh {
		q.consumer.at(AfterRead, fresh[i].ID, &fresh[i].Event)
	}
	return fresh, err
}

func (q heldQueue) Own(
	ctx context.Context, group, consumer string, after ledger.StreamID, limit int,
) ([]messages.Delivery, ledger.StreamID, error) {
	own, next, err := q.Queue.Own(ctx, group, consumer, after, limit)
	q.give(own)
	return own, next, err
}

func (q heldQueue) TakeOver(
	ctx context.Context, group, consumer string, idle time.Duration, limit int,
) ([]messages.Delivery, error) {
	left, err := q.Queue.TakeOver(ctx, group, consumer, idle, limit)
	q.give(left)
	return left, err
}

func (q heldQueue) Acknowledge(ctx context.Context, group string, ids []ledger.StreamID) error {
	for _, id := range ids {
		q.consumer.mu.Lock()
		event, given := q.consumer.given[id]
		delete(q.consumer.given, id)
		q.consumer.mu.Unlock()
		if given {
			q.consumer.at(BeforeAcknowledge, id, &event)
		}
	}
	return q.Queue.Acknowledge(ctx, group, ids)
}
