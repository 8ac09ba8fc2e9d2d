package sqlledger

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// paymentsPerUpdate is how many orders one statement pays: it looks through their payments for each of them.
const paymentsPerUpdate = 100

// DecidePayments takes steps of payments for orders of one run, in one transaction: see sale.Ledger. It changes no seat
// map, and needs no locks but those of the orders' rows. An expiry or a cancel that comes at the same moment waits for
// them.
func (l *Ledger) DecidePayments(
	ctx context.Context, runID rail.RunID, steps []ledger.PaymentStep,
) ([]ledger.PaymentOutcome, error) {
	if len(steps) == 0 {
		return nil, nil
	}
	d, err := newPaymentDecision(runID, steps, l.options.CaptureWithin)
	if err != nil {
		return nil, err
	}
	leave, err := l.enter(ctx, l.payments, "too many payments are under way")
	if err != nil {
		return nil, err
	}
	defer leave()
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	chunks := slices.Collect(slices.Chunk(d.ids, maxIDs))
	t, err := l.writeReading(ctx, p.pool, d.lock(p, l.options.Durability, chunks[0]))
	if err != nil {
		return nil, checkFailure(err)
	}
	defer t.end()
	for _, chunk := range chunks[1:] {
		if err := t.read(ctx, d.lock(p, l.options.Durability, chunk)); err != nil {
			return nil, definite(locked(err))
		}
	}
	if err := t.decide(ctx, d); err != nil {
		return nil, definite(err)
	}
	if writes := d.statements(); len(writes) > 0 {
		if err := t.commit(ctx, writes...); err != nil {
			return nil, err
		}
	}
	return d.outcomes(), nil
}

// paymentDecision is what some steps make of the orders of a run.
type paymentDecision struct {
	run    rail.RunID
	steps  []ledger.PaymentStep
	within time.Duration
	// ids are the steps' orders, sorted: their rows are locked in that order, so that no two transactions wait in a
	// circle.
	ids []string
	// rows are the orders that are there. They are locked, and changed by the steps.
	rows map[string]*orderRow
	// check is the primary check, which was read with each row.
	check primaryCheck
	// now is the primary's clock when the last row was locked.
	now int64
	// owed are the ids of refunds whose money is not back, by order: those of steps that say it is.
	owed map[string][]string
	// untouched are the orders, each of its step's buyer, that no step changed.
	untouched map[string]bool
	// becamePaid are the orders that a step made PAID.
	becamePaid map[string]bool
	// writes are the changes, and rounds how many of each order's.
	writes map[paymentWrite][]*ledger.PaymentStep
	rounds map[string]int
	// shown are the orders after all steps.
	shown map[string]*rail.Order
}

// paymentWrite names changes that are of one kind. The round is 0 for the first change of an order in this transaction.
type paymentWrite struct {
	round int
	kind  ledger.PaymentStepKind
}

func newPaymentDecision(
	run rail.RunID, steps []ledger.PaymentStep, within time.Duration,
) (*paymentDecision, error) {
	if len(steps) > ledger.MaxPaymentSteps {
		return nil, rail.Refuse(rail.Invalid, "%d steps of payments are more than %d", len(steps),
			ledger.MaxPaymentSteps)
	}
	d := &paymentDecision{
		run: run, steps: steps, within: within,
		rows: map[string]*orderRow{}, untouched: map[string]bool{}, becamePaid: map[string]bool{},
		writes: map[paymentWrite][]*ledger.PaymentStep{}, rounds: map[string]int{},
		shown: map[string]*rail.Order{},
	}
	for i := range steps {
		if err := steps[i].Check(); err != nil {
			return nil, err
		}
		d.ids = append(d.ids, steps[i].OrderID)
	}
	slices.Sort(d.ids)
	d.ids = slices.Compact(d.ids)
	return d, nil
}

