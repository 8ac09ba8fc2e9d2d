package ledger

import (
	"context"
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
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].trainID
	}
	trains, err := t.trainsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	runs := make([]*rail.Run, len(rows))
	for i := range rows {
		if runs[i], err = rows[i].run(trains[rows[i].trainID]); err != nil {
			return nil, err
		}
	}
	return runs, nil
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
