package publish

import (
	"context"
	"errors"

	"interlock/services/rail"
)

// Suspend stops the sale of a run; holds may still be paid or cancelled. It returns the run as it is now, nil where
// this server's copy does not have it yet.
func (p *Publisher) Suspend(ctx context.Context, id rail.RunID, reason, by string) (*rail.Run, error) {
	return p.setStatus(ctx, id, rail.Suspended, reason, by)
}

// Resume lets a suspended run be sold again.
func (p *Publisher) Resume(ctx context.Context, id rail.RunID, reason, by string) (*rail.Run, error) {
	return p.setStatus(ctx, id, rail.Published, reason, by)
}

func (p *Publisher) setStatus(
	ctx context.Context, id rail.RunID, status rail.RunStatus, reason, by string,
) (*rail.Run, error) {
	reason = rail.NormalizeText(reason)
	if err := validateDecision(id, reason); err != nil {
		return nil, err
	}
	left, err := p.Ledger.SetStatus(ctx, id, status, reason, by)
	if err != nil {
		return nil, atRun(err)
	}
	p.tell(ctx, p.counted(ctx, left))
	return p.now(left, reason), nil
}

// counted is what is left of a run, as it is to be loaded. It is empty where the ledger could not count the seats: a
// number must not be made up.
func (p *Publisher) counted(ctx context.Context, left *rail.Availability) []*rail.Availability {
	if left.Counts == nil {
		p.Log.ErrorContext(ctx, "a run's seat maps cannot be read: what is left of it is not stored", "run", left.RunID)
		return nil
	}
	return []*rail.Availability{left}
}

// Withdraw takes a run off sale for good. With cancelOrders each live order is cancelled with the reason; without it,
// live orders are RUN_HAS_ORDERS. It returns the run as it is now, as Suspend does, and the orders that had been paid,
// whose money goes back by itself: the ledger has made a refund of each. So does what was PAYING, without a refund.
// Repeated, it returns the same.
func (p *Publisher) Withdraw(
	ctx context.Context, id rail.RunID, reason, by string, cancelOrders bool,
) (run *rail.Run, paid []*rail.Order, err error) {
	reason = rail.NormalizeText(reason)
	if err := validateDecision(id, reason); err != nil {
		return nil, nil, err
	}
	left, ended, err := p.Ledger.Withdraw(ctx, id, reason, by, cancelOrders)
	if err != nil {
		return nil, nil, atRun(err)
	}
	for _, o := range ended {
		if !o.PaidAt.IsZero() {
			paid = append(paid, o)
		}
	}
	p.tell(ctx, p.counted(ctx, left), ended...)
	return p.now(left, reason), paid, nil
}

// now is the run after a decision about it: this server's copy, with the new status where the copy could not be
// refreshed.
func (p *Publisher) now(left *rail.Availability, reason string) *rail.Run {
	run, ok := p.Runs.Run(left.RunID)
	if !ok {
		return nil
	}
	if run.Status == left.Status {
		return run
	}
	fresh := *run
	fresh.Status, fresh.Reason = left.Status, reason
	if left.Status == rail.Published {
		fresh.Reason = ""
	}
	return &fresh
}

func validateDecision(id rail.RunID, reason string) error {
	var errs rail.Errors
	if !id.Valid() {
		errs.Add(rail.NotFound, input("runId"), "there is no such run")
	}
	if wrong := rail.CheckText("a reason", reason, rail.MaxReason); wrong != nil {
		errs = append(errs, wrong.At(input("reason")...))
	}
	return errs.OrNil()
}

// atRun points a refusal of the ledger at the run it is about.
func atRun(err error) error {
	var refusal *rail.Error
	if errors.As(err, &refusal) && refusal.Code.IsRefusal() && len(refusal.Path) == 0 {
		return refusal.At(input("runId")...)
	}
	return unsure(err)
}
