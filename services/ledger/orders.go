package ledger

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"gorm.io/gorm"

	"interlock/services/rail"
)

// Order reads one order with its tickets from the primary; nil where there is none.
func (l *Ledger) Order(ctx context.Context, orderID string) (*rail.Order, error) {
	run, ok := rail.RunOfOrder(orderID)
	if !ok {
		return nil, nil
	}
	return l.one(ctx, func(g *gorm.DB) *gorm.DB { return g.Where("run_id = ? AND id = ?", string(run), orderID) })
}

// OrderByNumber is Order by the number people use.
func (l *Ledger) OrderByNumber(ctx context.Context, number string) (*rail.Order, error) {
	return l.one(ctx, func(g *gorm.DB) *gorm.DB { return g.Where("number = ?", number) })
}

func (l *Ledger) one(ctx context.Context, where func(*gorm.DB) *gorm.DB) (*rail.Order, error) {
	h, err := l.at()
	if err != nil {
		return nil, err
	}
	entries, err := findOrders(ctx, h.desk.gorm, h.dialect, l.options.StatementTimeout, where)
	if err != nil {
		return nil, l.failed(h, err)
	}
	if len(entries) == 0 {
		return nil, l.vouched(ctx, h)
	}
	return entries[0].order, nil
}

// vouched is nil where a server that has found nothing is still the primary: a former one does not know the orders of the next.
func (l *Ledger) vouched(ctx context.Context, h *home) error {
	t, err := l.begin(ctx, h, h.desk, nil)
	if err != nil {
		return err
	}
	defer t.end()
	return definite(t.guard(ctx))
}

// Orders lists orders, newest first, from a replica where there is one; of a cluster's replicas from one that has kept up,
// else from the primary.
func (l *Ledger) Orders(ctx context.Context, filter rail.OrderFilter) ([]*rail.Order, error) {
	h, err := l.at()
	if err != nil {
		return nil, err
	}
	on := h.lists.Load()
	entries, err := findOrders(ctx, on.gorm, h.dialect, on.statement, h.dialect.matching(filter))
	if err != nil && l.cluster != nil && on != h.desk && ctx.Err() == nil {
		// It kept up a moment ago, and the primary is still there to ask.
		h.lists.CompareAndSwap(on, h.desk)
		on = h.desk
		entries, err = findOrders(ctx, on.gorm, h.dialect, l.options.StatementTimeout, h.dialect.matching(filter))
	}
	if l.cluster != nil && on == h.desk {
		l.listsOnPrimary.Add(1)
		l.heard(h, err)
	}
	if err != nil {
		return nil, definite(err)
	}
	return orderOnly(entries), nil
}

// matching is what a list of orders asks for.
func (d dialect) matching(filter rail.OrderFilter) func(*gorm.DB) *gorm.DB {
	return func(g *gorm.DB) *gorm.DB {
		if filter.Buyer != "" {
			g = g.Where("buyer = ?", filter.Buyer)
		}
		if filter.RunID != "" {
			g = g.Where("run_id = ?", string(filter.RunID))
		}
		if filter.Number != "" {
			g = g.Where("number = ?", filter.Number)
		}
		if len(filter.States) > 0 {
			g = g.Where(d.inStates("state", filter.States))
		}
		if filter.After.ID != "" {
			at := filter.After.PlacedAt.UnixMilli()
			g = g.Where("(placed_at < ? OR (placed_at = ? AND id < ?))", at, at, filter.After.ID)
		}
		return g.Order("placed_at DESC, id DESC").Limit(filter.Limit)
	}
}

// inStates is the condition for states as an order shows them: a hold past its time is expired, swept or not. The column
// is state, or stateOfFound.
func (d dialect) inStates(column string, states []rail.OrderState) string {
	var alternatives []string
	for _, s := range states {
		switch s {
		case rail.OnHold:
			alternatives = append(alternatives, "("+column+" = 'ON_HOLD' AND pay_by > "+d.now()+")")
		case rail.Expired:
			alternatives = append(alternatives, column+" = 'EXPIRED'", "("+column+" = 'ON_HOLD' AND pay_by <= "+d.now()+")")
		case rail.Paid, rail.Cancelled:
			alternatives = append(alternatives, column+" = '"+string(s)+"'")
		}
	}
	if len(alternatives) == 0 {
		return "1 = 0" // states that no order can have
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}

// DueRuns are runs with holds past their time, at most limit.
func (l *Ledger) DueRuns(ctx context.Context, limit int) ([]rail.RunID, error) {
	h, err := l.at()
	if err != nil {
		return nil, err
	}
	var ids []rail.RunID
	err = queryRows(ctx, h.desk.sql, l.options.StatementTimeout, "SELECT DISTINCT run_id FROM orders WHERE state = 'ON_HOLD' AND pay_by <= "+
		h.dialect.now()+" LIMIT ?", []any{limit}, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, rail.RunID(id))
		return err
	})
	return ids, l.failed(h, err)
}

// clock reads the primary's clock.
func (t *transaction) clock(ctx context.Context) (time.Time, error) {
	var now int64
	err := t.rows(ctx, "SELECT "+t.p.dialect.now(), nil, func(r *sql.Rows) error { return r.Scan(&now) })
	return fromMillis(now), err
}
