package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

const (
	// orderRows and ticketRows are how many rows of a table are in memory at a time besides those of one run: a few
	// megabytes.
	orderRows, ticketRows = 2_000, 4_000
	// afterAllIDs comes after every id, byte by byte, even one that was written by hand.
	afterAllIDs = "\U0010FFFF"
)

// errNoRun says that rows belong to a run that does not exist.
var errNoRun = errors.New("there is no such run")

// AuditSnapshots are all that is written of at most limit runs, in the order of their ids, after the given id. Runs
// that have orders or tickets and no row come in between, and after them where fewer than limit came. All snapshots are
// of one moment. At most one run's orders are in memory at a time. An error is the last thing, and says that the ledger
// could not be read.
func (l *Ledger) AuditSnapshots(
	ctx context.Context, after rail.RunID, limit int,
) iter.Seq2[*ledger.AuditSnapshot, error] {
	return func(yield func(*ledger.AuditSnapshot, error) bool) {
		t, err := l.snapshot(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer t.end()
		goesOn := true
		err = t.auditSnapshots(ctx, after, limit, func(b *ledger.AuditSnapshot) bool {
			goesOn = yield(b, nil)
			return goesOn
		})
		if err != nil && goesOn {
			yield(nil, definite(err))
		}
	}
}

func (t *transaction) auditSnapshots(
	ctx context.Context, after rail.RunID, limit int, visit func(*ledger.AuditSnapshot) bool,
) error {
	now, err := t.clock(ctx)
	if err != nil {
		return err
	}
	heads, err := t.snapshotHeads(ctx, after, limit)
	if err != nil {
		return err
	}
	to := afterAllIDs
	if len(heads) == limit {
		to = string(heads[len(heads)-1].ID)
	}
	orders := &sequence[*ledger.WrittenOrder]{
		t: t, at: string(after), to: to, limit: orderRows, read: t.writtenOrders,
		following: "run_id > ? AND run_id <= ? ORDER BY run_id, id",
		rest:      func(o *ledger.WrittenOrder) (string, []any) { return "id > ? ORDER BY id", []any{o.ID} },
		runOf:     func(o *ledger.WrittenOrder) string { return string(o.RunID) },
	}
	tickets := &sequence[writtenTicket]{
		t: t, at: string(after), to: to, limit: ticketRows, read: t.writtenTickets,
		following: "run_id > ? AND run_id <= ? ORDER BY run_id, order_id, n",
		rest: func(k writtenTicket) (string, []any) {
			return "order_id >= ? AND (order_id > ? OR n > ?) ORDER BY order_id, n", []any{k.order, k.order, k.n}
		},
		runOf: func(k writtenTicket) string { return k.run },
	}
	for {
		o, err := orders.peek(ctx)
		if err != nil {
			return err
		}
		k, err := tickets.peek(ctx)
		if err != nil {
			return err
		}
		b := nextSnapshot(heads, o, k)
		if b == nil {
			return nil
		}
		if len(heads) > 0 && b == heads[0] {
			heads = heads[1:]
		}
		b.Now = now
		if err := t.fillSnapshot(ctx, b, orders, tickets); err != nil {
			return err
		}
		if !visit(b) {
			return nil
		}
	}
}

// nextSnapshot is the snapshot of the first run that has a row, an order or a ticket; nil where there is none.
func nextSnapshot(heads []*ledger.AuditSnapshot, o **ledger.WrittenOrder, k *writtenTicket) *ledger.AuditSnapshot {
	var stray []rail.RunID
	if o != nil {
		stray = append(stray, (*o).RunID)
	}
	if k != nil {
		stray = append(stray, rail.RunID(k.run))
	}
	switch {
	case len(stray) == 0 && len(heads) == 0:
		return nil
	case len(stray) == 0 || len(heads) > 0 && heads[0].ID <= slices.Min(stray):
		return heads[0]
	}
	return &ledger.AuditSnapshot{ID: slices.Min(stray), Missing: true, Problem: errNoRun}
}

// fillSnapshot puts a run's orders and tickets together. Both come in the order of the orders' ids.
func (t *transaction) fillSnapshot(
	ctx context.Context, b *ledger.AuditSnapshot,
	orders *sequence[*ledger.WrittenOrder], tickets *sequence[writtenTicket],
) error {
	for {
		o, err := orders.peekOf(ctx, string(b.ID))
		if err != nil {
			return err
		}
		k, err := tickets.peekOf(ctx, string(b.ID))
		if err != nil {
			return err
		}
		switch {
		case o == nil && k == nil:
			return nil
		case o != nil && (k == nil || (*o).ID <= k.order):
			b.Orders = append(b.Orders, *o)
			orders.next()
		case len(b.Orders) == 0 || b.Orders[len(b.Orders)-1].ID != k.order:
			b.Orders = append(b.Orders, &ledger.WrittenOrder{Order: rail.Order{
				ID:    k.order,
				RunID: b.ID,
			}, Missing: true})
		default:
			last := b.Orders[len(b.Orders)-1]
			last.Tickets = append(last.Tickets, k.ticket)
			last.Numbers, last.Documents = append(last.Numbers, k.n), append(last.Documents, k.document)
			last.TicketEnded = append(last.TicketEnded, k.ended)
			t.addPassenger(b, last, k)
			tickets.next()
		}
	}
}

// snapshotHeads are the audit snapshots of runs without their orders.
func (t *transaction) snapshotHeads(ctx context.Context, after rail.RunID, limit int) ([]*ledger.AuditSnapshot, error) {
	var rows []runRow
	var heads []*ledger.AuditSnapshot
	err := t.rows(ctx, "SELECT r.version, r.train_number, r.touched_at, r.erased_at, r.publication, r.changes_bytes, "+
		"r.feed, r.feed_selection, COALESCE(p.what, ''), COALESCE(p.reason, ''), "+
		runColumns+" FROM runs r LEFT JOIN publications p ON p.number = r.publication WHERE r.id > ? "+
		"ORDER BY r.id LIMIT ?",
		[]any{string(after), limit}, func(r *sql.Rows) error {
			b, row, touched, erased := &ledger.AuditSnapshot{}, runRow{}, int64(0), sql.NullInt64{}
			err := r.Scan(append([]any{
				&b.Version, &b.Row.TrainNumber, &touched, &erased, &b.Row.Publication, &b.Row.ChangesBytes,
				&b.Row.Feed.Name, &b.Row.Feed.Selection, &b.Row.Did, &b.Row.DidFor,
			}, row.fields()...)...)
			b.ID, b.Row.TouchedAt, b.Row.CountedBytes = rail.RunID(row.id), fromMillis(touched), noMaps
			if erased.Valid {
				b.Row.ErasedAt = fromMillis(erased.Int64)
			}
			rows, heads = append(rows, row), append(heads, b)
			return err
		})
	if err != nil || len(heads) == 0 {
		return nil, err
	}
	runs, problems, err := t.readableRuns(ctx, rows)
	if err != nil {
		return nil, err
	}
	maps, err := t.maps(ctx, readable(runs))
	if err != nil {
		return nil, err
	}
	byID := make(map[rail.RunID]*ledger.AuditSnapshot, len(heads))
	for i, b := range heads {
		b.Run, b.Problem, b.Maps = runs[i], problems[i], maps[b.ID]
		byID[b.ID] = b
	}
	return heads, t.addOtherRows(ctx, after, heads[len(heads)-1].ID, byID)
}

// addOtherRows adds what other tables say of runs.
func (t *transaction) addOtherRows(
	ctx context.Context, after, last rail.RunID, byID map[rail.RunID]*ledger.AuditSnapshot,
) error {
	between := []any{string(after), string(last)}
	err := t.rows(ctx, "SELECT run_id, seat_class FROM seat_maps WHERE run_id > ? AND run_id <= ?", between,
		func(r *sql.Rows) error {
			var run, class string
			err := r.Scan(&run, &class)
			if b := byID[rail.RunID(run)]; b != nil {
				b.Row.MapClasses = append(b.Row.MapClasses, rail.SeatClass(class))
				b.Row.CountedBytes = max(b.Row.CountedBytes, 0)
			}
			return err
		})
	if err != nil {
		return err
	}
	err = t.rows(ctx, "SELECT run_id, version, LENGTH(changes) FROM seat_changes WHERE run_id > ? AND run_id <= ?",
		between, func(r *sql.Rows) error {
			var run string
			var version, length int64
			err := r.Scan(&run, &version, &length)
			if b := byID[rail.RunID(run)]; b != nil {
				b.Row.Changes = append(b.Row.Changes, version)
				b.Row.CountedBytes = max(b.Row.CountedBytes, 0) + changeRow + length
			}
			return err
		})
	if err != nil {
		return err
	}
	// A withdrawal names one run, as publish writes it.
	names := make([]any, 0, len(byID))
	for id := range byID {
		names = append(names, []byte(id+"\n"))
	}
	for chunk := range slices.Chunk(names, maxIDs) {
		err := t.rows(ctx, "SELECT runs, at FROM publications WHERE what = '"+ledger.DidWithdraw+"' AND runs IN "+
			marks(len(chunk)), chunk,
			func(r *sql.Rows) error {
				var run []byte
				var at int64
				if err := r.Scan(&run, &at); err != nil {
					return err
				}
				b := byID[rail.RunID(run[:len(run)-1])]
				b.Row.Withdrawals = append(b.Row.Withdrawals, fromMillis(at))
				return nil
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// writtenOrders reads orders by a condition, with the trains they were placed on.
func (t *transaction) writtenOrders(
	ctx context.Context, condition string, args ...any,
) ([]*ledger.WrittenOrder, error) {
	var orders []*ledger.WrittenOrder
	var trains []string
	extras := map[string]extraOf{}
	err := t.rows(ctx, "SELECT run_id, id, number, buyer, idempotency_key, version, state, state_reason, train_id, "+
		"from_call, to_call, total_minor, "+
		"currency, placed_at, pay_by, paying_at, capture_by, paid_at, ended_at, payment, pay_attempts, "+
		"placed_run_version, ended_run_version, body_hash, erased_at, replaces_order, replaces_ticket, carried_minor, "+
		"extras, "+
		"(SELECT COUNT(*) FROM order_records c WHERE c.run_id = orders.run_id AND c.order_id = orders.id AND c.what "+
		"= '"+didCorrect+"') FROM orders WHERE "+condition,
		args, func(r *sql.Rows) error {
			o := &ledger.WrittenOrder{}
			var placed, payBy int64
			var paying, captureBy, paid, ended, erased *int64
			var endedVersion sql.NullInt64
			var payment sql.NullString
			var replacesOrder *string
			var replacesTicket *int64
			var has int64
			err := r.Scan(&o.RunID, &o.ID, &o.Number, &o.Buyer, &o.Key, &o.Version, &o.State, &o.StateReason,
				&o.TrainID, &o.From, &o.To, &o.Total.Minor,
				&o.Total.Currency, &placed, &payBy, &paying, &captureBy, &paid, &ended, &payment,
				&o.PayAttempts, &o.PlacedVersion, &endedVersion, &o.BodyHash, &erased, &replacesOrder, &replacesTicket,
				&o.Carried.Minor, &has, &o.Corrections)
			if o.Replaces = replaces(replacesOrder, replacesTicket); o.Replaces != nil {
				o.Carried.Currency = o.Total.Currency
			}
			if has != 0 {
				extras[o.ID] = extraOf{&o.Refunds, &o.Changes}
			}
			o.PlacedAt, o.PayBy, o.PaymentID, o.EndedVersion = fromMillis(placed), fromMillis(payBy),
				payment.String, endedVersion.Int64
			o.PayingAt, o.CaptureBy, o.PaidAt = timeOf(paying), timeOf(captureBy), timeOf(paid)
			o.EndedAt, o.ErasedAt = timeOf(ended), timeOf(erased)
			orders, trains = append(orders, o), append(trains, o.TrainID)
			return err
		})
	if err != nil {
		return nil, err
	}
	if err := readExtras(t.each(ctx), extras); err != nil {
		return nil, err
	}
	found, _, err := t.l.loadTrains(ctx, t.conn, t.pool, trains)
	if err != nil {
		return nil, err
	}
	for _, o := range orders {
		o.Train = found[o.TrainID]
	}
	return orders, nil
}

// writtenTicket is a row of tickets. Its passenger is opened only to see whether that can be done.
type writtenTicket struct {
	run, order string
	n          int64
	ticket     rail.Ticket
	document   string
	ended      int64
	personal   []byte
	key        *string
}

func (t *transaction) writtenTickets(ctx context.Context, condition string, args ...any) ([]writtenTicket, error) {
	var tickets []writtenTicket
	err := t.rows(ctx, "SELECT run_id, order_id, n, seat_class, seat_index, coach, seat, price_minor, currency, "+
		"document, personal, personal_key, own_state, "+
		"COALESCE(ended_run_version, 0), used_at, used_by, use_id FROM tickets WHERE "+condition,
		args, func(r *sql.Rows) error {
			var k writtenTicket
			var usedAt *int64
			var usedBy, useID *string
			err := r.Scan(&k.run, &k.order, &k.n, &k.ticket.SeatClass, &k.ticket.SeatIndex, &k.ticket.Coach,
				&k.ticket.Seat, &k.ticket.Price.Minor,
				&k.ticket.Price.Currency, &k.document, &k.personal, &k.key, &k.ticket.Own, &k.ended,
				&usedAt, &usedBy, &useID)
			k.ticket.Use = useOf(usedAt, usedBy, useID)
			tickets = append(tickets, k)
			return err
		})
	return tickets, err
}
