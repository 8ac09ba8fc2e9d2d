package sqlledger

import (
	"context"

	"gorm.io/gorm"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Correct changes a passenger's name on an order that has its seats: see sale.Ledger. It changes no seat, so that it
// needs no lock but that of the order's row, and the run's version stays. The old name is not kept.
func (l *Ledger) Correct(ctx context.Context, c ledger.Correction) (*rail.Order, error) {
	run, ok := rail.RunOfOrder(c.OrderID)
	if !ok {
		return nil, noTicket()
	}
	if err := l.maySeal(ctx); err != nil {
		return nil, err
	}
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	t, err := l.write(ctx, p.pool)
	if err != nil {
		return nil, err
	}
	defer t.end()
	order, err := t.correct(ctx, run, c)
	if err != nil {
		return nil, definite(locked(err))
	}
	if err := t.commit(ctx); err != nil {
		return nil, err
	}
	return order, nil
}

func noTicket() error {
	return rail.Refuse(rail.NotFound, "there is no such ticket").At("input", "ticketId")
}

func (t *transaction) correct(ctx context.Context, run rail.RunID, c ledger.Correction) (*rail.Order, error) {
	// This locks the order: what is read after it stays so until the commit.
	changed, err := t.exec(ctx,
		"UPDATE orders SET version = version + 1 WHERE run_id = ? AND id = ? AND erased_at IS NULL AND "+
			t.pool.dialect.inStates(live), string(run), c.OrderID)
	if err != nil {
		return nil, err
	}
	if err := t.checkPrimary(ctx); err != nil {
		return nil, err
	}
	entries, err := t.orders(ctx, func(g *gorm.DB) *gorm.DB {
		return g.Where("run_id = ? AND id = ?",
			string(run), c.OrderID)
	})
	switch {
	case err != nil:
		return nil, err
	case len(entries) == 0 || c.Ticket < 0 || c.Ticket >= len(entries[0].order.Tickets):
		return nil, noTicket()
	}
	order := entries[0].order
	if changed == 0 {
		return nil, rail.Refuse(rail.WrongState,
			"the order has ended, or its passengers were forgotten").At("input", "ticketId")
	}
	ticket := &order.Tickets[c.Ticket]
	switch {
	case ticket.Own == rail.TicketChanging: // The new ticket has the old name already, or is about to.
		return nil, rail.Refuse(rail.WrongState, "the ticket is being changed: correct it, or the new one, once that is "+
			"over").At("input", "ticketId")
	case !ticket.Own.OwnsSeat():
		return nil, rail.Refuse(rail.WrongState, "the ticket was given back or changed").At("input", "ticketId")
	}
	if ticket.Sealed != nil {
		return nil, ticket.Sealed
	}
	ticket.Passenger.Name = c.Name
	key, sealed := t.l.seal(c.OrderID, c.Ticket, ticket.Passenger)
	_, err = t.exec(ctx, "UPDATE tickets SET personal = ?, personal_key = ? WHERE run_id = ? AND order_id = ? "+
		"AND n = ?",
		sealed, key, string(run), c.OrderID, c.Ticket)
	if err != nil {
		return nil, err
	}
	now, err := t.clock(ctx)
	if err != nil {
		return nil, err
	}
	return order, t.insert(ctx, intoRecords, recordColumns, [][]any{recordOf(order, c.By, didCorrect, c.Reason, now)})
}
