package ledger

import (
	"context"
	"time"

	"gorm.io/gorm"

	"interlock/services/rail"
)

// Withdraw takes a run off sale for good: see publish.Ledger. The run keeps its row and its version.
func (l *Ledger) Withdraw(ctx context.Context, id rail.RunID, reason, by string, cancelOrders bool) (*rail.Availability, []*rail.Order, error) {
	t, number, err := l.publishing(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer t.end()
	head, left, err := t.lockedRun(ctx, id)
	if err != nil {
		return nil, nil, definite(err)
	}
	if head.run.Status == rail.Withdrawn {
		return left, nil, nil
	}
	reason = clip(reason, maxReason)
	paid, err := t.withdraw(ctx, head, reason, cancelOrders, number)
	if err != nil {
		return nil, nil, definite(err)
	}
	if err := t.publish(ctx, number, by, didWithdraw, reason, []rail.RunID{id}); err != nil {
		return nil, nil, err
	}
	left, err = availability(head.run, head.version+1, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	left.Status = rail.Withdrawn
	return left, paid, nil
}

func (t *transaction) withdraw(ctx context.Context, head *runHead, reason string, cancelOrders bool, number int64) ([]*rail.Order, error) {
	id := head.run.ID
	if err := t.expireAll(ctx, id, head.now); err != nil {
		return nil, err
	}
	live, err := t.orders(ctx, func(g *gorm.DB) *gorm.DB {
		return g.Where("run_id = ? AND "+stateOfFound+" IN ?", string(id), []string{string(rail.OnHold), string(rail.Paid)})
	})
	if err != nil {
		return nil, err
	}
	if len(live) > 0 && !cancelOrders {
		return nil, rail.Refuse(rail.RunHasOrders, "the run %s has %d orders", id, len(live))
	}
	paid, err := t.cancelAll(ctx, id, live, reason, head.now)
	if err != nil {
		return nil, err
	}
	if _, err := t.exec(ctx, "DELETE FROM seat_maps WHERE run_id = ?", string(id)); err != nil {
		return nil, err
	}
	return paid, t.compareAndSet(ctx, id, head.version, ", status = ?, reason = ?, publication = ?",
		string(rail.Withdrawn), reason, number)
}

// cancelAll ends orders, holds and paid ones, and answers those that are paid by the time they are locked.
func (t *transaction) cancelAll(ctx context.Context, run rail.RunID, live []entry, reason string, now time.Time) ([]*rail.Order, error) {
	ids := make([]string, len(live))
	for i, e := range live {
		ids[i] = e.order.ID
	}
	locked, err := t.lockOrders(ctx, run, ids)
	if err != nil {
		return nil, err
	}
	var paid []*rail.Order
	orders := orderOnly(locked)
	for i, e := range locked {
		o := orders[i]
		if rail.OrderState(e.row.State) == rail.Paid {
			paid = append(paid, o)
		}
		o.State, o.StateReason, o.EndedAt, o.Version = rail.Cancelled, reason, now, o.Version+1
	}
	return paid, t.endOrders(ctx, run, orders, "state = 'CANCELLED', state_reason = ?, ended_at = ?",
		"IN ('ON_HOLD', 'PAID')", reason, now.UnixMilli())
}
