package sqlledger

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"gorm.io/gorm"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// orderRow is a row of orders, and the server's clock when it was read.
type orderRow struct {
	RunID          string
	ID             string
	Number         string
	Buyer          string
	IdempotencyKey string
	BodyHash       string
	Version        int64
	State          string
	StateReason    string
	TrainID        string
	FromCall       int
	ToCall         int
	TotalMinor     int64
	Currency       string
	PlacedAt       int64
	PayBy          int64
	PaidAt         *int64
	PayingAt       *int64
	CaptureBy      *int64
	EndedAt        *int64
	Payment        *string
	ErasedAt       *int64
	ReplacesOrder  *string
	ReplacesTicket *int64
	CarriedMinor   int64
	Extras         int64
	Clock          int64
}

// ticketRow is a row of tickets.
type ticketRow struct {
	RunID       string
	OrderID     string
	N           int
	SeatClass   string
	SeatIndex   int
	Coach       string
	Seat        string
	PriceMinor  int64
	Currency    string
	Personal    []byte
	PersonalKey *string
	OwnState    string
	UsedAt      *int64
	UsedBy      *string
	UseID       *string
}

// useOf is the use of a ticket by its columns, which are NULL where it was not used.
func useOf(at *int64, by, id *string) rail.TicketUse {
	use := rail.TicketUse{At: timeOf(at)}
	if by != nil {
		use.By = *by
	}
	if id != nil {
		use.ID = *id
	}
	return use
}

// orderColumns are the columns of orderRow; the clock is the server's, so that a hold past its time reads as EXPIRED by
// the clock that decides it.
func orderColumns(clock string) string {
	return "run_id, id, number, buyer, idempotency_key, body_hash, version, state, state_reason, train_id, " +
		"from_call, to_call, total_minor, currency, placed_at, pay_by, paid_at, paying_at, capture_by, ended_at, " +
		"payment, erased_at, replaces_order, replaces_ticket, carried_minor, extras, " + clock + " AS clock"
}

// fields take the columns, where they are scanned by hand.
func (r *orderRow) fields() []any {
	return []any{
		&r.RunID, &r.ID, &r.Number, &r.Buyer, &r.IdempotencyKey, &r.BodyHash, &r.Version, &r.State, &r.StateReason,
		&r.TrainID, &r.FromCall, &r.ToCall, &r.TotalMinor, &r.Currency, &r.PlacedAt, &r.PayBy, &r.PaidAt, &r.PayingAt,
		&r.CaptureBy, &r.EndedAt, &r.Payment, &r.ErasedAt, &r.ReplacesOrder, &r.ReplacesTicket, &r.CarriedMinor, &r.Extras,
		&r.Clock,
	}
}

const ticketColumns = "run_id, order_id, n, seat_class, seat_index, coach, seat, price_minor, currency, " +
	"personal, personal_key, own_state, used_at, used_by, use_id"

// liveStates ends a condition on the state of an order: it has its seats.
const liveStates = " IN ('ON_HOLD', 'PAYING', 'PAID')"

// order makes the order of a row, without its tickets.
func (r *orderRow) order() *rail.Order {
	o := &rail.Order{
		ID:          r.ID,
		RunID:       rail.RunID(r.RunID),
		TrainID:     r.TrainID,
		Number:      r.Number,
		Buyer:       r.Buyer,
		Version:     r.Version,
		State:       rail.OrderState(r.State),
		StateReason: r.StateReason,
		From:        r.FromCall,
		To:          r.ToCall,
		Total:       rail.Money{Minor: r.TotalMinor, Currency: rail.Currency(r.Currency)},
		PlacedAt:    fromMillis(r.PlacedAt),
		PayBy:       fromMillis(r.PayBy),
		PayingAt:    timeOf(r.PayingAt),
		CaptureBy:   timeOf(r.CaptureBy),
		PaidAt:      timeOf(r.PaidAt),
		EndedAt:     timeOf(r.EndedAt),
		ErasedAt:    timeOf(r.ErasedAt),
		Replaces:    replaces(r.ReplacesOrder, r.ReplacesTicket),
	}
	if o.Replaces != nil {
		o.Carried = rail.Money{Minor: r.CarriedMinor, Currency: o.Total.Currency}
	}
	if r.Payment != nil {
		o.PaymentID = *r.Payment
	}
	if r.isDue(r.Clock) {
		r.lapse(o)
	}
	return o
}

// replaces is the ticket that an order was changed from, nil where there is none.
func replaces(order *string, ticket *int64) *rail.TicketRef {
	if order == nil || ticket == nil {
		return nil
	}
	return &rail.TicketRef{OrderID: *order, Ticket: int(*ticket)}
}

