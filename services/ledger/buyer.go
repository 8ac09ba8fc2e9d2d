package ledger

import (
	"time"

	"interlock/services/rail"
)

// BuyerDay is how far back a BuyerRecord looks: what a buyer may do "a day" is counted over the last 24 hours.
const BuyerDay = 24 * time.Hour

// BuyerRecord is what limits a buyer over all runs of a ledger, by the primary's clock. It is zero for a new buyer.
type BuyerRecord struct {
	// OpenHolds is how many orders are on hold.
	OpenHolds int
	// Lapsed is how many holds ended unpaid in the last BuyerDay, by run.
	Lapsed map[rail.RunID]int
	// Cancelled is how many holds were cancelled, without those that would have lapsed before the last BuyerDay.
	Cancelled int
	// Documents are the keyed digests of the documents that the buyer has ordered for in the last BuyerDay, in orders
	// of every state, and of those in BatchChanges.Asked.
	Documents map[string]bool
}
