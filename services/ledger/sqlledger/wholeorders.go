package sqlledger

import (
	"context"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"interlock/services/rail"
)

// wholeReads is how often orders that change while they are read are read. Tickets are given back and changed by
// people: twice within milliseconds is rare.
const wholeReads = 5

// wholeOrders is findOrders outside a transaction. The statements see different moments, and a ticket may be given back
// between two of them: its order would be shown PAID beside a ticket that is REFUNDED. Each such commit raises the
// version of the order. So the versions are read once more at the end, of orders that have refunds or changes. Others
// take no further statement.
func (l *link) wholeOrders(
	ctx context.Context, g *gorm.DB, d dialect, limit time.Duration, where func(*gorm.DB) *gorm.DB,
) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for range wholeReads {
		entries, err := l.findOrders(ctx, g, d, limit, where)
		if err != nil {
			return nil, err
		}
		whole, err := areWhole(g.WithContext(ctx), entries)
		if err != nil {
			return nil, late(ctx, err)
		}
		if whole {
			return entries, nil
		}
	}
	return nil, unavailable("an order changes while it is read", nil)
}

// areWhole tells whether no order that was read has changed since.
func areWhole(g *gorm.DB, entries []entry) (bool, error) {
	versions := map[string]int64{}
	for _, e := range entries {
		if e.row.Extras != 0 {
			versions[e.row.ID] = e.row.Version
		} else if slices.ContainsFunc(e.order.Tickets, func(t rail.Ticket) bool { return t.Own != "" }) {
			return false, nil // The tickets are newer than the order, whose refunds and changes were not read.
		}
	}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(versions)), maxIDs) {
		var now []struct {
			ID      string
			Version int64
		}
		if err := g.Table("orders").Select("id, version").Where(byIDs(g, chunk)).Find(&now).Error; err != nil {
			return false, err
		}
		for _, row := range now {
			if versions[row.ID] != row.Version {
				return false, nil
			}
		}
	}
	return true, nil
}
