package sqlpay

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// Create notes a payment: see pay.Store. Whatever it answers rests on a commit of its own.
func (s *Store) Create(
	ctx context.Context, p *pay.Payment, payFor time.Duration,
) (noted *pay.Payment, created bool, err error) {
	if err := check(p); err != nil {
		return nil, false, err
	}
	// A request for another order may have been faster with the same id; the next try finds it. And where such a request
	// ends in vain that was the first of its order, those that waited for the order's row may wait for each other.
	const tries = 4
	for range tries {
		noted, created, err = s.create(ctx, p, payFor)
		var duplicate *ledger.DuplicateError
		if !errors.As(err, &duplicate) && !sqlledger.IsDeadlock(err) {
			break
		}
	}
	if err != nil {
		return nil, false, err
	}
	return noted, created, nil
}

func (s *Store) create(
	ctx context.Context, p *pay.Payment, payFor time.Duration,
) (noted *pay.Payment, created bool, err error) {
	err = s.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
		_, err := x.Exec(ctx, "INSERT INTO payment_orders (order_id, starts) VALUES (?, 1)"+
			x.OrChange("order_id", "starts = starts + 1"), p.OrderID)
		if err != nil {
			return false, err
		}
		if noted, err = find(ctx, x, p.ID); err != nil {
			return false, err
		}
		if noted != nil {
			return true, same(noted, p)
		}
		if noted, err = newPayment(ctx, x, p, payFor); err != nil {
			return false, err
		}
		created = true
		inserts(x, []*pay.Payment{noted}, "")
		return true, nil
	})
	return noted, created, err
}

// find reads a payment by its id; nil where there is none.
func find(ctx context.Context, x *sqlledger.Tx, id string) (found *pay.Payment, err error) {
	err = x.Rows(ctx, "SELECT "+columns+" FROM payments"+x.By(primaryKey)+" WHERE id = ?", []any{id},
		func(r *sql.Rows) (err error) {
			found, err = scan(r)
			return err
		})
	return found, err
}

// same refuses a request whose id is that of another order's or amount's payment. The order's own payment may stand at
// another amount by now where nobody asked for it.
func same(noted, asked *pay.Payment) error {
	if noted.OrderID == asked.OrderID && noted.Amount == asked.Amount {
		return nil
	}
	return rail.Refuse(rail.IdempotencyConflict, "the payment %s is of another order or amount", asked.ID)
}

// newPayment is a payment as it is noted first.
func newPayment(ctx context.Context, x *sqlledger.Tx, p *pay.Payment, payFor time.Duration) (*pay.Payment, error) {
	now := x.Began()
	made := *p
	made.Version, made.CreatedAt, made.ChangedAt = 1, now, now
	made.PayBy, made.CaptureBy, made.Due, made.Tries = now.Add(payFor), time.Time{}, now, 0
	if p.State != pay.Created {
		return &made, nil
	}
	made.Due = now.Add(pay.CreatedDue)
	open := 0
	condition, args := inStates(pay.OpenStates)
	err := x.Rows(ctx, "SELECT COUNT(*) FROM payments"+x.By("payments_order")+" WHERE order_id = ? AND "+condition,
		append([]any{p.OrderID}, args...), func(r *sql.Rows) error { return r.Scan(&open) })
	if err == nil && open >= pay.MaxOpenPayments {
		err = rail.Refuse(rail.WrongState, "%d payments of the order are open already", open)
	}
	return &made, err
}

// inStates is the condition for some states.
func inStates(states []pay.State) (string, []any) {
	args := make([]any, len(states))
	for i, s := range states {
		args[i] = string(s)
	}
	return "state IN " + sqlledger.Marks(len(states)), args
}
