package sqlledger

import (
	"context"
	"slices"

	"gorm.io/gorm"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Withdraw takes a run off sale for good: see publish.Ledger. The run keeps its row and its version.
func (l *Ledger) Withdraw(
	ctx context.Context, id rail.RunID, reason, by string, cancelOrders bool,
) (*rail.Availability, []*rail.Order, error) {
	t, publication, err := l.publishing(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer t.end()
	head, maps, err := t.lockedRun(ctx, id)
	if err != nil {
		return nil, nil, definite(err)
	}
	// A person who withdraws what a feed withdrew has decided it anew: the feed does not bring it back.
	byFeed, err := t.wasDropped(ctx, id)
	if err != nil {
		return nil, nil, definite(err)
	}
	if head.run.Status == rail.Withdrawn && !byFeed {
		ended, err := t.withdrawnOrders(ctx, id)
		if err != nil {
			return nil, nil, definite(err)
		}
		return head.left(maps), ended, nil
	}
	reason = clip(reason, rail.MaxReason)
	ended, err := t.withdraw(ctx, head, reason, cancelOrders, publication.number)
	if err != nil {
		return nil, nil, definite(err)
	}
	publication.at = head.now // the very moment its orders ended, by which withdrawnOrders finds them
	if err := t.publish(ctx, publication, by, ledger.DidWithdraw, reason, []rail.RunID{id}); err != nil {
		return nil, nil, err
	}
	left := head.left(nil)
	left.Version, left.Status = head.version+1, rail.Withdrawn
	return left, ended, nil
}

// withdrawnOrders are the orders that the withdrawal of a run cancelled. An admin who withdraws again may have missed
// the first answer, and buyers who had paid have to be repaid.
func (t *transaction) withdrawnOrders(ctx context.Context, id rail.RunID) ([]*rail.Order, error) {
	entries, err := t.orders(ctx, func(g *gorm.DB) *gorm.DB {
		// A run keeps the number of the publication that withdrew it until it is published again.
		return g.Where("run_id = ? AND state = ? AND ended_at = "+
			"(SELECT p.at FROM publications p JOIN runs r ON r.publication = p.number WHERE r.id = ?)",
			string(id), string(rail.Cancelled), string(id)).Order("id")
	})
	if err != nil {
		return nil, err
	}
	return orderOnly(entries), nil
}

// withdraw ends what is live on a run, and answers all that it ended.
func (t *transaction) withdraw(
	ctx context.Context, head *runHead, reason string, cancelOrders bool, number int64,
) ([]*rail.Order, error) {
	id := head.run.ID
	expired, err := t.expireAll(ctx, head.next())
	if err != nil {
		return nil, err
	}
	live, err := t.orders(ctx, func(g *gorm.DB) *gorm.DB {
		return g.Where("run_id = ? AND state"+liveStates, string(id))
	})
	if err != nil {
		return nil, err
	}
	if len(live) > 0 && !cancelOrders {
		return nil, rail.Refuse(rail.RunHasOrders, "%s has %d orders", head.run.Name(), len(live))
	}
	cancelled, err := t.cancelAll(ctx, head.next(), live, reason)
	if err != nil {
		return nil, err
	}
	if err := t.clearMaps(ctx, []rail.RunID{id}); err != nil {
		return nil, err
	}
	t.noteRun(id, head.version+1, head.run.Status, rail.Withdrawn)
	return append(expired, cancelled...), t.compareAndSet(ctx, id, head.version, change{
		", status = ?, reason = ?, publication = ?, changes_bytes = ?",
		[]any{string(rail.Withdrawn), reason, number, noMaps},
	})
}

// cancelAll ends orders in any live state, and answers them as they are then: those that were paid by the time they
// were locked have PaidAt.
func (t *transaction) cancelAll(ctx context.Context, at moment, live []entry, reason string) ([]*rail.Order, error) {
	ids := make([]string, len(live))
	for i, e := range live {
		ids[i] = e.order.ID
	}
	locked, err := t.lockOrders(ctx, at.run, ids)
	if err != nil {
		return nil, err
	}
	refunds, err := t.refundWithdrawn(ctx, at, locked)
	if err != nil {
		return nil, err
	}
	for _, e := range locked {
		// From the row's version: an order that fell due a moment ago shows the one that a sweep would write.
		e.order.State, e.order.StateReason, e.order.EndedAt, e.order.Version = rail.Cancelled,
			reason, at.now, e.row.Version+1
	}
	orders := orderOnly(locked)
	err = t.endOrders(ctx, at, ledger.EventOrderCancelled, orders,
		"state = 'CANCELLED', state_reason = ?, ended_at = ?", liveStates, reason, at.now.UnixMilli())
	if err != nil {
		return nil, err
	}
	return orders, t.insert(ctx, "INSERT INTO refunds", refundsInto, refunds)
}

// refundWithdrawn makes a refund without a fee for each order that is PAID, and marks the order as having one. It is
// for the tickets that have their seats, but for one that is being changed: what becomes of the change decides that.
func (t *transaction) refundWithdrawn(ctx context.Context, at moment, locked []entry) (rows [][]any, err error) {
	var refunded []any
	for _, e := range locked {
		if rail.OrderState(e.row.State) != rail.Paid {
			continue
		}
		refund := withdrawal(e.order, at)
		if refund.Gross.Minor == 0 {
			continue // Nothing was paid for them, or they have no seats.
		}
		e.order.Refunds = append(e.order.Refunds, *refund)
		rows, refunded = append(rows, refundRow(e.order, refund, at.version)), append(refunded, e.order.ID)
	}
	for chunk := range slices.Chunk(refunded, maxIDs) {
		_, err := t.exec(ctx, "UPDATE orders SET extras = 1 WHERE run_id = ? AND id IN "+marks(len(chunk)),
			append([]any{string(at.run)}, chunk...)...)
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// withdrawal is the refund of what an order has left when its run is withdrawn at a version.
func withdrawal(o *rail.Order, at moment) *rail.Refund {
	refund := &rail.Refund{
		ID: ledger.WithdrawalRefundID(o.ID, at.version), Kind: rail.RefundWithdrawn, At: at.now,
		Gross: rail.Money{Currency: o.Total.Currency}, Fee: rail.Money{Currency: o.Total.Currency},
	}
	for i := range o.Seated().All() {
		if o.Tickets[i].Own != rail.TicketChanging {
			refund.Tickets |= rail.TicketsOf(i)
			refund.Gross.Minor += o.Tickets[i].Price.Minor
		}
	}
	return refund
}
