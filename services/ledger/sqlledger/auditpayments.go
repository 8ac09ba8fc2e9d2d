package sqlledger

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// OrderPayments say how orders stand to their payments: see audit.Ledger.
func (l *Ledger) OrderPayments(ctx context.Context, orderIDs []string) (map[string]ledger.OrderPayment, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	found := map[string]ledger.OrderPayment{}
	for chunk := range slices.Chunk(orderIDs, maxIDs) {
		var alternatives []string
		var args []any
		for _, id := range chunk {
			if run, ok := rail.RunOfOrder(id); ok { // No order has another id.
				alternatives = append(alternatives, "(run_id = ? AND id = ?)")
				args = append(args, string(run), id)
			}
		}
		if len(alternatives) == 0 {
			continue
		}
		err := mysqlcluster.EachRow(ctx, p.background.sql, p.background.statement,
			"SELECT id, state, COALESCE(payment, ''), paid_at IS NOT NULL FROM orders"+p.dialect.by(primaryKey)+
				" WHERE "+strings.Join(alternatives, " OR "), args, func(r *sql.Rows) error {
				var id string
				var o ledger.OrderPayment
				err := r.Scan(&id, &o.State, &o.Payment, &o.Paid)
				found[id] = o
				return err
			})
		if err != nil {
			return nil, l.failed(p, err)
		}
	}
	return found, nil
}
