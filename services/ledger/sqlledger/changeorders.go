package sqlledger

import (
	"context"
	"fmt"
	"strings"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// ordersToChange locks the orders that a batch asks for, and reads them whole. The run is locked by now.
func (t *transaction) ordersToChange(ctx context.Context, batch *ledger.Batch) (map[string]*rail.Order, error) {
	if len(batch.Orders) == 0 {
		return nil, nil
	}
	if len(batch.Orders) > ledger.MaxBatchOrders {
		return nil, rail.Refuse(rail.Invalid, "a batch changes %d orders, and may change %d", len(batch.Orders),
			ledger.MaxBatchOrders)
	}
	entries, err := t.lockOrders(ctx, batch.RunID, batch.Orders)
	if err != nil {
		return nil, err
	}
	orders := make(map[string]*rail.Order, len(entries))
	for _, e := range entries {
		orders[e.order.ID] = e.order
	}
	return orders, nil
}

// changeOrders are the statements that write what a batch made of orders that it has read, at a moment of their run.
func (t *transaction) changeOrders(
	at moment, read map[string]*rail.Order, changed []ledger.OrderChange,
) (all []statement, err error) {
	var refunds, changes, records [][]any
	seen := map[string]bool{}
	for i := range changed {
		c := &changed[i]
		o := c.Order
		was := read[o.ID]
		if was == nil || was.RunID != at.run || len(was.Tickets) != len(o.Tickets) || seen[o.ID] {
			return nil, fmt.Errorf("ledger: the order %s was not read by the batch that changes it, or is changed twice", o.ID)
		}
		seen[o.ID] = true
		all = append(all, changeTickets(at, o)...)
		all = append(all, changeOrder(at, o))
		for k := range c.Refunds {
			refunds = append(refunds, refundRow(o, &c.Refunds[k], at.version))
		}
		for k := range c.Changes {
			changes = append(changes, ticketChangeRow(o, &c.Changes[k]))
		}
		if c.By != "" {
			records = append(records, recordOf(o, c.By, c.What, c.Reason, at.now))
		}
		t.noteOrders(c.Event, at, o)
	}
	d := t.pool.dialect
	all = append(all, d.inserts("INSERT INTO refunds", refundsInto, refunds)...)
	all = append(all, d.inserts("REPLACE INTO changes", changesInto, changes)...)
	return append(all, d.inserts(intoRecords, recordColumns, records)...), nil
}

// changeOrder moves an order on, and ends it where no ticket of it has a seat any more. Where it were not at the
// version that was read, its version would become NULL: the statement fails, and nothing of the batch stands.
func changeOrder(at moment, o *rail.Order) statement {
	set := "UPDATE orders SET version = CASE version WHEN ? THEN version + 1 END, extras = 1"
	args := []any{o.Version - 1}
	if o.State == rail.Returned {
		set += ", state = ?, ended_at = ?, ended_run_version = ?"
		args = append(args, string(o.State), o.EndedAt.UnixMilli(), at.version)
	}
	return statementOf(set+" WHERE run_id = ? AND id = ?", append(args, string(at.run), o.ID))
}

// changeTickets writes the tickets' own states. A ticket that ends by itself does so at the batch's version; one whose
// order had ended before has given its seat back then.
func changeTickets(at moment, o *rail.Order) (all []statement) {
	var follow []any
	for n := range o.Tickets {
		own := o.Tickets[n].Own
		if own == "" {
			follow = append(follow, n)
			continue
		}
		set, args := "UPDATE tickets SET own_state = ?", []any{string(own)}
		switch {
		case own == rail.TicketUsed:
			use := &o.Tickets[n].Use
			set += ", used_at = ?, used_by = ?, use_id = ?"
			args = append(args, use.At.UnixMilli(), use.By, use.ID)
		case own.OwnsSeat():
		case o.State == rail.Paid || o.State == rail.Returned:
			set += ", ended_run_version = COALESCE(ended_run_version, ?)"
			args = append(args, at.version)
		default:
			set += ", ended_run_version = COALESCE(ended_run_version, " +
				"(SELECT o.ended_run_version FROM orders o WHERE o.run_id = ? AND o.id = ?))"
			args = append(args, string(at.run), o.ID)
		}
		all = append(all, statementOf(set+" WHERE run_id = ? AND order_id = ? AND n = ?",
			append(args, string(at.run), o.ID, n)))
	}
	if len(follow) > 0 {
		all = append(all, statementOf("UPDATE tickets SET own_state = '' WHERE run_id = ? AND order_id = ? AND "+
			"own_state = 'CHANGING' AND n IN "+marks(len(follow)), append([]any{string(at.run), o.ID}, follow...)))
	}
	return all
}

// replacingColumns are those of orders that a change places: they may be PAID, or CANCELLED, from the start.
var replacingColumns = []string{
	"run_id", "id", "number", "buyer", "idempotency_key", "body_hash", "version", "state", "state_reason", "train_id",
	"from_call", "to_call", "total_minor", "currency", "placed_at", "pay_by", "pay_attempts", "placed_run_version",
	"paid_at", "ended_at", "ended_run_version", "replaces_order", "replaces_ticket", "carried_minor",
}

// replacingRow is the row of an order that a change places at a moment of its run.
func replacingRow(at moment, n *ledger.NewOrder) []any {
	o := n.Order
	var endedVersion any
	if !o.State.Live() {
		endedVersion = at.version
	}
	return []any{
		string(at.run), o.ID, o.Number, o.Buyer, n.Key, n.BodyHash, o.Version, string(o.State),
		clip(o.StateReason, rail.MaxReason), o.TrainID, o.From, o.To, o.Total.Minor, string(o.Total.Currency),
		o.PlacedAt.UnixMilli(), o.PayBy.UnixMilli(), 0, at.version, millisOrNil(o.PaidAt), millisOrNil(o.EndedAt),
		endedVersion, o.Replaces.OrderID, o.Replaces.Ticket, o.Carried.Minor,
	}
}

// checkReplacing refuses an order that no change places: it is on hold, or paid because nothing is left to pay; or
// it is cancelled and has no tickets, and only keeps its key.
func checkReplacing(o *rail.Order) error {
	one := len(o.Tickets) == 1 && o.Carried.Minor >= 0 && o.Carried.Minor <= o.Total.Minor
	switch {
	case o.State == rail.OnHold && o.Version == 1 && one:
	case o.State == rail.Paid && o.Version == 2 && one && o.ToPay().Minor == 0 && !o.PaidAt.IsZero():
	case o.State == rail.Cancelled && o.Version == 2 && len(o.Tickets) == 0 && o.Total.Minor == 0 && !o.EndedAt.IsZero():
	default:
		return fmt.Errorf("ledger: the order %s is %s with %d tickets and %s carried over: no change places that",
			o.ID, o.State, len(o.Tickets), o.Carried)
	}
	return nil
}

// noteReplacing notes that a change placed an order. One that is paid from the start was placed at the version before.
func (t *transaction) noteReplacing(at moment, o *rail.Order) {
	if o.State == rail.Cancelled {
		return // It never was an order that a buyer had: it only keeps its key.
	}
	placed := *o
	placed.Version = 1
	t.noteOrders(ledger.EventOrderPlaced, at, &placed)
	if o.State == rail.Paid {
		t.notePaid(o)
	}
}

// endedTickets ends a condition on the own state of a ticket: it has given its seat back by itself.
const endedTickets = " IN ('REFUNDED', 'CHANGED')"

// lives reads which of some orders of a run still live, as they are written.
func (t *transaction) lives(ctx context.Context, run rail.RunID, ids []string) (map[string]ledger.OrderLife, error) {
	states, err := t.states(ctx, run, ids)
	if err != nil {
		return nil, err
	}
	ended, err := t.endedDocuments(ctx, run, ids)
	if err != nil {
		return nil, err
	}
	lives := make(map[string]ledger.OrderLife, len(states))
	for id, state := range states {
		lives[id] = ledger.OrderLife{State: state, Ended: ended[id]}
	}
	return lives, nil
}

// isReplacing tells whether an order was placed, or its key kept, by a change.
func isReplacing(o *rail.Order) bool { return o.Replaces != nil }

// belongsTo tells whether an order's id is one of a run at a version.
func belongsTo(o *rail.Order, at moment) bool {
	return o.RunID == at.run && strings.HasPrefix(o.ID, rail.OrderIDsFrom(at.run, at.version))
}
