package sqlledger

import (
	"context"
	"fmt"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Sell runs one batch in one transaction: see sale.Ledger.
func (l *Ledger) Sell(ctx context.Context, batch ledger.Batch, decide ledger.Decide) (int64, error) {
	if err := l.maySeal(ctx); err != nil {
		return 0, err
	}
	t, head, err := l.openRun(ctx, &batch)
	if err != nil {
		return 0, definite(err)
	}
	defer t.end()
	state, err := t.open(ctx, &batch, head)
	if err != nil {
		return 0, definite(err)
	}
	changes, err := decide(state)
	if err != nil {
		return 0, err
	}
	record, err := t.record(state, head.next(), head.changesBytes, &changes)
	if err != nil {
		return 0, definite(err)
	}
	next := rail.RunID("")
	if batch.MoreExpected && l.mayPipeline(t.primary) {
		next = batch.RunID
	}
	begun, err := t.commitAndBegin(ctx, next, record)
	if err != nil {
		return 0, err
	}
	if begun != nil {
		l.pipeline.keep(batch.RunID, begun)
	}
	return state.Version + 1, nil
}

// open reads what a batch asks for, after its run, and ends the holds that are to end.
func (t *transaction) open(ctx context.Context, batch *ledger.Batch, head *runHead) (_ *ledger.BatchState, err error) {
	if err := t.lookAtSemiSync(ctx, head.server); err != nil {
		return nil, err
	}
	s := &ledger.BatchState{
		Now: head.now, Run: head.run, Version: head.version,
		Find: func(keys []ledger.OrderKey) (map[ledger.OrderKey]ledger.Replay, error) {
			found, err := t.replays(ctx, batch.RunID, keys)
			return found, definite(err)
		},
		States: func(orderIDs []string) (map[string]ledger.OrderLife, error) {
			lives, err := t.lives(ctx, batch.RunID, orderIDs)
			return lives, definite(err)
		},
	}
	if batch.ClaimsAt != head.version {
		if s.Claims, err = t.claims(ctx, batch.RunID, batch.ClaimsAt); err != nil {
			return nil, err
		}
	}
	if head.due || len(batch.Cancels) > 0 || len(batch.Orders) > 0 {
		if s.Expired, s.Cancels, err = t.endHolds(ctx, batch, head); err != nil {
			return nil, err
		}
	}
	if s.Orders, err = t.ordersToChange(ctx, batch); err != nil {
		return nil, err
	}
	if batch.KnownVersion == 0 || batch.KnownVersion != head.version {
		maps, err := t.maps(ctx, []*rail.Run{head.run})
		if err != nil {
			return nil, err
		}
		s.Maps = maps[batch.RunID]
	}
	s.Replays, err = t.replays(ctx, batch.RunID, batch.Keys)
	return s, err
}

// endHolds ends the holds that are past their time, and then those that are to be cancelled. Orders are locked after
// their run, everywhere, so that transactions never wait in a circle.
func (t *transaction) endHolds(
	ctx context.Context, batch *ledger.Batch, head *runHead,
) (expired []*rail.Order, cancels []ledger.CancelResult, err error) {
	if !batch.Locking {
		if err := t.lockRun(ctx, batch.RunID, head.version); err != nil {
			return nil, nil, err
		}
	}
	if expired, err = t.expire(ctx, head.next()); err != nil {
		return nil, nil, err
	}
	cancels, err = t.cancel(ctx, head.next(), batch.Cancels)
	return expired, cancels, err
}

// record are the statements that write what was decided, the version first.
func (t *transaction) record(
	s *ledger.BatchState, at moment, changesBytes int64, changes *ledger.BatchChanges,
) ([]statement, error) {
	id := s.Run.ID
	var orders, replacing, tickets, asked [][]any
	for i := range changes.Orders {
		n := &changes.Orders[i]
		o := n.Order
		if !belongsTo(o, at) || len(n.Documents) != len(o.Tickets) || len(o.Tickets) == 0 && !isReplacing(o) {
			return nil, fmt.Errorf("ledger: the order %s is not one of the run %s at the version %d, or its tickets "+
				"and documents do not match",
				o.ID, id, at.version)
		}
		if isReplacing(o) {
			if err := checkReplacing(o); err != nil {
				return nil, err
			}
			replacing = append(replacing, replacingRow(at, n))
			t.noteReplacing(at, o)
		} else {
			orders = append(orders, []any{
				string(id), o.ID, o.Number, o.Buyer, n.Key, n.BodyHash, o.Version, string(o.State),
				clip(o.StateReason, rail.MaxReason), o.TrainID,
				o.From, o.To, o.Total.Minor, string(o.Total.Currency), o.PlacedAt.UnixMilli(),
				o.PayBy.UnixMilli(), 0, at.version,
			})
			t.noteOrders(ledger.EventOrderPlaced, at, o)
		}
		for k := range o.Tickets {
			ticket := &o.Tickets[k]
			key, sealed := t.l.seal(o.ID, k, ticket.Passenger)
			tickets = append(tickets, []any{
				string(id), o.ID, k, string(ticket.SeatClass), ticket.SeatIndex, ticket.Coach,
				ticket.Seat, ticket.Price.Minor,
				string(ticket.Price.Currency), sealed, key, n.Documents[k],
			})
		}
	}
	for _, a := range changes.Asked {
		asked = append(asked, []any{string(id), a.Buyer, a.Document, s.Now.UnixMilli()})
	}
	d := t.pool.dialect
	bytes, maps, err := t.recordMaps(s, changesBytes, changes)
	if err != nil {
		return nil, err
	}
	changed, err := t.changeOrders(at, s.Orders, changes.Changed)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		[]statement{d.compareAndSet(id, s.Version, change{", changes_bytes = ?", []any{bytes}})},
		maps,
		d.inserts("INSERT INTO orders", []string{
			"run_id", "id", "number", "buyer", "idempotency_key", "body_hash", "version", "state",
			"state_reason", "train_id",
			"from_call", "to_call", "total_minor", "currency", "placed_at", "pay_by",
			"pay_attempts", "placed_run_version",
		}, orders),
		d.inserts("INSERT INTO orders", replacingColumns, replacing),
		changed,
		d.inserts("INSERT INTO tickets", []string{
			"run_id", "order_id", "n", "seat_class", "seat_index", "coach", "seat",
			"price_minor", "currency", "personal",
			"personal_key", "document",
		}, tickets),
		d.inserts("REPLACE INTO asked_documents", []string{"run_id", "buyer", "document", "at"}, asked),
	), nil
}