// isDue tells whether an order's time is over, so that it ends by itself.
func (r *orderRow) isDue(now int64) bool {
	switch rail.OrderState(r.State) {
	case rail.OnHold:
		return r.PayBy <= now
	case rail.Paying:
		return r.CaptureBy != nil && *r.CaptureBy <= now
	default:
		return false
	}
}

// lapse makes of an order that is due what the sweep will write.
func (r *orderRow) lapse(o *rail.Order) {
	o.Version = r.Version + 1
	if rail.OrderState(r.State) == rail.OnHold {
		o.State, o.EndedAt = rail.Expired, o.PayBy
		return
	}
	o.State, o.StateReason, o.EndedAt = rail.Cancelled, ledger.PaymentNotCompleted, o.CaptureBy
}

func (r *ticketRow) ticket(keys Keyring) rail.Ticket {
	t := rail.Ticket{
		SeatClass: rail.SeatClass(r.SeatClass),
		SeatIndex: r.SeatIndex,
		Coach:     r.Coach,
		Seat:      r.Seat,
		Price:     rail.Money{Minor: r.PriceMinor, Currency: rail.Currency(r.Currency)},
		Own:       rail.TicketState(r.OwnState),
		Use:       useOf(r.UsedAt, r.UsedBy, r.UseID),
	}
	t.Passenger, t.Sealed = r.passenger(keys)
	return t
}

// entry is an order with what of its row the order does not show.
type entry struct {
	order *rail.Order
	row   *orderRow
}

// findOrders reads orders and their tickets, in two statements however many they are; those that have refunds or
// changes take two more. Outside a transaction that has locked the orders, the statements need not see one moment: see
// wholeOrders. A caller that sees a new passenger beside an old version reads the order again.
func (l *link) findOrders(
	ctx context.Context, g *gorm.DB, d dialect, limit time.Duration, where func(*gorm.DB) *gorm.DB,
) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	g = g.WithContext(ctx)
	var rows []orderRow
	if err := where(g.Table("orders").Select(orderColumns(d.now()))).Find(&rows).Error; err != nil {
		return nil, late(ctx, err)
	}
	entries := make([]entry, len(rows))
	found := make([]*orderRow, len(rows))
	byID := make(map[string]*rail.Order, len(rows))
	for i := range rows {
		entries[i], found[i] = entry{rows[i].order(), &rows[i]}, &rows[i]
		byID[rows[i].ID] = entries[i].order
	}
	if err := l.addTickets(g, found, byID); err != nil {
		return nil, late(ctx, err)
	}
	if err := addExtras(g, found, byID); err != nil {
		return nil, late(ctx, err)
	}
	return entries, nil
}

// addExtras reads the refunds and changes of the orders that have any, and puts them into the orders by their ids.
func addExtras(g *gorm.DB, rows []*orderRow, byID map[string]*rail.Order) error {
	with := map[string]extraOf{}
	for _, row := range rows {
		if o := byID[row.ID]; row.Extras != 0 && o != nil {
			with[row.ID] = extraOf{&o.Refunds, &o.Changes}
		}
	}
	return readExtras(func(query string, args []any, scan func(*sql.Rows) error) error {
		rows, err := g.Raw(query, args...).Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}, with)
}

// addTickets reads the tickets of orders, and puts them into the orders by their ids.
func (l *link) addTickets(g *gorm.DB, rows []*orderRow, byID map[string]*rail.Order) error {
	for chunk := range slices.Chunk(rows, maxIDs) {
		byRun := map[string][]string{}
		for _, row := range chunk {
			byRun[row.RunID] = append(byRun[row.RunID], row.ID)
		}
		condition := g.Session(&gorm.Session{NewDB: true})
		for run, ids := range byRun {
			condition = condition.Or("run_id = ? AND order_id IN ?", run, ids)
		}
		var tickets []ticketRow
		err := g.Table("tickets").Select(ticketColumns).Where(condition).Order("run_id, order_id, " +
			"n").Find(&tickets).Error
		if err != nil {
			return err
		}
		for i := range tickets {
			o := byID[tickets[i].OrderID]
			o.Tickets = append(o.Tickets, tickets[i].ticket(l.options.Keyring))
		}
	}
	return nil
}

// orders reads orders of the transaction's run.
func (t *transaction) orders(ctx context.Context, where func(*gorm.DB) *gorm.DB) ([]entry, error) {
	return t.l.findOrders(ctx, t.gorm(ctx), t.pool.dialect, t.pool.statement, where)
}

func orderOnly(entries []entry) []*rail.Order {
	orders := make([]*rail.Order, len(entries))
	for i, e := range entries {
		orders[i] = e.order
	}
	return orders
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// timeOf is the time of a column, the zero time where it is NULL.
func timeOf(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return fromMillis(*ms)
}
