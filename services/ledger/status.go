package ledger

import (
	"context"

	"interlock/services/rail"
)

// SetStatus suspends or resumes a run: see publish.Ledger. A sale that was opened before it fails its compare-and-set,
// so that a suspension holds from its commit on.
func (l *Ledger) SetStatus(ctx context.Context, id rail.RunID, status rail.RunStatus, reason, by string) (*rail.Availability, error) {
	what := didSuspend
	switch status {
	case rail.Published:
		what, reason = didResume, clip(reason, maxReason)
	case rail.Suspended:
		reason = clip(reason, maxReason)
	default:
		return nil, rail.Refuse(rail.Invalid, "a run cannot be set to %s", status)
	}
	t, number, err := l.publishing(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	head, left, err := t.lockedRun(ctx, id)
	if err != nil {
		return nil, definite(err)
	}
	switch head.run.Status {
	case rail.Withdrawn:
		return nil, rail.Refuse(rail.WrongState, "the run %s was withdrawn; publish it again", id)
	case status:
		return left, nil
	}
	kept := reason
	if status == rail.Published {
		kept = "" // an open run has no reason; why it was opened is in the record
	}
	err = t.compareAndSet(ctx, id, head.version, ", status = ?, reason = ?, publication = ?", string(status), kept, number)
	if err != nil {
		return nil, definite(err)
	}
	if err := t.publish(ctx, number, by, what, reason, []rail.RunID{id}); err != nil {
		return nil, err
	}
	left.Version, left.Status = head.version+1, status
	return left, nil
}

// lockedRun locks a run and reads what is left of it.
func (t *transaction) lockedRun(ctx context.Context, id rail.RunID) (*runHead, *rail.Availability, error) {
	head, err := t.readRun(ctx, id, true)
	if err != nil {
		return nil, nil, err
	}
	maps, err := t.maps(ctx, []rail.RunID{id})
	if err != nil {
		return nil, nil, err
	}
	left, err := availability(head.run, head.version, maps[id], nil)
	return head, left, err
}