// lock locks orders and reads them, with the primary check. The clock is that of after the wait for each lock.
func (d *paymentDecision) lock(p *primary, durability Durability, ids []string) query {
	text := "SELECT " + orderColumns(p.dialect.nowAfterLocks()) + ", " + p.checkColumns(durability) +
		" FROM orders" + p.dialect.by(primaryKey) + " WHERE run_id = ? AND id IN " + marks(len(ids)) +
		" ORDER BY id" + p.dialect.forUpdate()
	return query{text, append([]any{string(d.run)}, anys(ids)...), func(r *sql.Rows) error {
		row := &orderRow{}
		if err := r.Scan(append(row.fields(), d.check.fields()...)...); err != nil {
			return err
		}
		d.rows[row.ID], d.now = row, max(d.now, row.Clock)
		return nil
	}}
}

// decide takes the steps, where the server may be written. Orders that are not there are believed only of a server that
// is still the primary.
func (t *transaction) decide(ctx context.Context, d *paymentDecision) error {
	if len(d.rows) == 0 {
		return t.checkPrimary(ctx)
	}
	if err := t.passes(&d.check); err != nil {
		return err
	}
	if err := t.lookAtSemiSync(ctx, d.check.server); err != nil {
		return err
	}
	if err := t.readOwed(ctx, d); err != nil {
		return err
	}
	d.take()
	rows := make([]*orderRow, 0, len(d.rows))
	for _, id := range d.ids {
		if row := d.rows[id]; row != nil {
			d.shown[id] = row.order()
			rows = append(rows, row)
		}
	}
	limited, cancel := t.primary.during(ctx, t.pool.statement)
	defer cancel()
	if err := t.l.addTickets(t.gorm(limited), rows, d.shown); err != nil {
		return late(limited, err)
	}
	if err := addExtras(t.gorm(limited), rows, d.shown); err != nil {
		return late(limited, err)
	}
	d.showMoneyBack()
	for _, row := range rows {
		if d.becamePaid[row.ID] {
			t.notePaid(d.shown[row.ID])
		}
	}
	return nil
}

// take has each step change its order's row, one after the other.
func (d *paymentDecision) take() {
	for _, row := range d.rows {
		row.Clock = d.now
	}
	for i := range d.steps {
		step := &d.steps[i]
		row := d.rowOf(step)
		switch {
		case row == nil:
		case d.moneyBack(step, row) || row.take(step, d.within):
			if step.Kind == ledger.PaidAtOnce || step.Kind == ledger.PaymentCaptured {
				d.becamePaid[row.ID] = true
			}
			write := paymentWrite{d.rounds[row.ID], step.Kind}
			d.writes[write] = append(d.writes[write], step)
			d.rounds[row.ID]++
			delete(d.untouched, row.ID)
		case d.rounds[row.ID] == 0:
			d.untouched[row.ID] = true
		}
	}
}

// rowOf is the row of a step's order, nil where there is none of the step's buyer.
func (d *paymentDecision) rowOf(step *ledger.PaymentStep) *orderRow {
	row := d.rows[step.OrderID]
	if row == nil || step.Buyer != "" && step.Buyer != row.Buyer {
		return nil
	}
	return row
}

// take changes the row as a step does, and tells whether it did.
func (r *orderRow) take(step *ledger.PaymentStep, within time.Duration) bool {
	now, payment := r.Clock, step.PaymentID
	payable := rail.OrderState(r.State) == rail.OnHold && r.PayBy > now
	paying := rail.OrderState(r.State) == rail.Paying && r.isPaidBy(payment) && r.CaptureBy != nil && *r.CaptureBy > now
	switch {
	case payable && step.Kind == ledger.PaidAtOnce:
		r.State, r.PaidAt, r.Payment = string(rail.Paid), &now, &payment
		r.Version++
	case payable && step.Kind == ledger.PaymentAuthorised:
		captureBy := now + within.Milliseconds()
		r.State, r.PayingAt, r.CaptureBy, r.Payment = string(rail.Paying), &now, &captureBy, &payment
		r.Version++
	case paying && step.Kind == ledger.PaymentCaptured:
		r.State, r.PaidAt = string(rail.Paid), &now
		r.Version++
	case paying && step.Kind == ledger.PaymentFailed:
		r.CaptureBy = &now // the end of its order is what gives it another version
	default:
		return false
	}
	return true
}

