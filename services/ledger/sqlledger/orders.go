package sqlledger

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Order reads one order with its tickets from the primary; nil where there is none.
func (l *Ledger) Order(ctx context.Context, orderID string) (*rail.Order, error) {
	found, err := l.OrdersByID(ctx, []string{orderID})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// OrdersByID is Order for many ids, in their order and nil where there is none. However many runs they are on, maxIDs
// of them take two statements; three more where some have refunds or changes.
func (l *Ledger) OrdersByID(ctx context.Context, ids []string) ([]*rail.Order, error) {
	orders := make([]*rail.Order, len(ids))
	places := map[string][]int{}
	for i, id := range ids {
		if _, ok := rail.RunOfOrder(id); ok {
			places[id] = append(places[id], i)
		}
	}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(places)), maxIDs) {
		found, err := l.read(ctx, len(chunk), func(g *gorm.DB) *gorm.DB { return g.Where(byIDs(g, chunk)) })
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			for _, i := range places[o.ID] {
				orders[i] = o
			}
		}
	}
	return orders, nil
}

// byIDs is the condition for orders by their ids, each run's found by its key.
func byIDs(g *gorm.DB, ids []string) *gorm.DB {
	byRun := map[string][]string{}
	for _, id := range ids {
		run, _ := rail.RunOfOrder(id)
		byRun[string(run)] = append(byRun[string(run)], id)
	}
	condition := g.Session(&gorm.Session{NewDB: true})
	for _, run := range slices.Sorted(maps.Keys(byRun)) {
		condition = condition.Or("run_id = ? AND id IN ?", run, byRun[run])
	}
	return condition
}

