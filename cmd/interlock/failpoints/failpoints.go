// Package failpoints holds a batch of a running server at an exact point, so that the lab can kill or freeze the server
// right there. In the same way it holds the relay of events, consumers of the lab's own, and the services of payments
// and of notifications.
//
// It wraps what the sale works with: its ledger, its lock, its availability, and the driver's connections; and what a
// relay, a consumer and the two services work with. The sale and the ledger know nothing of it. Only a server
// that is built with the tag `fault` has it; the one that is shipped does not.
//
// One batch is held at a time, and for no longer than a limit. It is held by a connection to a socket in the server's
// folder, and goes on when that connection ends. A Control is safe for concurrent use.
package failpoints

import (
	"time"

	"interlock/services/rail"
)

// Point is a moment in a batch.
type Point string

// The points, in the order in which a batch passes them. When a process dies, what it has sent is all that is left of
// it. So there is one point between the writes and COMMIT, and not two.
const (
	// AfterLock: the batch was taken off the queue under the run's lock. Nothing was sent to the ledger.
	AfterLock Point = "after_lock"
	// BeforeUpdate: all is read and decided in the transaction. The writes, the compare-and-set first, are not sent.
	BeforeUpdate Point = "before_update"
	// BeforeCommit: the writes were executed, and lock the run's row. COMMIT is not sent.
	BeforeCommit Point = "before_commit"
	// AfterCommit: the commit was acknowledged. No buyer was told.
	AfterCommit Point = "after_commit"
	// BeforeApply: buyers are being told. Redis is not told.
	BeforeApply Point = "before_apply"
	// BeforeUnlock: all is done. The run's lock is still held.
	BeforeUnlock Point = "before_unlock"
)

// All are the points in their order.
func All() []Point {
	return []Point{AfterLock, BeforeUpdate, BeforeCommit, AfterCommit, BeforeApply, BeforeUnlock}
}

// The points of a change of a ticket, in the order in which it passes them. Each follows a commit; on one run, the
// first two follow the same. A batch with what was asked for is held once its commit is acknowledged. The next step of
// the change was not begun then.
const (
	// AfterChanging: the change is noted on the old run. The new order is not placed.
	AfterChanging Point = "after_changing"
	// AfterReplaced: the new order is placed. On the old run, the change is open.
	AfterReplaced Point = "after_replaced"
	// AfterChanged: the old ticket is changed. No buyer was told.
	AfterChanged Point = "after_changed"
	// AfterUnchanged: the change has ended without a new ticket. No buyer was told.
	AfterUnchanged Point = "after_unchanged"
)

// AfterRefunded is where tickets are given back. No buyer was told, and their money was not asked for.
const AfterRefunded Point = "after_refunded"

// ChangePoints are those of a change, in their order.
func ChangePoints() []Point {
	return []Point{AfterChanging, AfterReplaced, AfterChanged, AfterUnchanged}
}

// The points of the relay, in the order in which it passes them with the events of a run.
const (
	// AfterTake: the rows were taken, and a commit vouches for them. The stream has nothing of them.
	AfterTake Point = "after_take"
	// AfterAppend: the events are in the stream. The ledger does not know.
	AfterAppend Point = "after_append"
	// AfterMark: the ledger knows where they are.
	AfterMark Point = "after_mark"
)

// RelayPoints are those of the relay, in their order.
func RelayPoints() []Point { return []Point{AfterTake, AfterAppend, AfterMark} }

// The points of a consumer, in the order in which it passes them with an event.
const (
	// AfterRead: it was given the event. Nothing came of it.
	AfterRead Point = "after_read"
	// AfterEffect: the event took effect. Its handler has not returned.
	AfterEffect Point = "after_effect"
	// BeforeAcknowledge: its handler has returned. The stream does not know.
	BeforeAcknowledge Point = "before_acknowledge"
)

// ConsumerPoints are those of a consumer, in their order.
func ConsumerPoints() []Point { return []Point{AfterRead, AfterEffect, BeforeAcknowledge} }

