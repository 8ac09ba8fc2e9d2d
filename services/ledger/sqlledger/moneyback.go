package sqlledger

import (
	"context"
	"database/sql"
	"slices"

	"interlock/services/ledger"
)

// readOwed reads which refunds of the steps that say so are not back yet. The orders are locked.
func (t *transaction) readOwed(ctx context.Context, d *paymentDecision) error {
	var ids []any
	for i := range d.steps {
		if d.steps[i].Kind == ledger.MoneyBack {
			ids = append(ids, d.steps[i].OrderID)
		}
	}
	d.owed = map[string][]string{}
	for chunk := range slices.Chunk(ids, maxIDs) {
		err := t.rows(ctx, "SELECT order_id, id FROM refunds WHERE run_id = ? AND order_id IN "+marks(len(chunk))+
			" AND paid_back_at IS NULL", append([]any{string(d.run)}, chunk...), func(r *sql.Rows) error {
			var order, id string
			err := r.Scan(&order, &id)
			d.owed[order] = append(d.owed[order], id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// moneyBack takes a step that says that a refund's money is back, and tells whether that changes the order.
func (d *paymentDecision) moneyBack(step *ledger.PaymentStep, row *orderRow) bool {
	if step.Kind != ledger.MoneyBack || !slices.Contains(d.owed[row.ID], step.RefundID) {
		return false
	}
	d.owed[row.ID] = slices.DeleteFunc(d.owed[row.ID], func(id string) bool { return id == step.RefundID })
	row.Version++
	return true
}

// paidBack writes when the money of refunds was back: after they were decided, also where that was on a primary whose
// clock was ahead. The same time would say that nothing was to go back.
func (d *paymentDecision) paidBack(steps []*ledger.PaymentStep) []statement {
	all := make([]statement, len(steps))
	for i, step := range steps {
		all[i] = statementOf("UPDATE refunds SET paid_back_at = CASE WHEN at < ? THEN ? ELSE at + 1 END "+
			"WHERE run_id = ? AND order_id = ? AND id = ? AND paid_back_at IS NULL", []any{d.now, d.now, string(d.run), step.OrderID, step.RefundID})
	}
	return all
}

// showMoneyBack has the orders show what the steps wrote of their refunds.
func (d *paymentDecision) showMoneyBack() {
	for _, steps := range d.writes {
		for _, step := range steps {
			o := d.shown[step.OrderID]
			if step.Kind != ledger.MoneyBack || o == nil {
				continue
			}
			for i := range o.Refunds {
				if o.Refunds[i].ID == step.RefundID {
					at := o.Refunds[i].At.UnixMilli()
					o.Refunds[i].PaidBackAt = fromMillis(max(d.now, at+1))
				}
			}
		}
	}
}
