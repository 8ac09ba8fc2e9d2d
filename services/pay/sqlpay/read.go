package sqlpay

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
)

// Payments reads payments by their ids: see pay.Store. That one is not there is said by the primary only.
func (s *Store) Payments(ctx context.Context, ids []string) ([]*pay.Payment, error) {
	if len(ids) > maxPayments {
		return nil, fmt.Errorf("sqlpay: %d payments are more than the %d that are read at a time",
			len(ids), maxPayments)
	}
	byID := map[string]*pay.Payment{}
	for chunk := range slices.Chunk(ids, maxIDs) {
		found, err := s.list(ctx, primaryKey, "id IN "+sqlledger.Marks(len(chunk)), anys(chunk)...)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			byID[p.ID] = p
		}
	}
	payments := make([]*pay.Payment, len(ids))
	for i, id := range ids {
		payments[i] = byID[id]
	}
	if slices.Contains(payments, nil) {
		if err := s.Vouched(ctx); err != nil {
			return nil, err
		}
	}
	return payments, nil
}

// OfOrders reads the payments of orders: see pay.Store.
func (s *Store) OfOrders(ctx context.Context, orderIDs []string) ([]*pay.Payment, error) {
	if len(orderIDs) > maxPayments {
		return nil, fmt.Errorf("sqlpay: %d orders are more than the %d that are asked for at a time",
			len(orderIDs), maxPayments)
	}
	orderIDs = slices.Clone(orderIDs)
	slices.Sort(orderIDs)
	var payments []*pay.Payment
	for chunk := range slices.Chunk(slices.Compact(orderIDs), maxIDs) {
		found, err := s.list(ctx, "payments_order", "order_id IN "+sqlledger.Marks(len(chunk))+
			" ORDER BY order_id, created_at, id LIMIT ?", append(anys(chunk), maxOfOrders+1)...)
		if err != nil {
			return nil, err
		}
		if payments = append(payments, found...); len(payments) > maxOfOrders {
			return nil, fmt.Errorf("sqlpay: %d orders have more than %d payments", len(orderIDs), maxOfOrders)
		}
	}
	if err := s.Vouched(ctx); err != nil {
		return nil, err
	}
	return payments, nil
}

// Due are payments for which the provider is to be called: see pay.Store.
func (s *Store) Due(ctx context.Context, isOpen bool, limit int) ([]*pay.Payment, error) {
	is := "<>"
	if isOpen {
		is = "="
	}
	return s.read(ctx, func(x sqlledger.SQL) (string, []any) {
		return "SELECT " + columns + " FROM payments" + x.By("payments_due") +
				" WHERE due_at <= " + x.Now() + " AND state " + is + " ? ORDER BY due_at, id LIMIT ?",
			[]any{string(pay.Open), bounded(limit)}
	})
}

// Changed are payments by when they were changed: see pay.Store.
func (s *Store) Changed(
	ctx context.Context, states []pay.State, since time.Time, after pay.Place, limit int,
) ([]*pay.Payment, error) {
	condition, args := "changed_at >= ?", []any{max(since.UnixMilli(), after.At.UnixMilli())}
	if after.ID != "" {
		condition += " AND (changed_at > ? OR id > ?)"
		args = append(args, after.At.UnixMilli(), after.ID)
	}
	if len(states) > 0 {
		in, of := inStates(states)
		condition, args = condition+" AND "+in, append(args, of...)
	}
	return s.list(ctx, "payments_changed", condition+" ORDER BY changed_at, id LIMIT ?",
		append(args, bounded(limit))...)
}

// AllPayments are all payments, as they are written: see audit.Payments.
func (s *Store) AllPayments(ctx context.Context) iter.Seq2[*pay.Payment, error] {
	return func(yield func(*pay.Payment, error) bool) {
		for after := ""; ; {
			page, err := s.list(ctx, primaryKey, "id > ? ORDER BY id LIMIT ?", after, maxPayments)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, p := range page {
				if !yield(p, nil) {
					return
				}
			}
			if len(page) < maxPayments {
				return
			}
			after = page[len(page)-1].ID
		}
	}
}

// Now is the primary's clock.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	err = s.Read(ctx, func(x sqlledger.SQL) (string, []any) { return "SELECT " + x.Now(), nil },
		func(r *sql.Rows) error {
			var ms int64
			err := r.Scan(&ms)
			now = fromMillis(ms)
			return err
		})
	return now, err
}

// bounded is a limit within the bounds on one.
func bounded(limit int) int { return max(1, min(limit, maxPayments)) }

// list reads payments by an index and a condition, in its order.
func (s *Store) list(ctx context.Context, by, condition string, args ...any) ([]*pay.Payment, error) {
	return s.read(ctx, func(x sqlledger.SQL) (string, []any) {
		return "SELECT " + columns + " FROM payments" + x.By(by) + " WHERE " + condition, args
	})
}

func (s *Store) read(
	ctx context.Context, query func(sqlledger.SQL) (string, []any),
) (payments []*pay.Payment, err error) {
	err = s.Read(ctx, query, func(r *sql.Rows) error {
		p, err := scan(r)
		payments = append(payments, p)
		return err
	})
	return payments, err
}
