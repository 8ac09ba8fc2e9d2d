package rail

// Books are all that is written of one run at one version, for an audit.
type Books struct {
	Run     *Run
	Version int64
	// Maps has the sold bits of each class with at least one sale ever.
	Maps map[SeatClass][]byte
	// Live are the orders that have their seats: on hold (past their time but not swept included) or paid.
	Live []*Order
	// Personal is what is wrong with the passengers of any of its orders, those that have ended included.
	Personal []PersonalDefect
}

// PersonalDefect says that a passenger is not kept, or not forgotten, as promised.
type PersonalDefect struct {
	// OrderNumber and Ticket, which counts from 1, say whose.
	OrderNumber string
	Ticket      int
	// Problem shows nothing of the passenger.
	Problem string
}

// BuyerRun is a run that a buyer has orders of.
type BuyerRun struct {
	Run RunID
	// Orders is how many there are, Passengers in how many of them the passengers are still known.
	Orders, Passengers int
	// Over says that the run has reached its last call.
	Over bool
}
