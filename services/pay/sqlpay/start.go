package sqlpay

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// starts starts payments: see pay.Start. It locks their orders' rows, in the order of their ids, so that the open
// payments of an order are counted one after the other. made are the rows that are to be written, by their ids.
func starts(
	ctx context.Context, x *sqlledger.Tx, all []pay.Start,
) (started []pay.Started, made []*pay.Payment, err error) {
	started = make([]pay.Started, len(all))
	var ids, orders []string
	for i := range all {
		p := &all[i].Payment
		if started[i].Err = check(p); started[i].Err == nil {
			ids, orders = append(ids, p.ID), append(orders, p.OrderID)
		}
	}
	slices.Sort(orders)
	orders = slices.Compact(orders)
	if err := lockOrders(ctx, x, orders); err != nil {
		return nil, nil, err
	}
	known, err := find(ctx, x, ids)
	if err != nil {
		return nil, nil, err
	}
	open, err := countOpen(ctx, x, orders)
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		p := &all[i].Payment
		switch noted := known[p.ID]; {
		case started[i].Err != nil:
		case noted != nil:
			started[i] = answered(noted, p)
		case p.State == pay.Created && open[p.OrderID] >= pay.MaxOpenPayments:
			started[i].Err = rail.Refuse(rail.WrongState, "%d payments of the order are open already", open[p.OrderID])
		default:
			noted = newPayment(x.Began(), &all[i])
			if p.State == pay.Created {
				open[p.OrderID]++
			}
			known[p.ID], made = noted, append(made, noted)
			started[i] = answered(noted, p)
			started[i].Created = true
		}
	}
	slices.SortFunc(made, func(a, b *pay.Payment) int { return cmp.Compare(a.ID, b.ID) })
	return started, made, nil
}

// answered answers with a payment that has the id that was asked for. It refuses where it is another order's or
// amount's. The order's own payment may stand at another amount by now where it was not asked for.
func answered(noted, asked *pay.Payment) pay.Started {
	if noted.OrderID != asked.OrderID || noted.Amount != asked.Amount {
		return pay.Started{
			Err: rail.Refuse(rail.IdempotencyConflict, "the payment %s is of another order or amount", asked.ID),
		}
	}
	p := *noted
	return pay.Started{Payment: &p}
}

// lockOrders locks orders' rows, and makes those that are not there.
func lockOrders(ctx context.Context, x *sqlledger.Tx, orders []string) error {
	for chunk := range slices.Chunk(orders, maxIDs) {
		_, err := x.Exec(ctx, "INSERT INTO payment_orders (order_id, starts) VALUES (?, 1)"+
			strings.Repeat(",(?, 1)", len(chunk)-1)+x.OrChange("order_id", "starts = starts + 1"), anys(chunk)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// find reads payments by their ids.
func find(ctx context.Context, x *sqlledger.Tx, ids []string) (map[string]*pay.Payment, error) {
	found := map[string]*pay.Payment{}
	for chunk := range slices.Chunk(ids, maxIDs) {
		err := x.Rows(ctx, "SELECT "+columns+" FROM payments"+x.By(primaryKey)+" WHERE id IN "+
			sqlledger.Marks(len(chunk)), anys(chunk), func(r *sql.Rows) error {
			p, err := scan(r)
			found[p.ID] = p
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// countOpen counts the open payments of orders.
func countOpen(ctx context.Context, x *sqlledger.Tx, orders []string) (map[string]int, error) {
	open := map[string]int{}
	condition, args := inStates(pay.OpenStates)
	for chunk := range slices.Chunk(orders, maxIDs) {
		err := x.Rows(ctx, "SELECT order_id, COUNT(*) FROM payments"+x.By("payments_order")+" WHERE order_id IN "+
			sqlledger.Marks(len(chunk))+" AND "+condition+" GROUP BY order_id", append(anys(chunk), args...),
			func(r *sql.Rows) error {
				var id string
				var n int
				err := r.Scan(&id, &n)
				open[id] = n
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return open, nil
}

// newPayment is a payment as it is noted first.
func newPayment(now time.Time, s *pay.Start) *pay.Payment {
	made := s.Payment
	made.Version, made.CreatedAt, made.ChangedAt = 1, now, now
	made.PayBy, made.CaptureBy, made.Due, made.Tries = now.Add(s.PayFor), time.Time{}, now, 0
	if made.State == pay.Created {
		made.Due = now.Add(pay.CreatedDue)
	}
	return &made
}

// inStates is the condition for some states.
func inStates(states []pay.State) (string, []any) {
	args := make([]any, len(states))
	for i, s := range states {
		args[i] = string(s)
	}
	return "state IN " + sqlledger.Marks(len(states)), args
}
