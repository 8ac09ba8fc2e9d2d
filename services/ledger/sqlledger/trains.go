package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// errNoTrain says that a run's train is not there. Trains are never deleted, so the ledger is damaged.
var errNoTrain = errors.New("ledger: a train is missing")

// loadTrains finds trains, in the cache or by reading them: see weakCache.load.
func (l *link) loadTrains(
	ctx context.Context, on mysqlcluster.Querier, p *pool, ids []string,
) (found map[string]*rail.Train, broken map[string]error, err error) {
	return l.trains.load(ids, func(ids []string, each func(string, *rail.Train, error)) error {
		rows, err := l.readTrains(ctx, on, p, "id IN "+marks(len(ids)), anys(ids)...)
		for i := range rows {
			each(rows[i].ID, rows[i].Train, rows[i].Problem)
		}
		return err
	})
}

// readTrains reads trains by a condition, as they are written now.
func (l *link) readTrains(
	ctx context.Context, on mysqlcluster.Querier, p *pool, condition string, args ...any,
) ([]ledger.WrittenTrain, error) {
	type row struct {
		id, formation string
		document      []byte
	}
	var rows []row
	var formations []string
	err := mysqlcluster.EachRow(ctx, on, p.statement, "SELECT id, formation_id, document FROM trains WHERE "+condition,
		args, func(r *sql.Rows) error {
			var one row
			err := r.Scan(&one.id, &one.formation, &one.document)
			rows, formations = append(rows, one), append(formations, one.formation)
			return err
		})
	if err != nil {
		return nil, err
	}
	byID, broken, err := l.loadFormations(ctx, on, p, formations)
	if err != nil {
		return nil, err
	}
	trains := make([]ledger.WrittenTrain, len(rows))
	for i, r := range rows {
		trains[i].ID = r.id
		switch formation := byID[r.formation]; {
		case formation != nil:
			trains[i].Train, trains[i].Problem = rail.DecodeTrain(r.id, r.document, formation)
		case broken[r.formation] != nil:
			trains[i].Problem = fmt.Errorf("train %s: %w", r.id, broken[r.formation])
		default:
			trains[i].Problem = fmt.Errorf("train %s: there is no formation %s", r.id, r.formation)
		}
	}
	return trains, nil
}

// loadFormations finds formations, as loadTrains does trains.
func (l *link) loadFormations(
	ctx context.Context, on mysqlcluster.Querier, p *pool, ids []string,
) (found map[string]*rail.Formation, broken map[string]error, err error) {
	return l.formations.load(ids, func(ids []string, each func(string, *rail.Formation, error)) error {
		rows, err := readFormations(ctx, on, p, "id IN "+marks(len(ids)), anys(ids)...)
		for i := range rows {
			each(rows[i].ID, rows[i].Formation, rows[i].Problem)
		}
		return err
	})
}

// readFormations reads formations by a condition, as they are written now.
func readFormations(
	ctx context.Context, on mysqlcluster.Querier, p *pool, condition string, args ...any,
) ([]ledger.WrittenFormation, error) {
	var formations []ledger.WrittenFormation
	err := mysqlcluster.EachRow(ctx, on, p.statement, "SELECT id, document FROM formations WHERE "+condition, args,
		func(r *sql.Rows) error {
			var one ledger.WrittenFormation
			var document []byte
			if err := r.Scan(&one.ID, &document); err != nil {
				return err
			}
			one.Formation, one.Problem = rail.DecodeFormation(one.ID, document)
			formations = append(formations, one)
			return nil
		})
	return formations, err
}

// Train is the Train with an id. NOT_FOUND: there is none.
func (l *Ledger) Train(ctx context.Context, id string) (*rail.Train, error) {
	if known := l.trains.get(id); known != nil {
		return known, nil // trains never change
	}
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	found, broken, err := l.loadTrains(ctx, p.background.sql, p.background, []string{id})
	if err != nil {
		return nil, l.failed(p, err)
	}
	if broken[id] != nil {
		return nil, broken[id]
	}
	if found[id] == nil {
		return nil, rail.Refuse(rail.NotFound, "there is no train %q", id)
	}
	return found[id], nil
}
