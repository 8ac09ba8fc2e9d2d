package sqlledger

import (
	"context"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// SetStatus suspends or resumes a run: see publish.Ledger. A sale that was opened before it fails its compare-and-set,
// so that a suspension holds from its commit on.
func (l *Ledger) SetStatus(
	ctx context.Context, id rail.RunID, status rail.RunStatus, reason, by string,
) (*rail.Availability, error) {
	what := ledger.DidSuspend
	switch status {
	case rail.Published:
		what, reason = ledger.DidResume, clip(reason, rail.MaxReason)
	case rail.Suspended:
		reason = clip(reason, rail.MaxReason)
	default:
		return nil, rail.Refuse(rail.Invalid, "a run cannot be set to %s", status)
	}
	t, publication, err := l.publishing(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	head, maps, err := t.lockedRun(ctx, id)
	if err != nil {
		return nil, definite(err)
	}
	// A person who suspends what a feed suspended has decided it anew: the feed does not resume it.
	byFeed, err := t.wasDropped(ctx, id)
	if err != nil {
		return nil, definite(err)
	}
	switch {
	case head.run.Status == rail.Withdrawn:
		return nil, rail.Refuse(rail.WrongState, "the run %s was withdrawn; publish it again", id)
	case head.run.Status == status && !byFeed:
		return head.left(maps), nil
	}
	kept := reason
	if status == rail.Published {
		kept = "" // an open run has no reason; why it was opened is in the record
	}
	err = t.compareAndSet(ctx, id, head.version, change{
		", status = ?, reason = ?, publication = ?",
		[]any{string(status), kept, publication.number},
	})
	if err != nil {
		return nil, definite(err)
	}
	t.noteRun(id, head.version+1, head.run.Status, status)
	if err := t.publish(ctx, publication, by, what, reason, []rail.RunID{id}); err != nil {
		return nil, err
	}
	left := head.left(maps)
	left.Version, left.Status = head.version+1, status
	return left, nil
}

// lockedRun locks a run and reads its maps. They are not decoded before the decision is written: a run whose maps are
// damaged has to be taken off sale, too.
func (t *transaction) lockedRun(ctx context.Context, id rail.RunID) (*runHead, map[rail.SeatClass][]byte, error) {
	head, err := t.lockHead(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	maps, err := t.maps(ctx, []*rail.Run{head.run})
	return head, maps[id], err
}

// left is what is left of the run by its maps, without counts where they cannot be read.
func (h *runHead) left(maps map[rail.SeatClass][]byte) *rail.Availability {
	left, err := availability(h.run, h.version, maps, nil)
	if err != nil {
		return &rail.Availability{RunID: h.run.ID, TrainID: h.run.Train.ID, Version: h.version, Status: h.run.Status}
	}
	return left
}
