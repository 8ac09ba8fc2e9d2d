package sqlledger

import (
	"context"
	"database/sql"
	"slices"

	"gorm.io/gorm"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// maxKeysPerQuery bounds the pairs in one look for keys: MySQL plans each of them by itself.
const maxKeysPerQuery = 200

// replays finds the orders that keys have already.
func (t *transaction) replays(
	ctx context.Context, run rail.RunID, keys []ledger.OrderKey,
) (map[ledger.OrderKey]ledger.Replay, error) {
	found := map[ledger.OrderKey]ledger.Replay{}
	for chunk := range slices.Chunk(keys, maxKeysPerQuery) {
		ids, err := t.takenKeys(ctx, run, chunk)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			continue // as nearly always
		}
		entries, err := t.orders(ctx,
			func(g *gorm.DB) *gorm.DB { return g.Where("run_id = ? AND id IN ?", string(run), ids) })
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			found[ledger.OrderKey{Buyer: e.row.Buyer, Key: e.row.IdempotencyKey}] = ledger.Replay{
				Order:    e.order,
				BodyHash: e.row.BodyHash,
			}
		}
	}
	return found, nil
}

// takenKeys finds the ids of the orders that keys have.
func (t *transaction) takenKeys(ctx context.Context, id rail.RunID, keys []ledger.OrderKey) ([]string, error) {
	query := "SELECT id FROM orders WHERE run_id = ? AND " + t.pool.dialect.keysIn(len(keys))
	args := make([]any, 0, 1+2*len(keys))
	args = append(args, string(id))
	for _, k := range keys {
		args = append(args, k.Buyer, k.Key)
	}
	var ids []string
	err := t.rows(ctx, query, args, func(r *sql.Rows) error {
		var order string
		err := r.Scan(&order)
		ids = append(ids, order)
		return err
	})
	return ids, err
}
