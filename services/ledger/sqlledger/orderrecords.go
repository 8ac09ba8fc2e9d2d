package sqlledger

import (
	"time"

	"interlock/services/rail"
)

// What admins do to orders, in order_records.
const (
	didCancel  = "cancel"
	didCorrect = "correct name"
)

const intoRecords = "INSERT INTO order_records"

var recordColumns = []string{"run_id", "order_id", "version", "at", "who", "what", "reason"}

// recordOf is the record of what an admin did to an order, which has its new version by now.
func recordOf(o *rail.Order, by, what, reason string, at time.Time) []any {
	return []any{string(o.RunID), o.ID, o.Version, at.UnixMilli(), by, what, clip(reason, rail.MaxReason)}
}