// The points of the service of payments, in the order in which it passes them with a payment.
const (
	// AfterNote: the payment is noted. The provider was not asked.
	AfterNote Point = "after_note"
	// AfterOpen: the provider has opened a page. That is not noted.
	AfterOpen Point = "after_open"
	// AfterAuthorised: it is noted that the provider holds the money. The ledger was not told.
	AfterAuthorised Point = "after_authorised"
	// AfterCapturing: it is noted that the money is wanted. The provider was not asked.
	AfterCapturing Point = "after_capturing"
	// AfterCapture: the provider has taken the money. That is not noted.
	AfterCapture Point = "after_capture"
	// AfterCaptured: it is noted that the money was taken. The ledger was not told.
	AfterCaptured Point = "after_captured"
	// AfterRelease: the provider has let the money go, or closed the page. That is not noted.
	AfterRelease Point = "after_release"
)

// PaymentPoints are those of the service of payments, in their order.
func PaymentPoints() []Point {
	return []Point{
		AfterNote, AfterOpen, AfterAuthorised, AfterCapturing, AfterCapture, AfterCaptured, AfterRelease,
	}
}

// Limit is how long a server holds a batch at most: longer than the lab freezes any server.
const Limit = 20 * time.Second

// The points of the service of notifications, in the order in which it passes them with a delivery.
const (
	// AfterDeliveryNote: the delivery is noted. The event that asked for it is not acknowledged.
	AfterDeliveryNote Point = "after_delivery_note"
	// BeforeMail: the mail is this process's to send. The mail server was not asked.
	BeforeMail Point = "before_mail"
	// AfterMail: the mail server has taken the mail. That is not noted.
	AfterMail Point = "after_mail"
	// AfterPost: the partner has taken the webhook. That is not noted.
	AfterPost Point = "after_post"
)

// NotifyPoints are those of the service of notifications, in their order.
func NotifyPoints() []Point { return []Point{AfterDeliveryNote, BeforeMail, AfterMail, AfterPost} }

// The environment variables that tell a server with the tag `fault` what to break.
const (
	// ControlVariable is the path of the socket for holding batches. A relative path begins in the folder that the
	// server runs in.
	ControlVariable = "INTERLOCK_FAULT_CONTROL"
	// ClockVariable is how far the server's clock is off, such as "-1h".
	ClockVariable = "INTERLOCK_FAULT_CLOCK"
	// VersionCheckVariable, with the value VersionCheckOff, takes the check of the version away.
	VersionCheckVariable = "INTERLOCK_FAULT_VERSION_CHECK"
	VersionCheckOff      = "off"
	// ReplicationVariable, with the value ReplicationAssumed, has the server take every commit for acknowledged by a
	// replica.
	ReplicationVariable = "INTERLOCK_FAULT_REPLICATION"
	ReplicationAssumed  = "assumed"
)

// Held is a batch that is held; or events, of which it names one; or a payment.
type Held struct {
	Point Point      `json:"point"`
	Run   rail.RunID `json:"run"`
	// Read is the version of the run that the batch has read, and Made the version that its commit has made. Each is 0
	// before that, and at a point that does not know it.
	Read int64 `json:"version_read"`
	Made int64 `json:"version_made"`
	// Orders is how many orders it places; 0 before that is decided.
	Orders int `json:"orders"`
	// Subject and Version are what the event is about.
	Subject string `json:"subject,omitempty"`
	Version int64  `json:"version,omitempty"`
	// Row is the outbox row of the event, and Entry its place in the stream, or that of an event behind it which was
	// published with it; "" where the point does not know it.
	Row   string `json:"row,omitempty"`
	Entry string `json:"entry,omitempty"`
	// Group and Consumer are who has the event.
	Group    string `json:"group,omitempty"`
	Consumer string `json:"consumer,omitempty"`
	// Order is an order that the batch has changed or placed, at a point of a change.
	Order string `json:"order,omitempty"`
	// Payment is the one that is held; then Subject and Version are empty.
	Payment string `json:"payment,omitempty"`
	// Delivery is the one that is held, of a mail or of a webhook about Order; then Subject and Version are empty.
	Delivery string `json:"delivery,omitempty"`
}
