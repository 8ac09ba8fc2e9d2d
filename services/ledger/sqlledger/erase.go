package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Bounds of one step of forgetting: some 40 ms on the primary, half of which pass by what is erased already where a run
// has 50,000 orders.
const (
	// erasePage is how many orders are erased in one transaction.
	erasePage = 200
	// eraseRuns is how many runs are looked at for them.
	eraseRuns = 100
)

// forgottenBuyer and the order's number take the place of a buyer who was forgotten. Buyers are printable ASCII, so no
// buyer has such a name.
const forgottenBuyer = "∅"

// ForgetOver forgets passengers of runs that have been over for some time, at least a day longer than their date says:
// names, document numbers, and digests of documents and requests. Seats, money and buyers stay. It takes one step, of
// the oldest runs first, and returns how many orders were erased, or how many runs were marked because nothing is left
// to forget on them. Both are 0 once nothing is left. Several servers may do it at once. A run that cannot be read does
// not hold up the others: an error names it once nothing else is left.
func (l *Ledger) ForgetOver(ctx context.Context, over time.Duration) (orders, runs int, err error) {
	p, err := l.primary()
	if err != nil {
		return 0, 0, err
	}
	t, err := l.write(ctx, p.publisher())
	if err != nil {
		return 0, 0, err
	}
	defer t.end()
	if err := t.checkPrimary(ctx); err != nil {
		return 0, 0, definite(err)
	}
	orders, runs, err = t.forgetOver(ctx, over)
	if err != nil || orders+runs == 0 {
		return 0, 0, definite(locked(err))
	}
	return orders, runs, t.commit(ctx)
}

func (t *transaction) forgetOver(ctx context.Context, over time.Duration) (orders, runs int, err error) {
	now, err := t.clock(ctx)
	if err != nil {
		return 0, 0, err
	}
	past, damaged, err := t.runsOver(ctx, now.Add(-over))
	if err != nil || len(past) == 0 {
		return 0, 0, errors.Join(err, damaged)
	}
	ids := anys(past)
	which, err := t.orderIDs(ctx, "run_id IN "+marks(len(ids))+" AND erased_at IS NULL ORDER BY run_id, id LIMIT ?",
		append(slices.Clone(ids), erasePage)...)
	if err != nil {
		return 0, 0, err
	}
	if len(which) > 0 {
		return len(which), 0, t.forget(ctx, which)
	}
	marked, err := t.exec(ctx, "UPDATE runs SET erased_at = "+t.pool.dialect.now()+
		" WHERE id IN "+marks(len(ids)), ids...)
	return 0, int(marked), err
}

// runsOver finds runs that were over by then and are not marked, those of the oldest dates first, at most eraseRuns.
// Where none is left, damaged names the runs that cannot be read. Runs that are not over yet are passed by: they are
// the long ones of a few days.
func (t *transaction) runsOver(ctx context.Context, then time.Time) (over []rail.RunID, damaged, err error) {
	// A run begins somewhere on earth, and most are over a day after their date. Those that take longer come later.
	last := then.Add(-24 * time.Hour).Format(time.DateOnly)
	var problems []error
	var at runRow
	for {
		rows, runs, unreadable, err := t.runsWhere(ctx,
			"r.erased_at IS NULL AND r.service_date <= ? AND (r.service_date > ? OR r.service_date = ? AND r.id > ?) "+
				"ORDER BY r.service_date, r.id LIMIT ?", last, at.date, at.date, at.id, eraseRuns)
		if err != nil {
			return nil, nil, err
		}
		for _, run := range readable(runs) {
			if isOver(run, then) {
				over = append(over, run.ID)
			}
		}
		problems = append(problems, unreadable...)
		if len(over) > 0 || len(rows) < eraseRuns {
			return over, errors.Join(problems...), nil
		}
		at = rows[len(rows)-1]
	}
}

// ForgetBuyer forgets a buyer, and the passengers, in that buyer's orders of one run that is over; otherwise as
// ForgetOver. It takes some orders at a time, those whose passengers were forgotten before too, and answers how many; 0
// when none are left. WRONG_STATE: the run is not over.
func (l *Ledger) ForgetBuyer(ctx context.Context, buyer string, id rail.RunID) (orders int, err error) {
	p, err := l.primary()
	if err != nil {
		return 0, err
	}
	t, err := l.write(ctx, p.publisher())
	if err != nil {
		return 0, err
	}
	defer t.end()
	if err := t.checkPrimary(ctx); err != nil {
		return 0, definite(err)
	}
	orders, err = t.forgetBuyer(ctx, buyer, id)
	if err != nil || orders == 0 {
		return 0, definite(locked(err))
	}
	return orders, t.commit(ctx)
}

