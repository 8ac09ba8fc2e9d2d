package audit

import (
	"context"
	"time"

	"interlock/services/rail"
)

const (
	// snapshotsPage is how many runs are read at one moment. Their orders are in memory run by run.
	snapshotsPage = 200
	// slack is how far apart two times may be that different transactions have written, and how long what is to be done
	// at a time may take. It is far more than members' clocks differ by, and than a failover or a restart takes.
	slack = 5 * time.Minute
)

// Verify recomputes every promise from what is written. It may run while seats are sold: it reads each run at one
// moment, and what may still be under way is no defect. An error means that it could not read.
func (a *Auditor) Verify(ctx context.Context) (*Report, error) {
	report := &Report{OK: true, Defects: []Defect{}}
	seen := newSeen()
	var begun time.Time
	if a.Payments != nil {
		var err error
		if begun, err = a.Payments.Now(ctx); err != nil {
			return nil, err
		}
	}
	for after := rail.RunID(""); ; {
		lefts, last, err := a.verifyPage(ctx, after, seen, report)
		if err != nil {
			return nil, err
		}
		if last == "" {
			break
		}
		if err := a.verifyPaying(ctx, seen, report); err != nil {
			return nil, err
		}
		if a.Cache != nil && len(lefts) > 0 {
			if err := a.verifyRedis(ctx, after, lefts, report); err != nil {
				return nil, err
			}
		}
		after = last
	}
	if err := a.verifyMoves(ctx, seen.moves, report); err != nil {
		return nil, err
	}
	if err := a.verifyRegisters(ctx, report); err != nil {
		return nil, err
	}
	if err := a.verifyKeys(ctx, seen, report); err != nil {
		return nil, err
	}
	if a.Payments == nil {
		return report, nil
	}
	if err := a.verifyPayments(ctx, seen, begun, report); err != nil {
		return nil, err
	}
	return report, nil
}

// seen is what the snapshots of all runs have in common.
type seen struct {
	// sound tells by a train's id whether the train keeps the rules. One that breaks them may have no calls, or
	// distances that go down.
	sound map[string]bool
	// keys are the ids of the keys that passengers are sealed with, each with a run.
	keys map[string]rail.RunID
	// paying are the orders of the last page that are or were PAYING.
	paying []payingOrder
	// moves are all changes of tickets. parts are what of payments goes back, by the ids that the payments' service has
	// for it.
	moves moves
	parts map[string]refundPart
}

func newSeen() *seen {
	return &seen{
		sound: map[string]bool{}, keys: map[string]rail.RunID{}, moves: newMoves(), parts: map[string]refundPart{},
	}
}

// verifyPage checks some runs, and returns what is left by their tickets of those that can be read. last is the last of
// the runs, "" where there are none.
func (a *Auditor) verifyPage(
	ctx context.Context, after rail.RunID, seen *seen, report *Report,
) (lefts []*rail.Availability, last rail.RunID, err error) {
	for snapshot, err := range a.Ledger.AuditSnapshots(ctx, after, snapshotsPage) {
		if err != nil {
			return nil, "", err
		}
		v := &verifier{AuditSnapshot: snapshot, report: report, idle: a.Idle, seen: seen}
		for _, key := range snapshot.Keys {
			seen.keys[key] = snapshot.ID
		}
		if a.Payments != nil {
			seen.paying = append(seen.paying, payingOrders(snapshot)...)
			seen.noteParts(snapshot)
		}
		seen.moves.note(snapshot)
		if left := v.verify(); left != nil {
			lefts = append(lefts, left)
		}
		last = snapshot.ID
	}
	return lefts, last, nil
}
