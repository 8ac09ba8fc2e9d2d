package sqlledger

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"interlock/services/rail"
)

// Pay makes an order PAID if it is on hold and in time: see sale.Ledger. It changes no seat map and needs no lock but
// that of the order's row, which a sweep or a cancel that comes at the same moment waits for.
func (l *Ledger) Pay(ctx context.Context, runID rail.RunID, orderID, buyer, key string) (*rail.Order, bool, error) {
	leave, err := l.enter(ctx, l.payments, "too many payments are under way")
	if err != nil {
		return nil, false, err
	}
	defer leave()
	p, err := l.primary()
	if err != nil {
		return nil, false, err
	}
	t, err := l.write(ctx, p.pool)
	if err != nil {
		return nil, false, err
	}
	defer t.end()
	e, err := t.pay(ctx, runID, orderID, buyer, key)
	if err != nil {
		return nil, false, definite(err)
	}
	if err := t.commit(ctx); err != nil {
		return nil, false, err
	}
	paid := e.order.State == rail.Paid && e.row.PayKey != nil && *e.row.PayKey == key
	return e.order, paid, nil
}

func (t *transaction) pay(ctx context.Context, runID rail.RunID, orderID, buyer, key string) (entry, error) {
	now := t.pool.dialect.now()
	changed, err := t.exec(ctx, "UPDATE orders SET state = 'PAID', paid_at = "+now+
		", pay_key = ?, version = version + 1 "+
		"WHERE run_id = ? AND id = ? AND buyer = ? AND state = 'ON_HOLD' AND pay_by > "+now,
		key, string(runID), orderID, buyer)
	if err != nil {
		return entry{}, locked(err)
	}
	paid := changed > 0
	if !paid {
		// The answer is to rest on a commit of its own all the same, or a primary that is none any more could give it.
		changed, err = t.exec(ctx,
			"UPDATE orders SET pay_attempts = pay_attempts + 1 WHERE run_id = ? AND id = ? AND buyer = ?",
			string(runID), orderID, buyer)
		if err != nil {
			return entry{}, locked(err)
		}
	}
	if changed == 0 {
		return entry{}, t.notFound(ctx, "there is no order %s", orderID)
	}
	if err := t.checkPrimary(ctx); err != nil {
		return entry{}, err
	}
	entries, err := t.orders(ctx, func(g *gorm.DB) *gorm.DB {
		return g.Where("run_id = ? AND id = ?",
			string(runID), orderID)
	})
	if err != nil {
		return entry{}, err
	}
	if len(entries) != 1 {
		return entry{}, sql.ErrNoRows // It was updated a moment ago in this very transaction.
	}
	if paid {
		t.notePaid(entries[0].order)
	}
	return entries[0], nil
}