func (t *transaction) forgetBuyer(ctx context.Context, buyer string, id rail.RunID) (int, error) {
	_, runs, problems, err := t.runsWhere(ctx, "r.id = ?", string(id))
	if err = errors.Join(err, errors.Join(problems...)); err != nil {
		return 0, err
	}
	now, err := t.clock(ctx)
	if err != nil {
		return 0, err
	}
	if len(runs) == 0 {
		return 0, rail.Refuse(rail.NotFound, "there is no run %s", id)
	}
	if !isOver(runs[0], now) {
		return 0, rail.Refuse(rail.WrongState, "the run %s is not over: who travels is needed until then", id)
	}
	orders, err := t.orderIDs(ctx, "buyer = ? AND run_id = ? ORDER BY id LIMIT ?", buyer, string(id), erasePage)
	if err != nil || len(orders) == 0 {
		return 0, err
	}
	if err := t.forget(ctx, orders); err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, "DELETE FROM asked_documents WHERE run_id = ? AND buyer = ?",
		string(id), buyer); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, "UPDATE orders SET buyer = CONCAT('"+forgottenBuyer+
		"', number) WHERE run_id = ? AND id IN "+marks(len(orders)),
		append([]any{string(id)}, anys(orders)...)...)
	return len(orders), err
}

// BuyerRuns are the runs that a buyer has orders of, in the order of their ids after the given one, at most limit. From
// the primary.
func (l *Ledger) BuyerRuns(ctx context.Context, buyer string, after rail.RunID, limit int) ([]ledger.BuyerRun, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	all, err := t.buyerRuns(ctx, buyer, after, limit)
	return all, definite(err)
}

func (t *transaction) buyerRuns(
	ctx context.Context, buyer string, after rail.RunID, limit int,
) ([]ledger.BuyerRun, error) {
	var all []ledger.BuyerRun
	var ids []any
	err := t.rows(ctx, "SELECT run_id, COUNT(*), COUNT(*) - COUNT(erased_at) FROM orders WHERE buyer = ? "+
		"AND run_id > ? GROUP BY run_id ORDER BY run_id LIMIT ?",
		[]any{buyer, string(after), limit}, func(r *sql.Rows) error {
			var one ledger.BuyerRun
			err := r.Scan(&one.Run, &one.Orders, &one.Passengers)
			all, ids = append(all, one), append(ids, string(one.Run))
			return err
		})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	now, err := t.clock(ctx)
	if err != nil {
		return nil, err
	}
	_, runs, _, err := t.runsWhere(ctx, "r.id IN "+marks(len(ids)), ids...)
	if err != nil {
		return nil, err
	}
	runs = readable(runs) // Whether the others are over is unknown.
	for i := range all {
		all[i].Over = slices.ContainsFunc(runs,
			func(run *rail.Run) bool { return run.ID == all[i].Run && isOver(run, now) })
	}
	return all, nil
}

// isOver tells whether a run had reached its last call by then. A train without calls, which only a hand can write,
// reaches none.
func isOver(run *rail.Run, then time.Time) bool {
	calls := len(run.Train.Calls)
	return calls > 0 && !run.Arrival(calls-1).After(then)
}

// runsWhere reads runs by a condition: their rows, and what can be read of them.
func (t *transaction) runsWhere(
	ctx context.Context, condition string, args ...any,
) (rows []runRow, runs []*rail.Run, problems []error, err error) {
	err = t.rows(ctx, "SELECT "+runColumns+" FROM runs r WHERE "+condition, args, func(r *sql.Rows) error {
		var row runRow
		err := r.Scan(row.fields()...)
		rows = append(rows, row)
		return err
	})
	if err != nil {
		return nil, nil, nil, err
	}
	runs, problems, err = t.readableRuns(ctx, rows)
	return rows, runs, problems, err
}

// orderIDs finds orders by a condition.
func (t *transaction) orderIDs(ctx context.Context, condition string, args ...any) (ids []string, err error) {
	err = t.rows(ctx, "SELECT id FROM orders WHERE "+condition, args, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// forget forgets the passengers of orders. An order that was erased before stays as it is. An order is changed before
// its tickets: every transaction that changes a ticket locks the order first.
func (t *transaction) forget(ctx context.Context, orders []string) error {
	byRun := map[rail.RunID][]any{}
	for _, id := range orders {
		run, _ := rail.RunOfOrder(id)
		byRun[run] = append(byRun[run], id)
	}
	// In the order of their keys, as all that erases or seals anew goes through them. So none of those wait in a
	// circle.
	for _, run := range slices.Sorted(maps.Keys(byRun)) {
		ids := byRun[run]
		for _, s := range []struct{ change, column, condition string }{
			{"UPDATE orders SET erased_at = " + t.pool.dialect.now() +
				", body_hash = '', state_reason = '', version = version + 1", "id", " AND erased_at IS NULL"},
			{"UPDATE tickets SET personal = NULL, personal_key = NULL, document = ''", "order_id", ""},
			{"UPDATE order_records SET reason = ''", "order_id", ""},
		} {
			_, err := t.exec(ctx, s.change+" WHERE run_id = ? AND "+s.column+" IN "+marks(len(ids))+s.condition,
				append([]any{string(run)}, ids...)...)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
