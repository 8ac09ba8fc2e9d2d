package ledger

import (
	"context"
	"database/sql"

	"interlock/services/rail"
)

// personalRow is a ticket's personal data, with what its order says of them.
type personalRow struct {
	ticketRow
	number            string
	erased, runErased sql.NullInt64
	bodyHash          string
	document          bool
}

// verifyPersonal holds the passengers of all orders of some runs against what is promised of them: who was not forgotten can
// be read, and who was forgotten is gone. It adds to books what is wrong.
func (t *transaction) verifyPersonal(ctx context.Context, books map[rail.RunID]*rail.Books, after, last rail.RunID) error {
	return t.rows(ctx, "SELECT t.run_id, t.order_id, t.n, t.personal, t.personal_key, t.document <> '', "+
		"o.number, o.erased_at, o.body_hash, r.erased_at FROM tickets t JOIN orders o ON o.run_id = t.run_id AND o.id = t.order_id "+
		"JOIN runs r ON r.id = t.run_id WHERE t.run_id > ? AND t.run_id <= ? ORDER BY t.run_id, t.order_id, t.n",
		[]any{string(after), string(last)}, func(r *sql.Rows) error {
			var row personalRow
			err := r.Scan(&row.RunID, &row.OrderID, &row.N, &row.Personal, &row.PersonalKey, &row.document, &row.number, &row.erased,
				&row.bodyHash, &row.runErased)
			if err != nil {
				return err
			}
			b := books[rail.RunID(row.RunID)]
			if b == nil {
				return nil
			}
			if problem := row.problem(b.Run, t.l.options.Keyring); problem != "" {
				b.Personal = append(b.Personal, rail.PersonalDefect{OrderNumber: row.number, Ticket: row.N + 1, Problem: problem})
			}
			return nil
		})
}

// problem is what is wrong with a passenger, "" for nothing.
func (r *personalRow) problem(run *rail.Run, keys Keyring) string {
	switch {
	case r.erased.Valid && (r.Personal != nil || r.PersonalKey != nil):
		return "the order was erased, and its passenger is still there"
	case r.erased.Valid && r.document:
		return "the order was erased, and the digest of its document is still there"
	case r.erased.Valid && r.bodyHash != "":
		return "the order was erased, and the digest of its request is still there"
	case r.erased.Valid && !isOver(run, fromMillis(r.erased.Int64)):
		return "the order was erased before its run was over"
	case r.erased.Valid:
		return ""
	case r.Personal == nil:
		return "the passenger is missing, and the order was not erased"
	case r.runErased.Valid:
		return "the passengers of the run were forgotten, and this one is still there"
	case r.bodyHash == "":
		return "the digest of the request is missing, and the order was not erased"
	}
	if _, err := r.passenger(keys); err != nil {
		return "the passenger cannot be opened: its key is not there, or the row was changed or moved"
	}
	return ""
}
