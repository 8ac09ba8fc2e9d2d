package ledger

import (
	"time"

	"interlock/services/rail"
)

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
	States func(orderIDs []string) (map[string]rail.OrderState, error)
	// Expired are the orders that this transaction ended because they were past their time: holds, now EXPIRED, and
	// orders that were PAYING, now CANCELLED.
	Expired []*rail.Order
	// Cancels has one answer for each of Batch.Cancels.
	Cancels []CancelResult
}

// Freed are the orders whose seats this transaction gives back: the maps still have them.
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

// AskedDocument is a document that a buyer has asked for, and learnt that it travels already.
type AskedDocument struct {
	Buyer string
	// Document is its keyed digest.
	Document string
}

// BatchChanges is what a worker decided.
type BatchChanges struct {
	Orders []NewOrder
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
