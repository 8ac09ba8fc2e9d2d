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
		results[i] = at.cancel(known[c.OrderID], &c)
		if !results[i].Changed {
			continue
		}
		o := results[i].Order
		byReason[o.StateReason] = append(byReason[o.StateReason], o)
		if c.By != "" {
			records = append(records, recordOf(o, c.By, didCancel, c.Reason, at.now))
		}
	}
	for reason, orders := range byReason {
		err := t.endOrders(ctx, at, ledger.EventOrderCancelled, orders,
			"state = 'CANCELLED', state_reason = ?, ended_at = ?", " = 'ON_HOLD'", reason, at.now.UnixMilli())
		if err != nil {
			return nil, err
		}
	}
	return results, t.insert(ctx, intoRecords, recordColumns, records)
}

// cancel ends an order that is on hold, for its buyer or an admin. A hold is judged by the clock that the expiries went
// by: one whose time ended since is left to the next sweep.
func (at moment) cancel(o *rail.Order, c *ledger.Cancel) ledger.CancelResult {
	switch {
	case o == nil, c.By == "" && o.Buyer != c.Buyer:
		return ledger.CancelResult{}
	case o.State != rail.OnHold:
		return ledger.CancelResult{Order: o}
	}
	o.State, o.StateReason = rail.Cancelled, clip(c.Reason, rail.MaxReason)
	o.EndedAt, o.Version = at.now, o.Version+1
	return ledger.CancelResult{Order: o, Changed: true}
}
