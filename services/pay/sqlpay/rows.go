package sqlpay

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// primaryKey is what SQL.By calls the index of a table's primary key.
const primaryKey = "PRIMARY"

// Bounds on lists and on what a row may hold.
const (
	// maxPayments is how many payments are asked for or changed at a time.
	maxPayments = 1_000
	// maxIDs bounds the ids in one IN list.
	maxIDs = 500
	// maxOfOrders is how many payments the orders that are asked for at a time may have: an order has a handful.
	maxOfOrders = 10_000
)

// columns are those of a payment's row: first those that an update leaves as they are.
var (
	fixed   = []string{"id", "order_id", "run_id", "created_at"}
	changed = []string{
		"amount_minor", "currency", "provider", "reference", "redirect_url", "state", "wants", "authorised_minor",
		"captured_minor", "released_minor", "refunded_minor", "pay_by", "capture_by", "changed_at", "version", "tries",
		"due_at", "reason", "refunds",
	}
	all     = slices.Concat(fixed, changed)
	columns = strings.Join(all, ", ")
)

// values are a payment's in the order of the columns.
func values(p *pay.Payment) []any {
	return []any{
		p.ID, p.OrderID, string(p.RunID), p.CreatedAt.UnixMilli(),
		p.Amount.Minor, string(p.Amount.Currency), p.Provider, p.Reference, p.RedirectURL, string(p.State),
		string(p.Wants), p.Authorised, p.Captured, p.Released, p.Refunded, p.PayBy.UnixMilli(), orNull(p.CaptureBy),
		p.ChangedAt.UnixMilli(), p.Version, p.Tries, orNull(p.Due), p.Reason,
		string(p.Refunds),
	}
}

// scan reads a row of the columns.
func scan(r *sql.Rows, before ...any) (*pay.Payment, error) {
	var p pay.Payment
	var run, currency, state, wants string
	var payBy, createdAt, changedAt int64
	var captureBy, due sql.NullInt64
	err := r.Scan(append(before,
		&p.ID, &p.OrderID, &run, &createdAt,
		&p.Amount.Minor, &currency, &p.Provider, &p.Reference, &p.RedirectURL, &state,
		&wants, &p.Authorised, &p.Captured, &p.Released, &p.Refunded, &payBy, &captureBy,
		&changedAt, &p.Version, &p.Tries, &due, &p.Reason, &p.Refunds)...)
	p.RunID, p.Amount.Currency = rail.RunID(run), rail.Currency(currency)
	p.State, p.Wants = pay.State(state), pay.Decision(wants)
	p.PayBy, p.CreatedAt, p.ChangedAt = fromMillis(payBy), fromMillis(createdAt), fromMillis(changedAt)
	p.CaptureBy, p.Due = fromNull(captureBy), fromNull(due)
	return &p, err
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func fromNull(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return fromMillis(ms.Int64)
}

// check refuses what no row can hold: a server would refuse the others of its commit, too.
func check(p *pay.Payment) error {
	for _, text := range []struct {
		name, value string
		most        int
	}{
		{"id", p.ID, 64},
		{"order's id", p.OrderID, 200},
		{"run's id", string(p.RunID), 160},
		{"currency", string(p.Amount.Currency), 3},
		{"provider", p.Provider, 32},
		{"reference", p.Reference, 255},
		{"page's address", p.RedirectURL, 2_048},
		{"state", string(p.State), 16},
		{"decision", string(p.Wants), 16},
		{"reason", p.Reason, 1_000},
		{"refunds", string(p.Refunds), 60_000},
	} {
		if err := fits("payment's "+text.name, text.value, text.most); err != nil {
			return err
		}
	}
	if p.ID == "" {
		return rail.Refuse(rail.Invalid, "a payment needs an id")
	}
	return nil
}

// fits refuses a text that is not UTF-8 or longer than most characters.
func fits(name, value string, most int) error {
	if !utf8.ValidString(value) || utf8.RuneCountInString(value) > most {
		return rail.Refuse(rail.Invalid, "the %s is not text of at most %d characters", name, most)
	}
	return nil
}

// inserts write rows of payments, in as few statements as the bound on arguments admits. tail ends each.
func inserts(x *sqlledger.Tx, rows []*pay.Payment, tail string) {
	for chunk := range slices.Chunk(rows, x.Arguments()/len(all)) {
		var args []any
		bytes := 0
		for _, p := range chunk {
			args = append(args, values(p)...)
			bytes += len(p.ID) + len(p.OrderID) + len(p.RunID) + len(p.Reference) + len(p.RedirectURL) + len(p.Reason) +
				len(p.Refunds)
		}
		one := sqlledger.Marks(len(all))
		x.AtCommit(bytes, fmt.Sprintf("INSERT INTO payments (%s) VALUES %s%s%s", columns, one,
			strings.Repeat(","+one, len(chunk)-1), tail), args...)
	}
}

func anys(values []string) []any {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return args
}
