package sqlledger

import (
	"context"
	"database/sql"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// claimsPage is how many orders one statement reads claims of. It is about what a full batch sells, so that one
// statement is enough to follow another server.
const claimsPage = 512

// claims reads the live tickets of a run's orders that were placed after a version. Ids of orders begin with the
// version, so what was placed since lies at the end of the run's orders, and costs what it is.
func (t *transaction) claims(ctx context.Context, run rail.RunID, after int64) ([]ledger.Claim, error) {
	var all []ledger.Claim
	d := t.pool.dialect
	from, comparison := rail.OrderIDsFrom(run, after+1), ">="
	for {
		page, orders := []ledger.Claim(nil), 0
		err := t.rows(ctx, "SELECT o.id, o.buyer, o.state, o.from_call, o.to_call, t.document FROM "+
			"(SELECT run_id, id, buyer, state, from_call, to_call FROM orders"+d.by(primaryKey)+
			" WHERE run_id = ? AND id "+comparison+
			" ? AND state"+liveStates+" ORDER BY id LIMIT ?) o"+
			d.thenTickets()+"WHERE t.own_state NOT"+endedTickets+" ORDER BY o.id, t.n",
			[]any{string(run), from, claimsPage}, func(r *sql.Rows) error {
				var c ledger.Claim
				var state string
				if err := r.Scan(&c.OrderID, &c.Buyer, &state, &c.From, &c.To, &c.Document); err != nil {
					return err
				}
				if len(page) == 0 || page[len(page)-1].OrderID != c.OrderID {
					orders++
				}
				c.Held = rail.OrderState(state) == rail.OnHold
				page = append(page, c)
				return nil
			})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if orders < claimsPage {
			return all, nil
		}
		from, comparison = page[len(page)-1].OrderID, ">"
	}
}

// states reads the states of orders of a run, as they are written. An overdue hold stays ON_HOLD, and an overdue
// payment PAYING, until expire ends it. expire waits for the row, which a payment in time may still hold.
func (t *transaction) states(
	ctx context.Context, run rail.RunID, orderIDs []string,
) (map[string]rail.OrderState, error) {
	states := make(map[string]rail.OrderState, len(orderIDs))
	for chunk := range slices.Chunk(orderIDs, maxIDs) {
		err := t.rows(ctx, "SELECT id, state FROM orders WHERE run_id = ? AND id IN "+marks(len(chunk)),
			append([]any{string(run)}, anys(chunk)...), func(r *sql.Rows) error {
				var id, state string
				err := r.Scan(&id, &state)
				states[id] = rail.OrderState(state)
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return states, nil
}

// endedDocuments are, by order, the documents of tickets of a run's orders that have ended by themselves.
func (t *transaction) endedDocuments(
	ctx context.Context, run rail.RunID, orderIDs []string,
) (map[string][]string, error) {
	ended := map[string][]string{}
	for chunk := range slices.Chunk(orderIDs, maxIDs) {
		err := t.rows(ctx, "SELECT order_id, document FROM tickets WHERE run_id = ? AND order_id IN "+marks(len(chunk))+
			" AND own_state"+endedTickets, append([]any{string(run)}, anys(chunk)...), func(r *sql.Rows) error {
			var order, document string
			err := r.Scan(&order, &document)
			ended[order] = append(ended[order], document)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return ended, nil
}
