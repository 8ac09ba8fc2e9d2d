package sqlledger

import (
	"context"
	"database/sql"
	"fmt"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// FeedRuns are the runs of a feed on a date that are not withdrawn: see publish.Ledger.
func (l *Ledger) FeedRuns(ctx context.Context, page ledger.FeedPage) ([]ledger.FeedRun, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	var runs []ledger.FeedRun
	// By the index alone: what is believed of a feed's share of all runs is as old as the last import.
	err = mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT r.id, r.train_number, r.feed_selection, r.status, r.publication FROM runs r"+p.dialect.by("runs_feed")+
			" WHERE r.feed = ? AND r.service_date = ? AND r.id > ? AND r.status <> 'WITHDRAWN' ORDER BY r.id LIMIT ?",
		[]any{page.Feed, page.Date.String(), string(page.After), page.Limit}, func(r *sql.Rows) error {
			run := ledger.FeedRun{Date: page.Date, Feed: ledger.Feed{Name: page.Feed}}
			var stored string
			err := r.Scan(&run.ID, &run.TrainNumber, &run.Feed.Selection, &stored, &run.Publication)
			run.Status = status(stored)
			runs = append(runs, run)
			return err
		})
	return runs, l.failed(p, err)
}

// Drop takes runs off sale that their feed no longer has: see publish.Ledger.
func (l *Ledger) Drop(
	ctx context.Context, runs []ledger.FeedRun, reason, by string, validateOnly bool,
) (dropped []ledger.Dropped, ended []*rail.Order, err error) {
	if validateOnly {
		dropped, err = l.rehearseDrop(ctx, runs)
		return dropped, nil, err
	}
	err = unlessPaidMeanwhile(func() (err error) {
		dropped, ended, err = l.drop(ctx, runs, clip(reason, rail.MaxReason), by)
		return err
	})
	return dropped, ended, err
}

func (l *Ledger) rehearseDrop(ctx context.Context, runs []ledger.FeedRun) ([]ledger.Dropped, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	plan, err := t.planDrop(ctx, runs, "")
	if err != nil {
		return nil, definite(err)
	}
	return plan.dropped, nil
}