// isPaidBy tells whether an order is, or was, PAYING or PAID by a payment.
func (r *orderRow) isPaidBy(payment string) bool { return r.Payment != nil && *r.Payment == payment }

// outcomes has one for each step.
func (d *paymentDecision) outcomes() []ledger.PaymentOutcome {
	all := make([]ledger.PaymentOutcome, len(d.steps))
	for i := range d.steps {
		row := d.rowOf(&d.steps[i])
		if row == nil {
			continue
		}
		o := d.shown[row.ID]
		counts := (o.State == rail.Paying || o.State == rail.Paid) && row.isPaidBy(d.steps[i].PaymentID)
		all[i] = ledger.PaymentOutcome{Order: o, Counts: counts}
	}
	return all
}

// statements write what the steps have changed. An order that they left as it is has its attempts counted: the answer
// is to rest on a commit of its own all the same, or a primary that is none any more could give it.
func (d *paymentDecision) statements() []statement {
	writes := make([]paymentWrite, 0, len(d.writes))
	for write := range d.writes {
		writes = append(writes, write)
	}
	slices.SortFunc(writes, func(a, b paymentWrite) int {
		return cmp.Or(cmp.Compare(a.round, b.round), cmp.Compare(a.kind, b.kind))
	})
	var all []statement
	for _, write := range writes {
		for chunk := range slices.Chunk(d.writes[write], paymentsPerUpdate) {
			all = append(all, d.update(write.kind, chunk))
			if write.kind == ledger.MoneyBack {
				all = append(all, d.paidBack(chunk)...)
			}
		}
	}
	for chunk := range slices.Chunk(anys(slices.Sorted(maps.Keys(d.untouched))), maxIDs) {
		all = append(all, statementOf("UPDATE orders SET pay_attempts = pay_attempts + 1 WHERE run_id = ? AND id IN "+
			marks(len(chunk)), append([]any{string(d.run)}, chunk...)))
	}
	return all
}

// update writes a change of one kind to orders, each by a step of its own. Where an order were not as it was read, its
// version would become NULL: the statement fails, and nothing of the transaction stands. The version comes first, as
// MySQL goes by what was set before in the same statement.
func (d *paymentDecision) update(kind ledger.PaymentStepKind, steps []*ledger.PaymentStep) statement {
	const (
		onHold = "CASE WHEN state = 'ON_HOLD' AND pay_by > ? THEN version + 1 END"
		paying = "CASE WHEN state = 'PAYING' AND capture_by > ? THEN version + 1 END"
		ending = "CASE WHEN state = 'PAYING' AND capture_by > ? THEN version END"
	)
	payments := ", payment = CASE id" + strings.Repeat(" WHEN ? THEN ?", len(steps)) + " END"
	var set string
	args := []any{d.now, d.now}
	switch kind {
	case ledger.PaidAtOnce:
		set = onHold + ", state = 'PAID', paid_at = ?" + payments
	case ledger.PaymentAuthorised:
		set = onHold + ", state = 'PAYING', paying_at = ?, capture_by = ?" + payments
		args = append(args, d.now+d.within.Milliseconds())
	case ledger.PaymentCaptured:
		set, payments = paying+", state = 'PAID', paid_at = ?", ""
	case ledger.MoneyBack:
		set, payments, args = "version + 1", "", nil
	case ledger.PaymentFailed:
		set, payments = ending+", capture_by = ?", ""
	}
	var ids []any
	for _, step := range steps {
		if payments != "" {
			args = append(args, step.OrderID, step.PaymentID)
		}
		ids = append(ids, step.OrderID)
	}
	return statementOf("UPDATE orders SET version = "+set+" WHERE run_id = ? AND id IN "+marks(len(ids)),
		slices.Concat(args, []any{string(d.run)}, ids))
}
