package audit

import (
	"context"
	"fmt"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// verifyOutbox holds the events that are still there against their orders and runs. Rows leave once all who listen have
// acknowledged them, so that what is not there says nothing.
func (a *Auditor) verifyOutbox(ctx context.Context, report *Report) error {
	for w, err := range a.Ledger.OutboxRows(ctx) {
		if err != nil {
			return err
		}
		defect := func(check, format string, arguments ...any) {
			report.add(Defect{
				Check: check, Run: w.RunID, Row: "outbox " + w.ID, Message: fmt.Sprintf(format, arguments...),
			})
		}
		switch age := w.Now.Sub(w.At); {
		case age < -slack:
			defect(CheckEvent, "it was written at %s, when it is %s", at(w.At), at(w.Now))
		case age > ledger.MaxEventAge+slack && !a.Idle:
			defect(CheckEvent, "it was written at %s: no row is to be so old", at(w.At))
		}
		if w.Taken < 0 || w.Stream.Millis < 0 || w.Stream.Seq < 0 ||
			!w.Stream.IsZero() && (w.Taken == 0 || w.Stream.Millis == 0) {
			defect(CheckEvent, "it was taken %d times, and published as %s", w.Taken, w.Stream)
		}
		switch {
		case w.Damage != nil:
			defect(CheckEvent, "%v", w.Damage)
		case w.RunVersion == 0:
			defect(CheckOrphan, "its run is not there")
		default:
			for i := range w.Events {
				if problem := contradiction(w, &w.Events[i]); problem != "" {
					defect(CheckEvent, "%s %d: %s", w.Events[i].Type, w.Events[i].Version(), problem)
				}
			}
		}
	}
	return nil
}

// contradiction says what contradicts an event, "" where nothing does.
func contradiction(w *ledger.WrittenOutboxRow, e *ledger.Event) string {
	if e.RunVersion > w.RunVersion {
		return fmt.Sprintf("the run is at the version %d, and the event's is %d", w.RunVersion, e.RunVersion)
	}
	if e.OrderID == "" {
		return runContradiction(w, e)
	}
	o := w.Orders[e.OrderID]
	if o == nil {
		return "there is no order " + e.OrderID
	}
	version := o.PlacedRunVersion
	var agrees bool
	switch e.Type {
	case ledger.EventOrderPlaced:
		agrees = e.OrderVersion == 1
	case ledger.EventOrderPaid:
		agrees = o.Paid && e.OrderVersion > 1
	case ledger.EventOrderRefunded, ledger.EventOrderChanged, ledger.EventOrderChanging, ledger.EventOrderUnchanged,
		ledger.EventOrderUsed:
		// Each is of a version of its own, between the placing and the end.
		version, agrees = e.RunVersion, o.Paid && e.OrderVersion > 2 && e.RunVersion > o.PlacedRunVersion &&
			(o.EndedRunVersion == 0 || e.RunVersion <= o.EndedRunVersion || o.State == rail.Cancelled)
	case ledger.EventOrderExpired:
		version, agrees = o.EndedRunVersion, o.State == rail.Expired
	case ledger.EventOrderCancelled:
		version, agrees = o.EndedRunVersion, o.State == rail.Cancelled
	default:
		return "it is not one of an order"
	}
	if !agrees || e.OrderVersion > o.Version || e.RunVersion != version {
		return fmt.Sprintf("the order %s is %s at its version %d; it was placed at the version %d of its run, and "+
			"ended at %d", e.OrderID, o.State, o.Version, o.PlacedRunVersion, o.EndedRunVersion)
	}
	return ""
}

// runContradiction compares a run's status with the event that made it so. A run that has moved on since may have any.
func runContradiction(w *ledger.WrittenOutboxRow, e *ledger.Event) string {
	is := map[ledger.EventType]rail.RunStatus{
		ledger.EventRunSuspended: rail.Suspended,
		ledger.EventRunResumed:   rail.Published,
		ledger.EventRunWithdrawn: rail.Withdrawn,
	}[e.Type]
	switch {
	case is == "":
		return "it is not one of a run"
	case e.RunVersion == w.RunVersion && w.RunStatus != is:
		return fmt.Sprintf("the run is %s", w.RunStatus)
	}
	return ""
}
