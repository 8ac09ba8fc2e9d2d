package ledger

import "interlock/services/rail"

// DueChange is a change of a ticket that is open for too long.
type DueChange struct {
	// OrderID is the old order's, ChangeID the change's, and To the run of the new order, which has ChangeID as its key.
	OrderID, ChangeID string
	To                rail.RunID
}
