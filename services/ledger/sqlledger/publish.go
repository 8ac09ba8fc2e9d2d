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

// maxPaidMeanwhile is how often a publication of a feed is tried where a payment came in between. It is then an order
// that the next attempt sees from the beginning.
const maxPaidMeanwhile = 3

// Publish puts runs on sale, all or none: see publish.Ledger.
func (l *Ledger) Publish(
	ctx context.Context, runs []*rail.Run, by string, validateOnly bool,
) ([]ledger.Publication, error) {
	if validateOnly {
		return l.rehearse(ctx, ledger.Feed{}, runs)
	}
	return l.publishRuns(ctx, ledger.Feed{}, runs, by)
}

// PublishFeed puts runs of a feed on sale, and leaves alone what it may not change: see publish.Ledger.
func (l *Ledger) PublishFeed(
	ctx context.Context, feed ledger.Feed, runs []*rail.Run, by string, validateOnly bool,
) ([]ledger.Publication, error) {
	switch {
	case feed.Name == "":
		return nil, rail.Refuse(rail.Invalid, "a feed has a name")
	case validateOnly:
		return l.rehearse(ctx, feed, runs)
	}
	var publications []ledger.Publication
	err := unlessPaidMeanwhile(func() (err error) {
		publications, err = l.publishRuns(ctx, feed, runs, by)
		return err
	})
	return publications, err
}

// unlessPaidMeanwhile repeats what met a payment in between. Nothing was written then.
func unlessPaidMeanwhile(do func() error) (err error) {
	for range maxPaidMeanwhile {
		if err = do(); rail.CodeOf(err) != rail.RunHasOrders {
			return err
		}
	}
	return err
}

func (l *Ledger) publishRuns(
	ctx context.Context, feed ledger.Feed, runs []*rail.Run, by string,
) ([]ledger.Publication, error) {
	t, publication, err := l.publishing(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	plan, err := t.plan(ctx, feed, runs, true)
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
func (l *Ledger) rehearse(ctx context.Context, feed ledger.Feed, runs []*rail.Run) ([]ledger.Publication, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	plan, err := t.plan(ctx, feed, runs, false)
	if err != nil {
		return nil, definite(err)
	}
	return plan.publications, nil
}

// carryOut writes what the plan says.
func (t *transaction) carryOut(ctx context.Context, plan *publishPlan, number int64) error {
	var trains []*rail.Train
	var created [][]any
	for _, p := range plan.with(ledger.RunCreated, ledger.RunChanged) {
		trains = append(trains, p.Run.Train)
	}
	for _, p := range plan.with(ledger.RunCreated) {
		created = append(created, []any{
			string(p.Run.ID), p.Run.Train.Number, p.Run.Train.ID, p.Run.Date.String(), p.Run.SaleOpensAt.UnixMilli(),
			int64(p.Run.ClosesBefore / time.Second), string(p.Run.Status), p.Run.Reason, int64(firstVersion),
			// Never touched: no cache has an older version of it, and an import would touch tens of thousands.
			int64(0), number, plan.feed.Name, plan.feed.Selection,
		})
	}
	if err := t.writeTrains(ctx, trains); err != nil {
		return err
	}
	err := t.insert(ctx, "INSERT INTO runs", []string{
		"id", "train_number", "train_id", "service_date", "sale_opens_at", "closes_before_seconds", "status", "reason",
		"version", "touched_at", "publication", "feed", "feed_selection",
	}, created)
	if err != nil {
		return err
	}
	if err := t.changeRuns(ctx, plan, number); err != nil {
		return err
	}
	for _, p := range plan.with(ledger.RunChanged, ledger.RunResumed) {
		t.noteRun(p.Run.ID, p.Version, plan.was[p.Run.ID], p.Run.Status)
	}
	return t.keepRuns(ctx, plan, number)
}

// changeRuns writes the runs that are to differ from what they were.
func (t *transaction) changeRuns(ctx context.Context, plan *publishPlan, number int64) error {
	changed := plan.with(ledger.RunChanged)
	runs := make([]*rail.Run, len(changed))
	for i, p := range changed {
		runs[i] = p.Run
	}
	if _, err := t.clearRuns(ctx, runs, plan.before); err != nil {
		return err
	}
	for _, p := range changed {
		err := t.compareAndSet(ctx, p.Run.ID, plan.before[p.Run.ID], change{
			", train_number = ?, train_id = ?, service_date = ?, sale_opens_at = ?, closes_before_seconds = ?, " +
				"status = ?, reason = ?, publication = ?, changes_bytes = ?, feed = ?, feed_selection = ?",
			[]any{
				p.Run.Train.Number, p.Run.Train.ID, p.Run.Date.String(), p.Run.SaleOpensAt.UnixMilli(),
				int64(p.Run.ClosesBefore / time.Second), string(p.Run.Status), p.Run.Reason, number, noMaps,
				plan.feed.Name, plan.feed.Selection,
			},
		})
		if err != nil {
			return fmt.Errorf("the run %s: %w", p.Run.ID, err)
		}
	}
	return nil
}

// keepRuns writes the runs that keep their trains and what was sold of them.
func (t *transaction) keepRuns(ctx context.Context, plan *publishPlan, number int64) error {
	kept := plan.with(ledger.RunResumed, ledger.RunMarked)
	runs := make([]*rail.Run, len(kept))
	statements := make([]statement, len(kept))
	for i, p := range kept {
		runs[i] = p.Run
		statements[i] = t.pool.dialect.compareAndSet(p.Run.ID, plan.before[p.Run.ID], change{
			", status = ?, reason = ?, publication = ?, feed_selection = ?",
			[]any{string(p.Run.Status), p.Run.Reason, number, plan.feed.Selection},
		})
	}
	maps, err := t.maps(ctx, runs)
	if err != nil {
		return err
	}
	for _, p := range kept {
		p.Left = (&runHead{run: p.Run, version: p.Version}).left(maps[p.Run.ID])
	}
	return t.l.refused(t.execAll(ctx, statements))
}

// clearRuns ends what orders past their time are left on runs, and frees every seat: the maps of another train would be
// read wrong. before are the runs' versions. It answers the orders that it ended.
func (t *transaction) clearRuns(
	ctx context.Context, runs []*rail.Run, before map[rail.RunID]int64,
) (ended []*rail.Order, err error) {
	if len(runs) == 0 {
		return nil, nil
	}
	now, err := t.clock(ctx)
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(runs, maxIDs) {
		ids := idsOf(chunk)
		due, err := t.runsWith(ctx, ids, "state IN ('ON_HOLD', 'PAYING')")
		if err != nil {
			return nil, err
		}
		for id := range due {
			expired, err := t.expireAll(ctx, moment{run: id, version: before[id] + 1, now: now})
			if err != nil {
				return nil, err
			}
			ended = append(ended, expired...)
		}
		// This checks the stored state, not the clock. A payment may have committed since the plan was made; its order
		// keeps its seat.
		busy, err := t.runsWith(ctx, ids, "state"+liveStates)
		if err != nil {
			return nil, err
		}
		if err := refuseOrders(chunk, busy); err != nil {
			return nil, err
		}
		if err := t.clearMaps(ctx, ids); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// expireAll ends every order of a run whose time is over, and answers them.
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
