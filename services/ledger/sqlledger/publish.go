package sqlledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// firstVersion is a new run's: 0 means "nothing known" everywhere.
const firstVersion = 1

// Publish puts runs on sale, all or none: see publish.Ledger.
func (l *Ledger) Publish(
	ctx context.Context, runs []*rail.Run, by string, validateOnly bool,
) ([]ledger.Publication, error) {
	if validateOnly {
		return l.rehearse(ctx, runs)
	}
	t, publication, err := l.publishing(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	plan, err := t.plan(ctx, runs, true)
	if err != nil {
		return nil, definite(err)
	}
	ids := plan.moved()
	if len(ids) == 0 {
		return plan.publications, nil
	}
	if err := t.carryOut(ctx, plan, publication.number); err != nil {
		return nil, definite(err)
	}
	if err := t.publish(ctx, publication, by, ledger.DidPublish, "", ids); err != nil {
		return nil, err
	}
	return plan.publications, nil
}

// rehearse tells what publishing would do, from one moment of the ledger.
func (l *Ledger) rehearse(ctx context.Context, runs []*rail.Run) ([]ledger.Publication, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	plan, err := t.plan(ctx, runs, false)
	if err != nil {
		return nil, definite(err)
	}
	return plan.publications, nil
}

// publishPlan is what is to be done with each run that is published, in their order.
type publishPlan struct {
	publications []ledger.Publication
	// before is the version that a changed run has now.
	before map[rail.RunID]int64
}

func (p *publishPlan) moved() []rail.RunID {
	var ids []rail.RunID
	for i := range p.publications {
		if p.publications[i].Outcome != ledger.RunUnchanged {
			ids = append(ids, p.publications[i].Run.ID)
		}
	}
	return ids
}

type storedRun struct {
	runRow
	version int64
}

// plan compares runs with what is there. With lock, those that are to change are locked before it looks whether they
// have orders, so that none can come in between.
func (t *transaction) plan(ctx context.Context, runs []*rail.Run, lock bool) (*publishPlan, error) {
	ids := make([]rail.RunID, len(runs))
	given := make(map[rail.RunID]bool, len(runs))
	for i, r := range runs {
		if given[r.ID] {
			return nil, rail.Refuse(rail.Invalid, "the run %s is there twice", r.ID)
		}
		ids[i], given[r.ID] = r.ID, true
	}
	stored, err := t.storedRuns(ctx, ids, "")
	if err != nil {
		return nil, err
	}
	plan := &publishPlan{publications: make([]ledger.Publication, len(runs)), before: map[rail.RunID]int64{}}
	var changed []rail.RunID
	for i, r := range runs {
		run := *r
		p := ledger.Publication{Run: &run}
		was, there := stored[r.ID]
		switch {
		case !there:
			run.Status, run.Reason = rail.Published, ""
			p.Outcome, p.Version = ledger.RunCreated, firstVersion
		case was.same(r):
			run.Status, run.Reason = rail.RunStatus(was.status), was.reason
			p.Outcome, p.Version = ledger.RunUnchanged, was.version
		default:
			p.Outcome = ledger.RunChanged
			changed = append(changed, r.ID)
		}
		plan.publications[i] = p
	}
	if lock {
		if stored, err = t.storedRuns(ctx, changed, t.pool.dialect.forUpdate()); err != nil {
			return nil, err
		}
	}
	if err := t.refuseOrders(ctx, changed); err != nil {
		return nil, err
	}
	for i := range plan.publications {
		p := &plan.publications[i]
		if p.Outcome != ledger.RunChanged {
			continue
		}
		was := stored[p.Run.ID]
		// Only resuming resumes: a suspended run that is published again stays suspended.
		p.Run.Status, p.Run.Reason = rail.Published, ""
		if rail.RunStatus(was.status) == rail.Suspended {
			p.Run.Status, p.Run.Reason = rail.Suspended, was.reason
		}
		p.Version = was.version + 1
		plan.before[p.Run.ID] = was.version
	}
	return plan, nil
}

// same tells whether a run is on sale just like that already.
func (s *storedRun) same(r *rail.Run) bool {
	return s.trainID == r.Train.ID && s.opensAt == r.SaleOpensAt.UnixMilli() &&
		s.closesBefore == int64(r.ClosesBefore/time.Second) && rail.RunStatus(s.status) != rail.Withdrawn
}

func (t *transaction) storedRuns(
	ctx context.Context, ids []rail.RunID, lock string,
) (map[rail.RunID]*storedRun, error) {
	found := make(map[rail.RunID]*storedRun, len(ids))
	for chunk := range slices.Chunk(ids, maxIDs) {
		err := t.rows(ctx, "SELECT r.version, "+runColumns+" FROM runs r WHERE r.id IN "+
			marks(len(chunk))+lock, anys(chunk),
			func(r *sql.Rows) error {
				s := &storedRun{}
				if err := r.Scan(append([]any{&s.version}, s.fields()...)...); err != nil {
					return err
				}
				found[rail.RunID(s.id)] = s
				return nil
			})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// refuseOrders refuses to change runs of which one has a live order. A hold past its time is none.
func (t *transaction) refuseOrders(ctx context.Context, ids []rail.RunID) error {
	live := t.pool.dialect.inStates(stateOfFound, []rail.OrderState{rail.OnHold, rail.Paid})
	for chunk := range slices.Chunk(ids, maxIDs) {
		if err := t.refuseWhere(ctx, chunk, live); err != nil {
			return err
		}
	}
	return nil
}

// refuseWhere refuses to change at most maxIDs runs of which one has an order by a condition.
func (t *transaction) refuseWhere(ctx context.Context, ids []rail.RunID, condition string) error {
	busy := ""
	err := t.rows(ctx, "SELECT run_id FROM orders WHERE run_id IN "+marks(len(ids))+" AND "+condition+
		" ORDER BY run_id LIMIT 1", anys(ids),
		func(r *sql.Rows) error { return r.Scan(&busy) })
	if err != nil {
		return err
	}
	if busy != "" {
		return rail.Refuse(rail.RunHasOrders, "the run %s has orders and cannot be changed", busy)
	}
	return nil
}

// carryOut writes what the plan says.
func (t *transaction) carryOut(ctx context.Context, plan *publishPlan, number int64) error {
	var trains []*rail.Train
	var created [][]any
	var changed []rail.RunID
	for i := range plan.publications {
		p := &plan.publications[i]
		if p.Outcome == ledger.RunUnchanged {
			continue
		}
		trains = append(trains, p.Run.Train)
		if p.Outcome == ledger.RunChanged {
			changed = append(changed, p.Run.ID)
			continue
		}
		created = append(created, []any{
			string(p.Run.ID), p.Run.Train.Number, p.Run.Train.ID, p.Run.Date.String(), p.Run.SaleOpensAt.UnixMilli(),
			int64(p.Run.ClosesBefore / time.Second), string(p.Run.Status), p.Run.Reason, int64(firstVersion),
			// Never touched: no cache has an older version of it, and an import would touch tens of thousands.
			int64(0), number,
		})
	}
	if err := t.writeTrains(ctx, trains); err != nil {
		return err
	}
	err := t.insert(ctx, "INSERT INTO runs", []string{
		"id", "train_number", "train_id", "service_date", "sale_opens_at", "closes_before_seconds", "status", "reason",
		"version", "touched_at", "publication",
	}, created)
	if err != nil {
		return err
	}
	if err := t.clearRuns(ctx, changed, plan.before); err != nil {
		return err
	}
	for i := range plan.publications {
		p := &plan.publications[i]
		if p.Outcome != ledger.RunChanged {
			continue
		}
		err := t.compareAndSet(ctx, p.Run.ID, plan.before[p.Run.ID], change{
			", train_number = ?, train_id = ?, service_date = ?, sale_opens_at = ?, closes_before_seconds = ?, " +
				"status = ?, reason = ?, publication = ?, changes_bytes = ?",
			[]any{
				p.Run.Train.Number, p.Run.Train.ID, p.Run.Date.String(), p.Run.SaleOpensAt.UnixMilli(),
				int64(p.Run.ClosesBefore / time.Second), string(p.Run.Status), p.Run.Reason, number, noMaps,
			},
		})
		if err != nil {
			return fmt.Errorf("the run %s: %w", p.Run.ID, err)
		}
	}
	return nil
}

// clearRuns ends what holds past their time are left on runs that change, and frees every seat: the maps of another
// train would be read wrong. before are the runs' versions.
func (t *transaction) clearRuns(ctx context.Context, ids []rail.RunID, before map[rail.RunID]int64) error {
	if len(ids) == 0 {
		return nil
	}
	now, err := t.clock(ctx)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(ids, maxIDs) {
		var due []rail.RunID
		err := t.rows(ctx, "SELECT DISTINCT run_id FROM orders WHERE run_id IN "+marks(len(chunk))+" AND "+stateOfFound+
			" = 'ON_HOLD'", anys(chunk),
			func(r *sql.Rows) error {
				var id string
				err := r.Scan(&id)
				due = append(due, rail.RunID(id))
				return err
			})
		if err != nil {
			return err
		}
		for _, id := range due {
			if _, err := t.expireAll(ctx, moment{run: id, version: before[id] + 1, now: now}); err != nil {
				return err
			}
		}
		// This checks the stored state, not the clock. A payment may have committed since refuseOrders looked; its
		// order keeps its seat.
		if err := t.refuseWhere(ctx, chunk, stateOfFound+" IN ('ON_HOLD', 'PAID')"); err != nil {
			return err
		}
		if err := t.clearMaps(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// expireAll ends every hold of a run that is past its time, and answers them.
func (t *transaction) expireAll(ctx context.Context, at moment) ([]*rail.Order, error) {
	var all []*rail.Order
	for {
		ended, err := t.expire(ctx, at)
		all = append(all, ended...)
		if err != nil || len(ended) < maxExpired {
			return all, err
		}
	}
}

// writeTrains writes the trains and formations that are not there yet.
func (t *transaction) writeTrains(ctx context.Context, trains []*rail.Train) error {
	trainRows, formationRows := newDocuments(), newDocuments()
	for _, train := range trains {
		if !trainRows.wants(train.ID) {
			continue
		}
		document, err := train.Document()
		if err != nil {
			return fmt.Errorf("ledger: the train %s: %w", train.Number, err)
		}
		trainRows.add(train.ID, []any{train.ID, train.Formation.ID, document})
		if !formationRows.wants(train.Formation.ID) {
			continue
		}
		if document, err = train.Formation.Document(); err != nil {
			return fmt.Errorf("ledger: the train %s: %w", train.Number, err)
		}
		formationRows.add(train.Formation.ID, []any{train.Formation.ID, document})
	}
	if err := t.insertMissing(ctx, "formations", []string{"id", "document"}, formationRows); err != nil {
		return err
	}
	return t.insertMissing(ctx, "trains", []string{"id", "formation_id", "document"}, trainRows)
}

// documents are rows by a digest of their content, in the order they came.
type documents struct {
	ids  []string
	rows map[string][]any
}

func newDocuments() *documents { return &documents{rows: map[string][]any{}} }

func (d *documents) wants(id string) bool { return d.rows[id] == nil }

func (d *documents) add(id string, row []any) {
	d.ids = append(d.ids, id)
	d.rows[id] = row
}

// insertMissing writes the rows whose ids are not there. No other publication writes them meanwhile: the publication
// number is locked.
func (t *transaction) insertMissing(ctx context.Context, table string, columns []string, d *documents) error {
	for chunk := range slices.Chunk(d.ids, maxIDs) {
		err := t.rows(ctx, "SELECT id FROM "+table+" WHERE id IN "+marks(len(chunk)), anys(chunk),
			func(r *sql.Rows) error {
				var id string
				err := r.Scan(&id)
				delete(d.rows, id)
				return err
			})
		if err != nil {
			return err
		}
	}
	var rows [][]any
	for _, id := range d.ids {
		if row := d.rows[id]; row != nil {
			rows = append(rows, row)
		}
	}
	return t.insert(ctx, "INSERT INTO "+table, columns, rows)
}
