package rail

import "time"

// OrderFilter says which orders to list, newest first.
type OrderFilter struct {
	// Buyer, RunID, Number and States restrict the list where they are not empty.
	Buyer  string
	RunID  RunID
	Number string
	States []OrderState
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

// RunFilter says which runs to list, by date, then departure, then number.
type RunFilter struct {
	// Train is a number or an alias; Station is called at.
	Train         string
	Station       StationCode
	From, Through Date
	States        []RunState
}
