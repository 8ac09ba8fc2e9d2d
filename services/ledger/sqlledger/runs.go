package sqlledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"interlock/services/rail"
)

// runColumns are the columns of runRow.
const runColumns = "r.id, r.train_id, r.service_date, r.sale_opens_at, r.closes_before_seconds, r.status, r.reason"

// runRow is a row of runs, without its version.
type runRow struct {
	id, trainID, date, status, reason string
	opensAt, closesBefore             int64
}

func (r *runRow) fields() []any {
	return []any{&r.id, &r.trainID, &r.date, &r.opensAt, &r.closesBefore, &r.status, &r.reason}
}

// run makes the run of a row.
func (r *runRow) run(train *rail.Train) (*rail.Run, error) {
	date, err := rail.ParseDate(r.date)
	if err != nil {
		return nil, fmt.Errorf("ledger: the run %s: %w", r.id, err)
	}
	if train == nil {
		return nil, fmt.Errorf("the run %s has the train %s: %w", r.id, r.trainID, errNoTrain)
	}
	return &rail.Run{
		ID:           rail.RunID(r.id),
		Train:        train,
		Date:         date,
		SaleOpensAt:  fromMillis(r.opensAt),
		ClosesBefore: time.Duration(r.closesBefore) * time.Second,
		Status:       status(r.status),
		Reason:       r.reason,
	}, nil
}

// runs makes the runs of rows, with their trains.
func (t *transaction) runs(ctx context.Context, rows []runRow) ([]*rail.Run, error) {
	runs, problems, err := t.readableRuns(ctx, rows)
	return runs, errors.Join(err, errors.Join(problems...))
}

// readableRuns makes the runs of rows, with their trains. A run that cannot be made is nil, and has its problem.
func (t *transaction) readableRuns(ctx context.Context, rows []runRow) (runs []*rail.Run, problems []error, err error) {
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].trainID
	}
	trains, broken, err := t.l.loadTrains(ctx, t.conn, t.pool, ids)
	if err != nil {
		return nil, nil, err
	}
	runs, problems = make([]*rail.Run, len(rows)), make([]error, len(rows))
	for i := range rows {
		r := &rows[i]
		if why := broken[r.trainID]; why != nil {
			problems[i] = fmt.Errorf("the run %s: %w", r.id, why)
			continue
		}
		runs[i], problems[i] = r.run(trains[r.trainID])
	}
	return runs, problems, nil
}

// status is a stored status as one of the constants, so that tens of thousands of runs do not each keep a copy.
func status(stored string) rail.RunStatus {
	for _, s := range []rail.RunStatus{rail.Published, rail.Suspended, rail.Withdrawn} {
		if string(s) == stored {
			return s
		}
	}
	return rail.RunStatus(stored)
}
