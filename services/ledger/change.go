package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"interlock/services/rail"
)

// DueChange is a change of a ticket that is open for too long.
type DueChange struct {
	// OrderID is the old order's, ChangeID the change's, and To the run of the new order, which has ChangeID as its
	// key.
	OrderID, ChangeID string
	To                rail.RunID
	DueAt             time.Time
}

// WithdrawalRefundID is the id of the refund of an order whose run was withdrawn at a version: 64 hexadecimal digits.
func WithdrawalRefundID(orderID string, version int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "withdrawn:%d:%s:%d", len(orderID), orderID, version))
	return hex.EncodeToString(sum[:])
}
