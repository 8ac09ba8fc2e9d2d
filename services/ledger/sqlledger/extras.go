package sqlledger

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// Most orders never have a refund or a change. The column extras of an order tells whether it has any, so that reading
// the others costs no further statement.

// extraOf is where the refunds and changes of an order are put.
type extraOf struct {
	refunds *[]rail.Refund
	changes *[]rail.TicketChange
}

// eachRow runs a query and hands its rows out.
type eachRow func(query string, args []any, scan func(*sql.Rows) error) error

const (
	refundColumns = "run_id, order_id, id, kind, tickets, gross_minor, fee_minor, currency, at, paid_back_at"
	changeColumns = "run_id, order_id, id, ticket, to_run, state, wanted, price_minor, carried_minor, rest_minor, " +
		"fee_minor, currency, begun_at, due_at, ended_at"
)

// readExtras reads the refunds and changes of orders, the oldest first.
func readExtras(each eachRow, orders map[string]extraOf) error {
	byRun := map[rail.RunID][]any{}
	for id := range orders {
		run, _ := rail.RunOfOrder(id)
		byRun[run] = append(byRun[run], id)
	}
	for run, ids := range byRun {
		for chunk := range slices.Chunk(ids, maxIDs) {
			of := append([]any{string(run)}, chunk...)
			where := " WHERE run_id = ? AND order_id IN " + marks(len(chunk))
			err := each("SELECT "+refundColumns+" FROM refunds"+where+" ORDER BY at, id", of, func(r *sql.Rows) error {
				order, refund, err := scanRefund(r)
				if to := orders[order]; err == nil && to.refunds != nil {
					*to.refunds = append(*to.refunds, refund)
				}
				return err
			})
			if err != nil {
				return err
			}
			err = each("SELECT "+changeColumns+" FROM changes"+where+" ORDER BY begun_at, id", of, func(r *sql.Rows) error {
				order, change, err := scanChange(r)
				if to := orders[order]; err == nil && to.changes != nil {
					*to.changes = append(*to.changes, change)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func scanRefund(r *sql.Rows) (order string, refund rail.Refund, err error) {
	var run string
	var at int64
	var paidBack *int64
	err = r.Scan(&run, &order, &refund.ID, &refund.Kind, &refund.Tickets, &refund.Gross.Minor, &refund.Fee.Minor,
		&refund.Gross.Currency, &at, &paidBack)
	refund.Fee.Currency = refund.Gross.Currency
	refund.At, refund.PaidBackAt = fromMillis(at), timeOf(paidBack)
	return order, refund, err
}

func scanChange(r *sql.Rows) (order string, change rail.TicketChange, err error) {
	var run string
	var begun, due int64
	var ended *int64
	err = r.Scan(&run, &order, &change.ID, &change.Ticket, &change.To, &change.State, &change.Wanted, &change.Price.Minor,
		&change.Carried.Minor, &change.Rest.Minor, &change.Fee.Minor, &change.Carried.Currency, &begun, &due, &ended)
	change.Price.Currency = change.Carried.Currency
	change.Rest.Currency, change.Fee.Currency = change.Carried.Currency, change.Carried.Currency
	change.BegunAt, change.DueAt, change.EndedAt = fromMillis(begun), fromMillis(due), timeOf(ended)
	return order, change, err
}

// each runs queries of the transaction.
func (t *transaction) each(ctx context.Context) eachRow {
	return func(query string, args []any, scan func(*sql.Rows) error) error {
		return t.rows(ctx, query, args, scan)
	}
}

// millisOrNil is the time of a column, NULL for the zero time.
func millisOrNil(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UnixMilli()
}

var refundsInto = []string{
	"run_id", "order_id", "id", "kind", "tickets", "gross_minor", "fee_minor", "currency", "at", "paid_back_at",
	"run_version",
}

// refundRow is a new refund of an order, which the run's version decided.
func refundRow(o *rail.Order, r *rail.Refund, version int64) []any {
	return []any{
		string(o.RunID), o.ID, r.ID, string(r.Kind), int64(r.Tickets), r.Gross.Minor, r.Fee.Minor,
		string(r.Gross.Currency), r.At.UnixMilli(), millisOrNil(r.PaidBackAt), version,
	}
}

var changesInto = []string{
	"run_id", "order_id", "id", "ticket", "to_run", "state", "wanted", "price_minor", "carried_minor", "rest_minor",
	"fee_minor", "currency", "begun_at", "due_at", "ended_at",
}

func ticketChangeRow(o *rail.Order, c *rail.TicketChange) []any {
	return []any{
		string(o.RunID), o.ID, c.ID, c.Ticket, string(c.To), string(c.State), c.Wanted, c.Price.Minor,
		c.Carried.Minor, c.Rest.Minor, c.Fee.Minor, string(c.Carried.Currency), c.BegunAt.UnixMilli(),
		c.DueAt.UnixMilli(), millisOrNil(c.EndedAt),
	}
}

// DueChanges are open changes whose time has come: see sale.Ledger.
func (l *Ledger) DueChanges(ctx context.Context, after ledger.DueChange, limit int) ([]ledger.DueChange, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	var from int64 // the zero time is before all
	if !after.DueAt.IsZero() {
		from = after.DueAt.UnixMilli()
	}
	var due []ledger.DueChange
	err = mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT order_id, id, to_run, due_at FROM changes"+p.dialect.by("changes_due")+" WHERE state = 'OPEN' AND "+
			"due_at >= ? AND (due_at > ? OR id > ?) AND due_at <= "+p.dialect.now()+" ORDER BY due_at, id LIMIT ?",
		[]any{from, from, after.ChangeID, limit}, func(r *sql.Rows) error {
			var one ledger.DueChange
			var at int64
			err := r.Scan(&one.OrderID, &one.ChangeID, &one.To, &at)
			one.DueAt = fromMillis(at)
			due = append(due, one)
			return err
		})
	return due, l.failed(p, err)
}

// OwedRefunds are orders whose money is not back yet: see sale.Ledger.
func (l *Ledger) OwedRefunds(
	ctx context.Context, age time.Duration, after string, limit int,
) (orderIDs []string, err error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	err = mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT DISTINCT order_id FROM refunds"+p.dialect.by("refunds_owed")+
			" WHERE paid_back_at IS NULL AND order_id > ? AND at <= "+p.dialect.now()+" - ? ORDER BY order_id LIMIT ?",
		[]any{after, age.Milliseconds(), limit}, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			orderIDs = append(orderIDs, id)
			return err
		})
	return orderIDs, l.failed(p, err)
}
