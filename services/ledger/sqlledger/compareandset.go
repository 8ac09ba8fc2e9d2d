package sqlledger

import (
	"context"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// lost counts and answers a compare-and-set that found another version.
func (l *link) lost() error {
	l.lostCompareAndSet.Add(1)
	return ledger.ErrVersionConflict
}

// refused translates an error of a text that begins with a compare-and-set: conflict, locked, or unchanged.
func (l *link) refused(err error) error {
	if lostCompareAndSet(err) {
		return l.lost()
	}
	return locked(err)
}

// movedOn is a run's version after every compare-and-set. Where another transaction has moved the version on since it
// was read, that is NULL, which the column refuses: the statement fails, and nothing that was sent behind it is
// executed. Tests take the comparison out to show that seats are sold twice without it.
const movedOn = "CASE version WHEN ? THEN version + 1 END"

// change is what else of a run moves on with its version: ", column = ?" for each.
type change struct {
	columns string
	args    []any
}

// compareAndSet is the statement that moves a run's version on. It is the last line against a double sale. Where it
// fails (see lost), another transaction sold in between, and the caller must end its own.
func (d dialect) compareAndSet(id rail.RunID, version int64, set change) statement {
	return statement{
		text: "UPDATE runs SET version = " + movedOn + ", touched_at = " + d.now() + set.columns + " WHERE id = ?",
		args: slices.Concat([]any{version}, set.args, []any{string(id)}),
	}
}

// compareAndSet moves a run's version on, and what else changes with it.
func (t *transaction) compareAndSet(ctx context.Context, id rail.RunID, version int64, set change) error {
	s := t.pool.dialect.compareAndSet(id, version, set)
	_, err := t.exec(ctx, s.text, s.args...)
	return t.l.refused(err)
}
