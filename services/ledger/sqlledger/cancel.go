package sqlledger

import (
	"context"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// cancel carries out the batch's cancels, one after the other. Holds past their time were expired before.
func (t *transaction) cancel(ctx context.Context, at moment, cancels []ledger.Cancel) ([]ledger.CancelResult, error) {
	if len(cancels) == 0 {
		return nil, nil
	}
	var ids []string
	for _, c := range cancels {
		if !slices.Contains(ids, c.OrderID) {
			ids = append(ids, c.OrderID)
		}
	}
	entries, err := t.lockOrders(ctx, at.run, ids)
	if err != nil {
		return nil, err
	}
	known := make(map[string]*rail.Order, len(entries))
	for _, e := range entries {
		known[e.order.ID] = e.order
	}
	results := make([]ledger.CancelResult, len(cancels))
	byReason := map[string][]*rail.Order{}
	var records [][]any
	for i, c := range cancels {
		o := known[c.OrderID]
		if o == nil || c.By == "" && o.Buyer != c.Buyer {
			continue
		}
		results[i].Order = o
		// By the clock that the expiries went by: a hold that ended since is left to the next sweep.
		if o.State != rail.OnHold {
			continue
		}
		o.State, o.StateReason, o.EndedAt, o.Version = rail.Cancelled,
			clip(c.Reason, rail.MaxReason), at.now, o.Version+1
		results[i].Changed = true
		if c.By != "" {
			records = append(records, recordOf(o, c.By, didCancel, c.Reason, at.now))
		}
		byReason[o.StateReason] = append(byReason[o.StateReason], o)
	}
	for reason, orders := range byReason {
		err := t.endOrders(ctx, at, orders, "state = 'CANCELLED', state_reason = ?, ended_at = ?", "= 'ON_HOLD'",
			reason, at.now.UnixMilli())
		if err != nil {
			return nil, err
		}
	}
	return results, t.insert(ctx, intoRecords, recordColumns, records)
}
