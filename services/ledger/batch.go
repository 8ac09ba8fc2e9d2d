package ledger

import (
	"time"

	"interlock/services/rail"
)

// MaxBatchOrders is how many orders one batch may change tickets of.
const MaxBatchOrders = 1_000

// OrderKey is what makes a request for an order unique on its run.
type OrderKey struct {
	Buyer string
	Key   string
}

// Cancel asks to end one hold.
type Cancel struct {
	OrderID string
	// Buyer must own the order, unless By is given: the admin who cancels another's order. That is recorded.
	Buyer  string
	By     string
	Reason string
}

// Correction asks to correct a passenger's name on an order that has its seats.
type Correction struct {
	OrderID string
	// Ticket is which of the order's, counted from 0.
	Ticket int
	Name   string
	// By is the admin who asks, Reason why: both are recorded.
	By, Reason string
}

// Batch is what a worker asks of the ledger: the orders of one lock and one commit.
type Batch struct {
	RunID rail.RunID
	// Locking opens the run with a locking read, which waits for a transaction that is writing it. So no batch loses
	// its version twice, and a commit that is in doubt is resolved.
	Locking bool
	// KnownVersion is the version whose seat maps the worker has, 0 where it has none.
	KnownVersion int64
	// MoreExpected says that the next batch of the run is likely to come as soon as this one is answered: more orders
	// wait for it, or are about to.
	MoreExpected bool
	// ClaimsAt is the version up to which the worker knows the claims of the run; 0 where it knows none.
	ClaimsAt int64
	// Keys are looked up: orders that exist already. No promise needs them: the ledger refuses an order whose key is
	// there already, and the whole batch with it.
	Keys []OrderKey
	// Cancels are carried out before Decide, in this order. Orders of the run that are past their time always end,
	// first of all.
	Cancels []Cancel
	// Orders are locked and read after the cancels, for Decide to change their tickets. At most MaxBatchOrders.
	Orders []string
}

// BatchState is what the ledger says of a run inside the batch's transaction. All of it was read after the version.
type BatchState struct {
	// Now is the primary's clock.
	Now     time.Time
	Run     *rail.Run
	Version int64
	// Maps has the sold bits of each class with at least one sale ever; a class that is not in it is all free. Layout:
	// see package seatmap. It says nothing, and was not read, where Version is a Batch.KnownVersion that is not 0.
	Maps map[rail.SeatClass][]byte
	// Replays has, of the keys asked for, those that have an order.
	Replays map[OrderKey]Replay
	// Find looks up further keys, in the same transaction.
	Find func(keys []OrderKey) (map[OrderKey]Replay, error)
	// Claims are those of the run's orders that were placed after Batch.ClaimsAt and are live. They are as of before
	// the batch's cancels and expiries, which may yet be rolled back. All claims of one order are beside each other.
	Claims []Claim
	// States looks up the states of orders of the run, in the same transaction, after its cancels and expiries. An
	// order that these did not end is ON_HOLD or PAYING even past its time: its payment may be on its way. An order
	// that does not exist is not in the result.
	States func(orderIDs []string) (map[string]OrderLife, error)
	// Orders are those of Batch.Orders that exist, whole, as they are after the expiries and cancels.
	Orders map[string]*rail.Order
	// Expired are the orders that this transaction ended because they were past their time: holds, now EXPIRED, and
	// orders that were PAYING, now CANCELLED.
	Expired []*rail.Order
	// Cancels has one answer for each of Batch.Cancels.
	Cancels []CancelResult
}

// OrderLife is which of an order still lives.
type OrderLife struct {
	State rail.OrderState
	// Ended are the documents of tickets that have ended by themselves: given back, or changed.
	Ended []string
}

// Freed are the orders whose seats this transaction gives back: the maps still have those of their Seated tickets.
func (s *BatchState) Freed() []*rail.Order {
	freed := append([]*rail.Order(nil), s.Expired...)
	for _, c := range s.Cancels {
		if c.Changed {
			freed = append(freed, c.Order)
		}
	}
	return freed
}

// Claim is one live ticket, as other passengers and the buyer's limits see it.
type Claim struct {
	OrderID string
	Buyer   string
	// Held tells that the order is ON_HOLD: nothing was authorised for it.
	Held     bool
	From, To int
	// Document is the keyed digest of the passenger's document number.
	Document string
}

// CancelResult is what became of a Cancel.
type CancelResult struct {
	// Order is the order as it is now, with its tickets; nil where the buyer has no such order.
	Order *rail.Order
	// Changed says that this transaction ended the hold. Its seats are to be freed.
	Changed bool
}

// Replay is an order that a key has already.
type Replay struct {
	Order *rail.Order
	// BodyHash is of the request that placed it; empty once that was forgotten.
	BodyHash string
}

// NewOrder is an order a batch places.
type NewOrder struct {
	Order    *rail.Order
	Key      string
	BodyHash string
	// Documents has the digest of each ticket's document number.
	Documents []string
}

// OrderChange is what a batch makes of an order that it has read: see BatchState.Orders.
type OrderChange struct {
	// Order is as it is to be, at the next version. Its tickets' Own states and Uses, its State and EndedAt, and its
	// Refunds and Changes may be others; all else is not looked at. An order that becomes Returned ends at the batch's
	// version, and so does a ticket that becomes TicketRefunded or TicketChanged.
	Order *rail.Order
	// Event is what became true. An order has one change in a batch.
	Event EventType
	// Refunds are those of Order.Refunds that are new, Changes those of Order.Changes that are new or that moved on.
	Refunds []rail.Refund
	Changes []rail.TicketChange
	// By is the admin who asked for it on behalf of the buyer, "" where the buyer did; What and Reason are recorded
	// then. What: see the What… constants.
	By, What, Reason string
}

// What admins do to tickets of others, as it is recorded.
const (
	WhatRefund = "REFUND"
	WhatChange = "CHANGE"
)

// AskedDocument is a document that a buyer has asked for, and learnt that it travels already.
type AskedDocument struct {
	Buyer string
	// Document is its keyed digest.
	Document string
}

// BatchChanges is what a worker decided.
type BatchChanges struct {
	// Orders are placed, at version 1. One that has Replaces may be CANCELLED from the start and have no tickets, at
	// version 2: it keeps its key from ever being placed. One that costs nothing more than what is carried over may be
	// PAID from the start, at version 2.
	Orders []NewOrder
	// Changed are the orders whose tickets change.
	Changed []OrderChange
	// Asked are remembered for BuyerRecord.
	Asked []AskedDocument
	// Seats is what was sold and given back, see seatmap.AppendChange.
	Seats []byte
	// Maps makes the maps of all classes as they are after Seats, laid out as in BatchState. It is called before Sell
	// returns, and only where Seats is not empty and the ledger wants whole maps.
	Maps func() map[rail.SeatClass][]byte
}

// Decide looks at a run's state and says what to write. It may block in Find and States only. Its error rolls the batch
// back, and Sell returns it unchanged.
type Decide func(*BatchState) (BatchChanges, error)
