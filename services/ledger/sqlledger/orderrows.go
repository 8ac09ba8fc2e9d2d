package sqlledger

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

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
	EndedAt        *int64
	PayKey         *string
	ErasedAt       *int64
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
}

// orderColumns are the columns of orderRow; the clock is the server's, so that a hold past its time reads as EXPIRED by
// the clock that decides it.
func (d dialect) orderColumns() string {
	return "run_id, id, number, buyer, idempotency_key, body_hash, version, state, state_reason, train_id, " +
		"from_call, to_call, total_minor, currency, placed_at, pay_by, paid_at, ended_at, pay_key, " +
		"erased_at, " + d.now() + " AS clock"
}

const ticketColumns = "run_id, order_id, n, seat_class, seat_index, coach, seat, price_minor, currency, " +
	"personal, personal_key"

// stateOfFound is the state in a condition on orders that are found by their run. As a plain column it would tempt a
// planner to go through all orders in that state instead, on every run, and to lock them on its way.
const stateOfFound = "COALESCE(state, '')"

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
	}
	if r.PaidAt != nil {
		o.PaidAt = fromMillis(*r.PaidAt)
	}
	if r.EndedAt != nil {
		o.EndedAt = fromMillis(*r.EndedAt)
	}
	if r.ErasedAt != nil {
		o.ErasedAt = fromMillis(*r.ErasedAt)
	}
	if o.State == rail.OnHold && r.PayBy <= r.Clock {
		o.State, o.EndedAt, o.Version = rail.Expired, o.PayBy, r.Version+1 // what the sweep will write
	}
	return o
}

func (r *ticketRow) ticket(keys Keyring) rail.Ticket {
	t := rail.Ticket{
		SeatClass: rail.SeatClass(r.SeatClass),
		SeatIndex: r.SeatIndex,
		Coach:     r.Coach,
		Seat:      r.Seat,
		Price:     rail.Money{Minor: r.PriceMinor, Currency: rail.Currency(r.Currency)},
	}
	t.Passenger, t.Sealed = r.passenger(keys)
	return t
}

// entry is an order with what of its row the order does not show.
type entry struct {
	order *rail.Order
	row   *orderRow
}

// findOrders reads orders and their tickets, in two statements however many they are. The two need not see one moment:
// only the passenger of a ticket ever changes, and a caller that sees a new passenger beside an old version reads the
// order again.
func (l *link) findOrders(
	ctx context.Context, g *gorm.DB, d dialect, limit time.Duration, where func(*gorm.DB) *gorm.DB,
) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	g = g.WithContext(ctx)
	var rows []orderRow
	if err := where(g.Table("orders").Select(d.orderColumns())).Find(&rows).Error; err != nil {
		return nil, late(ctx, err)
	}
	entries := make([]entry, len(rows))
	byID := make(map[string]*rail.Order, len(rows))
	for i := range rows {
		entries[i] = entry{rows[i].order(), &rows[i]}
		byID[rows[i].ID] = entries[i].order
	}
	for chunk := range slices.Chunk(rows, maxIDs) {
		byRun := map[string][]string{}
		for i := range chunk {
			byRun[chunk[i].RunID] = append(byRun[chunk[i].RunID], chunk[i].ID)
		}
		condition := g.Session(&gorm.Session{NewDB: true})
		for run, ids := range byRun {
			condition = condition.Or("run_id = ? AND order_id IN ?", run, ids)
		}
		var tickets []ticketRow
		err := g.Table("tickets").Select(ticketColumns).Where(condition).Order("run_id, order_id, " +
			"n").Find(&tickets).Error
		if err != nil {
			return nil, late(ctx, err)
		}
		for i := range tickets {
			o := byID[tickets[i].OrderID]
			o.Tickets = append(o.Tickets, tickets[i].ticket(l.options.Keyring))
		}
	}
	return entries, nil
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
