package ledger

import (
	"time"

	"interlock/services/rail"
)

// OrderFilter says which orders to list, newest first.
type OrderFilter struct {
	// Buyer, RunID, Number and States restrict the list where they are not empty.
	Buyer  string
	RunID  rail.RunID
	Number string
	States []rail.OrderState
	// After is the place in the list to go on from; zero is the beginning.
	After OrderPlace
	// Limit is how many orders to return at most.
	Limit int
}

// OrderPlace is the place of an order in a list: orders are sorted by (PlacedAt, ID), newest first.
type OrderPlace struct {
	PlacedAt time.Time
	ID       string
}
