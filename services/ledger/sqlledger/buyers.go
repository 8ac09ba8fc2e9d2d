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

const (
	// buyersPerQuery is how many buyers one statement reads.
	buyersPerQuery = 100
	// maxRecordRows bounds what one statement reads of them. Limits keep honest and other buyers far below it; where
	// they are switched off, what is cut off is above any limit.
	maxRecordRows = 20_000
)

// Buyers are the records of buyers, on the primary: see sale.Ledger. They are read on one connection of the sale at a
// time: readers that fill all others must not switch the limits off.
func (l *Ledger) Buyers(
	ctx context.Context, buyers []string, hold time.Duration, documents bool,
) (map[string]*ledger.BuyerRecord, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	records := make(map[string]*ledger.BuyerRecord, len(buyers))
	for _, buyer := range buyers {
		records[buyer] = &ledger.BuyerRecord{}
	}
	for chunk := range slices.Chunk(buyers, buyersPerQuery) {
		if err := l.holdsOf(ctx, p, chunk, hold, records); err != nil {
			return nil, l.failed(p, err)
		}
		if !documents {
			continue
		}
		if err := l.documentsOf(ctx, p, chunk, records); err != nil {
			return nil, l.failed(p, err)
		}
	}
	return records, nil
}

// holdsOf counts the open, the lapsed and the cancelled holds of buyers. One that lapsed within the day was placed
// within the day and a hold. An order with a payment is no hold any more, however the payment ended. What a change
// placed is none, either: the buyer has paid for a ticket already.
func (l *Ledger) holdsOf(
	ctx context.Context, p *primary, buyers []string, hold time.Duration, into map[string]*ledger.BuyerRecord,
) error {
	now := p.dialect.now()
	query := "SELECT buyer, run_id, CASE WHEN state = 'ON_HOLD' AND pay_by <= " + now +
		" THEN 'EXPIRED' ELSE state END AS became, COUNT(*) " +
		"FROM orders" + p.dialect.by("orders_buyer") + " WHERE buyer IN " + marks(len(buyers)) + " AND placed_at > " +
		now + " - ? AND state IN ('ON_HOLD', 'EXPIRED', 'CANCELLED') AND payment IS NULL AND " +
		"replaces_order IS NULL AND pay_by > " + now +
		" - ? GROUP BY buyer, run_id, became LIMIT ?"
	args := append(anys(buyers), (ledger.BuyerDay + hold).Milliseconds(), ledger.BuyerDay.Milliseconds(), maxRecordRows)
	return mysqlcluster.EachRow(ctx, p.pool.sql, l.options.StatementTimeout, query, args, func(r *sql.Rows) error {
		var buyer, run, became string
		var n int
		if err := r.Scan(&buyer, &run, &became, &n); err != nil {
			return err
		}
		switch rail.OrderState(became) {
		case rail.OnHold:
			into[buyer].OpenHolds += n
		case rail.Cancelled:
			into[buyer].Cancelled += n
		default:
			if into[buyer].Lapsed == nil {
				into[buyer].Lapsed = map[rail.RunID]int{}
			}
			into[buyer].Lapsed[rail.RunID(run)] += n
		}
		return nil
	})
}

// documentsOf finds the documents that buyers have ordered or asked for within the day.
func (l *Ledger) documentsOf(
	ctx context.Context, p *primary, buyers []string, into map[string]*ledger.BuyerRecord,
) error {
	since := p.dialect.now() + " - ?"
	query := "SELECT o.buyer, t.document FROM orders o" + p.dialect.by("orders_buyer") + p.dialect.thenTickets() +
		"WHERE o.buyer IN " + marks(len(buyers)) + " AND o.placed_at > " + since +
		" UNION SELECT buyer, document FROM asked_documents" + p.dialect.by("asked_documents_buyer") +
		" WHERE buyer IN " + marks(len(buyers)) + " AND at > " + since + " LIMIT ?"
	args := slices.Concat(anys(buyers), []any{ledger.BuyerDay.Milliseconds()}, anys(buyers),
		[]any{ledger.BuyerDay.Milliseconds(), maxRecordRows})
	return mysqlcluster.EachRow(ctx, p.pool.sql, l.options.StatementTimeout, query, args, func(r *sql.Rows) error {
		var buyer, document string
		err := r.Scan(&buyer, &document)
		if err == nil {
			if into[buyer].Documents == nil {
				into[buyer].Documents = map[string]bool{}
			}
			into[buyer].Documents[document] = true
		}
		return err
	})
}

// ForgetAsked deletes documents that buyers asked for longer than a day ago, at most limit: see sale.Ledger.
func (l *Ledger) ForgetAsked(ctx context.Context, limit int) (forgotten int, err error) {
	p, err := l.primary()
	if err != nil {
		return 0, err
	}
	t, err := l.write(ctx, p.publisher())
	if err != nil {
		return 0, err
	}
	defer t.end()
	old := "at < " + p.dialect.now() + " - ?"
	var rows [][]any
	err = t.rows(ctx, "SELECT run_id, buyer, document FROM asked_documents WHERE "+old+" ORDER BY at LIMIT ?",
		[]any{ledger.BuyerDay.Milliseconds(), limit}, func(r *sql.Rows) error {
			var run, buyer, document string
			err := r.Scan(&run, &buyer, &document)
			rows = append(rows, []any{run, buyer, document, ledger.BuyerDay.Milliseconds()})
			return err
		})
	if err != nil || len(rows) == 0 {
		return 0, definite(err)
	}
	if err := t.checkPrimary(ctx); err != nil {
		return 0, definite(err)
	}
	for _, row := range rows {
		// One that was asked for again meanwhile stays.
		if _, err := t.exec(ctx, "DELETE FROM asked_documents WHERE run_id = ? AND buyer = ? AND document = ? AND "+
			old, row...); err != nil {
			return 0, definite(locked(err))
		}
	}
	return len(rows), t.commit(ctx)
}
