package ledger

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"weak"

	"interlock/services/rail"
)

// trainCache shares decoded trains and formations between all who use them, for as long as anybody does: it holds them
// weakly, so that a train that is in nobody's timetable any more is forgotten.
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

// sweep forgets the ids of what nobody uses, each time the cache has doubled.
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

// errNoTrain says that a run's train is not there: nobody deletes trains, so the ledger is damaged.
var errNoTrain = errors.New("ledger: a train is missing")

// trainsByID finds trains by their ids, in the cache or by reading them.
func (t *transaction) trainsByID(ctx context.Context, ids []string) (map[string]*rail.Train, error) {
	return t.l.loadTrains(ctx, t.conn, t.p, ids)
}

func (l *Ledger) loadTrains(ctx context.Context, on querier, p *pool, ids []string) (map[string]*rail.Train, error) {
	found := make(map[string]*rail.Train, len(ids))
	var missing []string
	for _, id := range ids {
		if _, ok := found[id]; ok {
			continue
		}
		train := l.trains.train(id)
		found[id] = train
		if train == nil {
			missing = append(missing, id)
		}
	}
	type row struct {
		id, formation string
		document      []byte
	}
	for chunk := range slices.Chunk(missing, maxIDs) {
		var rows []row
		var formations []string
		err := queryRows(ctx, on, p.statement, "SELECT id, formation_id, document FROM trains WHERE id IN "+marks(len(chunk)), anys(chunk),
			func(r *sql.Rows) error {
				var one row
				if err := r.Scan(&one.id, &one.formation, &one.document); err != nil {
					return err
				}
				rows = append(rows, one)
				formations = append(formations, one.formation)
				return nil
			})
		if err != nil {
			return nil, err
		}
		byID, err := l.loadFormations(ctx, on, p, formations)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			train, err := rail.DecodeTrain(r.id, r.document, byID[r.formation])
			if err != nil {
				return nil, err
			}
			found[r.id] = l.trains.putTrain(train)
		}
	}
	for id, train := range found {
		if train == nil {
			delete(found, id)
		}
	}
	return found, nil
}

func (l *Ledger) loadFormations(ctx context.Context, on querier, p *pool, ids []string) (map[string]*rail.Formation, error) {
	found := make(map[string]*rail.Formation, len(ids))
	var missing []string
	for _, id := range ids {
		if _, ok := found[id]; ok {
			continue
		}
		formation := l.trains.formation(id)
		found[id] = formation
		if formation == nil {
			missing = append(missing, id)
		}
	}
	for chunk := range slices.Chunk(missing, maxIDs) {
		err := queryRows(ctx, on, p.statement, "SELECT id, document FROM formations WHERE id IN "+marks(len(chunk)), anys(chunk),
			func(r *sql.Rows) error {
				var id string
				var document []byte
				if err := r.Scan(&id, &document); err != nil {
					return err
				}
				formation, err := rail.DecodeFormation(id, document)
				if err != nil {
					return err
				}
				found[id] = l.trains.putFormation(formation)
				return nil
			})
		if err != nil {
			return nil, err
		}
	}
	for _, formation := range found {
		if formation == nil {
			return nil, errNoTrain
		}
	}
	return found, nil
}

// Train is the Train with an id. NOT_FOUND: there is none.
func (l *Ledger) Train(ctx context.Context, id string) (*rail.Train, error) {
	if known := l.trains.train(id); known != nil {
		return known, nil // trains never change
	}
	h, err := l.at()
	if err != nil {
		return nil, err
	}
	found, err := l.loadTrains(ctx, h.desk.sql, h.desk, []string{id})
	if err != nil {
		return nil, l.failed(h, err)
	}
	if found[id] == nil {
		return nil, rail.Refuse(rail.NotFound, "there is no train %q", id)
	}
	return found[id], nil
}

// marks is "(?,?,?)" for n arguments.
func marks(n int) string {
	return "(" + strings.TrimSuffix(strings.Repeat("?,", n), ",") + ")"
}

func anys[S ~string](values []S) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