func (l *Ledger) drop(
	ctx context.Context, runs []ledger.FeedRun, reason, by string,
) ([]ledger.Dropped, []*rail.Order, error) {
	t, publication, err := l.publishing(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer t.end()
	plan, err := t.planDrop(ctx, runs, t.pool.dialect.forUpdate())
	if err != nil {
		return nil, nil, definite(err)
	}
	ids := idsOf(append(plan.runs(ledger.DropWithdrawn), plan.runs(ledger.DropSuspended)...))
	if len(ids) == 0 {
		return plan.dropped, nil, nil
	}
	ended, err := t.carryOutDrop(ctx, plan, reason, publication.number)
	if err != nil {
		return nil, nil, definite(err)
	}
	if err := t.publish(ctx, publication, by, ledger.DidDrop, reason, ids); err != nil {
		return nil, nil, err
	}
	return plan.dropped, ended, nil
}

// dropPlan is what is to be done with each run that is dropped, in their order.
type dropPlan struct {
	dropped []ledger.Dropped
	// found are the runs of dropped, nil where a run is not as it was listed.
	found []*rail.Run
	// before are the versions of found.
	before map[rail.RunID]int64
	// byPerson are those of found that a person suspended.
	byPerson map[rail.RunID]bool
}

// runs are those with an outcome.
func (p *dropPlan) runs(outcome ledger.DropOutcome) []*rail.Run {
	var runs []*rail.Run
	for i := range p.dropped {
		if p.dropped[i].Outcome == outcome {
			runs = append(runs, p.found[i])
		}
	}
	return runs
}

// planDrop looks at runs as they are now. lock ends the statement that reads them: those that are locked get no order
// after it was looked for.
func (t *transaction) planDrop(ctx context.Context, runs []ledger.FeedRun, lock string) (*dropPlan, error) {
	ids := make([]rail.RunID, len(runs))
	for i := range runs {
		ids[i] = runs[i].ID
	}
	stored, err := t.storedRuns(ctx, ids, lock)
	if err != nil {
		return nil, err
	}
	plan := &dropPlan{
		make([]ledger.Dropped, len(runs)), make([]*rail.Run, len(runs)), map[rail.RunID]int64{}, map[rail.RunID]bool{},
	}
	var rows []runRow
	var at []int
	for i, run := range runs {
		plan.dropped[i] = ledger.Dropped{Run: run, Outcome: ledger.DropMoved}
		was := stored[run.ID]
		if was == nil || was.publication != run.Publication {
			continue
		}
		if rail.RunStatus(was.status) != rail.Withdrawn {
			rows, at = append(rows, was.runRow), append(at, i)
			plan.before[run.ID] = was.version
			plan.byPerson[run.ID] = rail.RunStatus(was.status) == rail.Suspended && !was.dropped
		}
	}
	found, err := t.runs(ctx, rows)
	if err != nil {
		return nil, err
	}
	for n, i := range at {
		plan.found[i] = found[n]
	}
	return plan, t.decideDrop(ctx, plan)
}

// decideDrop decides about the runs that were found as they were listed.
func (t *transaction) decideDrop(ctx context.Context, plan *dropPlan) error {
	now, err := t.clock(ctx)
	if err != nil {
		return err
	}
	var ids []rail.RunID
	for _, run := range plan.found {
		if run != nil {
			ids = append(ids, run.ID)
		}
	}
	busy, err := t.busy(ctx, ids)
	if err != nil {
		return err
	}
	for i, run := range plan.found {
		outcome := &plan.dropped[i].Outcome
		switch {
		case run == nil:
		case !now.Before(run.Departure(0)):
			*outcome = ledger.DropDeparted
		case plan.byPerson[run.ID]:
			*outcome = ledger.DropLeft
		case !busy[run.ID]:
			*outcome = ledger.DropWithdrawn
		case run.Status == rail.Suspended:
			*outcome = ledger.DropLeft
		default:
			*outcome = ledger.DropSuspended
		}
	}
	return nil
}

// carryOutDrop writes what the plan says, and answers the holds past their time that it ended.
func (t *transaction) carryOutDrop(
	ctx context.Context, plan *dropPlan, reason string, number int64,
) ([]*rail.Order, error) {
	ended, err := t.clearRuns(ctx, plan.runs(ledger.DropWithdrawn), plan.before)
	if err != nil {
		return nil, err
	}
	maps, err := t.maps(ctx, plan.runs(ledger.DropSuspended))
	if err != nil {
		return nil, err
	}
	var statements []statement
	for i := range plan.dropped {
		d, run := &plan.dropped[i], plan.found[i]
		set := change{", status = ?, reason = ?, publication = ?", []any{"", reason, number}}
		switch d.Outcome {
		case ledger.DropWithdrawn:
			t.noteRun(run.ID, plan.before[run.ID]+1, run.Status, rail.Withdrawn)
			run.Status = rail.Withdrawn
			set.columns, set.args = set.columns+", changes_bytes = ?", append(set.args, noMaps)
		case ledger.DropSuspended:
			t.noteRun(run.ID, plan.before[run.ID]+1, run.Status, rail.Suspended)
			run.Status = rail.Suspended
		default:
			continue
		}
		run.Reason, set.args[0] = reason, string(run.Status)
		statements = append(statements, t.pool.dialect.compareAndSet(run.ID, plan.before[run.ID], set))
		d.Left = (&runHead{run: run, version: plan.before[run.ID] + 1}).left(maps[run.ID])
	}
	if err := t.execAll(ctx, statements); err != nil {
		return nil, fmt.Errorf("the runs of %s: %w", plan.dropped[0].Run.Feed.Name, t.l.refused(err))
	}
	return ended, nil
}

// wasDropped tells whether the last decision about a run was that Drop took it off sale.
func (t *transaction) wasDropped(ctx context.Context, id rail.RunID) (was bool, err error) {
	err = t.rows(ctx, "SELECT "+dropped+" FROM runs r WHERE r.id = ?", []any{string(id)},
		func(r *sql.Rows) error { return r.Scan(&was) })
	return was, err
}
