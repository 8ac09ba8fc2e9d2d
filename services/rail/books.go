package rail

// Books are all that is written of one run at one version, for an audit.
type Books struct {
	Run     *Run
	Version int64
	// Maps has the sold bits of each class with at least one sale ever.
	Maps map[SeatClass][]byte
	// Live are the orders that have their seats: on hold (past their time but not swept included) or paid.
	Live []*Order
}
