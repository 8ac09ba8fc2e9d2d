package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"interlock/services/rail"
)

// EventType says what became true. Its values are the types of CloudEvents, and are never given another meaning.
type EventType string

// The types of events: of orders, and of runs. A run is resumed when it is on sale again: after a suspension, or
// because it was published again after a withdrawal.
const (
	EventOrderPlaced    EventType = "interlock.order.placed"
	EventOrderPaid      EventType = "interlock.order.paid"
	EventOrderExpired   EventType = "interlock.order.expired"
	EventOrderCancelled EventType = "interlock.order.cancelled"
	// EventOrderRefunded: tickets were given back, and money is to follow. EventOrderChanged: a ticket was changed into
	// an order of its own; the rest of its price, if there is one, is to follow. EventOrderChanging and
	// EventOrderUnchanged: a change of a ticket was begun, and has ended without a change.
	EventOrderRefunded  EventType = "interlock.order.refunded"
	EventOrderChanged   EventType = "interlock.order.changed"
	EventOrderChanging  EventType = "interlock.order.changing"
	EventOrderUnchanged EventType = "interlock.order.unchanged"
	// EventOrderUsed: an inspector has marked a ticket as used.
	EventOrderUsed    EventType = "interlock.order.used"
	EventRunSuspended EventType = "interlock.run.suspended"
	EventRunResumed   EventType = "interlock.run.resumed"
	EventRunWithdrawn EventType = "interlock.run.withdrawn"
)

// The types of events of payments. They are the payments' own, and never in the ledger's outbox.
const (
	EventPaymentAuthorised EventType = "interlock.payment.authorised"
	EventPaymentCaptured   EventType = "interlock.payment.captured"
	// EventPaymentEnded: it failed, or its money was released or refunded.
	EventPaymentEnded EventType = "interlock.payment.ended"
	// EventPaymentRefunded: the provider has given a refund's money back. OrderID is the order of the refund, which for
	// what was carried over is not the order of the payment.
	EventPaymentRefunded EventType = "interlock.payment.refunded"
)

// EventTypes are all types of events of the ledger.
var EventTypes = []EventType{
	EventOrderPlaced, EventOrderPaid, EventOrderExpired, EventOrderCancelled,
	EventOrderRefunded, EventOrderChanged, EventOrderChanging, EventOrderUnchanged,
	EventOrderUsed,
	EventRunSuspended, EventRunResumed, EventRunWithdrawn,
}

// PaymentEventTypes are all types of events of payments.
var PaymentEventTypes = []EventType{
	EventPaymentAuthorised, EventPaymentCaptured, EventPaymentEnded, EventPaymentRefunded,
}

// Event is one fact about an order, a run or a payment. It has ids and versions only, and nothing of a person.
//
// Subject and Version tell doubles: no two facts about one subject have the same version. Versions of a subject rise
// from event to event, and leave numbers out: a corrected name moves an order's version on, and is no event.
type Event struct {
	Type EventType
	// OrderID and OrderVersion are the order and the version that this gave it; "" and 0 where Type is of a run. An
	// event of a payment has the OrderID of its order, and no OrderVersion.
	OrderID      string
	OrderVersion int64
	RunID        rail.RunID
	// RunVersion is the version that this gave the run. EventOrderPaid and the events of payments move no run on:
	// there it is the version that the order was placed at.
	RunVersion int64
	// PaymentID and PaymentVersion are the payment and the version that this gave it; "" and 0 where Type is of none.
	PaymentID      string
	PaymentVersion int64
	// Time is when the ledger wrote it, by the primary's clock, to the millisecond. It tells no order: the clock of the
	// next primary may be behind.
	Time time.Time
}

// Subject is what the event is about: the id of its payment, or else of its order, or else of its run.
func (e *Event) Subject() string {
	switch {
	case e.PaymentID != "":
		return e.PaymentID
	case e.OrderID != "":
		return e.OrderID
	}
	return string(e.RunID)
}

// Version is the version that the event gave its subject.
func (e *Event) Version() int64 {
	switch {
	case e.PaymentID != "":
		return e.PaymentVersion
	case e.OrderID != "":
		return e.OrderVersion
	}
	return e.RunVersion
}

// ID is unique among all events of a ledger, or of its payments, and the same each time that the event is told.
func (e *Event) ID() string { return e.Subject() + "." + strconv.FormatInt(e.Version(), 10) }

// What the attributes of each event say.
const (
	cloudEvents = "1.0"
	eventSource = "interlock"
	eventTime   = "2006-01-02T15:04:05.000Z07:00"
)

// cloudEvent is an event in the JSON format of CloudEvents 1.0
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md). It only grows: a reader takes
// no notice of a field that it does not know.
type cloudEvent struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        EventType `json:"type"`
	Subject     string    `json:"subject"`
	Time        string    `json:"time"`
	Data        eventData `json:"data"`
}

// eventData is the payload of an event.
type eventData struct {
	PaymentID      string     `json:"paymentId,omitempty"`
	PaymentVersion int64      `json:"paymentVersion,omitempty"`
	OrderID        string     `json:"orderId,omitempty"`
	OrderVersion   int64      `json:"orderVersion,omitempty"`
	RunID          rail.RunID `json:"runId"`
	RunVersion     int64      `json:"runVersion"`
}

// MarshalJSON is the event as a CloudEvent.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(cloudEvent{
		SpecVersion: cloudEvents, ID: e.ID(), Source: eventSource, Type: e.Type, Subject: e.Subject(),
		Time: e.Time.UTC().Format(eventTime),
		Data: eventData{e.PaymentID, e.PaymentVersion, e.OrderID, e.OrderVersion, e.RunID, e.RunVersion},
	})
}

// UnmarshalJSON reads what MarshalJSON has written, now or in a later version: it takes unknown types and fields. An
// error says which attribute is missing, or does not agree with the data.
func (e *Event) UnmarshalJSON(text []byte) error {
	var c cloudEvent
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("the event: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, c.Time)
	if err != nil {
		return fmt.Errorf("the event's time: %w", err)
	}
	read := Event{
		Type: c.Type, OrderID: c.Data.OrderID, OrderVersion: c.Data.OrderVersion,
		RunID: c.Data.RunID, RunVersion: c.Data.RunVersion,
		PaymentID: c.Data.PaymentID, PaymentVersion: c.Data.PaymentVersion, Time: at.UTC(),
	}
	switch {
	case c.SpecVersion != cloudEvents:
		return fmt.Errorf("the event's specversion is %q, and not %s", c.SpecVersion, cloudEvents)
	case c.Source != eventSource:
		return fmt.Errorf("the event's source is %q, and not %s", c.Source, eventSource)
	case c.Type == "":
		return errors.New("the event has no type")
	case c.Subject == "" || c.Subject != read.Subject():
		return fmt.Errorf("the event's subject is %q, and by its data %q", c.Subject, read.Subject())
	case c.ID != read.ID():
		return fmt.Errorf("the event's id is %q, and by its data %q", c.ID, read.ID())
	}
	*e = read
	return nil
}