// OrderByNumber is Order by the number people use.
func (l *Ledger) OrderByNumber(ctx context.Context, number string) (*rail.Order, error) {
	found, err := l.read(ctx, 1, func(g *gorm.DB) *gorm.DB { return g.Where("number = ?", number) })
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// OrderByKey is Order by the key that placed it: of a buyer, on a run.
func (l *Ledger) OrderByKey(ctx context.Context, run rail.RunID, buyer, key string) (*rail.Order, error) {
	found, err := l.read(ctx, 1, func(g *gorm.DB) *gorm.DB {
		return g.Where("run_id = ? AND buyer = ? AND idempotency_key = ?", string(run), buyer, key)
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// read reads orders on the background pool, of which so many are expected, for as long as readers have a place there.
func (l *Ledger) read(ctx context.Context, expected int, where func(*gorm.DB) *gorm.DB) ([]*rail.Order, error) {
	leave, err := l.enter(ctx, l.readers, "too many orders are being read")
	if err != nil {
		return nil, err
	}
	defer leave()
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	found, err := l.readOn(ctx, p, p.background, expected, where)
	return orderOnly(found), err
}

// OrderToPay is Order for the buyer who pays it. It reads where payments are written, so that readers cannot keep a
// payment waiting. left is how long the order is on hold yet, by the clock of the primary.
func (l *Ledger) OrderToPay(ctx context.Context, orderID string) (_ *rail.Order, left time.Duration, _ error) {
	run, ok := rail.RunOfOrder(orderID)
	if !ok {
		return nil, 0, nil
	}
	leave, err := l.enter(ctx, l.payments, "too many payments are under way")
	if err != nil {
		return nil, 0, err
	}
	defer leave()
	p, err := l.primary()
	if err != nil {
		return nil, 0, err
	}
	found, err := l.readOn(ctx, p, p.pool, 1,
		func(g *gorm.DB) *gorm.DB { return g.Where("run_id = ? AND id = ?", string(run), orderID) })
	if err != nil || len(found) == 0 {
		return nil, 0, err
	}
	left = time.Duration(max(0, found[0].row.PayBy-found[0].row.Clock)) * time.Millisecond
	return found[0].order, left, nil
}

// enter takes one of some places, in the order in which they came.
func (l *Ledger) enter(ctx context.Context, places chan struct{}, tooMany string) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, l.options.StatementTimeout)
	defer cancel()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, unavailable(tooMany, ctx.Err())
	}
}

// readOn reads orders on connections to the primary. Fewer than expected are believed only of a server that is still
// it.
func (l *Ledger) readOn(
	ctx context.Context, p *primary, on *pool, expected int, where func(*gorm.DB) *gorm.DB,
) ([]entry, error) {
	entries, err := l.wholeOrders(ctx, on.gorm, p.dialect, l.options.StatementTimeout, where)
	if err != nil {
		return nil, l.failed(p, err)
	}
	if len(entries) < expected {
		if err := l.vouched(ctx, on); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// vouched is nil where a server that has found nothing is still the primary: a former one does not know the orders of
// the next.
func (l *link) vouched(ctx context.Context, on *pool) error {
	t, err := l.begin(ctx, on, nil)
	if err != nil {
		return err
	}
	defer t.end()
	return definite(t.checkPrimary(ctx))
}

// Orders lists orders, newest first, from a replica where there is one; of a cluster's replicas from one that has kept
// up, else from the primary.
func (l *Ledger) Orders(ctx context.Context, filter ledger.OrderFilter) ([]*rail.Order, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	on := p.lists.Load()
	entries, err := l.list(ctx, p, on, filter)
	if err != nil && l.cluster != nil && on != p.background && ctx.Err() == nil {
		// It kept up a moment ago, and the primary is still there to ask.
		p.lists.CompareAndSwap(on, p.background)
		on = p.background
		entries, err = l.list(ctx, p, on, filter)
	}
	if l.cluster != nil && on == p.background {
		l.listsOnPrimary.Add(1)
		l.suspect(p, err)
	}
	if err != nil {
		return nil, definite(err)
	}
	return orderOnly(entries), nil
}

// list reads a list of orders from one pool.
func (l *Ledger) list(ctx context.Context, p *primary, on *pool, filter ledger.OrderFilter) ([]entry, error) {
	if on == p.background {
		leave, err := l.enter(ctx, l.readers, "too many orders are being read")
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	return l.wholeOrders(ctx, on.gorm, p.dialect, min(on.statement, l.options.StatementTimeout),
		p.dialect.matching(filter))
}

// matching is what a list of orders asks for.
func (d dialect) matching(filter ledger.OrderFilter) func(*gorm.DB) *gorm.DB {
	return func(g *gorm.DB) *gorm.DB {
		// An order that ended when it was placed only keeps a key from being used.
		g = g.Where("(ended_run_version IS NULL OR ended_run_version <> placed_run_version)")
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
			g = g.Where(d.inStates(filter.States))
		}
		if filter.After.ID != "" {
			at := filter.After.PlacedAt.UnixMilli()
			g = g.Where("(placed_at < ? OR (placed_at = ? AND id < ?))", at, at, filter.After.ID)
		}
		return g.Order("placed_at DESC, id DESC").Limit(filter.Limit)
	}
}

// live are the states of orders that have their seats.
var live = slices.DeleteFunc(slices.Clone(rail.OrderStates), func(s rail.OrderState) bool { return !s.Live() })

// inStates is the condition for states as an order shows them: one past its time has ended, swept or not.
func (d dialect) inStates(states []rail.OrderState) string {
	var alternatives []string
	for _, s := range states {
		switch s {
		case rail.OnHold, rail.Paying:
			alternatives = append(alternatives, "(state = '"+string(s)+"' AND due > "+d.now()+")")
		case rail.Expired:
			alternatives = append(alternatives, "state = 'EXPIRED'", "(state = 'ON_HOLD' AND due <= "+d.now()+")")
		case rail.Cancelled:
			alternatives = append(alternatives, "state = 'CANCELLED'", "(state = 'PAYING' AND due <= "+d.now()+")")
		case rail.Paid, rail.Returned:
			alternatives = append(alternatives, "state = '"+string(s)+"'")
		}
	}
	if len(alternatives) == 0 {
		return "1 = 0" // states that no order can have
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}
