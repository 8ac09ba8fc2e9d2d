package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"weak"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// trainCache shares decoded trains and formations between all that use them. It holds them weakly: one that is in no
// timetable any more is forgotten.
type trainCache struct {
	mu         sync.Mutex
	trains     map[string]weak.Pointer[rail.Train]
	formations map[string]weak.Pointer[rail.Formation]
	// sweepAt is the size at which forgotten entries are looked for next.
	sweepAt int
}

// minSweep is the size below which a cache's forgotten entries do not matter.
const minSweep = 1_024

func newTrainCache() *trainCache {
	return &trainCache{
		trains:     map[string]weak.Pointer[rail.Train]{},
		formations: map[string]weak.Pointer[rail.Formation]{},
		sweepAt:    minSweep,
	}
}

func (c *trainCache) train(id string) *rail.Train {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trains[id].Value()
}

func (c *trainCache) formation(id string) *rail.Formation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.formations[id].Value()
}

// putTrain keeps a train, unless another goroutine was first: then that one's is the train.
func (c *trainCache) putTrain(t *rail.Train) *rail.Train {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.trains[t.ID].Value(); first != nil {
		return first
	}
	c.trains[t.ID] = weak.Make(t)
	c.sweep()
	return t
}

func (c *trainCache) putFormation(f *rail.Formation) *rail.Formation {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.formations[f.ID].Value(); first != nil {
		return first
	}
	c.formations[f.ID] = weak.Make(f)
	c.sweep()
	return f
}

// sweep forgets the ids of what is not used any more, each time the cache has doubled.
func (c *trainCache) sweep() {
	if len(c.trains)+len(c.formations) < c.sweepAt {
		return
	}
	for id, p := range c.trains {
		if p.Value() == nil {
			delete(c.trains, id)
		}
	}
	for id, p := range c.formations {
		if p.Value() == nil {
			delete(c.formations, id)
		}
	}
	c.sweepAt = max(minSweep, 2*(len(c.trains)+len(c.formations)))
}

// errNoTrain says that a run's train is not there. Trains are never deleted, so the ledger is damaged.
var errNoTrain = errors.New("ledger: a train is missing")

// loadTrains finds trains, in the cache or by reading them. broken says why some of those that are there cannot be
// read: one that is damaged must not hide the others.
func (l *Ledger) loadTrains(
	ctx context.Context, on mysqlcluster.Querier, p *pool, ids []string,
) (found map[string]*rail.Train, broken map[string]error, err error) {
	found, broken = make(map[string]*rail.Train, len(ids)), map[string]error{}
	var missing []string
	asked := make(map[string]bool, len(ids))
	for _, id := range ids {
		if asked[id] {
			continue
		}
		asked[id] = true
		if train := l.trains.train(id); train != nil {
			found[id] = train
		} else {
			missing = append(missing, id)
		}
	}
	for chunk := range slices.Chunk(missing, maxIDs) {
		rows, err := l.readTrains(ctx, on, p, "id IN "+marks(len(chunk)), anys(chunk)...)
		if err != nil {
			return nil, nil, err
		}
		for _, row := range rows {
			if row.Problem != nil {
				broken[row.ID] = row.Problem
			} else {
				found[row.ID] = l.trains.putTrain(row.Train)
			}
		}
	}
	return found, broken, nil
}

// readTrains reads trains by a condition, as they are written now.
func (l *Ledger) readTrains(
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

// loadFormations finds formations as loadTrains does trains.
func (l *Ledger) loadFormations(
	ctx context.Context, on mysqlcluster.Querier, p *pool, ids []string,
) (found map[string]*rail.Formation, broken map[string]error, err error) {
	found, broken = make(map[string]*rail.Formation, len(ids)), map[string]error{}
	var missing []string
	asked := make(map[string]bool, len(ids))
	for _, id := range ids {
		if asked[id] {
			continue
		}
		asked[id] = true
		if formation := l.trains.formation(id); formation != nil {
			found[id] = formation
		} else {
			missing = append(missing, id)
		}
	}
	for chunk := range slices.Chunk(missing, maxIDs) {
		rows, err := readFormations(ctx, on, p, "id IN "+marks(len(chunk)), anys(chunk)...)
		if err != nil {
			return nil, nil, err
		}
		for _, row := range rows {
			if row.Problem != nil {
				broken[row.ID] = row.Problem
			} else {
				found[row.ID] = l.trains.putFormation(row.Formation)
			}
		}
	}
	return found, broken, nil
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
	if known := l.trains.train(id); known != nil {
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
