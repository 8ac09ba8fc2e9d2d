package seats

// Seller sells the seats of one class of one run to one party after the other, first come, first served.
type Seller interface {
	// Sell answers which seats a party gets, or false where it gets none. A seller that says only later who sits where
	// answers true without seats.
	Sell(p Party) (seats []int, ok bool)
}
