package sqlledger

import (
	"context"
	"database/sql"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// resealPage is how many tickets are read, and sealed anew in one transaction: some 200 KB, and a few milliseconds in
// which corrections and erasures of these tickets wait. Sales, payments and cancellations do not: they change no ticket
// that is there.
const resealPage = 500

// Resealed is what became of a page of tickets.
type Resealed struct {
	// Next is the order to go on after; empty when there are no more.
	Next string
	// Tickets is how many with a passenger were looked at, Sealed how many of them were sealed with another key than
	// the first of the ring, and are now sealed with that. Unreadable could not be opened and stay as they are.
	Tickets, Sealed, Unreadable int
}

// Reseal seals the passengers of a page of tickets with the first key of the ring: those of the orders after the given
// one, "" for the first page. Each is changed only if it is still what was read, so that it may run beside sales,
// erasures and other resealing.
func (l *Ledger) Reseal(ctx context.Context, after string) (Resealed, error) {
	if err := l.maySeal(ctx); err != nil {
		return Resealed{}, err
	}
	p, err := l.primary()
	if err != nil {
		return Resealed{}, err
	}
	rows, err := readPersonal(ctx, p, after)
	if err != nil {
		return Resealed{}, l.failed(p, err)
	}
	var done Resealed
	if len(rows) == resealPage {
		// The last order may go on in the next page.
		last := rows[len(rows)-1].OrderID
		for len(rows) > 0 && rows[len(rows)-1].OrderID == last {
			rows = rows[:len(rows)-1]
		}
		done.Next = rows[len(rows)-1].OrderID
	}
	current := l.options.Keyring.Keys()[0]
	var changes []statement
	for i := range rows {
		row := &rows[i]
		if row.Personal == nil {
			continue
		}
		done.Tickets++
		if row.PersonalKey != nil && *row.PersonalKey == current {
			continue
		}
		who, err := row.passenger(l.options.Keyring)
		if err != nil {
			done.Unreadable++
			continue
		}
		key, sealed := l.seal(row.OrderID, row.N, who)
		changes = append(changes, statement{
			text: "UPDATE tickets SET personal = ?, personal_key = ? WHERE run_id = ? AND order_id = ? AND n = ? " +
				"AND personal = ?",
			args:  []any{sealed, key, row.RunID, row.OrderID, row.N, row.Personal},
			bytes: len(sealed) + len(row.Personal),
		})
	}
	done.Sealed = len(changes)
	return done, l.change(ctx, p, changes)
}

// readPersonal reads tickets with what is sealed of them, in the order of their keys. An order's id begins with its
// run's, so that it says where to go on.
func readPersonal(ctx context.Context, p *primary, after string) ([]ticketRow, error) {
	run, _ := rail.RunOfOrder(after)
	var rows []ticketRow
	err := mysqlcluster.EachRow(ctx, p.background.sql, p.background.statement,
		"SELECT run_id, order_id, n, personal, personal_key FROM tickets "+
			"WHERE run_id >= ? AND (run_id > ? OR order_id > ?) ORDER BY run_id, order_id, n LIMIT ?",
		[]any{string(run), string(run), after, resealPage}, func(r *sql.Rows) error {
			var row ticketRow
			err := r.Scan(&row.RunID, &row.OrderID, &row.N, &row.Personal, &row.PersonalKey)
			rows = append(rows, row)
			return err
		})
	return rows, err
}

// change carries statements out in one transaction of their own.
func (l *Ledger) change(ctx context.Context, p *primary, changes []statement) error {
	if len(changes) == 0 {
		return nil
	}
	t, err := l.write(ctx, p.pool)
	if err != nil {
		return err
	}
	defer t.end()
	if err := t.checkPrimary(ctx); err != nil {
		return definite(err)
	}
	if err := t.execAll(ctx, changes); err != nil {
		return definite(locked(err))
	}
	return t.commit(ctx)
}

// Keys are the ids of the ring's keys, the one that seals first.
func (l *Ledger) Keys() []string { return l.options.Keyring.Keys() }

// RetireKeys notes that nothing is sealed any more but with the first key of the ring, so that a server without the
// others is ready. A server that still seals with another one takes the note back.
func (l *Ledger) RetireKeys(ctx context.Context) error {
	p, err := l.primary()
	if err != nil {
		return err
	}
	return l.change(ctx, p, []statement{{
		text: "UPDATE personal_keys SET retired_at = " + p.dialect.now() + " WHERE id <> ? AND retired_at IS NULL",
		args: []any{l.options.Keyring.Keys()[0]},
	}})
}
